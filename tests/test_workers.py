"""Many processes on one queue: each key is made once, whoever dies.

``LODESTORE_TEST_JOBS`` says how many jobs the tests of many workers have.
"""

import collections
import concurrent.futures
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import lodestore as dj

JOBS = int(os.environ.get("LODESTORE_TEST_JOBS", "160"))
HERE = Path(__file__).parent


@pytest.fixture
def pipeline(project, database, tmp_path, monkeypatch):
    """The module `pipeline_of_jobs`, on the project's database; other processes find both."""
    settings = {"path": str(tmp_path / "project")}
    if database.name != "sqlite":
        settings = {**database.settings, "stores": project.config._core.get("stores")}
    monkeypatch.setenv("LODESTORE_TEST_PROJECT", json.dumps({**settings, "jobs__lease_timeout": 2}))
    monkeypatch.setenv("LODESTORE_TEST_LOG", str(tmp_path / "calls"))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(str(HERE))
    sys.modules.pop("pipeline_of_jobs", None)
    import pipeline_of_jobs

    yield pipeline_of_jobs
    pipeline_of_jobs.schema.connection.close()
    del sys.modules["pipeline_of_jobs"]


def calls(tmp_path):
    path = tmp_path / "calls"
    return collections.Counter(map(int, path.read_text().split())) if path.exists() else {}


def fill(pipeline, count):
    pipeline.Item.insert({"item": n} for n in range(count))


def assert_once(pipeline, count):
    assert len(pipeline.Result) == count
    assert sorted(row["item"] for row in pipeline.Call.proj().to_dicts()) == list(range(count))
    assert pipeline.Result.jobs.progress()["total"] == 0


