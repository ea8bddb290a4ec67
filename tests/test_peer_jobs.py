"""One queue, two programs: DataJoint's workers and ours empty it together."""

import json
import logging
import os
import subprocess
import sys
import textwrap
import time
import warnings

import pytest

import lodestore as dj

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import datajoint

logging.getLogger("datajoint").setLevel("CRITICAL")

pytestmark = [pytest.mark.databases("postgresql", "mariadb"), pytest.mark.filterwarnings("ignore")]

CLASSES = """
import json, os, sys, time, warnings, logging
warnings.simplefilter("ignore")
if sys.argv[1] == "lodestore":
    import lodestore as dj
else:
    import datajoint as dj
    logging.getLogger("datajoint").setLevel("CRITICAL")
settings = json.loads(sys.argv[2])
schema = dj.Instance(**settings).Schema("lab")

@schema
class Subject(dj.Manual):
    definition = "subject : varchar(20)"

@schema
class Session(dj.Manual):
    definition = '''
    -> Subject
    session : int16
    '''

@schema
class Result(dj.Computed):
    definition = '''
    -> Session.proj(whose="subject")
    ---
    program : varchar(20)
    '''

    def make(self, key):
        with open(sys.argv[3], "a") as log:
            log.write(f"{key['whose']}-{key['session']}\\n")
        time.sleep(0.03)
        self.insert1({**key, "program": sys.argv[1]})
"""


def start(program, database, log, body):
    code = CLASSES + textwrap.dedent(body)
    command = [sys.executable, "-c", code, program, json.dumps(database.settings), str(log)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DJ_LOG_STREAM": "stderr"},
    )


