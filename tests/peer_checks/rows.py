"""Inserting, updating, validating, deleting, transactions, populating."""
# ruff: noqa: F821, F841, SIM117


@sch
class M(dj.Manual):
    definition = """
    id : int32
    ---
    x=5 : int32
    s='d' : varchar(10)
    f=null : float64
    d=null : date
    t=null : datetime
    e='a' : enum('a','b')
    k=null : decimal(6,2)
    u=null : int32
    unique index(u)
    """


@sch
class Auto(dj.Manual):
    definition = """
    a : int32
    ---
    b : int32
    """


def fresh():
    M.delete_quick()


def one(**kw):
    fresh()
    M.insert1({"id": 1, **kw})
    return M.fetch1()


def rows(r, **kw):
    fresh()
    M.insert(r, **kw)
    return M.to_dicts(order_by="id")


def val(n, v):
    return lambda: one(**{n: v})[n]


INSERTS = {
    "defaults": lambda: one(),
    "none_default": lambda: one(x=None)["x"],
    "nonekey": lambda: M.insert1({"id": None}),
    "missing_required": lambda: Auto.insert1({"a": 1}),
    "missing_key": lambda: M.insert1({"x": 1}),
    "unknown": lambda: M.insert1({"id": 1, "zz": 2}),
    "unknown_ignored": lambda: (fresh(), M.insert1({"id": 1, "zz": 2}, ignore_extra_fields=True), len(M()))[
        2
    ],
    "tuple": lambda: (Auto.delete_quick(), Auto.insert1((1, 2)), Auto.fetch1())[2],
    "tuple_len": lambda: Auto.insert1((1,)),
    "list": lambda: (Auto.delete_quick(), Auto.insert([[1, 2], [3, 4]]), Auto.to_dicts(order_by="a"))[2],
    "dup": lambda: rows([{"id": 1}, {"id": 1}]),
    "dup_skip": lambda: rows([{"id": 1}, {"id": 1, "x": 7}], skip_duplicates=True),
    "skip_existing": lambda: (
        rows([{"id": 1, "x": 3}]),
        M.insert([{"id": 1, "x": 9}, {"id": 2, "x": 4}], skip_duplicates=True),
        M.to_dicts(order_by="id"),
    )[2][0]["x"],
    "replace": lambda: (rows([{"id": 1, "x": 3}]), M.insert1({"id": 1, "x": 9}, replace=True), M.fetch1("x"))[
        2
    ],
    "both": lambda: M.insert1({"id": 1}, replace=True, skip_duplicates=True),
    "unique_skip": lambda: rows([{"id": 1, "u": 1}, {"id": 2, "u": 1}], skip_duplicates=True),
    "unique": lambda: rows([{"id": 1, "u": 1}, {"id": 2, "u": 1}]),
    "gen": lambda: len(rows({"id": i} for i in range(3))),
    "empty": lambda: rows([]),
    "df": lambda: len(rows(pd.DataFrame({"id": [1, 2], "x": [3, 4]}))),
    "rec": lambda: len(rows(np.array([(1, 2), (3, 4)], dtype=[("id", "i4"), ("x", "i4")]))),
    "npvoid": lambda: (
        fresh(),
        M.insert1(np.array([(1, 2)], dtype=[("id", "i4"), ("x", "i4")])[0]),
        M.fetch1("x"),
    )[2],
    "dict_for_list": lambda: M.insert({"id": 1}),
    "none": lambda: M.insert(None),
    "int": lambda: M.insert(5),
    "row_int": lambda: M.insert([5]),
    "row_none": lambda: M.insert1(None),
    "str_row": lambda: M.insert(["abc"]),
    "kw": lambda: M.insert1({"id": 1}, bogus=True),
    "chunk": lambda: len(rows([{"id": i} for i in range(5)], chunk_size=2)),
    "chunk_gen": lambda: len(rows(({"id": i} for i in range(5)), chunk_size=2)),
    "chunk_query": lambda: M.insert(M.proj(), chunk_size=1),
    "emptyrow": lambda: M.insert1({}),
    "mixed_fields": lambda: rows([{"id": 1, "x": 1}, {"id": 2}]),
    "mixed_unknown": lambda: rows([{"id": 1}, {"id": 2, "zz": 1}]),
    "computed_direct": lambda: Stat.insert1({"subject": 1, "session": 1, "n": 1}),
    "computed_allow": lambda: (
        Stat.insert1({"subject": 1, "session": 1, "n": 1}, allow_direct_insert=True),
        len(Stat()),
        Stat.delete(prompt=False),
    )[1],
    "part_direct": lambda: Session.Trial.insert1(dict(subject=9, session=9, trial=9)),
    "fk_missing": lambda: Session.insert1(dict(subject=99, session=1, start="2020-01-01")),
    "ret": lambda: (fresh(), M.insert1({"id": 1}), M.insert([{"id": 2}]))[1:],
    "select": lambda: (fresh(), M.insert(Subject.proj(id="subject")), len(M()))[2],
    "select_extra": lambda: M.insert(Subject.proj(..., id="subject")),
    "select_extra_ok": lambda: (
        fresh(),
        M.insert(Subject.proj(..., id="subject"), ignore_extra_fields=True),
        len(M()),
    )[2],
    "select_cls": lambda: (
        Auto.delete_quick(),
        Auto.insert(
            Session.proj(a="subject", b="session") if False else Subject.proj(a="subject", b="(subject)")
        ),
        len(Auto()),
    )[2],
    "joined_insert": lambda: (Subject * Session.proj()).insert([]),
    "path_csv": lambda: (
        pathlib.Path("x.csv").write_text("id,x,s\n1,2,q\n2,3,\n"),
        fresh(),
        M.insert(pathlib.Path("x.csv")),
        M.proj("x", "s").to_dicts(order_by="id"),
    )[3],
    "strpath": lambda: M.insert("x.csv"),
    "polars": lambda: len(rows(__import__("polars").DataFrame({"id": [1, 2]}))),
    "arrow": lambda: len(rows(__import__("pyarrow").table({"id": [1, 2]}))),
    "dfi": lambda: (
        fresh(),
        M.insert_dataframe(pd.DataFrame({"x": [1, 2]}, index=pd.Index([1, 2], name="id"))),
        len(M()),
    )[2],
    "dfi_roundtrip": lambda: (
        rows([{"id": 1}, {"id": 2}]),
        (lambda df: (fresh(), M.insert_dataframe(df)))(M.proj("x").to_pandas()),
        len(M()),
    )[2],
    "dfi_non": lambda: M.insert_dataframe([1]),
    "dfi_true": lambda: M.insert_dataframe(pd.DataFrame({"x": [1]}), index_as_pk=True),
    "dfi_false": lambda: (
        fresh(),
        M.insert_dataframe(pd.DataFrame({"id": [1], "x": [1]}, index=[7]), index_as_pk=False),
        len(M()),
    )[2],
    "longtext": val("s", "x" * 20),
    "badenum": val("e", "z"),
    "badint": val("x", "abc"),
    "rangeint": val("x", 2**40),
    "floatint": val("x", 1.0),
    "nanint": val("x", float("nan")),
    "emptyint": val("x", ""),
    "boolint": val("x", True),
    "datestr": val("d", "2020-02-03"),
    "date": val("d", datetime.date(2020, 2, 3)),
    "dtdate": val("d", datetime.datetime(2020, 2, 3, 4, 5)),
    "baddate": val("d", "nope"),
    "dt": val("t", datetime.datetime(2020, 2, 3, 4, 5, 6)),
    "dtstr": val("t", "2020-02-03 04:05:06"),
    "npdt": val("t", np.datetime64("2020-02-03T04:05:06")),
    "pdts": val("t", pd.Timestamp("2020-02-03 04:05:06")),
    "dec": val("k", decimal.Decimal("1.25")),
    "decf": val("k", 1.25),
    "decs": val("k", "1.25"),
    "decround": val("k", "1.256"),
    "npint": val("x", np.int16(3)),
    "listint": val("x", [1]),
    "floatnan": val("f", float("nan")),
    "inf": val("f", float("inf")),
}
ask("insert", INSERTS)
U = {
    "ok": lambda: (one(), M.update1({"id": 1, "x": 9, "s": "z"}), M.fetch1("x", "s"))[2],
    "none": lambda: (one(x=9), M.update1({"id": 1, "x": None}), M.fetch1("x"))[2],
    "nokey": lambda: M.update1({"x": 1}),
    "unknown": lambda: (one(), M.update1({"id": 1, "zz": 1})),
    "missing": lambda: (one(), M.update1({"id": 77, "x": 1})),
    "restricted": lambda: (one(), (M & "x=1").update1({"id": 1, "x": 1})),
    "notdict": lambda: M.update1([1]),
    "fk": lambda: Subject.update1({"subject": 1, "person": "nobody"}),
    "onlykey": lambda: (one(), M.update1({"id": 1})),
    "ret": lambda: (one(), M.update1({"id": 1, "x": 2}))[1],
    "part": lambda: (
        Session.Trial.update1(dict(subject=1, session=1, trial=1, rt=9.5)),
        (Session.Trial & dict(subject=1, session=1, trial=1)).fetch1("rt"),
    )[1],
}
ask("update", U)
V = {
    "ok": lambda: (lambda r: [r.is_valid, bool(r), r.errors, r.rows_checked])(M.validate([{"id": 1}])),
    "bad": lambda: (
        lambda r: [r.is_valid, bool(r), len(r.errors), r.rows_checked, [e[:2] for e in r.errors]]
    )(M.validate([{"id": 1, "zz": 1}, {"x": 1}])),
    "raise": lambda: M.validate([{"zz": 1}]).raise_if_invalid(),
    "summary": lambda: isinstance(M.validate([{"zz": 1}]).summary(), str),
    "type": lambda: type(M.validate([])).__name__,
    "ignore": lambda: M.validate([{"id": 1, "zz": 1}], ignore_extra_fields=True).is_valid,
    "df": lambda: M.validate(pd.DataFrame({"id": [1]})).is_valid,
}
ask("validate", V)


