"""Deletes that are stopped in the middle: all of it happened, or nothing."""

import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import lodestore as dj

CLASSES = """
import sys, lodestore as dj
project = dj.Instance(path=sys.argv[1])
schema = project.Schema("lab")

@schema
class Upper(dj.Manual):
    definition = "upper : int32"

@schema
class Middle(dj.Manual):
    definition = '''
    -> Upper
    middle : int32
    '''

@schema
class Lower(dj.Manual):
    definition = '''
    -> Middle
    lower : int32
    '''
"""

FILL = """
Upper.insert([{"upper": n} for n in range(20)])
Middle.insert([{"upper": n // 100, "middle": n % 100} for n in range(2_000)])
Lower.insert([{"upper": n // 10_000, "middle": n // 100 % 100, "lower": n % 100} for n in range(200_000)])
"""


def start(folder, body):
    code = CLASSES + textwrap.dedent(body)
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled") / "project"
    _, errors = (process := start(folder, FILL)).communicate()
    assert process.returncode == 0, errors
    return folder


@pytest.fixture
def folder(filled, tmp_path):
    return shutil.copytree(filled, tmp_path / "project")


def lengths(folder):
    schema = dj.Instance(path=folder).Schema("lab")
    return [len(schema[name]) for name in ("Upper", "Middle", "Lower")]


def test_a_killed_delete_is_whole_or_did_not_happen(filled, tmp_path):
    rng = random.Random(3)
    seen = set()
    for number in range(8):
        folder = shutil.copytree(filled, tmp_path / f"project{number}")
        process = start(
            folder, "print('go', flush=True)\n(Upper & 'upper < 10').delete(prompt=False)\nprint('done')"
        )
        assert process.stdout.readline() == "go\n", process.stderr.read()
        time.sleep(rng.random() * 0.6)
        process.send_signal(signal.SIGKILL)
        done = process.stdout.read()
        process.wait()
        left = lengths(folder)
        assert left in ([20, 2_000, 200_000], [10, 1_000, 100_000])
        assert not done or left[0] == 10
        seen.add(left[0])
        # The next one does it.
        schema = dj.Instance(path=folder).Schema("lab")
        (schema["Upper"] & "upper < 10").delete(prompt=False)
        assert lengths(folder) == [10, 1_000, 100_000]
        shutil.rmtree(folder)
    assert 20 in seen


#: When Ctrl-C comes, in seconds: before, while and after the rows are deleted.
MOMENTS = [0.01, 0.04, 0.08, 0.13, 0.2, 0.3, 0.5]


def interrupted(filled, folder, body, moment):
    """What a process prints that gets Ctrl-C so long after it has said "go"."""
    shutil.copytree(filled, folder)
    process = start(folder, body)
    assert process.stdout.readline() == "go\n", process.stderr.read()
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output.splitlines()


def test_ctrl_c_takes_a_delete_back(filled, tmp_path):
    body = """
    import time
    try:
        print("go", flush=True)
        Upper.delete(prompt=False)
        time.sleep(10)
    except KeyboardInterrupt:
        print(len(Upper), len(Middle), len(Lower))
    """
    seen = set()
    for moment in MOMENTS:
        folder = tmp_path / f"project{moment}"
        (line,) = interrupted(filled, folder, body, moment)
        assert line in ("0 0 0", "20 2000 200000")
        assert lengths(folder) == [int(number) for number in line.split()]
        seen.add(line)
        shutil.rmtree(folder)
    assert "20 2000 200000" in seen


def test_after_ctrl_c_in_a_transaction_nothing_is_written_alone(filled, tmp_path):
    """SQLite gives up the whole transaction of a statement that was interrupted."""
    body = """
    import time
    try:
        with project.connection.transaction:
            Upper.insert1({"upper": 100})
            try:
                print("go", flush=True)
                (Upper & "upper < 20").delete(prompt=False)
                time.sleep(10)
            except KeyboardInterrupt:
                pass
            Upper.insert1({"upper": 101})
        print("committed")
    except dj.DataJointError as error:
        print(error.kind)
    """
    seen = set()
    for moment in MOMENTS:
        folder = tmp_path / f"project{moment}"
        (line,) = interrupted(filled, folder, body, moment)
        upper = dj.Instance(path=folder).FreeTable("lab.upper")
        added = (upper & "upper > 50").to_arrays("upper").tolist()
        # The transaction went on, with the delete or without it; or it was lost, and says so.
        if line == "committed":
            assert added == [100, 101]
            assert lengths(folder) in ([2, 0, 0], [22, 2_000, 200_000])
        else:
            assert line == "lost-connection" and added == []
            assert lengths(folder) == [20, 2_000, 200_000]
        seen.add((line, lengths(folder)[2]))
        shutil.rmtree(folder)
    assert {where for where in seen if where[1]}, seen


def test_processes_that_insert_what_a_delete_must_take(folder):
    """Two processes insert dependents while a third deletes: no row stays without its parent."""
    insert = """
    import random
    for n in range(300):
        try:
            Middle.insert1({"upper": random.randrange(20), "middle": 1_000 + random.randrange(10**6)})
        except dj.errors.IntegrityError:
            pass
    """
    delete = """
    for n in range(0, 20, 2):
        assert (Upper & {"upper": n}).delete(prompt=False) == 1
    """
    processes = [start(folder, insert), start(folder, insert), start(folder, delete)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    schema = dj.Instance(path=folder).Schema("lab")
    assert len(schema["Upper"]) == 10
    assert len(schema["Middle"] & schema["Upper"]) == len(schema["Middle"]) >= 1_000