def end(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def run(*arguments):
    return end(start(*arguments))


FILL = """
Subject.insert({"subject": s} for s in ("ann", "bob"))
Session.insert({"subject": s, "session": n} for s in ("ann", "bob") for n in range(60))
Result.jobs.refresh()
print(len(Result.jobs))
"""

WORK = """
Result.jobs
print("ready", flush=True)
sys.stdin.readline()
print(Result.populate(reserve_jobs=True)["success_count"])
"""

LOOK = """
if not len(Result.jobs): print("[]"); sys.exit()
rows = Result.jobs.to_dicts(order_by="KEY")
print(json.dumps([{k: str(v) for k, v in row.items() if k not in ("error_stack",)} for row in rows]))
"""


def test_both_empty_one_queue(project, database, tmp_path):
    log = tmp_path / "calls"
    assert run("lodestore", database, log, FILL) == "120"
    workers = [start(program, database, log, WORK) for program in ("lodestore", "datajoint") * 2]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n", worker.stderr.read()
    # The other program is slow to begin.
    for worker in workers[1::2] + workers[0::2]:
        while worker is workers[0] and not log.exists():
            time.sleep(0.01)
        worker.stdin.write("\n")
        worker.stdin.flush()
    made = [int(end(worker)) for worker in workers]
    assert sum(made) == 120 and min(made[0::2]) > 0 and min(made[1::2]) > 0, made
    calls = log.read_text().split()
    assert len(calls) == 120 == len(set(calls))
    table = project.Schema("lab")["Result"]
    assert len(table) == 120 and set(table.to_arrays("program")) == {"lodestore", "datajoint"}
    for program in ("lodestore", "datajoint"):
        assert run(program, database, log, LOOK) == "[]"


@pytest.mark.parametrize("maker", ["lodestore", "datajoint"])
def test_each_reads_what_the_other_wrote(project, database, tmp_path, maker):
    other = "datajoint" if maker == "lodestore" else "lodestore"
    log = tmp_path / "calls"
    # Errors, with their stacks; reservations; what is ignored.
    keys = [{"whose": "ann", "session": n} for n in range(4)]
    seen = run(
        maker,
        database,
        log,
        FILL
        + LOOK
        + textwrap.dedent(f"""
        keys = {keys}
        assert Result.jobs.reserve(keys[0]) and not Result.jobs.reserve(keys[0])
        Result.jobs.error(keys[1], "too bad", "line 1\\nline 2 ü")
        Result.jobs.ignore(keys[2])
        Result.jobs.reserve(keys[3])
        Result.jobs.complete(keys[3])
        """)
        + LOOK,
    ).splitlines()
    assert seen[0] == "120" and len(json.loads(seen[1])) == 120
    told = run(
        other,
        database,
        log,
        LOOK
        + textwrap.dedent(f"""
        keys = {keys}
        assert not Result.jobs.reserve(keys[0]) and not Result.jobs.reserve(keys[1])
        row = Result.jobs.errors.fetch1()
        assert row["error_stack"] == "line 1\\nline 2 ü" and row["error_message"] == "too bad", row
        row = Result.jobs.reserved.fetch1()
        assert row["host"] and row["pid"] > 0 and row["connection_id"] > 0 and row["user"], row
        assert Result.jobs.ignored.fetch1("session") == 2
        counts = Result.jobs.progress()
        assert counts["pending"] == 116 and counts["total"] == 119, counts
        time.sleep(1.1)
        print(Result.jobs.refresh(orphan_timeout=1))
        """),
    )
    same, told = told.splitlines()
    assert json.loads(same) == json.loads(seen[2])
    told = eval(told)
    assert told["orphaned"] == 1 and told["added"] == 1, told


def test_a_job_at_work_is_not_taken_for_an_orphan(project, database, tmp_path):
    """Its worker keeps moving `reserved_time`, at which the other program looks."""
    log = tmp_path / "calls"
    run("lodestore", database, log, FILL)
    environment = dict(os.environ)
    os.environ["DJ_JOBS_LEASE_TIMEOUT"] = "1"
    try:
        slow = start(
            "lodestore",
            database,
            log,
            """
            def make(self, key):
                print("go", flush=True)
                time.sleep(4)
                self.insert1({**key, "program": "slow"})
            Result.make = make
            print(Result.populate(reserve_jobs=True, max_calls=1)["success_count"])
            """,
        )
    finally:
        os.environ.clear()
        os.environ.update(environment)
    assert slow.stdout.readline() == "go\n"
    time.sleep(2.2)
    told = run("datajoint", database, log, "print(Result.jobs.refresh(orphan_timeout=2))")
    assert eval(told)["orphaned"] == 0
    assert end(slow) == "1"


def test_the_tables_are_made_alike(project, database, tmp_path):
    """Whoever makes the queue, it has the same columns, types, defaults and indexes."""
    columns = {
        "postgresql": "SELECT column_name, data_type, is_nullable, column_default, character_maximum_length, "
        'datetime_precision, col_description(\'"lab"."~~result"\'::regclass, ordinal_position) FROM '
        "information_schema.columns WHERE table_schema = 'lab' AND table_name = '~~result' ORDER BY ordinal_position",
        "mariadb": "SELECT column_name, column_type, is_nullable, column_default, column_comment, column_key FROM "
        "information_schema.columns WHERE table_schema = 'lab' AND table_name = '~~result' ORDER BY ordinal_position",
    }[database.name]
    indexes = {
        "postgresql": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'lab' AND tablename = '~~result' ORDER BY 1",
        "mariadb": "SELECT index_name, seq_in_index, column_name, non_unique FROM information_schema.statistics WHERE "
        "table_schema = 'lab' AND table_name = '~~result' ORDER BY 1, 2",
    }[database.name]
    lineage = f"SELECT * FROM {database.table('lab', '~lineage')} WHERE table_name = '~~result' ORDER BY 2"
    comment = {
        "postgresql": 'SELECT obj_description(\'"lab"."~~result"\'::regclass)',
        "mariadb": "SELECT table_comment FROM information_schema.tables WHERE table_schema = 'lab' AND table_name = "
        "'~~result'",
    }[database.name]
    seen = []
    for program in ("lodestore", "datajoint"):
        run(program, database, tmp_path / "calls", "Result.jobs; print(Result.jobs.heading.names)")
        seen.append(
            [list(map(tuple, database.execute(project, q))) for q in (columns, indexes, lineage, comment)]
        )
        database.execute(project, f"DROP TABLE {database.table('lab', '~~result')}")
    for ours, theirs in zip(*seen, strict=True):
        assert ours == theirs


def test_metadata_columns_are_shared(project, database):
    """Rows that either program computed tell how, in the same hidden columns."""
    instance = datajoint.Instance(**database.settings)
    instance.config["jobs.add_job_metadata"] = True
    project.config["jobs.add_job_metadata"] = True
    for module, program in ((datajoint, instance), (dj, project)):
        schema = program.Schema("lab")
        source = type("Source", (module.Manual,), {"definition": "id : int32"})
        source = schema(source)
        made = type(
            "Made",
            (module.Computed,),
            {"definition": "-> Source", "make": lambda self, key: self.insert1(key)},
        )
        made = schema(made, context={"Source": source})
        source.insert1({"id": len(source())})
        assert made.populate()["success_count"] == 1
    assert len(made & "_job_duration >= 0" & "_job_start_time is not null" & "_job_version = ''") == 2
    times = database.execute(
        project, f"SELECT _job_start_time FROM {database.table('lab', '__made')} ORDER BY id"
    )
    assert abs((times[1][0] - times[0][0]).total_seconds()) < 60
    instance.connection.close()
