"""What `lodestore doctor PATH` finds in code for DataJoint, which it does not run."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

CODE = '''
import datajoint as dj
from datajoint.declare import declare
from datajoint.errors import DataJointError, NoSuchError
import datajoint.nothing
raise SystemExit("it is not to be run")

schema = dj.schema("lab")
dj.config["custom"] = {}
dj.config["database.host"] = "here"
dj.nosuch(1)
dj.kill(quick=True)
declare("x")


@schema
class Old(dj.Manual):
    definition = """
    # old
    (mother) -> Subject
    ____
    file : attach@raw
    other : external-raw
    fine : varchar(20)  # attach@here in a comment
    """


@schema
class Other(dj.Manual):
    @property
    def definition(self):
        return """
        id : int
        ---
        file : attach
        """


dj.Diagram(schema).save("x.svg")
dj.ERD(Old).draw()
schema.external["raw"]
print(dj.Diagram(schema).make_mermaid(), dj.conn(), dj.errors.LostConnectionError)
'''


def doctor(*words, cwd):
    done = subprocess.run(
        [sys.executable, "-m", "lodestore", "doctor", "--json", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_what_will_not_work_is_found_with_its_line(tmp_path):
    package = tmp_path / "package" / "inner"
    package.mkdir(parents=True)
    (package / "old.py").write_text(CODE)
    (package / "broken.py").write_text("def (")
    (package / "notes.txt").write_text("import datajoint as dj; dj.nosuch")
    status, findings, errors = doctor("package", cwd=tmp_path)
    assert status == 1, errors
    lines = CODE.splitlines()
    found = {}
    for finding in findings[:-1]:
        file, _, line = finding["subject"].partition(":")
        if file.endswith("old.py"):
            found.setdefault(lines[int(line) - 1].strip(), []).append((finding["level"], finding["text"]))
        else:
            assert "broken.py" in file and finding["level"] == "problem"
    levels = {line: [level for level, _ in told] for line, told in found.items()}
    assert levels == {
        "from datajoint.declare import declare": ["note"],
        "from datajoint.errors import DataJointError, NoSuchError": ["problem"],
        "import datajoint.nothing": ["problem"],
        'dj.config["custom"] = {}': ["note"],
        "dj.nosuch(1)": ["problem"],
        "dj.kill(quick=True)": ["problem"],
        'declare("x")': ["problem"],
        "(mother) -> Subject": ["note"],
        "____": ["note"],
        "file : attach@raw": ["note"],
        "other : external-raw": ["problem"],
        "file : attach": ["note"],
        'schema.external["raw"]': ["problem"],
    }
    assert "NoSuchError" in found["from datajoint.errors import DataJointError, NoSuchError"][0][1]
    assert findings[-1]["level"] == "ok" and "2 files" in findings[-1]["text"]


@pytest.mark.parametrize("name", ["element_session", "programs"])
def test_what_runs_as_it_is_has_no_problem(tmp_path, name):
    path = (
        Path(importlib.util.find_spec("element_session").origin).parent
        if name == "element_session"
        else Path(__file__).parent / "programs" / "older.py"
    )
    status, findings, errors = doctor(path, cwd=tmp_path)
    assert status == 0 and not [each for each in findings if each["level"] == "problem"], (findings, errors)
    # Not even the project was opened.
    assert not list(tmp_path.iterdir())
