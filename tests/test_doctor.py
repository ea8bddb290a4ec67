"""What the doctor says of a project."""

import json
import subprocess
import sys

import numpy as np
import pytest

import lodestore as dj
from lodestore import codecs
from lodestore.doctor import examine


def told(project, level, *schemas):
    """The findings of a level, as subject and text."""
    found = list(examine(project.connection, schemas))
    return {finding.subject: finding.text for finding in found if finding.level == level}


def test_a_sound_project_has_no_problems(project, schema):
    @schema
    class Trace(dj.Manual):
        definition = """
        trace : int32
        ---
        samples : <npy@>
        notes=null : <blob>
        """

    Trace.insert1({"trace": 1, "samples": np.arange(3), "notes": {"a": 1}})
    assert told(project, "problem") == {} and told(project, "note") == {}
    assert told(project, "ok")["lab"] == "1 objects are where their rows say"
    assert "answers" in told(project, "ok")["store main"]


def test_what_cannot_be_taken_is_a_problem(project, schema, tmp_path):
    class Gone(dj.Codec):
        name = "gone_with_its_package"

        def get_dtype(self, is_store):
            return "<blob>"

    @schema
    class Trace(dj.Manual):
        definition = """
        trace : int32
        ---
        samples : <npy@>
        graph=null : <gone_with_its_package>
        notes=null : <blob>
        """

    codecs.unregister_codec("gone_with_its_package")
    Trace.insert1({"trace": 1, "samples": np.arange(3), "notes": "text"})
    column = project.connection.adapter.quote_identifier("notes")
    project.connection.query(f"UPDATE {Trace.full_table_name} SET {column} = %s", [b"plain text"])
    [stored] = [path for path in (tmp_path / "project" / "objects").rglob("*.npy")]
    stored.unlink()
    found = told(project, "problem")
    assert "is not registered" in found["lab.trace.graph"]
    assert found["lab.trace.notes"] == "1 of 1 values looked at are not packed (text): reading them fails"
    assert found["lab"] == "1 objects are missing"
    assert told(project, "problem", "nothing") == {"nothing": "there is no such schema"}
    project.config.stores["lost"] = {"protocol": "file", "location": str(tmp_path / "no such folder")}
    assert "store lost" in told(project, "problem")


@pytest.mark.databases("mariadb", "mysql")
def test_what_older_programs_left_is_told(project, schema):
    query = project.connection.query
    query("CREATE TABLE lab.`~external_main` (hash binary(16) PRIMARY KEY)")
    query("CREATE TABLE lab.`~log` (id int PRIMARY KEY)")
    query(
        "CREATE TABLE lab.scan (scan int PRIMARY KEY, movie binary(16) COMMENT ':blob@main:', "
        "image longblob, note longblob)"
    )
    query("INSERT INTO lab.scan VALUES (1, NULL, %s, %s)", [dj.blob.pack([1, 2]), b"some text"])
    problems, notes = told(project, "problem"), told(project, "note")
    assert "before 2.0" in problems["lab.~external_main"] and "before 2.0" in problems["lab.scan.movie"]
    assert "old log" in notes["lab.~log"]
    assert notes["lab.scan.image"] == "1 of 1 values looked at are packed, and come as bytes"
    assert notes["lab.scan.note"] == "1 of 1 values looked at are text"


def test_the_command_tells_by_its_status(project, schema, database, tmp_path):
    if database.__class__.__name__ == "Embedded":
        environment = {**database.environment(project), "DJ_DATABASE_PATH": str(tmp_path / "project")}
    else:
        environment = database.environment(project)

    def doctor(*words):
        command = [sys.executable, "-m", "lodestore", "doctor", *words]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)

    done = doctor()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 problem" in done.stderr and "lab: 0 tables, as Lodestore has them" in done.stdout
    done = doctor("nothing", "--json")
    assert done.returncode == 1
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert findings[-1] == {
        "level": "problem",
        "subject": "nothing",
        "text": "there is no such schema",
        "hint": None,
    }
