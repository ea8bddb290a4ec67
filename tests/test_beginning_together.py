"""Programs that make the same schema, tables and rows at the same moment."""

import json
import subprocess
import sys
import time

import pytest

import lodestore as dj

_PROGRAM = """
import json, sys, time
import numpy as np
import lodestore as dj

instance = dj.Instance(**json.loads(sys.argv[1]))
len(instance.connection.query("SELECT 1").fetchall())
print("ready", flush=True)
time.sleep(max(0, float(sys.stdin.readline()) - time.time()))
lab = instance.Schema(sys.argv[2])

@lab
class Sample(dj.Manual):
    definition = "sample : int32\\n---\\ntrace=null : <npy@>\\nmore=null : <blob@>"

@lab
class Scan(dj.Manual):
    definition = "-> Sample\\nscan : int32"

    class Frame(dj.Part):
        definition = "-> master\\nframe : int32"

@lab
class Method(dj.Lookup):
    definition = "method : varchar(10)"
    contents = [("a",), ("b",)]

Sample.insert1({"sample": 1, "trace": np.arange(3), "more": [1, 2]}, skip_duplicates=True)
Scan.insert1((1, 1), skip_duplicates=True)
assert len(Sample()) == len(Scan()) == 1 and len(Method()) == 2
"""


@pytest.mark.parametrize("attempt", range(3))
def test_all_succeed(project, database, tmp_path, attempt):
    settings = {
        **(getattr(database, "settings", None) or {"path": str(tmp_path / "project")}),
        "stores": {"default": "main", "main": {"protocol": "file", "location": str(tmp_path / "store")}},
    }
    (tmp_path / "store").mkdir()
    command = [sys.executable, "-c", _PROGRAM, json.dumps(settings), f"lab{attempt}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for _ in range(5)]
    assert [program.stdout.readline() for program in running] == ["ready\n"] * 5
    at = time.time() + 0.2
    for program in running:
        program.stdin.write(f"{at}\n")
        program.stdin.flush()
    for program in running:
        _, told = program.communicate(timeout=200)
        assert program.returncode == 0, told
    # What each of them began is whole.
    for name, value in settings["stores"].items():
        project.config.stores[name] = value
    lab = project.Schema(f"lab{attempt}")
    sample = dj.FreeTable(project.connection, f"lab{attempt}.sample")
    assert sample.fetch1("more") == [1, 2] and sample.fetch1("trace").load().tolist() == [0, 1, 2]
    scan = dj.FreeTable(project.connection, f"lab{attempt}.scan")
    assert len(sample * scan) == 1 and lab.exists
