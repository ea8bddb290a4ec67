"""Names that programs import from modules of DataJoint, of any version, and that Lodestore has elsewhere or not at all.

`add_names` puts them where ``import datajoint`` means Lodestore. Those that are not offered can be imported all
the same, because programs import more than they use: using one raises an error that names the remedy.
"""

import enum
from importlib import import_module

from . import _lodestore


class _Gone(type):
    """The class of placeholders: every use but ``isinstance`` raises."""

    def __new__(mcs, name, bases, body):
        for base in bases:
            base._refuse()
        return super().__new__(mcs, name, bases, body)

    def _refuse(cls, *_args, **_options):
        raise _lodestore.error(
            "unsupported", f"`{cls.__name__}` of DataJoint does not exist here", cls.__doc__
        )

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        cls._refuse()

    __call__ = __iter__ = __getitem__ = __contains__ = __len__ = __or__ = _refuse


def gone(name, remedy):
    """Returns a placeholder for a name that is not offered."""
    return _Gone(name, (), {"__doc__": remedy})


class Role(enum.Enum):
    """The roles of tables, which prefixes of their names tell."""

    manual, lookup, imported, computed, job = range(1, 6)


#: The prefix of each role.
role_to_prefix = dict(zip(Role, ("", "#", "_", "__", "~"), strict=True))
prefix_to_role = {prefix: role for role, prefix in role_to_prefix.items()}


def lookup_class_name(name, context, depth=3):
    """Returns the name by which `context` reaches the class of a table; None if it reaches none."""
    from .names import class_names, unquoted

    return class_names(context).get(unquoted(name))


def get_tier(table_name):
    """Returns the class from which the class of a table derives; None for system tables."""
    from . import user_tables
    from .names import unquoted
    from .utils import get_master

    table = unquoted(table_name).rpartition(".")[2]
    if get_master(table):
        return user_tables.Part
    prefix = next((prefix for prefix in ("~", "#", "__", "_") if table.startswith(prefix)), "")
    return {
        "#": user_tables.Lookup,
        "__": user_tables.Computed,
        "_": user_tables.Imported,
        "": user_tables.Manual,
    }.get(prefix)


def default_settings():
    """Returns the defaults of all settings, by name."""
    from .settings import Config

    settings = Config()
    settings.clear()
    return dict(settings)


def unite_master_parts(names):
    """Returns table names in the same order, but with the parts of each master directly after it."""
    from .utils import get_master

    known = set(names)
    order = {name: [] for name in names if get_master(name) not in known}
    for name in names:
        if name not in order:
            order[get_master(name)].append(name)
    return [table for master, parts in order.items() for table in (master, *parts)]


def topo_sort(graph):
    """Returns the tables of a graph, parents before children, and the parts of each master directly after it."""
    import networkx

    return unite_master_parts(list(networkx.topological_sort(graph)))


def extract_master(part_table):
    """Returns the quoted full name of the master of a part; None for any other table."""
    from .utils import get_master

    return get_master(part_table) or None


def is_key(attribute):
    """True for what `fetch` takes for the primary key."""
    return attribute == "KEY"


def repr_html(query_expression):
    """Returns the first rows as a table for notebooks."""
    return query_expression._repr_html_()


def preview(query_expression, limit=None, width=None):
    """Returns the first rows as text."""
    return query_expression.preview(limit, width)


def compute_hash(data):
    """Returns the hash by which `<hash@>` stores bytes."""
    import base64
    import hashlib

    return base64.b32encode(hashlib.md5(data).digest()).decode().rstrip("=").lower()