@sch
class A1(dj.Manual):
    definition = "a : int32\n---\nv=0 : int32"


@sch
class B1(dj.Manual):
    definition = "-> A1\nb : int32"

    class P(dj.Part):
        definition = "-> master\np : int32"


@sch
class C1(dj.Manual):
    definition = "c : int32\n---\n-> [nullable] A1"


def fill():
    for t in (C1, B1.P, B1, A1):
        t.delete_quick()
    A1.insert([{"a": i} for i in range(4)])
    B1.insert([{"a": i, "b": j} for i in range(3) for j in range(2)])
    B1.P.insert([{"a": i, "b": j, "p": 0} for i in range(3) for j in range(2)])
    C1.insert([{"c": 1, "a": 1}, {"c": 2, "a": None}])


def counts():
    return [len(t()) for t in (A1, B1, B1.P, C1)]


D = {
    "cascade": lambda: (fill(), (A1 & "a=1").delete(prompt=False), counts())[1:],
    "cls": lambda: (fill(), A1.delete(prompt=False), counts())[1:],
    "noop": lambda: (fill(), (A1 & "a=77").delete(prompt=False))[1],
    "part": lambda: (fill(), B1.P.delete(prompt=False)),
    "part_inst": lambda: (fill(), (B1.P & "a=1").delete(prompt=False)),
    "part_ignore": lambda: (fill(), (B1.P & "a=1").delete(prompt=False, part_integrity="ignore"), counts())[
        1:
    ],
    "part_cascade": lambda: (fill(), (B1.P & "a=1").delete(prompt=False, part_integrity="cascade"), counts())[
        1:
    ],
    "bad": lambda: A1.delete(prompt=False, part_integrity="zz"),
    "quick_fk": lambda: (fill(), A1.delete_quick()),
    "quick": lambda: (
        fill(),
        C1.delete_quick(),
    )[1],
    "quickcount": lambda: (fill(), C1.delete_quick(get_count=True))[1],
    "quick_restr": lambda: (fill(), (C1 & "c=1").delete_quick(get_count=True), len(C1()))[1:],
    "intx": lambda: (
        fill(),
        conn.start_transaction(),
        (A1 & "a=1").delete(prompt=False),
        conn.cancel_transaction(),
        counts(),
    )[4],
    "safemode_cfg": lambda: (fill(), (A1 & "a=2").delete())[1],
    "proj": lambda: (fill(), (A1.proj() & "a=1").delete(prompt=False), counts())[1:],
    "join": lambda: (A1 * B1).delete(),
    "top": lambda: (fill(), (A1 & dj.Top(1)).delete(prompt=False), counts())[1:],
    "unkdict": lambda: (fill(), (A1 & {"zz": 1}).delete(prompt=False)),
}
ask("delete", D)
TX = {
    "commit": lambda: (
        fresh(),
        conn.start_transaction(),
        conn.in_transaction,
        M.insert1({"id": 1}),
        conn.commit_transaction(),
        conn.in_transaction,
        len(M()),
    )[2:],
    "rollback": lambda: (
        fresh(),
        conn.start_transaction(),
        M.insert1({"id": 1}),
        conn.cancel_transaction(),
        len(M()),
    )[4],
    "nested": lambda: (conn.start_transaction(), conn.start_transaction()),
    "commit_none": lambda: conn.commit_transaction(),
    "cancel_none": lambda: conn.cancel_transaction(),
}
ask("tx", TX)


