"""Looks at a project as it is and says what Lodestore will take, what needs a hand, and what it cannot take.

python -m lodestore doctor [SCHEMA ...]
python -m lodestore doctor path/to/package
"""

import argparse
import json
import os
import re
import sys
from dataclasses import asdict, dataclass

from . import _lodestore, legacy, portability
from .blob import PACKED
from .codecs import is_codec_registered, parse_type_spec
from .connection import Connection
from .errors import DataJointError
from .settings import config
from .table import FreeTable
from .verification import verify

#: From each column of bytes so many values are looked at.
_SAMPLE = 200

#: What a finding means.
LEVELS = {
    "ok": "is taken as it is",
    "note": "is taken, but see",
    "problem": "is not taken",
}

#: How a column's comment begins whose values DataJoint before 2.0 kept outside the table, or under a codec's name
#: without brackets.
_OLD_MARKER = re.compile(r":(external|blob@|attach|filepath@|hash@?)[^:]*:")

#: Tables that DataJoint before 2.0 kept for itself.
_OLD_TABLES = {
    "~log": "an old log, of no use to Lodestore",
    "~jobs": "an old table of jobs: `populate(reserve_jobs=True)` makes new ones, one for each table",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    #: A key of `LEVELS`.
    level: str
    #: What it is: a setting, a store, a schema, a table or one of its attributes.
    subject: str
    #: What was found.
    text: str
    #: What to do, or None.
    hint: str | None = None

    def __str__(self):
        line = f"{self.level:<8}{self.subject}: {self.text}"
        return f"{line}\n{'':<8}-> {self.hint}" if self.hint else line


def examine(connection=None, schemas=()):
    """Looks at settings, stores and schemas (all of them, unless some are named), and changes nothing; gives
    `Finding`s one after the other.
    """
    yield from _settings(config if connection is None else connection.config)
    if connection is None:
        folder = config.current._core.missing_project()
        if folder is not None:
            hint = "the first `dj.Schema` creates one; `database.path` names another folder"
            yield Finding("note", "database", f"there is no project in {folder}", hint)
            return
        try:
            connection = Connection.of(config.current)
        except DataJointError as error:
            yield _of_error("database", error)
            return
    yield Finding("ok", "database", f"{connection.adapter.backend} at {connection.place}")
    yield from _stores(connection)
    known = connection._core.schemas()
    for name in schemas or known:
        if name not in known:
            yield Finding("problem", name, "there is no such schema")
            continue
        yield from _schema(connection, name)


def _settings(settings):
    core = settings._core
    yield Finding(
        "ok", "settings", f"from {core.file()}" if core.file() else "from the environment and defaults"
    )
    for warning in core.warnings():
        yield Finding("note", "settings", warning)
    if core.file() is None:
        for name in legacy.OLD_FILES:
            if os.path.isfile(os.path.expanduser(name)):
                text = f"`{name}` is read with the setting `legacy` only"
                yield Finding(
                    "note", "settings", text, "write `datajoint.json` (`dj.config.save_template()`)"
                )


def _stores(connection):
    names = [name for name in connection.config.stores if not isinstance(connection.config.stores[name], str)]
    for name in names:
        try:
            spec = connection.config.get_store_spec(name)
            handle = _lodestore.StoreHandle.open(connection._core, name)
            handle.size(".lodestore/no such object")
        except DataJointError as error:
            yield _of_error(f"store {name}", error)
        else:
            yield Finding("ok", f"store {name}", f"{spec['protocol']} at {spec.get('location')} answers")
    if not names:
        yield Finding("note", "stores", "none is configured", "`<blob@>` and its relatives need one")


def _schema(connection, name):
    schema = connection._core.schema(name, False)
    tables = schema.tables()
    if not schema.has_lineage():
        yield Finding(
            "note" if tables else "ok",
            name,
            "it does not record where attributes come from",
            f"`dj.Schema({name!r}).rebuild_lineage()` records it" if tables else None,
        )
    old = _old_tables(connection, name)
    for table in old:
        told = _OLD_TABLES.get(table, "it points to objects outside in the way of DataJoint before 2.0")
        yield Finding(
            "note" if table in _OLD_TABLES else "problem", f"{name}.{table}", told, _hint_for(table)
        )
    count = 0
    for table in tables:
        for finding in _table(connection, name, table):
            count += finding.level != "ok"
            yield finding
    seen = "as Lodestore has them" if count == 0 else f"{count} things to look at"
    yield Finding("ok", name, f"{len(tables)} tables, {seen}")
    yield from _objects(connection, name)


def _hint_for(table):
    if table in _OLD_TABLES:
        return None
    return "bring the objects into the form of 2.x with DataJoint's own `migrate_external`, then come again"


def _old_tables(connection, name):
    if connection.adapter.backend != "mysql":
        return []
    rows = connection.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name LIKE '~%%' "
        "ORDER BY table_name",
        [name],
    )
    return [table for (table,) in rows if table in _OLD_TABLES or table.startswith("~external")]


