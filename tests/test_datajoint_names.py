"""The names that public programs import from modules of DataJoint, of versions 0.10 to 2.3."""

import json
import subprocess
import sys
import uuid

import pytest

import lodestore as dj
from lodestore import datajoint_names, utils
from lodestore.condition_text import extract_column_names, make_condition
from lodestore.hash import key_hash, uuid_from_buffer, uuid_from_file

#: Imports as public repositories write them.
IMPORTS = """
import datajoint as dj
import datajoint.errors as djerr
import datajoint.declare as declare
from datajoint import DataJointError, FreeTable, Table, VirtualModule, config as dj_config, kill, set_password, logger
from datajoint.admin import kill, set_password
from datajoint.attribute_adapter import AttributeAdapter
from datajoint.autopopulate import AutoPopulate
from datajoint.blob import MatCell, MatStruct, pack, unpack
from datajoint.condition import AndList, Not, Top, make_condition, extract_column_names, PromiscuousOperand
from datajoint.connection import Connection, conn
from datajoint.declare import declare, alter, match_type, foreign_key_parser, prepare_declare, attribute_parser
from datajoint.declare import CORE_TYPES, EXTERNAL_TABLE_ROOT, is_foreign_key
from datajoint.dependencies import Dependencies, unite_master_parts, topo_sort, extract_master
from datajoint.diagram import Diagram, _get_tier
from datajoint.errors import DataJointError, LostConnectionError, IntegrityError, DuplicateError
from datajoint.expression import QueryExpression, AndList, Not, U, Projection
from datajoint.external import ExternalTable, CacheFileHandler
from datajoint.fetch import Fetch, Fetch1, key, is_key
from datajoint.fetch import DataJointError as FromFetch
from datajoint.hash import key_hash, uuid_from_buffer, uuid_from_file, uuid_from_stream, long_hash
from datajoint.hash_registry import compute_hash, put_hash
from datajoint.heading import Heading, Attribute, default_attribute_properties
from datajoint.jobs import key_hash, ERROR_MESSAGE_LENGTH, TRUNCATION_APPENDIX, JobTable
from datajoint.lineage import get_lineage, delete_table_lineages
from datajoint.logging import logger as dj_logger
from datajoint.preview import repr_html, preview
from datajoint.relational_operand import RelationalOperand
from datajoint.schemas import Schema, VirtualModule, list_schemas, lookup_class_name, _get_tier
from datajoint.schema import Schema as OlderSchema
from datajoint.settings import Config, config, default, Role, role_to_prefix
from datajoint.staged_insert import staged_insert1
from datajoint.table import Table, FreeTable, Log, lookup_class_name, foreign_key_error_regexp, logger
from datajoint.user_tables import Manual, Lookup, Imported, Computed, Part, UserTable, TableMeta, _get_tier
from datajoint.utils import to_camel_case, from_camel_case, get_master, user_choice, safe_copy, safe_write
from datajoint.version import __version__
"""

USES = """
import json
def refused(use):
    try:
        use()
    except DataJointError as error:
        return error.hint
found = {
    "same": [OlderSchema is Schema is dj.Schema, FromFetch is DataJointError, dj.table.Table is dj.Table],
    "key": [key, is_key(key), isinstance(5, Fetch)],
    "version": [__version__, dj.__version__],
    "modules": [dj.hash.key_hash is key_hash, dj.utils.get_master is get_master, dj.jobs.key_hash is key_hash],
    "defaults": [default["database.host"], default["safemode"]],
    "roles": role_to_prefix[Role.computed],
    "remedies": [
        refused(lambda: kill()),
        refused(lambda: ExternalTable(1)),
        refused(lambda: foreign_key_error_regexp.match("")),
        refused(lambda: type("Own", (JobTable,), {})),
        refused(lambda: "int" in CORE_TYPES),
        refused(lambda: list(CORE_TYPES)),
    ],
}
print(json.dumps(found))
"""


