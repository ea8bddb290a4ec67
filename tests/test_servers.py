"""Servers that stop, stall or cannot be trusted: what is told, what is left, and that it goes on."""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import lodestore as dj
import services

SERVERS = [name for name in services.selected() if name != "sqlite"]


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    """A server that may be killed."""
    server = services.private(request.param)
    yield server
    server.stop()


@pytest.fixture
def lab(server, tmp_path):
    """A schema on it."""
    project = server.open(tmp_path / "project")
    yield project.Schema("lab")
    project.connection.close()
    server.clean()


@pytest.fixture
def sample(lab):
    @lab
    class Sample(dj.Manual):
        definition = "id : int32\n---\nvalue : float64\nnote = '' : varchar(100)"

    Sample.insert({"id": id, "value": id / 2} for id in range(100))
    return Sample


def in_thread(work):
    """Runs `work` beside; gives the thread and what it raised."""
    raised = []

    def run():
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def wait_until(found, seconds=20):
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def restart(server):
    server.kill()
    server.start()


def test_an_idle_connection_is_opened_again(server, sample):
    assert len(sample) == 100
    restart(server)
    assert len(sample) == 100
    restart(server)
    sample.insert1({"id": 100, "value": 0})
    restart(server)
    assert len(sample.to_dicts()) == 101


def test_a_server_that_is_gone_is_told_and_found_again(server, sample):
    server.kill()
    for work in (lambda: len(sample), lambda: sample.insert1({"id": 200, "value": 0}), sample.to_dicts):
        with pytest.raises(dj.errors.LostConnectionError):
            work()
    server.start()
    sample.insert1({"id": 200, "value": 0})
    assert len(sample) == 101


def test_reconnecting_may_be_forbidden(server, sample):
    other = dj.Instance(**server.settings, database__reconnect=False)
    assert len(other.Schema("lab")["Sample"]) == 100
    restart(server)
    with pytest.raises(dj.errors.LostConnectionError):
        len(other.Schema("lab")["Sample"])
    other.connection.close()
    assert len(other.Schema("lab")["Sample"]) == 100


@pytest.mark.parametrize("rows", [1, 5000])
def test_killed_in_the_middle_of_an_insert(server, sample, rows):
    with server.lock("lab", "sample") as holder:
        batch = [{"id": 1000 + id, "value": id} for id in range(rows)]
        thread, raised = in_thread(lambda: sample.insert(batch))
        wait_until(lambda: any("sample" in query for query in server.running()))
        server.kill()
        thread.join(30)
        holder.close()
    assert isinstance(raised[0], dj.errors.LostConnectionError)
    server.start()
    assert len(sample) == 100
    sample.insert(batch)
    assert len(sample) == 100 + rows


def test_killed_in_the_middle_of_a_fetch(server, sample):
    sample.insert({"id": id, "value": id, "note": "x" * 100} for id in range(100, 60_000))
    rows = iter(sample)
    assert next(rows)["note"] is not None
    # Beyond what is on its way already there is nothing.
    slow = in_thread(lambda: (sample & server.sleep(0.01)).to_arrays())
    wait_until(lambda: any("sleep" in query.lower() for query in server.running()))
    server.kill()
    slow[0].join(30)
    assert isinstance(slow[1][0], dj.errors.LostConnectionError)
    server.start()
    assert len(sample.to_arrays("id")) == 60_000


def test_killed_in_the_middle_of_a_transaction(server, sample):
    with pytest.raises(dj.errors.LostConnectionError, match="transaction") as told:  # noqa: SIM117
        with sample.connection.transaction:
            sample.insert1({"id": 300, "value": 1})
            restart(server)
            sample.insert1({"id": 301, "value": 1})
    assert "begin again" in told.value.hint
    assert not sample.connection.in_transaction and len(sample) == 100
    with sample.connection.transaction:
        sample.insert1({"id": 300, "value": 1})
    assert len(sample) == 101


def test_killed_before_a_commit(server, sample):
    with pytest.raises(dj.errors.LostConnectionError):  # noqa: SIM117
        with sample.connection.transaction:
            sample.insert1({"id": 300, "value": 1})
            restart(server)
    assert not sample.connection.in_transaction and len(sample) == 100


def test_killed_in_the_middle_of_a_commit(server, sample):
    """Whether it was stored nobody knows, and that is what is told; half of it is never there."""
    batch = [{"id": 500 + id, "value": id} for id in range(50)]
    inserted, stalled = threading.Event(), threading.Event()

    def work():
        with sample.connection.transaction:
            sample.insert(batch)
            inserted.set()
            assert stalled.wait(30)

    thread, raised = in_thread(work)
    assert inserted.wait(30)
    with server.stalled_commits():
        stalled.set()
        wait_until(lambda: any(query.upper().startswith("COMMIT") for query in server.running()))
        server.kill()
        thread.join(30)
        server.start()
    assert isinstance(raised[0], dj.errors.LostConnectionError)
    assert "not known" in str(raised[0]) and "look whether" in raised[0].hint
    assert len(sample & "id >= 500") in (0, 50)
    sample.insert(batch, skip_duplicates=True)
    assert len(sample & "id >= 500") == 50


