"""Finds in Python code for DataJoint, without running it, the names and forms that will not work here.

    python -m lodestore doctor path/to/package

Only names that are reached through ``datajoint`` itself are found, and forms of table definitions: what an object is
whose method is called is not known before the code runs.
"""

import ast
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from . import _lodestore, datajoint_names, in_place

#: Lines of table definitions that need the setting `legacy`, or work nowhere: what they are and what is written today.
_LINES = [
    (re.compile(r"^_{3,}"), "note", "the divider `____`", "write `---`"),
    (
        re.compile(r"^\([\w\s,]+\)\s*->"),
        "note",
        "a foreign key `(new) -> Parent`",
        "write `-> Parent.proj(new='old')`",
    ),
    (
        re.compile(r":\s*(attach|blob|filepath)(@\w+)\b"),
        "note",
        "a store without angle brackets",
        "write `<{0}>`",
    ),
    (re.compile(r":\s*attach\s*(#|$)"), "note", "the type `attach`", "write `<attach>`"),
    (
        re.compile(r":\s*external(-\w+)?\b"),
        "problem",
        "the type `external` of DataJoint 0.10",
        "write `<blob@store>`",
    ),
]

#: Attributes of schemas and tables that earlier versions had, with what to do.
_GONE = {"external": "`dj.gc` and `dj.usage()` look after objects"}


def is_code(words):
    """True for words that are files and folders, not schemas."""
    return bool(words) and all(Path(word).exists() for word in words)


def examine(paths):
    """Looks at the Python files in folders, and at files; gives `lodestore.doctor.Finding`s one after the other."""
    from .doctor import Finding

    count = 0
    for path in map(Path, paths):
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            count += 1
            try:
                tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
            except (SyntaxError, UnicodeDecodeError, ValueError) as error:
                yield Finding("problem", str(file), f"it cannot be read: {error}")
                continue
            visitor = _Visitor()
            visitor.visit(tree)
            found = dict.fromkeys(sorted(visitor.found))
            for line, level, text, hint in found:
                yield Finding(level, f"{file}:{line}", text, hint or None)
    yield Finding("ok", ", ".join(map(str, paths)), f"{count} files were looked at")


class _Visitor(ast.NodeVisitor):
    """Gathers what will not work in one file."""

    def __init__(self):
        self.found = []
        #: What each local name stands for, as a dotted name that begins with ``datajoint``.
        self._names = {}

    def _tell(self, node, level, text, hint=""):
        self.found.append((node.lineno, level, text, hint))

    def visit_Import(self, node):
        for alias in node.names:
            if alias.name.partition(".")[0] == "datajoint":
                self._names[alias.asname or "datajoint"] = alias.name if alias.asname else "datajoint"
                self._check(node, alias.name, "import")

    def visit_ImportFrom(self, node):
        if node.level or (node.module or "").partition(".")[0] != "datajoint":
            return
        for alias in node.names:
            if alias.name != "*":
                name = f"{node.module}.{alias.name}"
                self._names[alias.asname or alias.name] = name
                self._check(node, name, "import")

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load) and node.id in self._names:
            self._check(node, self._names[node.id], "use")

    def visit_Attribute(self, node):
        dotted = self._dotted(node)
        if dotted is not None:
            self._check(node, dotted, "use")
            return
        base = node.value
        if node.attr in _GONE and isinstance(base, ast.Name) and base.id == "schema":
            self._tell(node, "problem", f"`schema.{node.attr}` does not exist any more", _GONE[node.attr])
        self.generic_visit(node)

    def visit_Subscript(self, node):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if self._dotted(node.value) == "datajoint.config" and isinstance(key, str):
            self._check_setting(node, key)
        self.generic_visit(node)

    def visit_ClassDef(self, node):
        for statement in node.body:
            if isinstance(statement, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "definition" for target in statement.targets
            ):
                self._check_definition(statement.value)
            if isinstance(statement, ast.FunctionDef) and statement.name == "definition":
                for inner in ast.walk(statement):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        self._check_definition(inner.value)
        self.generic_visit(node)

    def _dotted(self, node):
        """What an expression names, if that is reached through ``datajoint``."""
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._dotted(node.value)
            return None if base is None else f"{base}.{node.attr}"
        return None

    def _check(self, node, dotted, verb):
        standing, hint = _standing(dotted)
        if standing is not None:
            level = "note" if standing == "gone" and verb == "import" else "problem"
            self._tell(node, level, f"`{dotted}` does not exist here", hint)

    def _check_setting(self, node, key):
        if _lodestore.Config.variable(key) is None and not key.startswith("stores") and key not in _GROUPS:
            self._tell(
                node,
                "note",
                f"`{key}` is no setting: it is kept with the setting `legacy` alone",
                "keep settings of your own in your own module",
            )

    def _check_definition(self, node):
        for constant in ast.walk(node):
            if not (isinstance(constant, ast.Constant) and isinstance(constant.value, str)):
                continue
            for number, line in enumerate(constant.value.splitlines()):
                for pattern, level, text, hint in _LINES:
                    match = pattern.search(line.strip())
                    if match:
                        hint = hint.format("".join(group or "" for group in match.groups()))
                        self.found.append((constant.lineno + number, level, f"{text} in a definition", hint))


_GROUPS = frozenset(name.partition(".")[0] for name in _lodestore.Config.keys() if "." in name)  # noqa: SIM118


def _standing(dotted):
    """Returns whether a name of DataJoint is ``missing`` or ``gone`` (it can be imported, but not be used), or None if it
    works; and a hint.
    """
    module = ""
    for step in dotted.split(".")[1:]:
        inner = f"{module}.{step}".lstrip(".")
        if inner in datajoint_names.MODULES or _is_module(inner):
            module = inner
            continue
        try:
            value = _value(module, step)
        except AttributeError:
            return "missing", "neither Lodestore nor DataJoint 2.3.5 has it"
        # What an object has is known when the code runs.
        return ("gone", value.__doc__) if isinstance(value, datajoint_names._Gone) else (None, "")
    return None, ""


def _value(module, name):
    """The value of a name in a module of DataJoint. Raises `AttributeError` if there is none."""
    names = in_place._OLDER if not module else datajoint_names.names_of(module)
    if name in names:
        return names[name]
    if module and not _is_module(module):
        raise AttributeError(name)
    return getattr(import_module(f"lodestore.{module}".rstrip(".")), name)


def _is_module(name):
    try:
        return find_spec(f"lodestore.{name}") is not None
    except ModuleNotFoundError:
        return False
