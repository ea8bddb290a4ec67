"""Hundreds of questions, put to DataJoint 2.3.5 and to Lodestore on the same server, and to Lodestore on the embedded
database: the answers agree, but for those that are listed here with the reason.
"""

import builtins
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).parent / "peer_checks" / "checks.py"

STRICTER = "values are checked before they are sent, and never cut or rounded"
TYPED = "results have the types of their attributes, also without rows"
KNOWS_MORE = "what the peer cannot do"
ORDER = "the peer follows the server's order, or names what later questions declared"

DIFFERS = {
    "names_acronym": "the peer sees a caller's local names only",
    "unbound_class": "a class that no schema has taken in has no table name yet",
    "preview_width": "what is cut off is marked",
    "heading_attrs_types": "types are those that were declared, also of foreign keys",
    "heading_codec": "`is_blob` is told of bytes in the table alone, on every server",
    "heading_str": "defaults without the server's casts",
    "heading_dtype": TYPED,
    "heading_indexes": "indexes are told on PostgreSQL too, and not those that only serve foreign keys",
    "describe": "no blanks at the ends of lines",
    "describe_part": "no blanks at the ends of lines",
    "parents": ORDER,
    "children": ORDER,
    "parents_info": ORDER,
    "children_objects": ORDER,
    "descendants": ORDER,
    "restrict_top_order": "rows without a value come last if it is descending, on every database",
    "restrict_uuid": STRICTER,
    "restrict_bool": KNOWS_MORE,
    "restrict_dict_list_value": "a list asks for any of its values",
    "proj_unknownren": "an attribute that does not exist is an error",
    "alg_nosem": KNOWS_MORE,
    "alg_aggrsum": "sums of integers are integers",
    "alg_Ulen": "a row whose value is missing counts",
    "fetch_arrdate": TYPED,
    "fetch_arrempty": TYPED,
    "fetch_pandasempty": TYPED,
    "fetch_dt": TYPED,
    "fetch_pandas_null": TYPED,
    "fetch_squeeze": KNOWS_MORE,
    "insert_dup_skip": "rows of one insert may have different fields",
    "insert_replace": KNOWS_MORE,
    "insert_unique_skip": "skipping is for rows whose key is there",
    "insert_mixed_fields": "rows of one insert may have different fields",
    "insert_mixed_unknown": "an unknown field is an error in every row",
    "insert_floatint": KNOWS_MORE,
    "insert_dtdate": STRICTER,
    "insert_npdt": KNOWS_MORE,
    "insert_decround": STRICTER,
    "insert_floatnan": "NaN stands for a missing number on every server",
    "update_onlykey": "nothing to change is no error",
    "validate_bad": "a missing key is told once",
    "delete_unkdict": "a mapping that names no attribute does not delete",
    "config_spec_empty": "the empty name is the default store",
    "store_npy_add": KNOWS_MORE,
    "store_hash_ba": KNOWS_MORE,
    "store_obj_json": "references tell their checksum too",
    "conn_schemas": "a schema that was dropped is none any more",
    "conn_query": "rows are lists on every server",
    "conn_unknowninst": "a setting that does not exist is an error",
    "threadsafe": "a table of an instance can be asked",
    "deploy_ri": ORDER,
    "deploy_prov": ORDER,
}


#: What the embedded database answers otherwise than a server.
EMBEDDED = {
    "restrict_npvoid": "rows come in no order, and the question is about the first",
    "alg_Uand": "rows come in no order",
    "config_backend": "there is another backend",
    "config_template": "an embedded project has no secrets to make room for",
    "config_template_full": "the template describes the embedded project",
    "config_template_text": "the template describes the embedded project",
    "config_template_secrets": "an embedded project has no secrets to make room for",
    "conn_adapter": "there is another backend",
    "conn_query_types": "SQL of one's own gives dates as the text that they are stored as",
    "conn_connid": "there is no server that numbers connections",
    "conn_badpw": "there is no password",
    "deploy_ri": "there is no replication",
    "deploy_ri_cls": "there is no replication",
    "deploy_prov": "tables are made anew there",
}


def answers(program, settings, folder):
    done = subprocess.run(
        [sys.executable, CHECKS, program, json.dumps(settings)], cwd=folder, capture_output=True, text=True
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS")]
    assert told, done.stderr
    return json.loads(told[0].removeprefix("ANSWERS"))


def agree(theirs, ours):
    """True if the answers are the same, or errors that a program would take for the same."""
    if theirs[0] == ours[0] == "error":
        name = theirs[1][0]
        # What drivers complain of, and assertions, come as errors of our own.
        own = "DataJointError" in theirs[1] or (hasattr(builtins, name) and name != "AssertionError")
        return (name if own else "DataJointError") in ours[1] or {"DataJointError"} <= {*theirs[1], *ours[1]}
    return theirs == ours


@pytest.mark.databases("postgresql", "mariadb", "mysql")
def test_answers_agree_but_for_the_listed(database, tmp_path):
    found = {}
    for program in ("datajoint", "lodestore"):
        database.clean()
        found[program] = answers(program, database.settings, tmp_path)
    database.clean()
    theirs, ours = found["datajoint"], found["lodestore"]
    assert len(ours) > 550 and theirs.keys() == ours.keys()
    different = {
        name: (theirs[name], ours[name])
        for name in ours
        if name not in DIFFERS and not agree(theirs[name], ours[name])
    }
    assert not different


def plain(answer):
    """An answer with the names of tables as the embedded database has them."""
    text = json.dumps(answer)
    return json.loads(re.sub(r'\\"\.\\"', ".", text))


@pytest.mark.databases("postgresql")
def test_the_embedded_database_answers_like_a_server(database, tmp_path):
    database.clean()
    server = answers("lodestore", database.settings, tmp_path)
    database.clean()
    embedded = answers("lodestore", {"path": str(tmp_path / "project")}, tmp_path)
    assert server.keys() == embedded.keys()
    different = {
        name: (server[name], embedded[name])
        for name in server
        if name not in EMBEDDED and not agree(plain(server[name]), plain(embedded[name]))
    }
    assert not different