class LosesAnswers:
    """Stands between a program and its server, and cuts the line when the answer to a commit comes back."""

    def __init__(self, host, port):
        self.server = (host, port)
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.cuts = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.door.accept()
                threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near):
        with contextlib.suppress(OSError), near, socket.create_connection(self.server) as far:
            commits = False
            while True:
                for end in select.select([near, far], [], [])[0]:
                    data = end.recv(1 << 16)
                    if not data or (end is far and commits):
                        return
                    commits = commits or (self.cuts and end is near and b"COMMIT" in data)
                    (far if end is near else near).sendall(data)


def test_the_answer_to_a_commit_is_lost(server, lab, sample, tmp_path):
    """The rows are there with their objects, though the program was told that nobody knows."""

    @lab
    class Trace(dj.Manual):
        definition = "id : int32\n---\ntrace : <npy@>"

    line = LosesAnswers(server.parts["host"], server.parts["port"])
    stores = lab.connection.config._core.get("stores")
    settings = {**server.settings, "port": line.port, "use_tls": False}
    with dj.Instance(**settings, stores=stores).connection as connection:
        there = dj.FreeTable(connection, "lab.trace")
        there.insert1({"id": 1, "trace": np.arange(3)})
        line.cuts = True
        with pytest.raises(dj.errors.LostConnectionError, match="not known"):
            there.insert1({"id": 2, "trace": np.arange(5)})
        with pytest.raises(dj.errors.LostConnectionError, match="not known"), there.staged_insert1 as staged:
            staged.rec["id"] = 4
            with staged.array("trace", "i8", (None,)) as array:
                array.append(np.arange(9))
        line.cuts = False
        assert len(there) == 3 and len(there.insert1({"id": 3, "trace": np.arange(7)}) or there) == 4
    line.door.close()
    assert [len(row["trace"].load()) for row in Trace.to_dicts(order_by="id")] == [3, 5, 7, 9]


def test_killed_in_the_middle_of_populate(server, lab, sample, tmp_path):
    @lab
    class Spectrum(dj.Computed):
        definition = "-> Sample\n---\nspectrum : <npy@>\nsummary : <blob>"
        deadly = True

        def make(self, key):
            self.insert1({**key, "spectrum": np.arange(10.0), "summary": [key["id"]]})
            if self.deadly and key["id"] == 3:
                restart(server)

    with pytest.raises(dj.errors.LostConnectionError):
        Spectrum.populate("id < 5")
    # What was computed before stands, of the rest there is nothing.
    assert sorted(Spectrum.to_arrays("id")) == [0, 1, 2]
    Spectrum.deadly = False
    Spectrum.populate("id < 5")
    assert sorted(Spectrum.to_arrays("id")) == [0, 1, 2, 3, 4]
    assert all(np.array_equal(row["spectrum"].load(), np.arange(10.0)) for row in Spectrum)


INTERRUPTED = """
import signal, sys, time, lodestore as dj
sample = dj.conn() and dj.Schema("lab")["Sample"]
print("ready", flush=True)
began = time.monotonic()
try:
    len(sample & sys.argv[1])
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - began < 10, len(sample))
"""


def test_ctrl_c_stops_a_statement(server, sample, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, server.sleep(1)],
        env=server.environment(dj.Instance(**server.settings)),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    wait_until(lambda: any("sleep" in query.lower() for query in server.running()))
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=30)
    assert told == "interrupted True 100\n"
    wait_until(lambda: not any("sleep" in query.lower() for query in server.running()))


def test_statements_may_be_limited_in_time(server, sample):
    hasty = dj.Instance(**server.settings, database__statement_timeout=1)
    table = hasty.Schema("lab")["Sample"]
    with pytest.raises(dj.errors.QueryError, match="time") as told:
        len(table & server.sleep(0.1))
    assert "statement_timeout" in told.value.hint
    assert len(table) == 100


def test_a_failed_query_does_not_break_a_transaction_off(lab, sample):
    with sample.connection.transaction:
        sample.insert1({"id": 400, "value": 1})
        with pytest.raises(dj.DataJointError):
            (sample & "nosuch(value) = 1").to_dicts()
        with pytest.raises(dj.errors.DuplicateError):
            sample.insert1({"id": 400, "value": 1})
        assert len(sample) == 101
        sample.insert1({"id": 401, "value": 1})
    assert len(sample) == 102


def test_passwords_are_not_shown(server, caplog):
    settings = {**server.settings, "password": "s3cret-and-wrong"}
    with pytest.raises(dj.errors.AccessError) as told:
        dj.Instance(**settings)
    project = dj.Instance(**server.settings)
    shown = "".join(map(repr, (project, project.connection, project.config, project.Schema("x"))))
    for text in (str(told.value), repr(told.value), str(told.value.context), shown, caplog.text):
        assert "s3cret" not in text and server.settings["password"] not in text


