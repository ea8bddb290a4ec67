"""Makes `docs/seed-conformance.md` of the list of statements and of the results that were recorded last.

``--check`` fails if the page is out of date with the two, or if a statement names a test that is not there or was not
recorded. `make conformance` runs the tests, records their results, and makes the page.
"""

import ast
import sys
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import conformance  # noqa: E402

PAGE = ROOT / "docs" / "seed-conformance.md"
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB", "mysql": "MySQL"}
STORES = {"file": "file", "s3": "S3", "gcs": "GCS", "azure": "Azure"}

#: What a block leaves open, or where it cannot be what it says; the tests tell the same.
REMARKS = {
    "use/insert": "leaves out `waveforms`, which the class above it requires: refused by name; with `waveforms = null` it goes in",
    "use/staged-insert": "1000 frames on SQLite and file, 30 elsewhere; `acquire_frame()` is the test's",
    "use/attachments": "`/path/to/report.pdf` is a file of the test's",
    "use/object-reference": "`/tmp/data` is a folder of the test's",
    "choose/migrate-to-store": "`data_new` is not nullable: the rows from before hold a 0 there",
    "choose/migrate-to-zarr": "`data_stream` is not nullable: the rows from before hold an empty object there",
    "choose/reserved": "ends at its first line, as it says; the second runs by itself",
    "configure/filepath-paths": "ends at its third line, as it says; the fourth runs by itself",
    "configure/urls": "two spellings of one path: a file of the test's is inserted by both",
}

INTRODUCTION = """# The documents, line by line

Made by `make conformance`; do not edit. Lodestore was made after four documents about object storage. Each thing that they say
is listed here with the tests that hold Lodestore to it, and where these passed when they were last recorded: on which
databases, and on which kinds of stores where the test chooses one. Tests that choose neither run without either or on a database of their own.
"""


@lru_cache
def tests_of(file):
    """The names of the tests in a file, from the folder `tests`."""
    path = ROOT / "tests" / file
    if not path.exists():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def named(places, at, names):
    """The names of the databases (``at`` 0) or stores (1) among places."""
    there = {place.split("/")[at] for place in places}
    found = [name for key, name in names.items() if key in there]
    return "every database" if at == 0 and len(found) == len(names) else ", ".join(found)


def holds_on(statement, recorded):
    """Whether a statement holds, and where its tests passed."""
    passed, failed = set(), set()
    for test in statement.tests:
        outcomes = recorded.get(test, {})
        passed.update(outcomes.get("passed", []))
        failed.update(outcomes.get("failed", []))
    where = "; ".join(filter(None, (named(passed, 0, DATABASES), named(passed, 1, STORES))))
    if failed:
        return False, f"**no**: {', '.join(sorted(failed))}"
    return bool(passed), where or "yes"


def escaped(text):
    return text.replace("|", "\\|")


def blocks_table(recorded):
    """How many blocks ran on each database and kind of store, and what is to be said of some."""
    names = conformance.blocks()
    lines = [
        f"There are {len(names)} blocks of Python and JSON. So many ran, as printed but for what is said next to some of them below:",
        "",
    ]
    lines += ["| | " + " | ".join(STORES[store] for store in ("file", "s3")) + " |", "| --- | --- | --- |"]
    for database, title in DATABASES.items():
        counts = []
        for store in ("file", "s3"):
            place = f"{database}/{store}"
            ran = sum(
                place in recorded.get(name, {}).get("passed", [])
                and place not in recorded.get(name, {}).get("failed", [])
                for name in names
            )
            counts.append(f"{ran} of {len(names)}")
        lines.append(f"| {title} | " + " | ".join(counts) + " |")
    lines += ["", "| block | |", "| --- | --- |"]
    lines += [f"| {name} | {REMARKS.get(name, '')} |" for name in names]
    return lines


def page():
    """The text of the page."""
    record = conformance.record()
    statements = conformance.statements()
    results = [holds_on(statement, record["tests"]) for statement in statements]
    tested = [result for statement, result in zip(statements, results, strict=True) if statement.tests]
    advice = sum(statement.reason.startswith("advice:") for statement in statements)
    unmet = [statement for statement in statements if statement.reason.startswith("open:")]
    tests = {test for statement in statements for test in statement.tests}
    lines = [INTRODUCTION]
    lines += [
        f"{len(statements)} statements, held by {len(tests)} tests: {sum(holds for holds, _ in tested)} hold, "
        f"{len(tested) - sum(holds for holds, _ in tested)} do not, {len(unmet)} are open, {advice} are advice that "
        "no test can hold.",
        "",
    ]
    document = section = None
    titles = conformance.titles()
    for statement, (_, where) in zip(statements, results, strict=True):
        if statement.document != document:
            document, section = statement.document, None
            lines += [f"## {titles[document]}", ""]
        if statement.section != section:
            if section is not None:
                lines.append("")
            section = statement.section
            lines += [f"### {section}", "", "| statement | holds on | tests |", "| --- | --- | --- |"]
        held = "<br>".join(f"`{test}`" for test in statement.tests)
        lines.append(f"| {escaped(statement.says)} | {statement.reason or where} | {held} |")
        if statement is last_of(statements, statement):
            lines.append("")
    lines += ["## Blocks of code", "", *blocks_table(record["blocks"]), ""]
    return "\n".join(lines)


def last_of(statements, statement):
    """The last statement of the same document."""
    return [other for other in statements if other.document == statement.document][-1]


def faults():
    """What keeps the list and the record from being whole."""
    record = conformance.record()
    found = []
    for statement in conformance.statements():
        where = f"{statement.document}: {statement.says!r}"
        if statement.reason and not statement.reason.startswith(("advice:", "open:")):
            found.append(f"{where}: a reason begins with `advice:` or `open:`")
        if not statement.reason and not statement.tests:
            found.append(f"{where}: neither a test nor a reason")
        for test in statement.tests:
            file, _, name = test.partition("::")
            if name not in tests_of(file):
                found.append(f"{where}: there is no test `{test}`")
            elif test not in record["tests"]:
                found.append(f"{where}: `{test}` was not recorded; run `make conformance`")
            elif "failed" in record["tests"][test]:
                found.append(f"{where}: `{test}` failed when it was recorded")
    ran = record["blocks"]
    found += [f"the block {name} was not recorded" for name in conformance.blocks() if name not in ran]
    found += [
        f"the block {name} is remarked on, and not there"
        for name in REMARKS
        if name not in conformance.blocks()
    ]
    return found


def main():
    told = faults()
    text = page()
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        told.append("docs/seed-conformance.md is out of date: run `python scripts/seed_conformance.py`")
    for line in told:
        print(line, file=sys.stderr)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
