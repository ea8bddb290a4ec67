"""Nothing is deleted without evidence: columns that lost their comments, rows and schemas that cannot be seen."""

import contextlib

import numpy as np
import pytest

import lodestore as dj
from lodestore.errors import DataJointError
from test_copies import again as open_again
from test_gc import collect, full, readable

SERVERS = pytest.mark.databases("postgresql", "mariadb", "mysql")


def lose_comment(project, table, column, declared="json"):
    """What another tool does that alters a column and knows nothing of its comment."""
    name = table.full_table_name
    if project.connection.adapter.backend == "postgresql":
        project.connection.query(f"COMMENT ON COLUMN {name}.{column} IS NULL")
    else:
        project.connection.query(f"ALTER TABLE {name} MODIFY {column} {declared} NULL")


@pytest.fixture
def shared(schema, project):
    """Two tables that hold the same content, as far as a program copies that knows of no owners."""

    @schema
    class Scan(dj.Manual):
        definition = "id : int32\n---\ntrace = null : <npy@>\nshared = null : <blob@>"

    @schema
    class Copy(dj.Manual):
        definition = "id : int32\n---\ntrace = null : <npy@>\nshared = null : <blob@>"

    Scan.insert(
        {"id": number, "trace": np.full(3, number), "shared": f"content {number}"} for number in range(4)
    )
    project.connection.query(f"INSERT INTO {Copy.full_table_name} SELECT * FROM {Scan.full_table_name}")
    return Scan, Copy


@SERVERS
def test_a_column_that_lost_its_comment_still_counts(shared, schema, project, objects):
    scan, copy = shared
    before = objects()
    for column in ("trace", "shared"):
        lose_comment(project, copy, column)
    scan.delete(prompt=False)
    assert objects() == before
    for attempt in (collect, full):
        with pytest.raises(DataJointError, match="nothing is deleted: a column was declared as") as caught:
            attempt(schema)
        # Which of the two is named first depends on the catalog.
        assert caught.value.context["table"] == "lab.copy"
        assert caught.value.context["attribute"] in ("trace", "shared")
    assert objects() == before
    # The hint is what restores it.
    project.connection.query(caught.value.hint.split("type back: ")[1])
    with pytest.raises(DataJointError, match=r"declared as `<(npy|blob)@>`") as caught:
        collect(schema)
    project.connection.query(caught.value.hint.split("type back: ")[1])
    full(schema)
    assert objects() == before
    other = dj.FreeTable(dj.Instance(**_settings(project)).connection, "lab.copy")
    assert [row["shared"] for row in other.to_dicts()] == [f"content {number}" for number in range(4)]
    assert readable(other) == 4
    other.connection.close()
    other.delete(prompt=False)
    collect(schema)
    assert objects() == []


def _settings(project):
    config = project.config
    return {
        "stores": config._core.get("stores"),
        "backend": config["database.backend"],
        "host": config["database.host"],
        "port": config["database.port"],
        "user": config["database.user"],
        "password": str(config["database.password"]),
        "database__name": config["database.name"],
    }


@SERVERS
def test_an_unmarked_column_that_nobody_recorded_counts_by_its_values(shared, schema, project, objects):
    """As in a schema that DataJoint made, and of which this program kept no record before the comments went."""
    scan, copy = shared
    name = project.connection.adapter
    before = objects()
    for column in ("trace", "shared"):
        lose_comment(project, copy, column)
    quoted = 'lab."~codecs"' if name.backend == "postgresql" else "lab.`~codecs`"
    project.connection.query(f"DELETE FROM {quoted} WHERE attribute LIKE 'copy.%'")
    scan.delete(prompt=False)
    full(schema)
    assert objects() == before
    project.connection.query(f"DELETE FROM {copy.full_table_name}")
    full(schema)
    assert objects() == []


@pytest.mark.parametrize("kind", ["text", "bytes"])
def test_text_and_bytes_that_look_like_references_count(shared, schema, project, objects, kind):
    scan, copy = shared
    before = objects()
    backend = project.connection.adapter.backend
    types = {"postgresql": {"bytes": "bytea"}, "mysql": {"bytes": "longblob"}, "sqlite": {"bytes": "blob"}}
    column_type = types[backend].get(kind, "text")
    name = '"lab.notes"' if backend == "sqlite" else "lab.notes"
    strict = " STRICT" if backend == "sqlite" else ""
    project.connection.query(f"CREATE TABLE {name} (id integer PRIMARY KEY, note {column_type}){strict}")
    source = copy.full_table_name
    text = {"postgresql": "trace::text", "mysql": "CAST(trace AS CHAR)", "sqlite": "trace"}[backend]
    if kind == "bytes":
        text = {
            "postgresql": "convert_to(trace::text, 'UTF8')",
            "mysql": "CAST(CAST(trace AS CHAR) AS BINARY)",
            "sqlite": "CAST(trace AS BLOB)",
        }[backend]
    project.connection.query(f"INSERT INTO {name} SELECT id, {text} FROM {source}")
    scan.delete(prompt=False)
    copy.delete(prompt=False)
    full(schema)
    assert objects() == [path for path in before if path.startswith("_schema")]
    project.connection.query(f"DROP TABLE {name}")
    full(schema)
    assert objects() == []


