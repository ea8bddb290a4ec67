"""Verifying rows against objects and objects against rows; what is owned."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import lodestore as dj
import services
from lodestore._lodestore import StoreHandle
from lodestore.errors import DataJointError, MissingTableError


@pytest.fixture
def trace(schema):
    @schema
    class Trace(dj.Manual):
        definition = """
        name : varchar(20)
        trial : int32
        ---
        when = null : datetime(3)
        array = null : <npy@>
        blob = null : <blob@>
        file = null : <object@>
        """

    return Trace


@pytest.fixture
def filled(trace):
    trace.insert(
        {
            "name": f"maus é {n}",
            "trial": n,
            "array": np.arange(n + 1),
            "blob": {"n": n},
            "file": bytes([n]) * 10,
        }
        for n in range(10)
    )
    trace.insert1({"name": "empty", "trial": 0})
    return trace


@pytest.fixture
def root(tmp_path):
    return tmp_path / "project" / "objects"


def test_a_sound_project_is_sound(project, schema, filled, objects):
    report = dj.verify(schema, deep=True)
    assert report.sound and report.both_ways and not report.findings
    assert (report.tables, report.values, report.objects) == (1, 30, 30)
    assert "all is well" in str(report) and "all is well" in repr(report)
    assert schema.verify().sound and filled.verify().sound
    some = (filled & "trial < 3").verify(deep=True)
    assert (some.values, some.both_ways) == (9, False)
    assert dj.verify("lab", connection=project.connection).to_dict() == schema.verify().to_dict()
    assert len(objects()) == 30


def test_damage_is_found_and_named(schema, filled, objects, root):
    array, blob, file = (
        next(path for path in objects() if part in path) for part in ("/array.", "_hash/", "/file.")
    )
    (root / array).unlink()
    (root / blob).write_bytes(b"damaged")
    content = bytearray((root / file).read_bytes())
    content[3] ^= 4
    (root / file).write_bytes(content)
    (root / "_hash/lab/hello.txt").write_text("mine")
    (root / "_schema/lab/Trace/left.npy").write_text("left over")
    fast, deep = schema.verify(), schema.verify(deep=True)
    counts = dict.fromkeys(fast.counts, 0) | {"missing": 1, "damaged": 1, "unreferenced": 1, "foreign": 1}
    assert fast.counts == counts and not fast.sound
    assert deep.counts == {**counts, "damaged": 2}
    missing = next(finding for finding in deep.findings if finding["kind"] == "missing")
    assert missing["table"] == "lab.trace" and missing["attribute"] == "array" and missing["path"] == array
    # The key finds the row.
    assert len(filled & missing["key"]) == 1 and missing["key"]["name"].startswith("maus é")
    assert missing["hint"] and missing["store"] == "main"
    assert "missing: lab.trace.array" in str(deep)
    assert schema.verify(keep=1).omitted == 3
    assert not any(done["source"] for done in deep.repair())
    with pytest.raises(AttributeError):
        deep.nothing  # noqa: B018


def test_a_copy_in_another_store_is_brought_back(project, schema, filled, objects, root, tmp_path):
    array = next(path for path in objects() if "/array." in path)
    content = (root / array).read_bytes()
    backup = tmp_path / "backup"
    (backup / array).parent.mkdir(parents=True)
    (root / array).rename(backup / array)
    project.config["stores.backup"] = {"protocol": "file", "location": str(backup)}
    report = filled.verify(deep=True)
    [told] = report.repair()
    assert (told["path"], told["source"]) == (array, f"backup:{array}") and not (root / array).exists()
    [done] = report.repair(apply=True)
    assert done == told and (root / array).read_bytes() == content
    assert filled.verify(deep=True).sound


def test_a_folder_that_is_whole_elsewhere_is_brought_back_at_once(project, schema, root, tmp_path):
    @schema
    class Scan(dj.Manual):
        definition = "scan : int32\n---\nfolder : <object@>"

    (tmp_path / "scan" / "deep").mkdir(parents=True)
    for name in ("a", "b", "deep/c"):
        (tmp_path / "scan" / name).write_text(name * 10)
    Scan.insert1((1, tmp_path / "scan"))
    shutil.copytree(root, tmp_path / "backup")
    folder = next(path for path in root.rglob("*") if path.is_dir() and (path / "deep").is_dir())
    shutil.rmtree(folder)
    for manifest in folder.parent.glob("*manifest*"):
        manifest.unlink()
    project.config["stores.backup"] = {"protocol": "file", "location": str(tmp_path / "backup")}
    report = Scan().verify(deep=True)
    assert not report.sound
    told = report.repair()
    assert len(told) == 4 and all(done["source"].startswith("backup:") for done in told)
    assert not folder.exists()
    assert report.repair(apply=True) == told
    assert Scan().verify(deep=True).sound
    assert (folder / "deep" / "c").read_text() == "deep/c" * 10


def test_subsets_and_faulty_requests(schema, filled, tmp_path):
    report = schema.verify(subset=5)
    assert (report.skipped, report.both_ways) == (25, False)
    assert schema.verify(subset=1.0).skipped == 0 and 0 <= schema.verify(subset="50%").skipped <= 30
    for subset in (1.5, -1, "many", True, [1]):
        with pytest.raises(DataJointError):
            schema.verify(subset=subset)
    with pytest.raises(MissingTableError, match="there is no schema `nowhere`"):
        dj.verify("nowhere", connection=schema.connection)
    state = tmp_path / "state"
    state.write_text("not one of ours\n")
    with pytest.raises(DataJointError, match="no file of an interrupted verification"):
        schema.verify(state=state)


def test_an_empty_table_and_one_without_objects(schema, trace):
    @schema
    class Plain(dj.Manual):
        definition = "id : int32"

    Plain.insert1({"id": 1})
    report = schema.verify(deep=True)
    assert report.sound and report.values == 0 and report.tables == 2
    assert schema.usage()["objects"] == 0


def test_progress_is_told(schema, filled, capsys):
    schema.verify(display_progress=True)
    assert "verify: 11 of 11 rows" in capsys.readouterr().err


def test_usage_counts_shared_objects_once(schema, filled):
    filled.insert1({"name": "shares", "trial": 1, "blob": {"n": 1}, "array": np.zeros(1000)})
    usage = dj.usage(schema)
    assert (usage["values"], usage["objects"]) == (32, 31)
    by_attribute = {line["attribute"]: line for line in usage["attributes"]}
    assert (by_attribute["blob"]["values"], by_attribute["blob"]["objects"]) == (11, 10)
    assert usage["stores"]["main"]["bytes"] == usage["bytes"] == usage["tables"]["lab.trace"]["bytes"]
    shares = filled & {"name": "shares"}
    assert (shares.usage()["objects"], shares.usage(of_delete=True)["objects"]) == (2, 1)
    assert shares.usage(of_delete=True)["bytes"] > 8000
    assert len(filled) == 12 and schema.verify().sound


@pytest.mark.databases("sqlite")
def test_ten_thousand_rows_go_and_nothing_is_missing_or_left(schema, objects):
    @schema
    class Many(dj.Manual):
        definition = "id : int32\n---\ndata : <blob@>\nown = null : <object@>"

    Many.insert({"id": n, "data": n % 5000, "own": b"x" if n % 10 == 0 else None} for n in range(10_000))
    assert schema.verify().sound
    (Many & "id >= 5000").delete(prompt=False)
    report = schema.verify(deep=True)
    assert report.sound and report.values == 5500
    assert (sum(report.counts.values()), report.pending, len(objects())) == (0, 0, 5500)
    Many.delete(prompt=False)
    report = schema.verify()
    assert (sum(report.counts.values()), report.pending, objects()) == (0, 0, [])


PROGRAM = """
import sys
import lodestore as dj
report = dj.Instance(path="project").Schema("lab").verify(deep=True, state=sys.argv[1])
print(report.sound, report.resumed, report.objects)
"""


@pytest.fixture
def large(project, schema):
    """A table of so many bytes that a deep look takes several turns."""

    @schema
    class Large(dj.Manual):
        definition = "id : int32\n---\ndata : <object@>"

    Large.insert(({"id": n, "data": bytes([n % 251]) * 20_000} for n in range(5000)), chunk_size=2500)
    project.connection.close()


def interrupt(process, state, number, written):
    """Sends a signal as soon as something more than `written` bytes was found sound; gives the status and what was told."""
    while process.poll() is None:
        if state.exists() and state.stat().st_size > written + 400:
            process.send_signal(number)
            break
        time.sleep(0.002)
    told = process.communicate(timeout=60)[0]
    return process.returncode, told


@pytest.mark.databases("sqlite")
def test_an_interrupted_verification_goes_on_where_it_was(large, tmp_path):
    state = tmp_path / "state"
    # Ctrl-C first; then killed again and again.
    command = [
        sys.executable,
        "-m",
        "lodestore",
        "verify",
        "--deep",
        "--state",
        state,
        "--project",
        "project",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    status, told = interrupt(process, state, signal.SIGINT, 0)
    assert status == 130 and told == "" and state.exists()
    for _ in range(20):
        written = state.stat().st_size
        command = [sys.executable, "-c", PROGRAM, state]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        status, told = interrupt(process, state, signal.SIGKILL, written)
        if status == 0:
            break
    sound, resumed, looked_at = told.split()
    assert sound == "True" and int(resumed) > 0 and int(resumed) + int(looked_at) == 5000
    assert not state.exists()


@pytest.mark.databases("sqlite")
def test_stores_elsewhere_are_verified_alike(stored_project):
    schema = stored_project.Schema("lab")

    @schema
    class Far(dj.Manual):
        definition = "id : int32\n---\na : <npy@>\nb : <blob@>"

    Far.insert({"id": n, "a": np.arange(n + 5), "b": f"text {n}"} for n in range(30))
    assert schema.verify(deep=True).sound and schema.usage()["objects"] == 60
    store = StoreHandle.open(stored_project.connection._core, "")
    paths = [path for path, _ in store.list(None) if not path.startswith(".lodestore")]
    arrays = [path for path in paths if path.startswith("_schema")]
    content = bytearray(store.get(arrays[0]))
    content[-1] ^= 1
    for path in (arrays[0], arrays[1]):
        store.delete(path)
    store.put(arrays[0], bytes(content))
    store.put("_schema/lab/Far/id=99/a.TOKENabc.npy", b"left over")
    assert schema.verify().counts["damaged"] == 0
    counts = schema.verify(deep=True).counts
    assert (counts["missing"], counts["damaged"], counts["unreferenced"], counts["unreadable"]) == (
        1,
        1,
        1,
        0,
    )


@pytest.mark.databases("sqlite")
@pytest.mark.stores("s3")
def test_a_fast_look_lists_instead_of_asking_for_each(stored_project, store_server):
    schema = stored_project.Schema("lab")

    @schema
    class Far(dj.Manual):
        definition = "id : int32\n---\na : <npy@>\nb : <blob@>"

    Far.insert({"id": n, "a": np.arange(n), "b": f"text {n}"} for n in range(200))
    proxy = services.proxy("s3")
    try:
        stored_project.config.stores["main"]["endpoint"] = f"http://127.0.0.1:{proxy.port}"
        proxy.forget()
        report = schema.verify()
        assert report.sound and report.objects == 400
        assert proxy.counts()["requests"] < 20
        assert Far.verify().sound
    finally:
        proxy.stop()


@pytest.fixture
def command(tmp_path):
    def command(*arguments, folder=tmp_path, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "lodestore", *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    return command


@pytest.mark.databases("sqlite")
def test_the_command_tells_what_it_found(schema, filled, objects, root, command, tmp_path):
    status, out, err = command("verify", "--project", "project")
    assert (status, err) == (0, "") and "All is well." in out
    (root / "_schema/lab/Trace/left.npy").write_text("left over")
    assert command("verify", "--project", "project")[0] == 5
    (root / next(path for path in objects() if "/array." in path)).unlink()
    status, out, _ = command("verify", "lab", "--deep", "--project", "project")
    assert status == 3 and "missing: lab.trace.array" in out and "1 missing, 1 unreferenced" in out
    status, out, _ = command(
        "verify", "--table", "lab.Trace", "--where", "trial = 99", "--project", "project"
    )
    assert status == 0 and "0 values" in out
    status, out, _ = command("usage", "--project", "project")
    assert status == 0 and "lab.trace" in out and "30 objects" in out
    status, out, _ = command("usage", "--table", "lab.Trace", "--of-delete", "--json", "--project", "project")
    assert status == 0 and '"objects": 30' in out
    for arguments in (["nothing"], ["verify", "--apply"], ["usage", "--where", "a = 1"], []):
        assert command(*arguments)[0] == 2
    assert command("--help")[0] == 0
    status, out, err = command("verify", "nowhere", "--project", "project")
    assert (
        (status, out) == (1, "")
        and "there is no schema `nowhere`" in err
        and "hint: the schemas are: lab" in err
    )
    status, out, err = command("verify", "--json", folder=tmp_path / "project")
    assert status == 1 and '"kind":"invalid-config"' in err and not (tmp_path / "project/lodestore").exists()
    # Settings count as in Python.
    status, out, _ = command("verify", "--json", DJ_DATABASE_PATH="project", DJ_BACKEND="sqlite")
    assert status == 3 and '"missing": 1' in out
