"""The queue of a table: how jobs come, are taken, end, and come back."""

import datetime
import decimal
import os
import threading
import time
import uuid

import pytest

import lodestore as dj


@pytest.fixture
def pipeline(schema):
    @schema
    class Session(dj.Manual):
        definition = "session : int16\n---\nsubject : varchar(9)"

    @schema
    class Doubled(dj.Computed):
        definition = "-> Session\n---\nvalue : int32"
        calls = []

        def make(self, key):
            type(self).calls.append(key["session"])
            if key["session"] == 13:
                raise ValueError("bad luck " + 3000 * "ü")
            self.insert1({**key, "value": 2 * key["session"]})

    Session.insert({"session": n, "subject": "ab"[n % 2]} for n in (1, 2, 3))
    return Session, Doubled


def statuses(jobs):
    return {row["session"]: row["status"] for row in jobs.to_dicts()}


def test_a_queue_lives_from_refresh_to_done(pipeline):
    session, doubled = pipeline
    jobs = doubled.jobs
    nothing = {"added": 0, "removed": 0, "orphaned": 0, "re_pended": 0}
    assert jobs.refresh() == {**nothing, "added": 3}
    assert jobs.refresh() == nothing
    assert jobs.progress() == {
        "pending": 3, "reserved": 0, "success": 0, "error": 0, "ignore": 0, "total": 3
    }  # fmt: skip
    row = (jobs & {"session": 1}).fetch1()
    assert (row["priority"], row["reserved_time"], row["user"], row["error_message"]) == (5, None, "", "")
    assert isinstance(row["created_time"], datetime.datetime)
    assert jobs.reserve({"session": 2}) and not jobs.reserve({"session": 2})
    row = jobs.reserved.fetch1()
    assert row["pid"] == os.getpid() and row["host"] and row["user"] and row["reserved_time"] is not None
    assert doubled.populate(reserve_jobs=True) == {"success_count": 2, "error_list": []}
    assert sorted(doubled.calls) == [1, 3] and statuses(jobs) == {2: "reserved"}
    jobs.complete({"session": 2})
    assert len(jobs) == 0 and jobs.progress()["total"] == 0
    session.insert1({"session": 4, "subject": "a"})
    assert doubled.populate(reserve_jobs=True)["success_count"] == 2
    assert len(doubled) == 4 and len(jobs) == 0


def test_errors_stay_until_they_are_deleted(pipeline):
    session, doubled = pipeline
    session.insert1({"session": 13, "subject": "x"})
    done = doubled.populate(reserve_jobs=True, suppress_errors=True, return_exception_objects=True)
    assert done["success_count"] == 3
    assert done["error_list"][0][0] == {"session": 13} and type(done["error_list"][0][1]) is ValueError
    row = doubled.jobs.errors.fetch1()
    assert row["error_message"].startswith("ValueError: bad luck ü") and len(row["error_message"]) == 2047
    assert row["error_message"].endswith("...truncated")
    assert "in make" in row["error_stack"] and "raise ValueError" in row["error_stack"]
    assert row["completed_time"] is not None
    assert doubled.populate(reserve_jobs=True) == {"success_count": 0, "error_list": []}
    assert doubled.jobs.errors.delete() == 1
    with pytest.raises(ValueError, match="bad luck"):
        doubled.populate(reserve_jobs=True)
    assert statuses(doubled.jobs) == {13: "error"} and not doubled.connection.in_transaction


def test_what_the_user_stops_is_an_error_of_its_job(pipeline, monkeypatch):
    _, doubled = pipeline
    seen = []

    def make(self, key):
        self.insert1({**key, "value": 1})
        seen.append((self.jobs & key).fetch1("status"))
        raise KeyboardInterrupt("enough")

    monkeypatch.setattr(doubled, "make", make)
    with pytest.raises(KeyboardInterrupt):
        doubled.populate(reserve_jobs=True, suppress_errors=True)
    assert seen == ["reserved"] and len(doubled) == 0
    assert sorted(statuses(doubled.jobs).values()) == ["error", "pending", "pending"]
    assert doubled.jobs.errors.fetch1("error_message") == "KeyboardInterrupt: enough"


def test_a_make_that_exits_is_an_error_of_its_job(pipeline, monkeypatch):
    _, doubled = pipeline
    monkeypatch.setattr(doubled, "make", lambda self, key: (_ for _ in ()).throw(SystemExit(3)))
    with pytest.raises(SystemExit):
        doubled.populate(reserve_jobs=True, suppress_errors=True, max_calls=1)
    assert sorted(statuses(doubled.jobs).values()) == ["error", "pending", "pending"]
    assert doubled.jobs.errors.fetch1("error_message") == "SystemExit: 3"


