"""Schemas, classes, headings, dependencies, dropping and altering."""
# ruff: noqa: F821

import re

E = dj.errors


# --- definition-and-schema §6
@check
def schema_repr():
    return repr(sch)


@check
def schema_unactivated():
    s = dj.Schema(connection=conn)
    return [s.is_activated(), s.database, repr(s)]


@check
def schema_activate_none():
    dj.Schema(connection=conn).activate()


@check
def schema_activate_twice():
    s = inst.Schema("cmp_lab")
    s.activate("cmp_lab")
    s.activate()
    return s.database


@check
def schema_activate_other():
    inst.Schema("cmp_lab").activate("cmp_other")


@check
def schema_missing():
    inst.Schema("cmp_nope", create_schema=False)


@check
def schema_exists():
    return [sch.exists, sch.database, sch.is_activated()]


@check
def schema_list_tables():
    return sorted(sch.list_tables())


@check
def schema_getitem():
    return [
        sch["Subject"].table_name,
        sch["subject"].table_name,
        sch.get_table("Person").table_name,
        "Subject" in sch,
        "nope" in sch,
        sch["session__trial"].table_name,
    ]


@check
def schema_getitem_missing():
    return sch["Nope"]


@check
def schema_iter():
    return sorted(t.table_name for t in sch)


@check
def schema_make_classes():
    ns = {}
    sch.make_classes(into=ns)
    return (sorted(ns),)


@check
def schema_make_classes_part():
    ns = {}
    sch.make_classes(into=ns)
    return [
        ns["Session"].Trial.table_name,
        ns["Session"].__mro__[1].__name__,
        ns["Person"].__bases__[0].__name__,
        len(ns["Subject"]()),
    ]


@check
def schema_context():
    return sch.context


@check
def schema_lineage():
    return {k: v for k, v in sorted(sch.lineage.items()) if "session" in k}


@check
def schema_lineage_exists():
    return sch.lineage_table_exists


@check
def virtual_schema():
    m = dj.virtual_schema("cmp_lab", connection=conn)
    return [m.__name__, m.Subject.table_name, type(m).__name__, m.schema.database]


@check
def virtual_module():
    m = dj.VirtualModule("vm", "cmp_lab", connection=conn, add_objects={"x": 1})
    return [m.__name__, m.x, m.Session.Trial.full_table_name]


@check
def virtual_missing():
    dj.VirtualModule("vm", "cmp_nope", connection=conn)


@check
def list_schemas():
    return "cmp_lab" in dj.list_schemas(connection=conn)


@check
def decorator_part():
    @sch
    class P(dj.Part):
        definition = "-> Subject"


@check
def decorator_not_class():
    sch(5)


@check
def name_underscore():
    @sch
    class My_Table(dj.Manual):
        definition = "a : int32"

    return My_Table.table_name


@check
def name_lower():
    @sch
    class lower(dj.Manual):
        definition = "a : int32"


@check
def names_acronym():
    @sch
    class ProcessedEMG2D(dj.Computed):
        definition = "-> Subject"

        def make(self, key):
            pass

    return [ProcessedEMG2D.table_name, ProcessedEMG2D.full_table_name]


@check
def redeclare_same():
    @sch
    class Person(dj.Lookup):
        definition = "person : varchar(20)"

    return Person.heading.names


@check
def docstring_gets_definition():
    return "Table definition:" in (Subject.__doc__ or "")


@check
def no_definition():
    @sch
    class NoDef(dj.Manual):
        pass


@check
def unsupported_type():
    @sch
    class Bad(dj.Manual):
        definition = "a : uint9"


@check
def unknown_codec():
    @sch
    class Bad2(dj.Manual):
        definition = "a : int32\n---\nb : <nocodec>"


@check
def unknown_parent():
    @sch
    class Bad3(dj.Manual):
        definition = "-> Nowhere"


@check
def bad_fk_option():
    @sch
    class Bad4(dj.Manual):
        definition = "-> [funny] Subject"