@pytest.mark.databases("sqlite")
def test_imports_of_public_programs_work(project, database, tmp_path):
    (tmp_path / "program.py").write_text(IMPORTS + USES)
    done = subprocess.run(
        [sys.executable, "-m", "lodestore", "run", "program.py"],
        env=database.environment(project),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    remedies = found.pop("remedies")
    assert found == {
        "same": [True, True, True],
        "key": ["KEY", True, False],
        "version": ["2.3.5", "2.3.5"],
        "modules": [True, True, True],
        "defaults": ["localhost", True],
        "roles": "__",
    }
    assert all(remedies), remedies


def test_every_name_is_there():
    for module in datajoint_names.MODULES:
        assert datajoint_names.names_of(module), module


def test_names_of_classes_and_tables():
    for camel, under in {
        "GreekLetters": "greek_letters",
        "A": "a",
        "ABC": "a_b_c",
        "G2x": "g2x",
        "A1": "a1",
    }.items():
        assert utils.from_camel_case(camel) == under and utils.is_camel_case(camel)
        assert utils.to_camel_case(under) == camel or camel == "G2x"
    for name, camel in {"#look_up": "LookUp", "__x": "X", "_imp": "Imp", "a__b": "AB", "a_1": "A_1"}.items():
        assert utils.to_camel_case(name) == camel
    for name in ("greek", "1A", "É"):
        with pytest.raises(dj.DataJointError, match="CamelCase"):
            utils.from_camel_case(name)
    for name, master in {
        "`a`.`b__c`": "`a`.`b`",
        "`a`.`b`": "",
        "`a`.`__b__c`": "`a`.`__b`",
        "`a`.`__b`": "",
        '"a"."#b__c_d"': '"a"."#b"',
    }.items():
        assert utils.get_master(name) == master
        assert datajoint_names.extract_master(name) == (master or None)
    names = ["`s`.`a`", "`s`.`a__q`", "`s`.`b`", "`s`.`c`", "`s`.`c__q`", "`s`.`b__q`", "`s`.`a__r`"]
    assert datajoint_names.unite_master_parts(names) == [names[i] for i in (0, 1, 6, 2, 5, 3, 4)]
    tiers = {"`s`.`a`": "Manual", "`s`.`#a`": "Lookup", "`s`.`_a`": "Imported", "`s`.`__a`": "Computed"}
    for name, tier in (tiers | {"`s`.`__a__b`": "Part"}).items():
        assert datajoint_names.get_tier(name) is getattr(dj, tier)


def test_hashes_are_those_of_datajoint(tmp_path):
    assert key_hash({"b": 2, "a": "x"}) == key_hash({"a": "x", "b": 2}) == "8e683187a00e5d462a4aeee69e9d3d9c"
    (tmp_path / "file").write_bytes(b"abc")
    assert (
        uuid_from_buffer(b"abc")
        == uuid_from_file(tmp_path / "file")
        == uuid.UUID("900150983cd24fb0d6963f7d28e17f72")
    )
    assert uuid_from_buffer(b"c", init_string="ab") == uuid_from_buffer(b"abc")
    assert datajoint_names.compute_hash(b"abc") == "saavbgb42jh3bvuwh56sryl7oi"


def test_conditions_as_text(schema):
    @schema
    class Item(dj.Manual):
        definition = (
            "item : int32\n---\nname : varchar(20)\nday = null : date\nu = null : uuid\nflag = null : bool"
        )

    number = uuid.UUID(int=7)
    Item.insert(
        [
            (1, "it's \\ a", "2020-01-02", number, True),
            (2, "b", None, None, False),
            (3, "c", None, None, None),
        ]
    )
    for condition, items in (
        ({"item": 1, "nothing": 5}, [1]),
        ({"name": "it's \\ a"}, [1]),
        ({"day": None}, [2, 3]),
        ({"u": number}, [1]),
        ({"flag": True}, [1]),
        ({"item": [1, 3]}, [1, 3]),
        ([{"item": 1}, "item = 2"], [1, 2]),
        (dj.AndList(["item > 1", {"name": "c"}]), [3]),
        (dj.Not({"item": 1}), [2, 3]),
    ):
        columns = set()
        text = make_condition(Item(), condition, columns)
        assert columns and columns <= set(Item.heading.names)
        found = (Item & f"({text}) AND item < 10").to_dicts(order_by="item")
        assert [row["item"] for row in found] == items, text
    assert make_condition(Item(), [], set()) is False and make_condition(Item(), {}, set()) is True
    assert make_condition(Item(), [True, "item = 1"], set()) is True
    assert make_condition(Item(), dj.Not({}), set()) is False
    with pytest.raises(dj.DataJointError, match="SQL text"):
        make_condition(Item(), Item.proj(), set())
    assert extract_column_names("a > 3 and `b`='x y' or length(c)=d and e in ('f')") == {
        "a",
        "b",
        "c",
        "d",
        "e",
    }


def test_dependencies_are_a_graph_of_networkx(schema):
    import networkx

    @schema
    class Session(dj.Manual):
        definition = "session : int32"

        class Note(dj.Part):
            definition = "-> master"

    @schema
    class Scan(dj.Manual):
        definition = "-> Session\nscan : int32"

    graph = schema.connection.dependencies
    graph.load()
    session, note, scan = (table.full_table_name for table in (Session, Session.Note, Scan))
    assert networkx.shortest_path(graph, session, scan) == [session, scan]
    assert set(graph.successors(session)) == {note, scan} and graph.edges[session, scan]["primary"]
    assert datajoint_names.topo_sort(graph) == [session, note, scan]
    assert graph.subgraph([session, note]).number_of_edges() == 1