def test_the_urgent_come_first(pipeline):
    _, doubled = pipeline
    doubled.jobs.refresh("session = 3", priority=1)
    doubled.jobs.refresh("session = 1", priority=9)
    doubled.jobs.refresh()
    assert doubled.populate(reserve_jobs=True, refresh=False, max_calls=2)["success_count"] == 2
    assert doubled.calls == [3, 2]
    assert doubled.populate(reserve_jobs=True, refresh=False, priority=8)["success_count"] == 0
    assert doubled.populate(reserve_jobs=True, refresh=False, priority=9)["success_count"] == 1
    with pytest.raises(dj.DataJointError, match="out of range"):
        doubled.jobs.refresh(priority=200)


def test_some_wait_for_their_time(pipeline):
    _, doubled = pipeline
    assert doubled.jobs.refresh("session < 3", delay=3600)["added"] == 2
    assert doubled.populate(reserve_jobs=True)["success_count"] == 1
    assert doubled.calls == [3] and set(statuses(doubled.jobs).values()) == {"pending"}
    assert not doubled.jobs.reserve({"session": 1})
    doubled.jobs.delete()
    doubled.jobs.refresh(delay=0.2)
    assert doubled.populate(reserve_jobs=True, refresh=False)["success_count"] == 0
    time.sleep(0.25)
    assert doubled.populate(reserve_jobs=True, refresh=False)["success_count"] == 2


def test_restrictions_choose_jobs(pipeline):
    _, doubled = pipeline
    assert doubled.populate("session > 1", reserve_jobs=True)["success_count"] == 2
    doubled.jobs.refresh()
    assert doubled.populate({"session": 2}, reserve_jobs=True)["success_count"] == 0
    assert doubled.populate([{"session": 1}, {"session": 2}], reserve_jobs=True)["success_count"] == 1


def test_a_key_source_of_ones_own_may_be_restricted_by_what_jobs_do_not_have(schema, pipeline):
    session, _ = pipeline

    @schema
    class Chosen(dj.Computed):
        definition = "-> Session"
        key_source = session & "session < 3"

        def make(self, key):
            self.insert1(key)

    assert Chosen.populate("subject = 'b'", reserve_jobs=True)["success_count"] == 1
    assert Chosen.populate(reserve_jobs=True)["success_count"] == 1
    assert Chosen.progress() == (0, 2)

    class Wrong(dj.Computed):
        definition = "-> Session"
        key_source = 3

    Wrong = schema(Wrong, context={"Session": session})
    with pytest.raises(dj.DataJointError, match="key source"):
        Wrong.populate()
    Wrong.key_source = dj.U("subject") & session
    with pytest.raises(dj.DataJointError, match="`subject`"):
        Wrong.populate()


def test_some_are_not_to_be_done(pipeline):
    _, doubled = pipeline
    doubled.jobs.ignore({"session": 1, "more": 3})
    doubled.jobs.refresh()
    doubled.jobs.ignore({"session": 2})
    doubled.jobs.ignore({"session": 2})
    assert statuses(doubled.jobs) == {1: "ignore", 2: "ignore", 3: "pending"}
    assert doubled.populate(reserve_jobs=True)["success_count"] == 1
    with pytest.raises(dj.DataJointError, match="no job"):
        doubled.jobs.error({"session": 3}, "x")
    doubled.jobs.complete({"session": 3})
    with pytest.raises(dj.DataJointError, match="session"):
        doubled.jobs.reserve({})


def test_the_done_can_be_kept_and_come_back(pipeline, project):
    _, doubled = pipeline
    project.config["jobs.keep_completed"] = True
    doubled.populate(reserve_jobs=True)
    done = doubled.jobs.completed.to_dicts()
    assert len(done) == 3 and all(row["duration"] >= 0 and row["completed_time"] for row in done)
    assert doubled.populate(reserve_jobs=True)["success_count"] == 0
    (doubled & "session = 1").delete(prompt=False)
    assert doubled.jobs.refresh()["re_pended"] == 1
    assert doubled.populate(reserve_jobs=True)["success_count"] == 1


