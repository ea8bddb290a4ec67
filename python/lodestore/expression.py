"""Query expressions: rows that a database would give, restricted and reshaped, not yet fetched."""

from . import _lodestore
from .condition import AndList, Not, Top, condition, mistaken, warn_of_names
from .fetching import Fetching
from .heading import Heading
from .legacy import keeps_unmatched, warn

__all__ = ["AndList", "Expression", "Not", "QueryExpression", "Top", "U"]


def as_expression(item):
    """A table class as all rows of its table; anything else as it is."""
    if isinstance(item, type) and issubclass(item, QueryExpression):
        return item()
    return item


def _operand(item, refusal):
    """Returns the query of an operand that must be an expression; `refusal` says so to whoever gives another."""
    item = as_expression(item)
    if not isinstance(item, QueryExpression):
        hint = (
            "`dj.U(...) & table` and `dj.U(...).aggr(table, ...)` are its uses"
            if isinstance(item, U)
            else None
        )
        raise _lodestore.error(
            "invalid-request", f"{refusal}, not a `{type(item).__name__}`", hint or "give a table or a query"
        )
    return item._query


def _no_product():
    return _lodestore.error(
        "invalid-request",
        "the product of a table and dj.U(...) is no longer supported",
        "join tables as they are: attributes match by their origin; `dj.U(...) & table` is a query that can be joined",
    )


def _names(attributes):
    """Names of attributes, with ``...`` for all of them."""
    for name in attributes:
        if name is not Ellipsis and not isinstance(name, str):
            raise _lodestore.error(
                "invalid-request",
                f"{name!r} names no attribute",
                "give texts, and new names as new_name='old_name'",
            )
    return ["..." if name is Ellipsis else name for name in attributes]


def _named(named):
    """New names and what they stand for."""
    for name, source in named.items():
        if not isinstance(source, str):
            raise _lodestore.error(
                "invalid-request",
                f"`{name}` cannot stand for {source!r}",
                "give the name of an attribute, or SQL that computes one",
            )
    return list(named.items())


class QueryExpression(Fetching):
    """Rows of a table, restricted and reshaped. Nothing is sent until one asks for rows."""

    __slots__ = ()

    @property
    def _query(self):
        """The query of the core."""
        raise NotImplementedError

    def _derived(self, query):
        """The same rows, by another query, in an object of the fitting class."""
        return Expression(self.connection, query)

    def _become(self, query):
        """Takes the place of the rows that were here."""
        raise NotImplementedError

    @property
    def heading(self):
        """The attributes, in order."""
        return Heading(self._query)

    @property
    def primary_key(self):
        """The names of the attributes of the primary key."""
        return self.heading.primary_key

    def _restricted_by(self, restriction, semantic_check):
        if isinstance(restriction, Top):
            return self._query.top(restriction.limit, restriction.order_by, restriction.offset)
        described = condition(restriction)
        unknown = list(mistaken(described, self.heading))
        if unknown:
            warn_of_names(unknown)
        return self._query.restrict(described, semantic_check)

    def restrict(self, restriction, semantic_check=True):
        """The rows that satisfy a condition, or the first ones by a `Top`.

        A condition is a mapping of attributes to values, SQL text, another table or query, a list
        or data frame of these of which one must hold, an `AndList` of which all must hold, a `Not`,
        or a bool. Without `semantic_check`, attributes shared with another query are the same if
        their names are.

        Raises `DataJointError` for a condition that makes no sense.
        """
        return self._derived(self._restricted_by(restriction, semantic_check))

    def restrict_in_place(self, restriction, semantic_check=True):
        """Keeps only the rows that satisfy a condition in this very object.

        Takes the conditions of `restrict`.
        """
        self._become(self._restricted_by(restriction, semantic_check))
        return self

    def proj(self, *attributes, **named):
        """The primary key with the named attributes.

        ``...`` keeps all, ``"-name"`` removes one, ``new="old"`` renames, ``new="(old)"`` copies,
        and any other text computes: ``bmi="weight / (height * height)"``.

        Raises `DataJointError` for an attribute that does not exist.
        """
        return self._derived(self._query.project(_names(attributes), _named(named)))

    def join(self, other, semantic_check=True, left=False, allow_nullable_pk=False):
        """The pairs of rows of both that agree in all shared attributes.

        - `semantic_check`: refuse attributes that share a name without a common origin;
        - `left`: keep the rows that meet none of `other`, which must not add rows;
        - `allow_nullable_pk`: let `other` add rows to a left join all the same.

        Raises `DataJointError` if a shared attribute has not the same origin on both sides.
        """
        if isinstance(other, U):
            raise _no_product()
        query = _operand(other, "The argument of join must be a QueryExpression")
        return self._derived(self._query.join(query, semantic_check, left, allow_nullable_pk))

    def extend(self, other, semantic_check=True):
        """All rows, with the attributes of `other` where there are any, else None.

        Raises `DataJointError` as `join`, and if `other` could add rows.
        """
        return self.join(other, semantic_check=semantic_check, left=True)

    def aggr(self, group, *attributes, exclude_nonmatching=None, keep_all_rows=None, **named):
        """Computes values over the matching rows of `group` for each row.

        ``Subject.aggr(Session, n="count(session_id)")`` counts sessions, 0 for a subject without
        any; with `exclude_nonmatching` such subjects are left out. `attributes` are those of the
        rows to keep, as in `proj`.

        With the setting ``legacy`` rows without a match are left out by default, and `keep_all_rows`
        keeps them, as before DataJoint 2.0.

        Raises `DataJointError` if `group` lacks an attribute of the primary key.
        """
        query = _operand(group, "The argument of aggr must be a QueryExpression")
        keep = keeps_unmatched(self.connection.config["legacy"], exclude_nonmatching, keep_all_rows)
        return self._derived(self._query.aggregate(query, _names(attributes), _named(named), keep))

    aggregate = aggr

    def __and__(self, restriction):
        return self.restrict(restriction)

    def __sub__(self, restriction):
        return self.restrict(Not(restriction))

    def __neg__(self):
        return Not(self)

    def __mul__(self, other):
        return self.join(other)

    def __add__(self, other):
        return self._derived(
            self._query.union(
                _operand(other, "A QueryExpression can only be unioned with another QueryExpression")
            )
        )

    def __xor__(self, other):
        if self.connection.config["legacy"]:
            warn("the operator `^`", "write `restrict(..., semantic_check=False)`")
            return self.restrict(other, semantic_check=False)
        raise _lodestore.error(
            "invalid-request",
            "the operator `^` was removed in DataJoint 2.0",
            "use `restrict(..., semantic_check=False)`",
        )

    def __matmul__(self, other):
        if self.connection.config["legacy"]:
            warn("the operator `@`", "write `join(..., semantic_check=False)`")
            return self.join(other, semantic_check=False)
        raise _lodestore.error(
            "invalid-request",
            "the operator `@` was removed in DataJoint 2.0",
            "use `join(..., semantic_check=False)`",
        )

    def __copy__(self):
        return self._derived(self._query)

    def __deepcopy__(self, memo):
        return self._derived(self._query)

    def __reduce_ex__(self, protocol):
        raise TypeError("a query belongs to its connection and cannot be pickled: send its rows or its keys")

    def __len__(self):
        return self._query.len()

    def __bool__(self):
        return not self._query.is_empty()

    def __contains__(self, restriction):
        return bool(self & restriction)

    def __repr__(self):
        return self.preview()

    def preview(self, limit=None, width=None):
        """The first rows as text: `limit` rows (``display.limit``), columns of up to `width` characters
        (``display.width``).

        No object is read: references show the type and shape of what they refer to.
        """
        settings = self.connection.config
        limit = settings["display.limit"] if limit is None else limit
        width = settings["display.width"] if width is None else width
        return self._query.preview(limit, width, settings["display.show_tuple_count"])

    def _repr_html_(self):
        """The first rows as a table for notebooks."""
        settings = self.connection.config
        return self._query.preview(settings["display.limit"], None, settings["display.show_tuple_count"])

    def make_sql(self):
        """The statement that fetching sends, as text whose `parameters` are the values bound to it."""
        return Sql(*self._query.sql())