@check
def tx_ctx():
    fresh()
    with conn.transaction as x:
        M.insert1({"id": 1})
    return len(M())


@check
def tx_ctx_err():
    fresh()
    try:
        with conn.transaction:
            M.insert1({"id": 1})
            raise KeyError("x")
    except KeyError:
        pass
    return [len(M()), conn.in_transaction]


@check
def tx_nested_ctx():
    with conn.transaction:
        with conn.transaction:
            pass


@check
def populate_basic():
    Stat.delete(prompt=False)
    r = Stat.populate()
    return [r, Stat.to_dicts(order_by="KEY"), len(Stat.Detail())]


@check
def populate_again():
    return Stat.populate()


@check
def progress():
    return Stat.progress()


@check
def progress_restr():
    return Stat.progress("subject=1")


@check
def populate_restr():
    Stat.delete(prompt=False)
    return [Stat.populate("subject=1"), len(Stat())]


@check
def populate_max():
    Stat.delete(prompt=False)
    return [Stat.populate(max_calls=1), len(Stat())]


@check
def populate_in_tx():
    with conn.transaction:
        Stat.populate()


@check
def populate_restricted():
    (Stat & "subject=1").populate()


@check
def key_source():
    return [Stat.key_source.heading.names, sorted(map(str, Stat.key_source.to_dicts()))]