def test_a_server_brings_no_store(server):
    project = dj.Instance(**server.settings)
    schema = project.Schema("storeless")

    @schema
    class Trace(dj.Manual):
        definition = "id : int32\n---\ndata : <npy@>"

    with pytest.raises(dj.DataJointError, match="store"):
        Trace.insert1({"id": 1, "data": np.arange(3)})
    assert len(Trace) == 0
    server.clean()


def test_several_projects_at_once(server, tmp_path):
    one, two = server.open(tmp_path / "one"), server.open(tmp_path / "two")
    embedded = dj.Instance(path=tmp_path / "three")

    def fill(project, number):
        class Thing(dj.Manual):
            definition = "id : int32\n---\ndata : <npy@>"

        schema = project.Schema(f"lab{number}")
        schema(Thing)
        Thing.insert1({"id": number, "data": np.arange(number)})
        return Thing

    tables = [fill(project, number) for number, project in enumerate((one, two, embedded))]
    assert [len(table.fetch1("data").load()) for table in tables] == [0, 1, 2]
    assert "lab2" not in dj.list_schemas(one.connection)
    assert {"lab0", "lab1"} <= set(dj.list_schemas(two.connection))
    with pytest.raises(dj.DataJointError):
        _ = tables[0] * tables[2]
    server.clean()


def test_the_process_wide_connection_follows_the_environment(server, tmp_path):
    code = """
        import lodestore as dj
        print(dj.conn().place)
        @dj.Schema("lab")
        class Thing(dj.Manual):
            definition = "id : uuid"
        import uuid
        Thing.insert1({"id": uuid.UUID(int=5)})
        print(Thing.fetch1("id"), dj.config.database.port)
    """
    project = server.open(tmp_path / "project")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=server.environment(project),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    place, *rest = done.stdout.splitlines()
    assert place == project.connection.place and server.settings["password"] not in done.stdout + done.stderr
    assert rest == [f"00000000-0000-0000-0000-000000000005 {server.parts['port']}"]
    server.clean()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for this machine with its key, and that of the lab's own authority that signed it."""
    folder = tmp_path_factory.mktemp("tls")
    if not shutil.which("openssl"):
        pytest.fail("openssl is needed to make a certificate")
    (folder / "names").write_text("subjectAltName=DNS:db.lab,IP:127.0.0.1")
    for command in (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Lab -keyout ca-key.pem -out ca.pem",
        "openssl req -newkey rsa:2048 -nodes -subj /CN=db.lab -keyout key.pem -out request.pem",
        "openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile names -out cert.pem",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def encrypted_server(server, certificate):
    """The server with this certificate: what opens it, and what tells whether a connection is encrypted."""
    for name in ("cert.pem", "key.pem"):
        target = server.server.data / name
        shutil.copy(certificate / name, target)
        if server.server.user:
            shutil.chown(target, server.server.user)
        target.chmod(0o600)
    before = server.server.options
    server.server.options = (
        *before,
        *server.tls_options(*(server.server.data / name for name in ("cert.pem", "key.pem"))),
    )
    restart(server)
    yield server
    server.server.options = before
    restart(server)
    server.clean()


def test_encryption_is_verified(encrypted_server, certificate, caplog):
    server, settings = encrypted_server, encrypted_server.settings

    def encrypted(**tls):
        project = dj.Instance(**settings, **tls)

        class One(dj.Lookup):
            definition = "id : int32"
            contents = [(1,)]

        project.Schema("lab")(One)
        told = One.proj(told=f"({server.asks_encryption})").fetch1("told")
        project.connection.close()
        return bool(told)

    ca = os.fspath(certificate / "ca.pem")
    # On this machine any certificate is taken; nobody listens in between.
    assert encrypted() and not encrypted(use_tls=False)
    assert encrypted(use_tls={"ca": ca}) and encrypted(use_tls={"verify": False})
    if server.name == "postgresql":
        # One that signs for itself is named as its own authority.
        assert encrypted(use_tls={"ca": os.fspath(certificate / "cert.pem")})
    with pytest.raises(dj.errors.LostConnectionError, match="certificate") as told:
        dj.Instance(**settings, use_tls={"verify": True})
    assert "use_tls" in told.value.hint
    # Where no authority is configured, DataJoint connects to any server: so do we, and say it once.
    caplog.clear()
    assert encrypted(use_tls=True) and encrypted(use_tls=True) and encrypted(use_tls={})
    assert [record.levelname for record in caplog.records if "verified" in record.message] == ["WARNING"]
    assert "`database.use_tls`" in caplog.text
    # The certificate names the address, not `localhost`.
    with pytest.raises(dj.errors.LostConnectionError, match="certificate"):
        dj.Instance(**{**settings, "host": "localhost"}, use_tls={"ca": ca})
    project = dj.Instance(**{**settings, "host": "localhost"}, use_tls={"ca": ca, "check_hostname": False})
    assert "@localhost" in project.connection.place
    project.connection.close()
    with pytest.raises(dj.DataJointError, match="no option"):
        dj.Instance(**settings, use_tls={"cipher": "x"})