@pytest.mark.databases("mariadb", "mysql")
@pytest.mark.parametrize("grants", ["own", "listed", "all"])
def test_rows_of_a_schema_that_this_user_cannot_see(shared, schema, project, database, objects, grants):
    query = project.connection.query
    query("CREATE DATABASE secret")
    query("CREATE TABLE secret.copied LIKE lab.scan")
    query("INSERT INTO secret.copied SELECT * FROM lab.scan")
    query("DELETE FROM lab.copy")
    query("CREATE USER evidence_reader IDENTIFIED BY 'gc'")
    query("GRANT ALL ON lab.* TO evidence_reader")
    # The servers of the tests flush commits late: without this right, objects stay for a minute, whatever is visible.
    query("GRANT RELOAD ON *.* TO evidence_reader")
    if grants == "listed":
        query("GRANT SHOW DATABASES ON *.* TO evidence_reader")
    if grants == "all":
        query("GRANT SELECT ON *.* TO evidence_reader")
    before = objects()
    reader = dj.Instance(**{**_settings(project), "user": "evidence_reader", "password": "gc"})
    try:
        reader.FreeTable("lab.scan").delete(prompt=False)
        if grants == "all":
            full(reader.Schema("lab"))
        else:
            with pytest.raises(
                DataJointError, match="nothing is deleted: this user may not read every schema"
            ) as caught:
                full(reader.Schema("lab"))
            place = "*.*" if grants == "own" else "`secret`.*"
            assert f"GRANT SELECT ON {place} TO `evidence_reader`@`%`" in caught.value.hint
        assert objects() == before
        query("DROP DATABASE secret")
        if grants != "own":
            full(reader.Schema("lab"))
            assert objects() == []
    finally:
        reader.connection.close()
        query("DROP USER evidence_reader")


@contextlib.contextmanager
def roles(project, *names):
    query = project.connection.query
    for name in names:
        query(f"CREATE ROLE {name} LOGIN PASSWORD 'gc'")
    try:
        yield
    finally:
        for name in names:
            query(f"DROP OWNED BY {name} CASCADE")
            query(f"DROP ROLE {name}")


@pytest.mark.databases("postgresql")
def test_a_strangers_private_schema_keeps_nobody_from_reclaiming(project, objects):
    query = project.connection.query
    with roles(project, "evidence_owner", "evidence_stranger"):
        for name in ("owner", "stranger"):
            query(f"CREATE SCHEMA {name} AUTHORIZATION evidence_{name}")
        settings = [
            {**_settings(project), "user": f"evidence_{name}", "password": "gc"}
            for name in ("owner", "stranger")
        ]
        owner, stranger = (dj.Instance(**each) for each in settings)
        tables = []
        for instance, name in ((owner, "owner"), (stranger, "stranger")):

            @instance.Schema(name, create_schema=False)
            class Scan(dj.Manual):
                definition = "id : int32\n---\ntrace = null : <npy@>\nshared = null : <blob@>"

            Scan.insert1({"id": 1, "trace": np.zeros(3), "shared": name})
            tables.append(Scan)
        assert len(objects()) == 4
        tables[0].delete(prompt=False)
        assert [path.split("/")[1] for path in objects()] == ["stranger", "stranger"]
        # A stranger who may read the schema may have copied its references.
        tables[0].insert1({"id": 2, "shared": "two"})
        query("GRANT USAGE ON SCHEMA owner TO evidence_stranger")
        query("GRANT SELECT ON ALL TABLES IN SCHEMA owner TO evidence_stranger")
        query("INSERT INTO stranger.scan SELECT * FROM owner.scan")
        tables[0].delete(prompt=False)
        assert len(objects()) == 3
        with pytest.raises(DataJointError, match="may not read a column that may name objects") as caught:
            full(owner.Schema("owner"))
        assert 'GRANT USAGE ON SCHEMA "stranger"' in caught.value.hint
        assert readable(tables[1]) == 2
        owner.connection.close()
        stranger.connection.close()