@sch
class Err(dj.Computed):
    definition = "-> Subject\n---\nz=0 : int32"

    def make(self, key):
        if key["subject"] == 2:
            raise ValueError("bad two")
        self.insert1(key)


@check
def populate_err():
    Err.populate()


@check
def populate_suppress():
    Err.delete(prompt=False)
    r = Err.populate(suppress_errors=True)
    return [r["success_count"], [(k, m) for k, m in r["error_list"]], len(Err())]


@check
def populate_exc():
    Err.delete(prompt=False)
    r = Err.populate(suppress_errors=True, return_exception_objects=True)
    return [type(m).__name__ for k, m in r["error_list"]]


@sch
class Nomake(dj.Computed):
    definition = "-> Subject"


@check
def populate_nomake():
    Nomake.populate()


@sch
class Tri(dj.Computed):
    definition = "-> Subject\n---\nz : int32"

    def make_fetch(self, key):
        return ((Subject & key).fetch1("subject"),)

    def make_compute(self, key, n):
        return (n * 2,)

    def make_insert(self, key, z):
        self.insert1({**key, "z": z})


@check
def populate_tri():
    return [Tri.populate(), Tri.to_dicts(order_by="subject")]


@check
def part_props():
    return [hasattr(Session.Trial, "populate"), hasattr(Subject, "jobs"), hasattr(Subject, "populate")]