def test_jobs_of_keys_that_are_gone_go(pipeline):
    session, doubled = pipeline
    doubled.jobs.refresh()
    doubled.jobs.reserve({"session": 2})
    doubled.jobs.error({"session": 1}, "why", "stack")
    (session & "session < 3").delete(prompt=False)
    assert doubled.jobs.refresh()["removed"] == 1
    assert statuses(doubled.jobs) == {2: "reserved", 3: "pending"}
    time.sleep(0.02)
    assert doubled.jobs.refresh(stale_timeout=0)["removed"] == 0
    assert doubled.jobs.refresh(stale_timeout=0.01)["removed"] == 1
    assert statuses(doubled.jobs) == {3: "pending"}


def test_orphans_are_taken_back_when_asked(pipeline):
    _, doubled = pipeline
    doubled.jobs.refresh()
    doubled.jobs.reserve({"session": 1})
    time.sleep(0.02)
    assert doubled.jobs.refresh()["orphaned"] == 0
    assert doubled.jobs.refresh(orphan_timeout=60)["orphaned"] == 0
    assert doubled.jobs.refresh(orphan_timeout=0.01)["orphaned"] == 1
    assert (doubled.jobs & "session = 1").fetch1("status") == "pending"


def test_a_long_job_keeps_its_lease_and_a_dead_worker_loses_it(pipeline, project, monkeypatch):
    _, doubled = pipeline
    project.config["jobs.lease_timeout"] = 1
    began, may_end = threading.Event(), threading.Event()

    def make(self, key):
        if key["session"] == 1:
            began.set()
            assert may_end.wait(20)
        self.insert1({**key, "value": 0})

    monkeypatch.setattr(doubled, "make", make)
    first = threading.Thread(target=lambda: doubled.populate("session = 1", reserve_jobs=True))
    first.start()
    assert began.wait(20)
    time.sleep(1.8)
    row = doubled.jobs.reserved.fetch1()
    assert row["scheduled_time"] > row["reserved_time"]
    # Beyond the length of a lease nobody else has taken it.
    assert doubled.populate(reserve_jobs=True)["success_count"] == 2
    may_end.set()
    first.join(20)
    assert len(doubled) == 3 and len(doubled.jobs) == 0


def test_a_job_that_was_taken_over_is_the_other_ones(pipeline, project, database, monkeypatch):
    _, doubled = pipeline

    def make(self, key):
        self.insert1({**key, "value": 0})
        if key["session"] == 1:
            # As if this worker had slept, and another had come.
            self.connection.cancel_transaction()
            table = database.table("lab", "~~doubled")
            database.execute(project, f"UPDATE {table} SET host = 'elsewhere' WHERE session = 1")
            self.connection.start_transaction()
            self.insert1({**key, "value": 1})

    monkeypatch.setattr(doubled, "make", make)
    assert doubled.populate(reserve_jobs=True)["success_count"] == 2
    assert len(doubled & "session = 1") == 0
    assert doubled.jobs.reserved.fetch1("host") == "elsewhere"


def test_a_job_that_was_made_otherwise_is_done(pipeline):
    _, doubled = pipeline
    doubled.jobs.refresh()
    doubled.populate("session = 1")
    assert len(doubled.jobs) == 3
    assert doubled.populate(reserve_jobs=True, refresh=False)["success_count"] == 2
    assert len(doubled.jobs) == 0 and doubled.calls.count(1) == 1


KEYS = {
    "bool": True,
    "uuid": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
    "date": datetime.date(2024, 2, 29),
    "datetime(3)": datetime.datetime(2024, 2, 29, 1, 2, 3, 450000),
    "float64": 0.1,
    "decimal(6,2)": decimal.Decimal("-1.50"),
    "enum('a','b c')": "b c",
    "varchar(20)": "naïve ' \" 😀",
    "char(3)": "ab",
    "int64": 2**62,
}


def test_keys_of_every_type_are_jobs(schema):
    for number, (kind, value) in enumerate(KEYS.items()):
        source = schema(type(f"Source{number}", (dj.Manual,), {"definition": f"k : {kind}"}))
        computed = type(
            f"Result{number}",
            (dj.Computed,),
            {"definition": f"-> {source.__name__}", "make": lambda self, key: self.insert1(key)},
        )
        computed = schema(computed, context={source.__name__: source})
        source.insert1({"k": value})
        assert computed.jobs.refresh()["added"] == 1, kind
        assert computed.jobs.fetch1("k") == value, kind
        assert computed.jobs.reserve({"k": value}), kind
        assert len(computed.jobs & source) == 1, kind
        computed.jobs.refresh(orphan_timeout=1e-3)
        time.sleep(0.005)
        computed.jobs.refresh(orphan_timeout=1e-3)
        assert computed.populate(reserve_jobs=True)["success_count"] == 1, kind
        assert computed.fetch1("k") == value and len(computed.jobs) == 0, kind


