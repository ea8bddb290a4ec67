"""What the documents say that this system was made after, line by line, and which tests hold it to that.

``seeds/statements/*.toml`` lists the statements of each document, section by section: a statement, and
the tests that hold it (``"seeds/test_use.py::test_npy"``, from this folder). A text instead of a list says why
there is no test: it begins with ``advice:`` for what is a word to the reader, with ``open:`` for what does not hold.

``pytest --conformance`` runs those tests, and the documents' code blocks, and records the results in
``seeds/conformance.json``, beside what was recorded before of what it did not run; ``scripts/seed_conformance.py`` makes a page of both.
"""

import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
LISTS = HERE / "seeds" / "statements"
RECORD = HERE / "seeds" / "conformance.json"

#: The documents, in the order in which one reads them.
DOCUMENTS = ("overview", "choose", "configure", "use", "departures")


@dataclass
class Statement:
    """A statement of a document: the tests that hold it, or the reason why there is none."""

    document: str
    section: str
    says: str
    tests: list[str] = field(default_factory=list)
    reason: str = ""


def titles():
    """What the documents are called."""
    return {name: _read(name)["title"] for name in DOCUMENTS}


def statements():
    """All statements, in the documents' order."""
    found = []
    for document in DOCUMENTS:
        for section, lines in _read(document).items():
            if section == "title":
                continue
            for says, held in lines.items():
                given = {"reason": held} if isinstance(held, str) else {"tests": held}
                found.append(Statement(document, section, says, **given))
    return found


def _read(document):
    return tomllib.loads((LISTS / f"{document}.toml").read_text(encoding="utf-8"))


def blocks():
    """The names of all code blocks, ``page/name``."""
    names = []
    for page in sorted((HERE / "seeds" / "pages").glob("*.txt")):
        names += [f"{page.stem}/{name}" for name in re.findall(r"^=== (.+)$", page.read_text(), flags=re.M)]
    return names


def record():
    """What was recorded last: ``tests`` and ``blocks``, each to the places where they passed and failed."""
    return json.loads(RECORD.read_text(encoding="utf-8"))


def place_of(item):
    """Where a test runs: ``database/store``, with ``-`` for what it does not choose."""
    chosen = getattr(getattr(item, "callspec", None), "params", {})
    return f"{chosen.get('database', '-')}/{chosen.get('store_server', '-')}"


def name_of(item):
    """The name of a test without its parameters, as the lists have it."""
    return item.nodeid.split("[")[0].removeprefix("tests/")


class Recorder:
    """Runs what the lists name, and writes down where it passed and failed."""

    def __init__(self):
        self.wanted = {test for statement in statements() for test in statement.tests}
        self.places = {}
        self.tests, self.blocks = {}, {}

    def pytest_collection_modifyitems(self, config, items):
        chosen = [item for item in items if name_of(item) in self.wanted or "/seeds/" in item.nodeid]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen
        self.places = {item.nodeid: (name_of(item), place_of(item)) for item in items}

    def pytest_runtest_logreport(self, report):
        name, place = self.places[report.nodeid]
        if report.failed:
            self._note(self.tests, name, place, "failed")
        if report.when != "call":
            return
        if report.passed and name in self.wanted:
            self._note(self.tests, name, place, "passed")
        for kind, block in report.user_properties:
            if kind == "block":
                self._note(self.blocks, block, place, report.outcome)

    @staticmethod
    def _note(table, name, place, outcome):
        outcomes = table.setdefault(name, {})
        # One failure anywhere counts, whatever the other cases of the test do.
        if outcomes.get(place) != "failed":
            outcomes[place] = outcome

    def pytest_sessionfinish(self):
        known = record()
        written = {
            "tests": self._sorted(known["tests"], self.tests, self.wanted),
            "blocks": self._sorted(known["blocks"], self.blocks, blocks()),
        }
        lines = json.dumps(written, indent=1)
        # One line for each name.
        lines = re.sub(r"\n {3,}", " ", lines)
        lines = re.sub(r"\n {2}\}", " }", lines)
        RECORD.write_text(lines + "\n", encoding="utf-8")

    @staticmethod
    def _sorted(known, table, wanted):
        """What was known of the names that are wanted, with what is known now in its place."""
        told = {}
        for name in sorted({*known, *table} & set(wanted)):
            before = {place: outcome for outcome, places in known.get(name, {}).items() for place in places}
            outcomes = {**before, **table.get(name, {})}
            told[name] = {
                outcome: sorted(place for place in outcomes if outcomes[place] == outcome)
                for outcome in sorted(set(outcomes.values()))
            }
        return told
