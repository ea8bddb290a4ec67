"""Settings: where they come from, and that secrets stay secret."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lodestore as dj
from lodestore.settings import Config


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Config.load_sources()


def python(code, folder, **environment):
    """Runs code in a fresh process; gives what it printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DJ_")}
    command = [sys.executable, "-c", "import lodestore as dj\n" + code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**clean, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_settings_are_read_and_written_in_two_ways(config):
    config["display.limit"] = 7
    assert config.display.limit == 7
    config.display.limit = "8"
    assert config["display.limit"] == 8
    config.safemode = False
    assert config["safemode"] is False and config.get("safemode") is False
    del config["safemode"]
    assert config.safemode is True
    assert "safemode" in config and "nonsense" not in config and config.get("nonsense", 5) == 5
    with pytest.raises(KeyError, match="nonsense"):
        config["nonsense"]
    with pytest.raises(AttributeError):
        config.nonsense  # noqa: B018
    with pytest.raises(AttributeError):
        config.database.nonsense  # noqa: B018


def test_wrong_settings_are_refused(config):
    with pytest.raises(dj.DataJointError, match="true or false"):
        config["safemode"] = "perhaps"
    with pytest.raises(dj.DataJointError, match=r"did you mean `display\.limit`"):
        config["display.limits"] = 3
    assert config.safemode is True


def test_override_puts_everything_back(config):
    with config.override(
        safemode=False, display__limit=1, stores={"a": {"protocol": "file", "location": "/"}}
    ):
        assert (config.safemode, config.display.limit, list(config.stores)) == (False, 1, ["a"])
    assert (config.safemode, config.display.limit, list(config.stores)) == (True, 12, [])
    with pytest.raises(dj.DataJointError), config.override(safemode=False, nonsense=1):
        pass
    assert config.safemode is True


def test_stores_are_a_mapping(config):
    config.stores["raw"] = {"protocol": "file", "location": "/data"}
    config.stores["default"] = "raw"
    config.stores["raw"]["subfolding"] = [2, 2]
    assert list(config.stores.keys()) == ["raw", "default"]
    assert config["stores.raw.location"] == "/data"
    spec = config.get_store_spec()
    assert (
        spec["hash_prefix"] == "_hash"
        and spec["subfolding"] == [2, 2]
        and spec == config.get_store_spec("raw")
    )
    assert config.get_store_spec(use_filepath_default=True) == spec
    with pytest.raises(dj.DataJointError, match="'cold' is requested but not configured"):
        config.get_store_spec("cold")
    del config.stores["raw"]
    with pytest.raises(KeyError):
        del config.stores["raw"]


def test_the_environment_outranks_secrets_outrank_the_file(tmp_path):
    (tmp_path / "datajoint.json").write_text(
        json.dumps({"database": {"user": "file", "password": "file"}, "display.limit": 3})
    )
    secrets = tmp_path / ".secrets"
    secrets.mkdir()
    (secrets / "database.user").write_text("secret\n")
    os.chmod(secrets / "database.user", 0o600)
    show = "print(dj.config.database.user, dj.config['database.password'], dj.config.display.limit)"
    assert python(show, tmp_path) == "secret file 3"
    assert python(show, tmp_path, DJ_USER="env", DJ_DISPLAY_LIMIT="5") == "env file 5"


def test_secrets_are_not_shown(config):
    config["database.password"] = "s3cret"
    config.stores["cloud"] = {
        "protocol": "s3",
        "secret_key": "s3cret",
        "endpoint": "e",
        "bucket": "b",
        "location": "",
    }
    shown = f"{config!r} {config.database!r} {config.stores!r} {config.stores['cloud']!r}"
    assert "s3cret" not in shown and "****" in shown
    with pytest.raises(dj.DataJointError) as caught:
        config["database.password"] = ["s3cret"]
    assert "s3cret" not in str(caught.value)


def test_without_anything_an_embedded_project_is_used_and_announced_once(tmp_path):
    code = """
schema = dj.Schema("lab")
@schema
class Thing(dj.Manual):
    definition = "id : int8\\n---\\ndata : <blob@>"
Thing.insert1({"id": 1, "data": [1, 2]})
dj.conn(reset=True)
print(len(dj.Schema("lab")["Thing"]), dj.config.stores["default"])
"""
    lines = python(code, tmp_path, DJ_LOG_STREAM="stdout").splitlines()
    assert lines[-1] == "1 main"
    assert [str(tmp_path / "lodestore") in line for line in lines] == [True, False]
    assert {"lodestore.db", "objects"} <= {path.name for path in (tmp_path / "lodestore").iterdir()}


def test_a_server_out_of_reach_is_told(tmp_path):
    code = """
try:
    dj.Schema("lab")
except dj.DataJointError as error:
    print(error)
"""
    assert "no user is named" in python(code, tmp_path, DJ_HOST="db.lab")
    server = {"DJ_BACKEND": "postgresql", "DJ_HOST": "127.0.0.1:1", "DJ_USER": "ann", "DJ_PASS": "s3cret"}
    told = python(code, tmp_path, **server)
    assert "cannot connect" in told and "ann@127.0.0.1:1/postgres" in told and "s3cret" not in told
    assert not (tmp_path / "lodestore").exists()


def test_a_store_of_ones_own(tmp_path):
    (tmp_path / "data").mkdir()
    stores = {
        "default": "raw",
        "raw": {
            "protocol": "file",
            "location": str(tmp_path / "data"),
            "hash_prefix": "blobs",
            "subfolding": [2, 2],
        },
    }
    (tmp_path / "datajoint.json").write_text(json.dumps({"stores": stores}))
    code = """
schema = dj.Schema("lab")
@schema
class Thing(dj.Manual):
    definition = "id : int8\\n---\\ndata : <blob@raw>"
Thing.insert1({"id": 1, "data": [1, 2]})
print(Thing.fetch1("data"))
"""
    assert python(code, tmp_path) == "[1, 2]"
    [path] = [
        path.relative_to(tmp_path / "data")
        for path in (tmp_path / "data").rglob("*")
        # What the store itself keeps lies apart.
        if path.is_file() and ".lodestore" not in path.parts
    ]
    assert path.parts[:2] == ("blobs", "lab") and path.parts[2] + path.parts[3] == path.name[:4]


def test_a_missing_store_folder_is_not_made(tmp_path):
    stores = {"default": "raw", "raw": {"protocol": "file", "location": str(tmp_path / "unmounted")}}
    code = """
schema = dj.Schema("lab")
@schema
class Thing(dj.Manual):
    definition = "id : int8\\n---\\ndata : <blob@raw>"
try:
    Thing.insert1({"id": 1, "data": [1, 2]})
except dj.DataJointError as error:
    print(error, len(Thing))
"""
    shown = python(code, tmp_path, DJ_STORES=json.dumps(stores))
    assert "inaccessible local directory" in shown and shown.endswith("0")
    assert not (tmp_path / "unmounted").exists()


def test_thread_safe_mode_has_no_global_state(tmp_path):
    code = """
for use in (lambda: dj.config.safemode, lambda: dj.conn(), lambda: dj.Schema("x"), lambda: dj.list_schemas()):
    try:
        use()
    except dj.ThreadSafetyError as error:
        print("refused", end=" ")
print(repr(dj.config), dj.Instance(path="here").Schema("x").exists)
"""
    assert python(code, tmp_path, DJ_THREAD_SAFE="yes") == (
        "refused refused refused refused ConfigProxy (thread-safe mode - use dj.Instance()) True"
    )


def test_a_template_is_written_once(config, tmp_path):
    path = config.save_template(tmp_path / "datajoint.json", minimal=False)
    config.load(path)
    assert config.stores["default"] == "main"
    with pytest.raises(FileExistsError):
        config.save_template(path)
    with pytest.raises(FileNotFoundError):
        config.load(tmp_path / "nothing.json")


@pytest.mark.databases("sqlite")
def test_dotted_names_of_stores_are_checked(project):
    config = project.config
    for name, value in (
        ("stores.a.b.c", 1),
        ("stores.a", "file"),
        ("stores..b", 1),
        ("stores.default", {"protocol": "file"}),
        ("stores.default.location", "/data"),
    ):
        with pytest.raises(dj.DataJointError, match="stores") as caught:
            config[name] = value
        assert caught.value.kind == "invalid-config" and "stores.<store>" in caught.value.hint
    with pytest.raises(dj.DataJointError, match="dot"):
        config.stores["a.b"] = {"protocol": "file"}


@pytest.mark.databases("sqlite")
def test_passwords_in_urls_are_not_shown(project):
    config = project.config
    config["stores.cloud"] = {"protocol": "s3", "endpoint": "https://ann:s3cret@host:9000", "location": ""}
    config["database.host"] = "mysql://ann:s3cret@host"
    shown = f"{config!r} {config.stores!r} {config.stores['cloud']!r} {config.database!r}"
    assert "s3cret" not in shown and "https://ann:**********@host:9000" in shown
    assert config.stores["cloud"]["endpoint"] == "https://ann:s3cret@host:9000"
    with pytest.raises(dj.DataJointError) as caught:
        config["display.limit"] = "https://ann:s3cret@host"
    assert "s3cret" not in str(caught.value)


@pytest.mark.databases("sqlite")
def test_settings_are_a_mapping(project):
    config = project.config
    config["database.password"] = "s3cret"
    assert "s3cret" not in repr(config.copy()) and config["database"]["password"] == "s3cret"
    assert config.database.create_tables is config["database"]["create_tables"] is True
    assert {"safemode", "stores", "jobs.auto_refresh"} <= set(config) and len(config) == len(
        list(config.items())
    )
    assert "jobs.auto_refresh" in config and "jobs.automatic" not in config and "auto_refresh" in config.jobs
    before = config.copy()
    assert before == config and dict(before.jobs) == config.jobs.copy()
    config.jobs = {"keep_completed": True}
    config["jobs"]["stale_timeout"] = 5
    config.update({"display.limit": 3}, safemode=False)
    config.stores["more"] = {"protocol": "file", "location": Path("/more")}
    assert before != config and config.jobs.keep_completed and config["jobs.stale_timeout"] == 5
    assert (config.pop("display.limit"), config["display.limit"]) == (3, 12)
    assert config.setdefault("display.width", 5) == 14 and config.setdefault("query_cache", "/q") == "/q"
    with config.override(jobs={"auto_refresh": False}):
        assert not config.jobs.auto_refresh and not config.jobs.keep_completed
    assert config.jobs.auto_refresh and config.jobs.keep_completed
    config.update(before)
    assert config == before and config.jobs.stale_timeout == 3600 and "more" not in config.stores
    for name in ("jobs", "database"):
        with pytest.raises(dj.DataJointError, match="nothing"):
            config[name] = {"nothing": 1}
        assert config == before
    del config["database"]["password"]
    config.jobs.clear()
    assert config.database.password is None


@pytest.mark.databases("sqlite")
def test_copies_keep_what_is_not_set(project):
    """A default that was never set is not set by restoring a copy: a host would name a server."""
    config = Config(project.config._core.snapshot())
    config.clear()
    before = config.copy()
    config["database.host"] = "db.lab"
    config.update(before)
    assert config._core.is_unconfigured() and copy.deepcopy(config) == before


@pytest.mark.databases("sqlite")
def test_stores_have_the_interface_of_a_dict(project):
    stores = project.config.stores
    stores.clear()
    stores.update(raw={"protocol": "file", "location": "/raw"}, default="raw")
    kept = stores.copy()
    assert (
        type(kept) is dict
        and kept == stores == copy.deepcopy(stores)
        and json.loads(json.dumps(kept)) == kept
    )
    assert stores | {"x": {}} == {**kept, "x": {}} and {"x": {}} | stores == {"x": {}, **kept}
    assert stores.pop("raw") == kept["raw"] and stores.get("raw") is None and "raw" in kept
    assert stores.setdefault("raw", kept["raw"])["location"] == "/raw"
    project.config["stores"] = kept
    assert stores == kept and dict(stores["raw"]) == stores["raw"].copy() == kept["raw"]