def test_several_keys_may_share_a_job(schema, pipeline):
    session, _ = pipeline

    @schema
    class Trial(dj.Computed):
        definition = "-> Session\ntrial : int8"
        key_source = dj.U("session", "trial") & session.proj(trial="1 + 0")

        def make(self, key):
            self.insert1({**key, "trial": 1})

    @schema
    class Alone(dj.Computed):
        definition = "id : int8"

    assert Trial.jobs.primary_key == ["session"]
    assert Trial.populate(reserve_jobs=True)["success_count"] == 3
    assert Trial.progress() == (0, 3) and len(Trial.jobs) == 0
    with pytest.raises(dj.DataJointError, match="no FK-derived"):
        Alone.jobs  # noqa: B018


def test_queues_are_listed_dropped_and_hidden(schema, pipeline):
    _, doubled = pipeline
    assert schema.jobs == []
    doubled.jobs.refresh()
    (jobs,) = schema.jobs
    assert len(jobs) == 3 and isinstance(jobs, dj.Job)
    assert schema.progress()[0]["pending"] == 3
    assert schema.list_tables() == ["session", "__doubled"]
    with pytest.raises(dj.DataJointError, match="restricted"):
        jobs.pending.drop()
    jobs.drop()
    assert schema.jobs == []
    assert len(doubled.jobs) == 0
    with pytest.raises(AttributeError):
        pipeline[0].jobs  # noqa: B018
    doubled.drop(prompt=False)
    assert schema.jobs == []


def test_two_tables_do_not_share_a_queue(schema, pipeline):
    _, doubled = pipeline
    doubled.jobs.refresh()

    class Doubled(dj.Imported):
        definition = "-> Session"

    imported = schema(Doubled, context={"Session": pipeline[0]})
    with pytest.raises(dj.DataJointError, match="belongs to"):
        imported.jobs  # noqa: B018


def test_rows_record_how_they_were_made(project, schema):
    project.config["jobs.add_job_metadata"] = True

    @schema
    class Source(dj.Manual):
        definition = "id : int32"

    @schema
    class Slow(dj.Computed):
        definition = "-> Source\n---\nvalue : int8"

        def make(self, key):
            time.sleep(0.05)
            self.insert1({**key, "value": 1})

    Source.insert1({"id": 1})
    Source.insert1({"id": 2})
    Slow.populate("id = 1")
    Slow.populate(reserve_jobs=True)
    assert len(Slow & "_job_duration > 0.04" & "_job_duration < 5" & "_job_version = ''") == 2
    assert len(Slow & "_job_start_time is not null") == 2
    assert Slow.to_dicts() == [{"id": 1, "value": 1}, {"id": 2, "value": 1}]


def test_jobs_are_not_made_inside_a_transaction(pipeline):
    _, doubled = pipeline
    with pytest.raises(dj.DataJointError, match="transaction"), doubled.connection.transaction:
        doubled.jobs  # noqa: B018
    doubled.jobs.refresh()
    with doubled.connection.transaction:
        assert doubled.jobs.reserve({"session": 1})
        doubled.jobs.error({"session": 1}, "no")
    assert doubled.jobs.progress()["error"] == 1


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_older_tables_get_the_columns_of_how_rows_were_made(project, schema, pipeline, database):
    from lodestore.migrate import add_job_metadata_columns

    _, doubled = pipeline
    told = add_job_metadata_columns(schema)
    assert (told["tables_analyzed"], told["columns_added"]) == (1, 3)
    assert add_job_metadata_columns(doubled)["columns_added"] == 3
    assert add_job_metadata_columns(schema, dry_run=False)["tables_modified"] == 1
    again = dj.Instance(**database.settings, stores=project.config._core.get("stores"))
    names = {"Session": pipeline[0]}
    anew = type(
        "Doubled",
        (dj.Computed,),
        {"definition": "-> Session\n---\nvalue : int32", "make": doubled.make, "calls": []},
    )
    anew = again.Schema("lab")(anew, context=names)
    assert add_job_metadata_columns(anew)["columns_added"] == 0
    assert anew.populate()["success_count"] == 3
    assert len(anew & "_job_duration >= 0") == 3 and list(anew.heading) == ["session", "value"]
    again.connection.close()
