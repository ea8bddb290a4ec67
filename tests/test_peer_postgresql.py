"""What DataJoint 2.3.5 cannot do on PostgreSQL, besides what `test_interoperation` shows type by type."""

import json
import os
import subprocess
import sys
import textwrap
import uuid

import pytest

import lodestore as dj

pytestmark = pytest.mark.databases("postgresql")

#: The peer's half of a test, which finds `project`'s database and stores by its environment.
PROLOGUE = """
import json, sys, uuid, warnings
warnings.simplefilter("ignore")
import datajoint as dj
assert dj.__version__.startswith("2.3")
dj.config["safemode"] = False
schema = dj.Schema("lab")
"""


def peer(database, project, code, **told):
    """Runs code with the peer, in a process of its own; gives the last line that it prints, from JSON."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(code)],
        input=json.dumps(told),
        env={**database.environment(project), "DJ_LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


PEER_CANNOT = {
    "insert a uuid": """
        @schema
        class A(dj.Manual):
            definition = "id : uuid"
        A.insert1({"id": uuid.uuid4()})
    """,
    "replace a row": """
        @schema
        class B(dj.Manual):
            definition = "id : int32\\n---\\nx : int32"
        B.insert1({"id": 1, "x": 1})
        B.insert1({"id": 1, "x": 2}, replace=True)
    """,
    "index an expression": """
        @schema
        class C(dj.Manual):
            definition = "id : int32\\n---\\nd : date\\nindex ((year(d)))"
    """,
    "keep a comment with a percent sign": """
        @schema
        class D(dj.Manual):
            definition = "id : int32  # 50 % of it"
    """,
    "insert NaN for a missing float64": """
        @schema
        class E(dj.Manual):
            definition = "id : int32\\n---\\nx = null : float64"
        E.insert1({"id": 1, "x": float("nan")})
        assert E.fetch1("x") is None
    """,
    "compare text with a backslash": """
        @schema
        class F(dj.Manual):
            definition = "id : int32\\n---\\nx : varchar(10)"
        F.insert1({"id": 1, "x": "a\\\\b"})
        assert len(F & {"x": "a\\\\b"}) == 1
    """,
    "insert nothing but defaults": """
        @schema
        class G(dj.Manual):
            definition = "id = 1 : int32"
        G.insert1({})
    """,
}


@pytest.mark.parametrize("what", PEER_CANNOT)
def test_the_peer_cannot(database, project, schema, what):
    """The same code fails with the peer, and works here."""
    code = textwrap.dedent(PEER_CANNOT[what])
    with pytest.raises(AssertionError, match="Traceback"):
        peer(database, project, code + "\nprint(1)")
    database.clean()
    schema = project.Schema("lab2")
    exec(code, {"dj": dj, "schema": schema, "uuid": uuid})


def test_our_uuids_and_attachments_lie_as_the_peer_means_them(database, project, schema, tmp_path):
    """Where the peer fails to write or to read, the columns are still of its types."""

    @schema
    class Item(dj.Manual):
        definition = "item_id : uuid\n---\nfile = null : <attach>"

    (tmp_path / "notes.txt").write_text("hello")
    Item.insert1(
        {"item_id": "00000000-0000-0000-0000-000000000007", "file": os.fspath(tmp_path / "notes.txt")}
    )
    name = database.table("lab", "item")
    rows = database.execute(project, f"SELECT item_id::text, file, pg_typeof(item_id)::text FROM {name}")
    assert [(row[0], bytes(row[1]), row[2]) for row in rows] == [
        ("00000000-0000-0000-0000-000000000007", b"notes.txt\0hello", "uuid")
    ]
    code = "schema.make_classes()\nprint(json.dumps([len(Item()), str(Item.heading.attributes['item_id'].uuid)]))"
    assert peer(database, project, code) == [1, "True"]
