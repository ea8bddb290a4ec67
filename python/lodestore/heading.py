"""Headings: what is known of the attributes of a table or a query."""

from dataclasses import dataclass, fields
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a heading."""

    #: The name.
    name: str
    #: The type as it was declared: a core type, a codec such as ``<npy@>``, or a native SQL type.
    type: str
    #: The declared core type; None for codecs, native types and computed attributes.
    original_type: str | None
    #: True if it belongs to the primary key.
    in_key: bool
    #: True if NULL may stand there.
    nullable: bool
    #: The default as a definition writes it; None if a row must give a value.
    default: str | None
    #: The comment.
    comment: str
    #: True if the database counts it up by itself.
    autoincrement: bool
    #: True for integers, floats and decimals.
    numeric: bool
    #: True for text and enums.
    string: bool
    #: True for uuid.
    uuid: bool
    #: True for json.
    json: bool
    #: True for bytes, and for codecs that keep bytes in the table.
    is_blob: bool
    #: True for attributes that the system manages, whose names begin with an underscore.
    is_hidden: bool
    #: The codec as it was declared, such as ``<blob@cold>``; None for plain attributes.
    codec_type: str | None
    #: The store that the codec names: ``""`` for the default one, None if it keeps its values in the table.
    store: str | None
    #: The SQL that computes it, or the name that it had before it was renamed.
    attribute_expression: str | None
    #: The name of NumPy's type in a structured array.
    dtype: str
    #: Where it was first declared, ``schema.table.attribute``; None for native secondary and computed attributes.
    lineage: str | None
    #: True if values are references to objects, which fetching does not read.
    is_lazy: bool

    @property
    def codec(self):
        """The codec, an object with a `name`; None for plain attributes. One that is not registered
        raises `DataJointError` when it is used.
        """
        from .codecs import codec_of

        return None if self.codec_type is None else codec_of(self.codec_type)

    @property
    def unsupported(self):
        """False: there is no attribute whose values could not be read."""
        return False

    @property
    def sql_type(self):
        """The name of `type` in earlier programs."""
        return self.type

    @property
    def sql_comment(self):
        """The name of `comment` in earlier programs."""
        return self.comment

    @property
    def original_name(self):
        """The name that it had before a query renamed it."""
        return self.attribute_expression if (self.attribute_expression or "").isidentifier() else self.name

    def todict(self):
        """All that is known of it, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"codec": self.codec}

    def __repr__(self):
        return f"{'*' if self.in_key else ''}{self.name} : {self.type}"


class Heading:
    """The attributes of a table or a query, in order. Hidden ones count only where it is said."""

    def __init__(self, query):
        self._query = query

    @cached_property
    def _attributes(self):
        """All attributes, hidden ones among them."""
        return {core.name: _attribute(core) for core in self._query.heading()}

    @cached_property
    def attributes(self):
        """The attributes by name."""
        return {name: attribute for name, attribute in self._attributes.items() if not attribute.is_hidden}

    @property
    def names(self):
        """The names."""
        return list(self.attributes)

    def _names(self, wanted):
        return [name for name, attribute in self.attributes.items() if wanted(attribute)]

    @property
    def primary_key(self):
        """The names of the key attributes."""
        return self._names(lambda attribute: attribute.in_key)

    @property
    def secondary_attributes(self):
        """The names of the attributes beside the key."""
        return self._names(lambda attribute: not attribute.in_key)

    @property
    def blobs(self):
        """The names of the attributes that hold bytes in the table."""
        return self._names(lambda attribute: attribute.is_blob)

    @property
    def non_blobs(self):
        """The names of the attributes that hold neither bytes nor JSON."""
        return self._names(lambda attribute: not attribute.is_blob and not attribute.json)

    @property
    def new_attributes(self):
        """The names of the attributes that the query renamed or computed."""
        return self._names(lambda attribute: attribute.attribute_expression is not None)

    @property
    def has_autoincrement(self):
        """True if the database counts up an attribute by itself."""
        return any(attribute.autoincrement for attribute in self.attributes.values())

    @property
    def as_dtype(self):
        """NumPy's type of a row."""
        import numpy as np

        return np.dtype([(name, attribute.dtype) for name, attribute in self.attributes.items()])

    @property
    def indexes(self):
        """The indexes beside the primary key: columns, and whether they are ``unique`` and ``nullable``."""
        known = self._attributes
        return {
            tuple(columns): {
                "unique": unique,
                "nullable": any(known[name].nullable for name in columns if name in known),
            }
            for columns, unique in self._query.indexes()
        }

    @property
    def lineage_available(self):
        """True: every attribute knows where it was declared."""
        return True

    @property
    def table_status(self):
        """What is known of the table itself: its comment."""
        return {"comment": self._query.comment()}

    def determines(self, other):
        """True if each key attribute of `other` is an attribute here."""
        return all(name in self for name in other.primary_key)

    def __len__(self):
        return len(self.attributes)

    def __contains__(self, name):
        return name in self.attributes

    def __iter__(self):
        return iter(self.attributes)

    def __getitem__(self, name):
        return self.attributes[name]

    def __repr__(self):
        return self._query.heading_text()


def _attribute(core):
    kind = None if core.codec else core.content
    codec = core.codec
    return Attribute(
        name=core.name,
        type=core.type,
        original_type=None if codec or core.native or core.type == "expression" else core.type,
        in_key=core.in_key,
        nullable=core.nullable,
        default=core.default,
        comment=core.comment,
        autoincrement=core.autoincrement,
        numeric=kind in ("int", "float", "decimal"),
        string=kind == "text",
        uuid=kind == "uuid",
        json=kind == "json",
        is_blob=core.content == "bytes",
        is_hidden=core.hidden,
        codec_type=codec,
        store=codec.strip("<> ").split("@", 1)[1].strip() if codec and "@" in codec else None,
        attribute_expression=core.expression,
        dtype=_dtype(kind, core.nullable),
        lineage=core.lineage,
        is_lazy=core.lazy,
    )


def _dtype(kind, nullable):
    """NumPy's type in a structured array: the type itself where NULL cannot stand or has a counterpart."""
    if kind == "float":
        return "float64"
    if kind == "date":
        return "datetime64[D]"
    if kind == "datetime":
        return "datetime64[us]"
    if kind in ("int", "bool") and not nullable:
        return "int64" if kind == "int" else "bool"
    return "object"
