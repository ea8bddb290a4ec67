"""Schemas, and classes that become tables."""
# ruff: noqa: F821


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