def start(*words, **environment):
    command = [sys.executable, "-m", "lodestore", "worker", "pipeline_of_jobs", *words]
    environment = {**os.environ, **environment}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def end(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


@pytest.mark.databases("sqlite", "postgresql", "mariadb")
def test_sixteen_workers_make_each_key_once(pipeline, database, tmp_path):
    fill(pipeline, JOBS)
    share = ["--table", "Result", "--poll", "0.1", "--max-calls", str(-(-JOBS // 16))]
    running = [start(*share) for _ in range(8)]
    for _ in range(8):
        end(running.pop(0))
        running.append(start(*share))
    for process in running:
        end(process)
    end(start("--table", "Result"))
    assert_once(pipeline, JOBS)
    # What MariaDB takes back because of a deadlock is made again.
    times = set(calls(tmp_path).values())
    assert times == {1} or (database.name == "mariadb" and max(times) <= 5)
    assert len(set(pipeline.Call.to_arrays("pid"))) > 8


@pytest.mark.databases("sqlite", "postgresql", "mariadb")
def test_workers_that_are_killed_leave_nothing_undone(pipeline):
    fill(pipeline, JOBS)
    rng = random.Random(7)
    words = ["--table", "Result", "--poll", "0.1"]
    # Long enough that some are killed in the middle, and that all are not done before the last is killed.
    seconds = {"LODESTORE_TEST_SECONDS": "0.15" if JOBS < 1000 else "0.02"}
    running = [start(*words, **seconds) for _ in range(8)]
    killed, deadline = 0, time.monotonic() + 60 + JOBS
    try:
        while any(process.poll() is None for process in running):
            assert time.monotonic() < deadline
            time.sleep(1)
            alive = [process for process in running if process.poll() is None]
            if len(alive) > 1 and pipeline.Item - pipeline.Result:
                victim = rng.choice(alive)
                victim.send_signal(signal.SIGKILL)
                victim.communicate()
                running.remove(victim)
                running.append(start(*words, **seconds))
                killed += 1
    finally:
        for process in running:
            process.kill()
            process.communicate()
    assert killed >= 2
    assert_once(pipeline, JOBS)


@pytest.mark.databases("sqlite", "postgresql")
def test_a_worker_does_all_and_reports(pipeline):
    fill(pipeline, 5)
    assert "10 made, 0 failed" in end(start())
    assert len(pipeline.Sum) == 5
    pipeline.Item.insert1({"item": -666})
    process = start("--schema", "queue")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "1 failed" in out and "number of the beast" in err
    for words, told in ((["--schema", "other"], "no computed"), (["--table", "Item"], "asked for")):
        process = start(*words)
        assert told in process.communicate(timeout=60)[1] and process.returncode == 2


@pytest.mark.databases("sqlite", "postgresql")
def test_a_worker_drains_when_it_is_told_to_leave(pipeline, tmp_path):
    fill(pipeline, 50)
    process = start("--forever", LODESTORE_TEST_SECONDS="0.5")
    while not calls(tmp_path):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out = end(process)
    made = len(pipeline.Result)
    assert 1 <= made < 10 and f"{made} made, 0 failed" in out
    progress = pipeline.Result.jobs.progress()
    assert progress["reserved"] == 0 and progress["pending"] == 50 - made
    # The second signal does not wait.
    process = start("--forever", LODESTORE_TEST_SECONDS="30")
    begun = sum(calls(tmp_path).values())
    while sum(calls(tmp_path).values()) == begun:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    end(process)
    assert len(pipeline.Result) == made
    assert pipeline.Result.jobs.progress()["pending"] == 50 - made


@pytest.mark.databases("sqlite", "postgresql")
@pytest.mark.parametrize("reserve", [False, True])
def test_processes_share_the_work(pipeline, tmp_path, capfd, reserve):
    fill(pipeline, 20)
    result = pipeline.Result
    assert result.populate(processes=2, reserve_jobs=reserve, max_calls=6) == {
        "success_count": 6,
        "error_list": [],
    }
    pipeline.Item.insert1({"item": -666})
    done = result.populate(
        processes=3,
        reserve_jobs=reserve,
        suppress_errors=True,
        return_exception_objects=True,
        display_progress=True,
    )
    assert done["success_count"] == 14
    ((key, error),) = done["error_list"]
    assert key == {"item": -666} and type(error) is ValueError and "in make" in error.__notes__[0]
    assert "15 of 15 keys, 1 failed" in capfd.readouterr().err
    assert set(calls(tmp_path).values()) == {1} and os.getpid() not in set(pipeline.Call.to_arrays("pid"))
    if reserve:
        result.jobs.delete()
    with pytest.raises(ValueError, match="beast"):
        result.populate(processes=2, reserve_jobs=reserve)
    assert len(result) == 20


@pytest.mark.databases("sqlite", "mariadb")
@pytest.mark.parametrize("reserve", [False, True])
def test_threads_share_the_work(pipeline, reserve):
    fill(pipeline, 30)
    pipeline.Item.insert1({"item": -666})
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        done = pipeline.Result.populate(
            "item > 3 or item < 0", executor=executor, reserve_jobs=reserve, suppress_errors=True
        )
        assert done == {
            "success_count": 26,
            "error_list": [({"item": -666}, "ValueError: the number of the beast")],
        }
        assert pipeline.Result.populate("item >= 0", executor=executor, max_calls=2)["success_count"] == 2
    with pytest.raises(dj.DataJointError, match="runs no functions"):
        pipeline.Result.populate(executor=3)


@pytest.mark.databases("sqlite")
def test_populating_in_threads_by_hand(pipeline):
    fill(pipeline, 12)
    made = []
    threads = [
        threading.Thread(
            target=lambda: made.append(pipeline.Result.populate(reserve_jobs=True)["success_count"])
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == 12
    assert_once(pipeline, 12)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("reserve_jobs", [False, True])
def test_a_class_that_fresh_processes_cannot_find_is_populated_by_forked_ones(
    schema, monkeypatch, reserve_jobs
):
    @schema
    class Here(dj.Manual):
        definition = "id : int8"

    @schema
    class There(dj.Computed):
        definition = """
        -> Here
        ---
        pid : int64
        """

        def make(self, key):
            self.insert1({**key, "pid": os.getpid()})

    Here.insert([{"id": number} for number in range(6)])
    made = There.populate(processes=2, reserve_jobs=reserve_jobs)
    assert made == {"success_count": 6, "error_list": []}
    assert os.getpid() not in There.to_arrays("pid") and len(There) == 6
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(dj.DataJointError, match="top level of a module"):
        There.populate(processes=2)


SCRIPT = """
import signal, sys
import pipeline_of_jobs as pipeline
if __name__ == "__main__":
    print("go", flush=True)
    try:
        pipeline.Result.populate(reserve_jobs=True, suppress_errors=True, processes=int(sys.argv[1]))
    except KeyboardInterrupt:
        print("stopped")
"""


@pytest.mark.databases("sqlite", "postgresql")
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_is_noted_in_the_jobs_at_work(pipeline, tmp_path, processes):
    fill(pipeline, 10)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(processes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LODESTORE_TEST_SECONDS": "20"},
        start_new_session=True,
    )
    while sum(calls(tmp_path).values()) < processes:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    # To all of them, as a terminal does.
    os.killpg(process.pid, signal.SIGINT)
    assert "stopped" in end(process)
    found = pipeline.Result.jobs.progress()
    assert len(pipeline.Result) == 0 and (found["error"], found["pending"]) == (processes, 10 - processes)
    assert set(pipeline.Result.jobs.errors.to_arrays("error_message")) == {"KeyboardInterrupt"}