@pytest.mark.databases("postgresql")
def test_rows_behind_a_policy(shared, schema, project, objects):
    _, copy = shared
    query = project.connection.query
    before = objects()
    with roles(project, "evidence_reader"):
        query("GRANT ALL ON SCHEMA lab TO evidence_reader")
        query("GRANT ALL ON ALL TABLES IN SCHEMA lab TO evidence_reader")
        query(f"ALTER TABLE {copy.full_table_name} ENABLE ROW LEVEL SECURITY")
        reader = dj.Instance(**{**_settings(project), "user": "evidence_reader", "password": "gc"})
        reader.FreeTable("lab.scan").delete(prompt=False)
        with pytest.raises(DataJointError, match="row-level security"):
            full(reader.Schema("lab"))
        assert objects() == before
        reader.connection.close()


@SERVERS
def test_a_dump_without_comments(shared, schema, project, database, objects):
    """A schema that comes back from a dump without comments, and without columns that count."""
    scan, copy = shared
    (scan & "id = 0").delete(prompt=False)
    before = objects()
    for table in (scan, copy):
        for column in ("trace", "shared"):
            lose_comment(project, table, column)
    if project.connection.adapter.backend == "mysql":
        project.connection.query("ALTER TABLE lab.`~released` MODIFY id BIGINT NOT NULL")
    else:
        project.connection.query('ALTER TABLE lab."~released" ALTER COLUMN id DROP IDENTITY')
    again = dj.Instance(**_settings(project))
    lab = again.Schema("lab")
    with pytest.raises(DataJointError, match="nothing is deleted"):
        full(lab)
    assert objects() == before
    # It can be worked with.
    again.FreeTable("lab.copy").delete(prompt=False)
    assert objects() == before
    again.connection.close()


@pytest.mark.databases("sqlite")
def test_the_hidden_table_of_comments_is_restored(shared, schema, project, objects):
    """The types of codecs are: they are recorded a second time."""
    scan, _ = shared
    lose_hidden_table(shared, schema, project, objects, "~comments")
    assert readable(scan) == 3


@pytest.mark.parametrize("hidden", ["~intents", "~released", "~condemned", "~codecs", "~lineage"])
def test_a_hidden_table_that_is_gone_is_restored(shared, schema, project, objects, hidden):
    lose_hidden_table(shared, schema, project, objects, hidden)


def lose_hidden_table(shared, schema, project, objects, hidden):
    scan, _ = shared
    backend = project.connection.adapter.backend
    project.connection.query(f"DELETE FROM {shared[1].full_table_name}")
    project.config["gc.automatic"] = False
    (scan & "id = 1").delete(prompt=False)
    names = {"sqlite": f'"lab.{hidden}"', "postgresql": f'lab."{hidden}"', "mysql": f"lab.`{hidden}`"}
    project.connection.query(f"DROP TABLE {names[backend]}")
    again = open_again(project)
    again.config["gc.automatic"] = False
    # In the program that is at work, and in another one.
    for instance in (project, again):
        full(instance.Schema("lab"))
        assert len(objects()) == 6
    if hidden != "~comments":
        table = dj.FreeTable(again.connection, "lab.scan")
        table.insert1({"id": 9, "trace": np.zeros(3), "shared": "nine"})
        assert readable(table) == 4
        table.delete(prompt=False)
        full(again.Schema("lab"))
        assert objects() == []
    again.connection.close()


@pytest.mark.databases("sqlite")
def test_a_schema_that_the_registry_lost_still_counts(shared, schema, project, objects):
    scan, _ = shared
    elsewhere = project.Schema("elsewhere")

    @elsewhere
    class Kept(dj.Manual):
        definition = "id : int32\n---\ntrace = null : <npy@>\nshared = null : <blob@>"

    before = objects()
    project.connection.query(f"INSERT INTO {Kept.full_table_name} SELECT * FROM {scan.full_table_name}")
    project.connection.query("DELETE FROM \"~schemas\" WHERE schema_name = 'elsewhere'")
    for table in shared:
        table.delete(prompt=False)
    full(schema)
    assert objects() == before


@pytest.mark.databases("mariadb", "mysql")
def test_ids_that_no_longer_count_up_are_restored(shared, schema, project, objects):
    """As `mysqldump --skip-opt` leaves them."""
    project.connection.query("ALTER TABLE lab.`~released` MODIFY id BIGINT NOT NULL")
    again = open_again(project)
    again.Schema("lab")
    for table in shared:
        dj.FreeTable(again.connection, table.full_table_name.replace("`", "")).delete(prompt=False)
    assert objects() == []
    again.connection.close()
