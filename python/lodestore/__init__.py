"""Lodestore: relational tables that own large objects.

    import lodestore as dj

    schema = dj.Schema("lab")

    @schema
    class Subject(dj.Manual):
        definition = '''
        subject_id : int32
        ---
        species : varchar(40)
        '''

    Subject.insert1({"subject_id": 1, "species": "mouse"})

Without any configuration this works on an embedded database in ``./lodestore``.
"""

from importlib import import_module

from ._lodestore import __version__
from .attachments import AttachFileType
from .autopopulate import AutoPopulate
from .codecs import Codec, HashCodec, SchemaCodec, get_codec, list_codecs
from .condition import AndList, Not, Top
from .connection import Connection, conn, list_schemas
from .errors import DataJointError, ThreadSafetyError
from .expression import U
from .instance import Instance
from .jobs import Job
from .logs import logger
from .migration import Migration, migrations, tier
from .schemas import Schema
from .settings import config
from .table import FreeTable, Table
from .undeletion import deletions, undelete
from .user_tables import Compute, Computed, Entry, Imported, Ingest, Lookup, Manual, Part
from .validation import ValidationResult
from .verification import VerifyReport, usage, verify
from .virtual import VirtualModule, virtual_schema

#: Names that come from sub-modules which need NumPy, and so are loaded when first asked for.
_LAZY = {
    "Diagram": "diagram",
    "MatCell": "blob",
    "MatStruct": "blob",
    "NpyRef": "references",
    "ObjectRef": "objectref",
    "StorageAdapter": "storage_adapter",
    "get_storage_adapter": "storage_adapter",
    "register_storage_adapter": "storage_adapter",
    "SparkAdapter": "spark",
    "cli": "cli",
    "load_all": "loading",
    "load_each": "loading",
}

__author__ = "the Lodestore contributors"

_MODULES = frozenset(
    [
        "blob",
        "builtin_codecs",
        "codecs",
        "deploy",
        "migrate",
        "diagram",
        "filesystem",
        "gc",
        "lineage",
        "objectref",
        "references",
        "spark",
        "storage",
        "storage_adapter",
    ]
)

__all__ = [
    "AndList",
    "AttachFileType",
    "AutoPopulate",
    "Codec",
    "Compute",
    "Computed",
    "Connection",
    "DataJointError",
    "Diagram",
    "Entry",
    "FreeTable",
    "HashCodec",
    "Imported",
    "Ingest",
    "Instance",
    "Job",
    "Lookup",
    "Manual",
    "MatCell",
    "MatStruct",
    "Migration",
    "Not",
    "NpyRef",
    "ObjectRef",
    "Part",
    "Schema",
    "SchemaCodec",
    "SparkAdapter",
    "StorageAdapter",
    "Table",
    "ThreadSafetyError",
    "Top",
    "U",
    "ValidationResult",
    "VerifyReport",
    "VirtualModule",
    "__version__",
    "cli",
    "config",
    "conn",
    "deletions",
    "get_codec",
    "get_storage_adapter",
    "list_codecs",
    "list_schemas",
    "load_all",
    "load_each",
    "logger",
    "migrations",
    "register_storage_adapter",
    "tier",
    "undelete",
    "usage",
    "verify",
    "virtual_schema",
]


def __getattr__(name):
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