class Sql(str):
    """A statement, with the values for its placeholders."""

    def __new__(cls, text, parameters=()):
        statement = super().__new__(cls, text)
        #: The values, in order.
        statement.parameters = list(parameters)
        return statement


class Expression(QueryExpression):
    """A query that is no table."""

    __slots__ = ("_core", "connection")

    def __init__(self, connection, core):
        self.connection = connection
        self._core = core

    @property
    def _query(self):
        return self._core

    def _become(self, query):
        self._core = query


class U:
    """The set of all values that some attributes could have.

    - ``dj.U("species") & Subject``: the distinct species of the subjects;
    - ``dj.U("species").aggr(Subject, n="count(*)")``: one row for each of them;
    - ``dj.U().aggr(Subject, n="count(*)")``: one row in all.

    It is no query: it has no rows of its own.
    """

    def __init__(self, *names):
        if not all(isinstance(name, str) for name in names):
            raise TypeError("`U` takes names of attributes")
        self._names = names

    @property
    def primary_key(self):
        """The names."""
        return list(self._names)

    def __and__(self, other):
        query = _operand(other, "A universal set restricts a QueryExpression")
        return Expression(as_expression(other).connection, query.distinct(self.primary_key))

    def aggr(self, group, *, exclude_nonmatching=True, keep_all_rows=None, **named):
        """Returns one row for each combination of values in `group`, with what is computed over it.

        Raises `DataJointError` for names that `group` does not have.
        """
        query = _operand(group, "The argument of aggr must be a QueryExpression")
        connection = as_expression(group).connection
        if keeps_unmatched(connection.config["legacy"], exclude_nonmatching, keep_all_rows):
            raise _lodestore.error(
                "invalid-request",
                "Cannot set exclude_nonmatching=False when aggregating on a universal set: it has no rows of its own",
            )
        return Expression(connection, query.group(self.primary_key, _named(named)))

    aggregate = aggr

    def join(self, other, **_options):
        """Refused: a universal set cannot be joined."""
        raise _no_product()

    __mul__ = __rmul__ = join

    def __sub__(self, other):
        raise _lodestore.error(
            "invalid-request", "dj.U(...) - table would be an infinite set, and is not supported"
        )

    def __repr__(self):
        return f"U({', '.join(map(repr, self._names))})"