_DECLARE = "classes declare tables; `Table.describe()` and `schema.code` return definitions"
_QUEUE = "each table has its own queue: `Table.jobs`"
_FETCH = "call `fetch`, `to_dicts`, `to_arrays` or `fetch1` of the query"
_EXTERNAL = (
    "`dj.usage()`, `dj.verify()` and `dj.gc` look after objects; a `<blob@store>` attribute stores them"
)
_ADMIN = "use the server's own tools, or SQL: `dj.conn().query(...)`"
_QUERY = "every query is a `QueryExpression`; its operators make others of it"
_CODEC = "write a `dj.Codec`"
_RAW = "catch the classes of `datajoint.errors`"
_STAGED = "call `Table.staged_insert1`"
_LINEAGE = "`schema.lineage` reads it, `schema.rebuild_lineage()` records it anew"

_EXPRESSION = {"QueryExpression": "expression", "AndList": "condition", "Not": "condition", "U": "expression"}
_TIERS = dict.fromkeys(["Manual", "Lookup", "Imported", "Computed", "Part", "UserTable"], "user_tables")

#: For each module the names that work: the module of Lodestore that has them (None for this one), perhaps with
#: another name after a colon.
_OFFERED = {
    "attribute_adapter": {"AttributeAdapter": "legacy_adapter"},
    "base_relation": {"BaseRelation": "table:Table", "FreeRelation": "table:FreeTable"},
    "condition": dict.fromkeys(
        ["make_condition", "extract_column_names", "assert_join_compatibility"], "condition_text"
    ),
    "connection": {"Dependencies": "dependencies:DependencyGraph"},
    "dependencies": dict.fromkeys(["topo_sort", "unite_master_parts", "extract_master"]),
    "diagram": {"_get_tier": ":get_tier", **_TIERS, "Table": "table"},
    "erd": {"ERD": "diagram:Diagram", "Di": "diagram:Diagram"},
    "expression": {
        "assert_join_compatibility": "condition_text",
        "extract_column_names": "condition_text",
        "make_condition": "condition_text",
    },
    "fetch": {
        "key": ":KEY",
        "is_key": None,
        "DataJointError": "errors",
    },
    "hash_registry": {"compute_hash": None},
    "jobs": {"key_hash": "hash", "ERROR_MESSAGE_LENGTH": None, "TRUNCATION_APPENDIX": None},
    "logging": {"logger": "logs", "JOBS": "logs"},
    "preview": {"preview": None, "repr_html": None},
    "relational_operand": {"RelationalOperand": "expression:QueryExpression", **_EXPRESSION},
    "schema": {"Schema": "schemas", "VirtualModule": "virtual", "create_virtual_module": "legacy"},
    "schemas": {
        "lookup_class_name": None,
        "_get_tier": ":get_tier",
        "virtual_schema": "virtual",
        "FreeTable": "table",
    },
    "settings": {
        "default": ":DEFAULTS",
        "Role": None,
        "role_to_prefix": None,
        "prefix_to_role": None,
    },
    "table": {"lookup_class_name": None, "logger": "logs"},
    "user_relations": {**_TIERS, "UserRelation": "user_tables:UserTable"},
    "user_tables": {"_get_tier": ":get_tier"},
    "version": {"__version__": ":VERSION"},
}