def _table(connection, schema, name):
    subject = f"{schema}.{name}"
    try:
        table = FreeTable(connection, subject)
        attributes = list(table.heading._attributes.values())
    except DataJointError as error:
        yield _of_error(subject, error)
        return
    if not table.primary_key and not any(attribute.in_key for attribute in attributes):
        yield Finding("problem", subject, "it has no primary key", "give it one, in SQL")
    comments = _comments(connection, schema, name)
    for attribute in attributes:
        yield from _attribute(
            table, f"{subject}.{attribute.name}", attribute, comments.get(attribute.name, "")
        )


def _comments(connection, schema, table):
    """The comments of a table's columns as the database has them."""
    if connection.adapter.backend != "mysql":
        return {}
    sql = "SELECT column_name, column_comment FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
    return dict(connection.query(sql, [schema, table]).fetchall())


def _attribute(table, subject, attribute, comment):
    marker = _OLD_MARKER.match(comment)
    if marker:
        text = f"it was declared `{marker.group().strip(':')}` by DataJoint before 2.0"
        yield Finding(
            "problem", subject, text, "bring it into the form of 2.x with DataJoint's own `migrate`"
        )
        return
    if attribute.codec_type is not None:
        codec, store = parse_type_spec(attribute.codec_type)
        if codec != "longblob" and not is_codec_registered(codec):
            text = f"codec `<{codec}>` is not registered: values of it cannot be read"
            yield Finding("problem", subject, text, "import or install what defines it")
        elif store:
            try:
                table.connection.config.get_store_spec(store)
            except DataJointError as error:
                yield _of_error(subject, error)
    if (
        attribute.is_blob
        and attribute.codec_type in (None, "<blob>", "<longblob>")
        and not attribute.original_type
    ):
        yield from _bytes(table, subject, attribute)


def _bytes(table, subject, attribute):
    """What the values of a column of bytes look like."""
    quote = table.connection.adapter.quote_identifier
    sql = f"SELECT {quote(attribute.name)} FROM {table.full_table_name} WHERE {quote(attribute.name)} IS NOT NULL"
    rows = table.connection.query(f"{sql.replace('%', '%%')} LIMIT {_SAMPLE}").fetchall()
    values = [bytes(value) if not isinstance(value, str) else value.encode() for (value,) in rows]
    packed = sum(value.startswith(PACKED) for value in values)
    text = sum(not value.startswith(PACKED) and _is_text(value) for value in values)
    of = f"of {len(values)} values looked at"
    if attribute.codec_type == "<blob>":
        if packed < len(values):
            kind = "text" if text else "bytes"
            told = f"{len(values) - packed} {of} are not packed ({kind}): reading them fails"
            yield Finding(
                "problem",
                subject,
                told,
                "pack them (`lodestore.blob.pack`), or declare the attribute `bytes`",
            )
    elif packed:
        told = f"{packed} {of} are packed, and come as bytes"
        if attribute.codec_type == "<longblob>":
            return
        yield Finding("note", subject, told, "set `legacy`, or give the column the comment `:<blob>:`")
    elif text:
        yield Finding("note", subject, f"{text} {of} are text", "a `varchar` or `json` holds text better")


def _is_text(value):
    try:
        return value.decode().isprintable() and bool(value)
    except UnicodeDecodeError:
        return False


def _objects(connection, name):
    """Whether the objects that rows name are there."""
    try:
        report = verify(name, connection=connection)
    except DataJointError as error:
        yield _of_error(name, error)
        return
    for kind, count in report.counts.items():
        if not count:
            continue
        level = "note" if kind in ("unreferenced", "foreign") else "problem"
        yield Finding(
            level, name, f"{count:,} objects are {kind}", f"`python -m lodestore verify {name}` names them"
        )
    if report.objects and not any(report.counts.values()):
        yield Finding("ok", name, f"{report.objects:,} objects are where their rows say")


def _of_error(subject, error):
    return Finding("problem", subject, str(error.args[0]), error.hint)


def main(words):
    """Prints what is found; gives 1 if anything is a problem, else 0."""
    parser = argparse.ArgumentParser(prog="lodestore doctor", description=__doc__.splitlines()[0])
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help="schemas to look at, by default all; or files and folders of Python code, which is not run",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args(words)
    counts = dict.fromkeys(LEVELS, 0)
    is_code = portability.is_code(given.names)
    for finding in portability.examine(given.names) if is_code else examine(schemas=given.names):
        counts[finding.level] += 1
        print(json.dumps(asdict(finding)) if given.json else finding, flush=True)
    if not given.json:
        print(", ".join(f"{count} {level}" for level, count in counts.items()), file=sys.stderr)
    return 1 if counts["problem"] else 0
