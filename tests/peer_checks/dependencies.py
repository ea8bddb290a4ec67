"""Dependencies, dropping and altering."""
# ruff: noqa: F821


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
