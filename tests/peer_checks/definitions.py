"""Tables and their headings."""
# ruff: noqa: F821

import re


# names, tiers
@check
def table_names():
    return [
        Person.table_name,
        Subject.table_name,
        Session.Trial.table_name,
        Stat.table_name,
        Stat.Detail.table_name,
        Subject.full_table_name,
        Session.Trial.full_table_name,
    ]


@check
def table_class_attrs():
    return [
        Subject.connection is conn,
        Subject().connection is conn,
        Subject.primary_key,
        Session.primary_key,
        Session.Trial.master is Session,
    ]


@check
def table_is_declared():
    return Subject().is_declared


@check
def table_instance_names():
    return [
        Subject().database,
        Subject().table_name,
        Subject().full_table_name,
        Session.Trial().full_table_name,
    ]


@check
def table_definition():
    return [isinstance(Subject.definition, str), isinstance(Subject().definition, str)]


@check
def table_repr_type():
    return [isinstance(repr(Subject()), str), repr(Subject()).splitlines()[0:1]]


@check
def preview_text():
    return (Subject & "subject<3").proj("sex").preview()


@check
def preview_limit():
    return Subject.proj("sex").preview(limit=1)


@check
def preview_width():
    return Subject.proj("note", "person").preview(width=6)


@check
def preview_blob():
    return Session.proj("data").preview()


@check
def repr_expr():
    return repr(Subject.proj("sex") & "subject=1")


@check
def html():
    return ["<table" in Subject()._repr_html_(), "Total: 3" in Subject()._repr_html_()]


# heading
@check
def heading_names():
    return [
        Session.heading.names,
        Session.heading.primary_key,
        Session.heading.secondary_attributes,
        Session.heading.blobs,
        Session.heading.non_blobs,
    ]


@check
def heading_iter():
    return [list(Subject.heading), len(Subject.heading), "sex" in Subject.heading, "zz" in Subject.heading]


@check
def heading_missing():
    return Subject.heading["zz"]


@check
def heading_attr():
    a = Subject.heading["weight"]
    return [a.name, a.in_key, a.nullable, a.comment, a.autoincrement, a.original_type, a.default]


@check
def heading_attrs_types():
    return {
        n: [a.type, a.original_type, a.numeric, a.string, a.uuid, a.json, a.is_blob]
        for n, a in Session.heading.attributes.items()
    }


@check
def heading_codec():
    a = Blob.heading["w"]
    return [a.type, a.store, type(a.codec).__name__, a.codec.name, a.original_type, a.is_blob, a.json]


@check
def heading_lineage():
    return {n: a.lineage for n, a in Session.heading.attributes.items()}


@check
def heading_new_attrs():
    return Subject.proj(w="weight*2", s="sex").heading.new_attributes


@check
def heading_expr_attr():
    a = Subject.proj(w="weight*2").heading["w"]
    return [a.in_key, a.lineage, a.comment, a.attribute_expression]


@check
def heading_str():
    return str(Person.heading)


@check
def heading_dtype():
    return str(Session.heading.as_dtype)


@check
def heading_determines():
    return [Session.heading.determines(Subject.heading), Subject.heading.determines(Session.heading)]


@check
def heading_indexes():
    return {str(k): v for k, v in Subject.heading.indexes.items()}


@check
def heading_table_status():
    return Person().heading.table_status["comment"]


@check
def heading_autoinc():
    return Subject.heading.has_autoincrement


@check
def describe():
    return [re.sub(" +", " ", line) for line in Session.describe().splitlines()]


@check
def describe_print():
    return Person.describe(printout=False).splitlines()[0]


@check
def describe_part():
    return [re.sub(" +", " ", line) for line in Session.Trial.describe().splitlines()]