#: For each module the names that raise when they are used, and the remedy.
_REFUSED = {
    "": dict.fromkeys(["kill", "kill_quick", "set_password"], _ADMIN),
    "adapters": {"get_adapter": "`connection.adapter` quotes names and tells the backend"},
    "admin": dict.fromkeys(["kill", "kill_quick", "set_password"], _ADMIN),
    "attribute_adapter": {"get_adapter": _CODEC},
    "blob": {"Blob": "call `pack` and `unpack`"},
    "condition": {
        "PromiscuousOperand": "call `restrict` with `semantic_check=False`",
        "translate_attribute": "restrict by a JSON path directly: `table & {'attribute.path': value}`",
    },
    "connection": {
        "EmulatedCursor": "`connection.query(...)` returns a cursor",
        "translate_query_error": _RAW,
    },
    "declare": dict.fromkeys(
        [
            "declare",
            "alter",
            "prepare_declare",
            "match_type",
            "attribute_parser",
            "foreign_key_parser",
            "index_parser",
            "build_attribute_parser",
            "build_foreign_key_parser",
            "build_index_parser",
            "compile_attribute",
            "compile_foreign_key",
            "compile_index",
            "is_foreign_key",
            "substitute_special_type",
            "UUID_DATA_TYPE",
            "EXTERNAL_TABLE_ROOT",
            "CORE_TYPES",
            "CORE_TYPE_NAMES",
            "SPECIAL_TYPES",
            "TYPE_PATTERN",
            "CONSTANT_LITERALS",
        ],
        _DECLARE,
    ),
    "expression": dict.fromkeys(
        ["Projection", "Join", "Aggregation", "GroupBy", "Union", "Subquery"], _QUERY
    ),
    "external": dict.fromkeys(["ExternalTable", "ExternalMapping", "CacheFileHandler", "subfold"], _EXTERNAL),
    "fetch": dict.fromkeys(["Fetch", "Fetch1", "to_dicts"], _FETCH),
    "hash": {
        "long_hash": "`uuid_from_buffer` identifies bytes",
        "short_hash": "`uuid_from_buffer` identifies bytes",
    },
    "hash_registry": dict.fromkeys(
        ["put_hash", "get_hash", "delete_path", "build_hash_path", "get_store_backend"],
        "`dj.storage.StorageBackend` reads and writes a store",
    ),
    "heading": {"default_attribute_properties": "`Table.heading[name]` tells what is known of an attribute"},
    "jobs": dict.fromkeys(["JobTable", "JobsTable", "JobManager"], _QUEUE),
    "lineage": dict.fromkeys(["delete_table_lineages", "ensure_lineage_table", "insert_lineages"], _LINEAGE),
    "migrate": dict.fromkeys(
        [
            "migrate_dj011_external_blob_storage_to_dj012",
            "analyze_columns",
            "migrate_columns",
            "migrate_external",
        ],
        "`python -m lodestore doctor` finds what is old, `Table.migrate` converts it",
    ),
    "plugin": dict.fromkeys(["connection_plugins", "type_plugins"], "codecs and stores come by entry points"),
    "provenance": dict.fromkeys(
        ["build_payload", "serialize"], "set `dj.config['provenance.capture'] = True`"
    ),
    "relational_operand": dict.fromkeys(["Projection", "Join", "GroupBy"], _QUERY),
    "s3": {"Folder": "`dj.storage.StorageBackend` reads and writes a store"},
    "settings": dict.fromkeys(
        ["LOCALCONFIG", "GLOBALCONFIG", "find_config_file", "find_secrets_dir"],
        "`dj.config.save_template()` writes a settings file",
    ),
    "staged_insert": dict.fromkeys(["staged_insert1", "StagedInsert"], _STAGED),
    "table": {
        "Log": "schemas keep no log: use the log of the database server",
        "foreign_key_error_regexp": _RAW,
        "foreign_key_full_error_regexp": _RAW,
        "constraint_info_query": "`Table.children(foreign_key_info=True)` tells foreign keys",
    },
    "user_tables": dict.fromkeys(["OrderedClass", "PartMeta"], "derive from `dj.Part` or another tier"),
}

#: The longest error message of a job, and how a longer one ended, in DataJoint.
ERROR_MESSAGE_LENGTH, TRUNCATION_APPENDIX = 2047, "...truncated"

KEY = "KEY"

#: All modules of DataJoint's in which there are such names.
MODULES = frozenset(_OFFERED) | frozenset(_REFUSED) - {""}


def names_of(module):
    """Returns the names of a module of DataJoint's that Lodestore's module of that name lacks, with their values."""
    found = {name: gone(name, remedy) for name, remedy in _REFUSED.get(module, {}).items()}
    for name, place in _OFFERED.get(module, {}).items():
        home, _, other = (place or "").partition(":")
        source = import_module(f".{home}" if home else __name__, __package__)
        found[name] = getattr(source, other or name)
    return found


def __getattr__(name):
    if name == "DEFAULTS":
        return default_settings()
    if name == "VERSION":
        from .in_place import VERSION

        return VERSION
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
