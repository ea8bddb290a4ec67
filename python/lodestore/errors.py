"""The errors that Lodestore raises.

Every one is a `DataJointError`. Besides the class, by which a handler chooses, each carries

- `kind`: a stable code such as ``"unknown-attribute"``;
- `hint`: what to try, or None;
- `context`: where it happened, a dict such as ``{"table": "lab.subject"}``.

Where a built-in class says the same, it is a second parent: an `UnknownAttributeError` raised for
a field of a row is also a `KeyError`.
"""

__all__ = [
    "AccessError",
    "BucketInaccessible",
    "CorruptError",
    "DataJointError",
    "DefinitionError",
    "DuplicateError",
    "IntegrityError",
    "InvalidConfigError",
    "InvalidIndexError",
    "InvalidTypeError",
    "InvalidValueError",
    "IsFolderError",
    "LostConnectionError",
    "MissingAttributeError",
    "MissingExternalFile",
    "MissingFileError",
    "MissingTableError",
    "OutOfMemoryError",
    "QueryError",
    "QuerySyntaxError",
    "ThreadSafetyError",
    "UnknownAttributeError",
    "UnsupportedError",
]


class DataJointError(Exception):
    """Anything that Lodestore complains of."""

    kind: str = "invalid-request"
    hint: str | None = None
    context: dict[str, str]

    def __init__(self, *args):
        super().__init__(*args)
        self.context = {}

    def __str__(self):
        # KeyError, a parent of some, would show the repr of its argument.
        text = Exception.__str__(self) if len(self.args) != 1 else str(self.args[0])
        return f"{text}\nhint: {self.hint}" if self.hint else text

    def suggest(self, *more):
        """The same error with further remarks."""
        other = type(self)(*self.args, *more)
        other.kind, other.hint, other.context = self.kind, self.hint, self.context
        return other


class DefinitionError(DataJointError):
    """A table definition that does not parse or does not make sense."""


class InvalidValueError(DataJointError, ValueError):
    """A value that an attribute cannot hold: out of range, too long, malformed."""


class InvalidTypeError(DataJointError, TypeError):
    """A value of a type that an attribute cannot hold."""


class InvalidIndexError(DataJointError, IndexError):
    """An index that does not fit an array."""


class LostConnectionError(DataJointError):
    """The database went away, or stays busy."""


class MissingTableError(DataJointError):
    """A table or schema that does not exist."""


class MissingFileError(DataJointError, FileNotFoundError):
    """A file that a value names and that is not there."""


class IsFolderError(DataJointError, IsADirectoryError):
    """A folder where a file is needed."""


class InvalidConfigError(DataJointError, ValueError, KeyError):
    """A setting that does not exist, or cannot hold a value."""


class MissingExternalFile(DataJointError):
    """An object that a row names and its store does not hold."""


class BucketInaccessible(DataJointError):
    """A store that cannot be read or written."""


class CorruptError(DataJointError):
    """Stored bytes that are not what they should be."""


class OutOfMemoryError(DataJointError, MemoryError):
    """A value that does not fit into the memory of this machine."""


class ThreadSafetyError(DataJointError):
    """The process-wide configuration or connection, asked for in thread-safe mode."""


class UnsupportedError(DataJointError, NotImplementedError):
    """What this version, or this database or store, does not offer."""


class QueryError(DataJointError):
    """A complaint of the database."""


class QuerySyntaxError(QueryError):
    """SQL that the database does not understand."""


class AccessError(QueryError):
    """A right that the user does not have."""


class IntegrityError(QueryError):
    """A row that refers to a missing row, or is still referred to."""


class DuplicateError(QueryError):
    """A row whose key another row has already."""


class UnknownAttributeError(QueryError, KeyError):
    """An attribute that the table does not have."""


class MissingAttributeError(QueryError):
    """A required attribute that was not given."""


#: The class of each kind that has one of its own.
_CLASSES = {
    "invalid-definition": DefinitionError,
    "invalid-value": InvalidValueError,
    "invalid-type": InvalidTypeError,
    "invalid-index": InvalidIndexError,
    "invalid-name": InvalidValueError,
    "invalid-config": InvalidConfigError,
    "is-folder": IsFolderError,
    "unknown-attribute": UnknownAttributeError,
    "missing-attribute": MissingAttributeError,
    "missing-table": MissingTableError,
    "duplicate": DuplicateError,
    "integrity": IntegrityError,
    "missing-parent": IntegrityError,
    "still-referenced": IntegrityError,
    "query-syntax": QuerySyntaxError,
    "access": AccessError,
    "lost-connection": LostConnectionError,
    "database": QueryError,
    "out-of-memory": OutOfMemoryError,
    "missing-file": MissingFileError,
    "missing-object": MissingExternalFile,
    "corrupt": CorruptError,
    "storage": BucketInaccessible,
    "unsupported": UnsupportedError,
}


def _classify(kind, message, hint, context):
    """The exception for an error of the core."""
    error = _CLASSES.get(kind, DataJointError)(message)
    error.kind, error.hint, error.context = kind, hint, context
    return error
