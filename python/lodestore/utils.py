"""Small functions that programs for DataJoint import from its module `utils`."""

import os
import re
import shutil
from pathlib import Path

from . import _lodestore
from .names import unquoted
from .prompts import ask

#: The prefixes of tiers in table names.
_PREFIX = re.compile(r"^(~~?|__?|#)")


def to_camel_case(name):
    """Returns the class name of a table name: ``"#look_up"`` is ``"LookUp"``."""
    return re.sub(r"(?:^|[_\W])+([a-zA-Z])", lambda found: found.group(1).upper(), name)


def from_camel_case(name):
    """Returns the table name of a class name: ``"LookUp"`` is ``"look_up"``.

    Raises `DataJointError` for a name without a capital first letter, or with other signs than letters and digits.
    """
    if not re.fullmatch(r"[A-Z][a-zA-Z0-9_]*", name):
        raise _lodestore.error(
            "invalid-request",
            f"class name `{name}` must be alphanumeric in CamelCase and begin with a capital letter",
        )
    return re.sub(r"(?<=[a-zA-Z0-9])_?(?=[A-Z])", "_", name).lower()


def is_camel_case(name):
    """True if a name is one of a class: a capital letter, then letters and digits."""
    return re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) is not None


def get_master(full_table_name):
    """Returns the quoted full name of the master of a part; ``""`` for any other table."""
    schema, _, table = unquoted(full_table_name).rpartition(".")
    prefix = _PREFIX.match(table)
    start = prefix.end() if prefix else 0
    master, separator, _ = table[start:].partition("__")
    if not separator or not master:
        return ""
    quote = '"' if '"' in full_table_name else "`"
    return ".".join(f"{quote}{name}{quote}" for name in (schema, table[:start] + master) if name)


def user_choice(prompt, choices=("yes", "no"), default=None):
    """Asks on the terminal until the answer is one of `choices`."""
    return ask(prompt, list(choices), default)


def safe_write(filepath, blob):
    """Writes bytes to a file unless it exists; the file appears complete or not at all."""
    path = Path(filepath)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(path.suffix + f".{os.getpid()}.saving")
        partial.write_bytes(blob)
        partial.replace(path)


def safe_copy(src, dest, overwrite=False):
    """Copies a file unless `dest` exists or is the same file; `dest` appears complete or not at all."""
    source, target = Path(src), Path(dest)
    if not (target.exists() and (not overwrite or source.samefile(target))):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(target.suffix + f".{os.getpid()}.copy")
        shutil.copyfile(source, partial)
        partial.replace(target)


def parse_sql(filepath):
    """Yields the statements of an SQL script; ``delimiter`` lines change what ends a statement."""
    delimiter, lines = ";", []
    with open(filepath, encoding="utf-8") as script:
        for line in map(str.strip, script):
            if not line or line.startswith(("--", "#")):
                continue
            if line.lower().startswith("delimiter"):
                delimiter = line.split()[1]
                continue
            lines.append(line)
            if line.endswith(delimiter):
                yield " ".join(lines)
                lines = []


class ClassProperty:
    """A property of a class: ``@ClassProperty`` above a method of the class."""

    def __init__(self, getter):
        self.getter = getter

    def __get__(self, obj, owner):
        return self.getter(owner)