@check
def nullable_pk():
    @sch
    class Bad5(dj.Manual):
        definition = "a=null : int32"


@check
def primary_nullable_fk():
    @sch
    class Bad6(dj.Manual):
        definition = "-> [nullable] Subject"


@check
def underscore_attr():
    @sch
    class Bad7(dj.Manual):
        definition = "_a : int32"


@check
def syntax_error():
    @sch
    class Bad8(dj.Manual):
        definition = "a int32"


@check
def declare_in_transaction():
    with conn.transaction:

        @sch
        class InTx(dj.Manual):
            definition = "a : int32"


@check
def unbound_class():
    class U1(dj.Manual):
        definition = "a : int32"

    return [U1.full_table_name, U1.table_name, U1.database if hasattr(U1, "database") else None]


@check
def unbound_instance_name():
    class U2(dj.Manual):
        definition = "a : int32"

    return U2().full_table_name


@check
def unbound_heading():
    class U3(dj.Manual):
        definition = "a : int32"

    return U3().heading


@check
def singleton():
    @sch
    class One(dj.Manual):
        definition = "---\nx : int32"

    One.insert1({"x": 1})
    return [One.primary_key, One.to_dicts()]


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


# dependencies
@check
def parents():
    return [Session.parents(), Session.parents(primary=True), Session.parents(primary=False)]


@check
def children():
    return (sorted(Subject.children()),)


@check
def parents_info():
    return [
        [n, {k: v for k, v in i.items() if k in ("attr_map", "aliased", "primary", "multi")}]
        for n, i in Session.parents(foreign_key_info=True)
    ]


@check
def children_objects():
    return [type(t).__name__ for t in Subject.children(as_objects=True)]


@check
def ancestors():
    return Session.Trial.ancestors()


@check
def descendants():
    return Subject.descendants()[0], sorted(Subject.descendants())


@check
def parts():
    return [Session.parts(), Session.parts(as_objects=True)[0].table_name]


@check
def freetable():
    t = inst.FreeTable("cmp_lab.subject")
    return [len(t), t.full_table_name, repr(t).splitlines()[0], type(t).__name__, t.heading.names[:2]]


@check
def freetable2():
    return len(dj.FreeTable(conn, Subject.full_table_name))


@check
def freetable_missing():
    return dj.FreeTable(conn, "cmp_lab.zzz").heading.names


@check
def freetable_onepart():
    return dj.FreeTable(conn, "zzz")


@check
def drop_restricted():
    (Subject & "subject=1").drop()


@check
def part_drop():
    Session.Trial.drop()


@check
def part_drop_cascade():
    Session.Trial.drop(part_integrity="cascade")


@check
def drop_bad_policy():
    Subject.drop(part_integrity="foo")


@check
def drop_table():
    @sch
    class Tmp(dj.Manual):
        definition = "a : int32"

    Tmp.drop(prompt=False)
    return "tmp" in sch.list_tables()


@check
def drop_quick():
    @sch
    class Tmp2(dj.Manual):
        definition = "a : int32"

    return Tmp2.drop_quick()


@check
def schema_drop():
    s = inst.Schema("cmp_tmp")
    s.drop(prompt=False)
    return s.exists


@check
def alter_nothing():
    @sch
    class Alt(dj.Manual):
        definition = "a : int32\n---\nb : int32"

    return Alt.alter(prompt=False) is None or True


@check
def alter_add():
    @sch
    class Alt2(dj.Manual):
        definition = "a : int32\n---\nb : int32"

    Alt2.definition = "a : int32\n---\nb : int32\nc=null : int32"
    Alt2.alter(prompt=False)
    return Alt2().heading.names


@check
def alter_pk():
    @sch
    class Alt3(dj.Manual):
        definition = "a : int32\n---\nb : int32"

    Alt3.definition = "a : int32\nz : int32\n---\nb : int32"
    Alt3.alter(prompt=False)
