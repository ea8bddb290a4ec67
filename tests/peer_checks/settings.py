"""Settings, codecs, stores, connections, errors."""
# ruff: noqa: F821, F841, RUF005, SIM115

import itertools

cfg = inst.config


def setget(k, v):
    old = cfg[k]
    try:
        cfg[k] = v
        return cfg[k]
    finally:
        cfg[k] = old


def spec(stores, *a, **k):
    old = cfg.stores
    with cfg.override(stores=stores):
        return cfg.get_store_spec(*a, **k)


loc = str(stores)
CF = {
    "get": lambda: [
        cfg["display.limit"],
        cfg.display.limit,
        cfg.get("display.limit"),
        cfg.get("nope"),
        cfg.get("nope", 3),
    ],
    "missing": lambda: cfg["nope"],
    "missing2": lambda: cfg["display.nope"],
    "attrmissing": lambda: cfg.nope,
    "set": lambda: setget("display.limit", 5),
    "setattr": lambda: (setattr(cfg.display, "limit", 12), cfg["display.limit"])[1],
    "setbad": lambda: setget("display.limit", "abc"),
    "setunknown": lambda: cfg.__setitem__("nope", 1),
    "setunknown2": lambda: cfg.__setitem__("display.nope", 1),
    "boolstr": lambda: setget("safemode", "yes"),
    "boolbad": lambda: setget("safemode", "maybe"),
    "override": lambda: inover(),
    "overrideerr": lambda: inover2(),
    "loglevelbad": lambda: setget("loglevel", "debug"),
    "loglevel": lambda: setget("loglevel", "DEBUG"),
    "storesattr": lambda: cfg["stores.main.location"] == loc,
    "storesdefault": lambda: cfg["stores.default"],
    "storeskeys": lambda: sorted(cfg.stores.keys()),
    "backend": lambda: cfg["database.backend"],
    "backendbad": lambda: setget("database.backend", "oracle"),
    "template": lambda: [cfg.save_template("t1/datajoint.json")] if False else sorted(os.listdir(mk("t1"))),
    "template_exists": lambda: (mk("t2"), cfg.save_template("t2/datajoint.json")),
    "template_text": lambda: json.loads(open(mkf("t3")).read()),
    "template_full": lambda: sorted(json.loads(open(mkf("t4", minimal=False)).read())),
    "template_secrets": lambda: (mk("t5"), sorted(os.listdir("t5/.secrets")))[1],
    "load": lambda: (
        open("x.json", "w").write(json.dumps({"display": {"limit": 7}})),
        cfg.load("x.json"),
        cfg["display.limit"],
        cfg.load_back() if False else cfg.__setitem__("display.limit", 12),
    )[2],
    "loadmissing": lambda: cfg.load("nofile.json"),
    "loadflat": lambda: (
        open("y.json", "w").write(json.dumps({"display.limit": 8})),
        cfg.load("y.json"),
        cfg["display.limit"],
        cfg.__setitem__("display.limit", 12),
    )[2],
    "repr": lambda: "password" in repr(cfg).lower() or True,
    "pwmask": lambda: (settings.get("password") or "lodestore-pw") in repr(cfg),
    "spec": lambda: sorted(cfg.get_store_spec().items()),
    "spec_named": lambda: cfg.get_store_spec("main")["protocol"],
    "spec_unknown": lambda: cfg.get_store_spec("zz"),
    "spec_nodefault": lambda: spec({}),
    "spec_fp": lambda: spec({}, None, use_filepath_default=True),
    "spec_defint": lambda: spec({"default": 5}),
    "spec_proto": lambda: spec({"m": {"protocol": "ftp", "location": loc}}, "m"),
    "spec_missing": lambda: spec({"m": {"protocol": "file"}}, "m"),
    "spec_invalid": lambda: spec({"m": {"protocol": "file", "location": loc, "foo": 1}}, "m"),
    "spec_overlap": lambda: spec(
        {"m": {"protocol": "file", "location": loc, "hash_prefix": "a", "schema_prefix": "a/b"}}, "m"
    ),
    "spec_s3missing": lambda: spec({"m": {"protocol": "s3", "location": "x"}}, "m"),
    "spec_empty": lambda: cfg.get_store_spec(""),
    "spec_s3": lambda: sorted(
        (k, str(v))
        for k, v in spec(
            {"m": {"protocol": "s3", "location": "x", "endpoint": "e", "bucket": "b"}}, "m"
        ).items()
    ),
    "delkey": lambda: (
        cfg.__setitem__("display.limit", 3),
        cfg.__delitem__("safemode"),
        cfg["safemode"],
        cfg.__setitem__("safemode", False),
        cfg.__setitem__("display.limit", 12),
    )[2],
}


def inover():
    with cfg.override(safemode=True, display__limit=99):
        r = [cfg.safemode, cfg.display.limit]
    return r + [cfg.safemode, cfg.display.limit]


def inover2():
    try:
        with cfg.override(display__limit=99):
            raise ZeroDivisionError
    except ZeroDivisionError:
        return cfg.display.limit


def mk(d, **k):
    os.makedirs(d, exist_ok=True)
    cfg.save_template(d + "/datajoint.json", **k)
    return d


def mkf(d, **k):
    return mk(d, **k) + "/datajoint.json"


ask("config", CF)
CO = {
    "list": lambda: [
        n for n in dj.list_codecs() if n in ("attach", "blob", "filepath", "hash", "npy", "object")
    ],
    "get": lambda: [
        dj.get_codec("blob").name,
        dj.get_codec("<blob@main>").name,
        type(dj.get_codec("npy")).__name__,
    ],
    "unknown": lambda: dj.get_codec("zz"),
    "repr": lambda: repr(dj.get_codec("blob")),
    "dtype": lambda: [
        dj.get_codec("blob").get_dtype(False),
        dj.get_codec("blob").get_dtype(True),
        dj.get_codec("attach").get_dtype(True),
        dj.get_codec("npy").get_dtype(True),
    ],
    "hash_dtype": lambda: dj.get_codec("hash").get_dtype(False),
    "npy_dtype": lambda: dj.get_codec("npy").get_dtype(False),
    "fp_dtype": lambda: dj.get_codec("filepath").get_dtype(False),
    "reg": lambda: [M("codecs").is_codec_registered("blob"), M("codecs").is_codec_registered("zz")],
    "unreg": lambda: M("codecs").unregister_codec("zz"),
    "parse": lambda: [
        M("codecs").parse_type_spec(x)
        for x in ("<blob>", "<blob@>", "<blob@cold>", "blob@x", "< blob @ cold >")
    ],
    "lookup": lambda: (lambda r: [r[0].name, r[1]])(M("codecs").lookup_codec("<blob@main>")),
    "lookup_bad": lambda: M("codecs").lookup_codec("<zz>"),
    "resolve": lambda: (lambda r: [r[0], [x.name for x in r[1]], r[2]])(
        M("codecs").resolve_dtype("<blob@main>")
    ),
    "resolve2": lambda: (lambda r: [r[0], [x.name for x in r[1]], r[2]])(M("codecs").resolve_dtype("<blob>")),
    "resolve3": lambda: (lambda r: [r[0], [x.name for x in r[1]], r[2]])(M("codecs").resolve_dtype("int32")),
    "refs": lambda: [
        dj.get_codec("hash").referenced_paths({"path": "a", "store": "s"}),
        dj.get_codec("hash").referenced_paths('{"path":"a"}'),
        dj.get_codec("hash").referenced_paths(None),
        dj.get_codec("hash").referenced_paths([1]),
    ],
    "pack": lambda: M("blob").unpack(M("blob").pack({"a": [1, 2.5, None, "x", (1,), {2}]})),
    "packarr": lambda: M("blob").unpack(M("blob").pack(np.arange(4))),
    "packhead": lambda: M("blob").pack(1)[:4],
    "encode_blob": lambda: type(dj.get_codec("blob").encode([1], key={})).__name__,
    "validate_npy": lambda: dj.get_codec("npy").validate([1]),
    "validate_hash": lambda: dj.get_codec("hash").validate("x"),
    "validate_attach": lambda: dj.get_codec("attach").validate(5),
    "validate_object": lambda: dj.get_codec("object").validate(5),
}


def M(n):
    return importlib.import_module(which + "." + n)


ask("codec", CO)


@check
def codec_class():
    class MyC(dj.Codec):
        name = "myc1"

        def get_dtype(self, is_store):
            return "<blob>"

        def encode(self, value, *, key=None, store_name=None):
            return {"v": value}

        def decode(self, stored, *, key=None):
            return stored["v"]

    @sch
    class UsesC(dj.Manual):
        definition = "a : int32\n---\nv : <myc1>"

    UsesC.insert1({"a": 1, "v": [1, 2]})
    return [UsesC.fetch1("v"), "myc1" in dj.list_codecs()]


@check
def codec_badname():
    class BadN(dj.Codec):
        name = 5


@check
def codec_builtin_name():
    class BadB(dj.Codec):
        name = "blob"

        def get_dtype(self, is_store):
            return "bytes"

        def encode(self, value, *, key=None, store_name=None):
            return value

        def decode(self, stored, *, key=None):
            return stored


@check
def codec_noregister():
    class Base(dj.Codec, register=False):
        name = "nonreg"

    return "nonreg" in dj.list_codecs()


# stores
def ob(v, t="<object@main>"):
    @sch
    class Ob(dj.Manual):
        definition = f"id : int32\n---\no : {t}"

    return Ob


numbers = itertools.count(1)


def store(t, v):
    cls = type(f"Ob{next(numbers)}", (dj.Manual,), {"definition": f"id : int32\n---\no : {t}"})
    cls = sch(cls)
    cls.insert1({"id": 1, "o": v})
    return cls.fetch1("o")


ST = {
    "npy": lambda: (
        lambda r: [
            type(r).__name__,
            r.shape,
            str(r.dtype),
            r.ndim,
            r.size,
            r.nbytes,
            r.is_loaded,
            repr(r),
            len(r),
            r.store,
        ]
    )(store("<npy@main>", np.arange(6.0).reshape(2, 3))),
    "npy_load": lambda: store("<npy@main>", np.arange(3)).load(),
    "npy_slice": lambda: store("<npy@main>", np.arange(5))[1:3],
    "npy_np": lambda: float(np.mean(store("<npy@main>", np.arange(5)))),
    "npy_list": lambda: store("<npy@main>", [1]),
    "npy_obj": lambda: store("<npy@main>", np.array([{}])),
    "npy_add": lambda: store("<npy@main>", np.arange(2)) + 1,
    "npy_mmap": lambda: np.asarray(store("<npy@main>", np.arange(3)).load(mmap_mode="r")),
    "hash": lambda: store("<hash@main>", b"abc"),
    "hash_str": lambda: store("<hash@main>", "abc"),
    "hash_ba": lambda: store("<hash@main>", bytearray(b"a")),
    "obj_bytes": lambda: (
        lambda r: [type(r).__name__, r.size, r.is_dir, r.read(), r.exists(), str(r) == r.path, r.ext, r.store]
    )(store("<object@main>", b"abc")),
    "obj_tuple": lambda: (lambda r: [r.ext, r.path.endswith(".bin"), r.read()])(
        store("<object@main>", (".bin", b"xy"))
    ),
    "obj_file": lambda: (
        open("f.txt", "w").write("hey"),
        (lambda r: [r.ext, r.size, r.open().read(), r.verify()])(store("<object@main>", "f.txt")),
    )[1],
    "obj_dir": lambda: (
        os.makedirs("dd/s", exist_ok=True),
        open("dd/a", "w").write("1"),
        open("dd/s/b", "w").write("22"),
        (lambda r: [r.is_dir, r.size, r.item_count, sorted(r.listdir()), r.open("a").read(), r.verify()])(
            store("<object@main>", "dd")
        ),
    )[3],
    "obj_missing": lambda: store("<object@main>", "nofile"),
    "obj_int": lambda: store("<object@main>", 5),
    "obj_list": lambda: store("<object@main>", [1]),
    "obj_json": lambda: sorted(store("<object@main>", b"abc").to_json()),
    "obj_dirread": lambda: (
        os.makedirs("d2", exist_ok=True),
        open("d2/a", "w").write("1"),
        store("<object@main>", "d2").read(),
    ),
    "obj_filelist": lambda: store("<object@main>", b"a").listdir(),
    "obj_walk": lambda: list(store("<object@main>", b"a").walk()),
    "obj_sub": lambda: store("<object@main>", b"a").open("x"),
    "obj_download": lambda: (lambda p: open(p, "rb").read())(
        store("<object@main>", b"abc").download("dl.bin")
    ),
    "obj_repr": lambda: repr(store("<object@main>", b"abc"))[:16],
    "attach": lambda: (
        open("n.txt", "w").write("hi"),
        os.makedirs("dl", exist_ok=True),
        (lambda p: [type(p).__name__, os.path.basename(p), open(p).read()])(
            store("<attach@main>" if pg else "<attach>", "n.txt")
        ),
    )[2],
    "attach_missing": lambda: store("<attach>", "nofile"),
    "attach_dir": lambda: store("<attach>", "."),
    "attach_int": lambda: store("<attach>", 5),
    "fp_missing": lambda: store("<filepath@main>", "nofile"),
    "fp": lambda: (
        (stores / "raw").mkdir(exist_ok=True),
        (stores / "raw" / "x.txt").write_text("q"),
        (lambda r: [type(r).__name__, r.path, r.size, r.read()])(store("<filepath@main>", "raw/x.txt")),
    )[2],
    "fp_reserved": lambda: store("<filepath@main>", "_hash/x"),
    "fp_int": lambda: store("<filepath@main>", 5),
    "blob": lambda: store("<blob>", {"a": np.arange(3), "b": None}),
    "badstore": lambda: store("<blob@zz>", 1),
    "needs_at": lambda: store("<npy>", 1),
    "needs_at2": lambda: store("<filepath>", 1),
    "hash_at": lambda: store("<hash>", 1),
}
ask("store", ST)
CN = {
    "query": lambda: conn.query("SELECT 1").fetchall(),
    "query_args": lambda: list(conn.query("SELECT %s", ("x",)).fetchone()),
    "query_dict": lambda: [dict(r) for r in conn.query("SELECT 1 AS a", as_dict=True).fetchall()],
    "query_pct": lambda: list(conn.query("SELECT 'a%%b'").fetchone()),
    "query_pctargs": lambda: list(conn.query("SELECT 'a%%b', %s", ("z",)).fetchone()),
    "query_err": lambda: conn.query("SELEC 1"),
    "query_missing": lambda: conn.query("SELECT * FROM cmp_lab.nothing"),
    "query_unknown": lambda: conn.query("SELECT zz FROM " + Subject.full_table_name),
    "rowcount": lambda: conn.query("SELECT subject FROM " + Subject.full_table_name).rowcount,
    "desc": lambda: [
        d[0] for d in conn.query("SELECT subject, sex FROM " + Subject.full_table_name).description
    ],
    "iter": lambda: len(list(conn.query("SELECT subject FROM " + Subject.full_table_name))),
    "connected": lambda: conn.is_connected,
    "ping": lambda: conn.ping() and None,
    "user": lambda: bool(conn.get_user()),
    "repr": lambda: "connected" in repr(conn),
    "adapter": lambda: [conn.adapter.backend, conn.adapter.quote_identifier("a")],
    "schemas": lambda: sorted(conn.schemas),
    "deps": lambda: conn.dependencies.load(),
    "deps2": lambda: Subject.full_table_name in conn.dependencies,
    "query_types": lambda: list(
        conn.query(
            "SELECT subject,sex,weight,born,note FROM " + Subject.full_table_name + " WHERE subject=1"
        ).fetchone()
    ),
    "conninfo": lambda: sorted(k for k in conn.conn_info if k in ("host", "port", "user")),
    "connid": lambda: type(conn.connection_id).__name__,
    "badpw": lambda: dj.Instance(**{**settings, "password": "zzz"}),
    "badhost": lambda: dj.Instance(**{**settings, "host": "127.0.0.1", "port": 1}),
    "dup": lambda: Subject.insert1({"subject": 1}),
    "fk": lambda: Session.insert1(dict(subject=77, session=1, start="2020-01-01")),
    "unknowninst": lambda: dj.Instance(**settings, nope=1),
}
ask("conn", CN)
E = dj.errors


@check
def err_suggest():
    e = dj.errors.DataJointError("a").suggest("b", "c")
    return [type(e).__name__, list(e.args)]


@check
def err_tree():
    return [
        [n, [b.__name__ for b in getattr(E, n).__mro__ if "Error" in b.__name__ or "Missing" in b.__name__]]
        for n in [
            "LostConnectionError",
            "MissingTableError",
            "MissingExternalFile",
            "BucketInaccessible",
            "ThreadSafetyError",
            "QueryError",
            "QuerySyntaxError",
            "AccessError",
            "DuplicateError",
            "IntegrityError",
            "MissingAttributeError",
        ]
    ]


@check
def threadsafe():
    os.environ["DJ_THREAD_SAFE"] = "true"
    try:
        r = []
        for f in (
            lambda: dj.config["safemode"],
            lambda: dj.conn(),
            lambda: dj.Schema("x"),
            lambda: dj.Schema(),
            lambda: dj.FreeTable("a.b"),
            lambda: dj.list_schemas(),
            lambda: dj.VirtualModule("a", "b"),
            lambda: repr(dj.config),
            lambda: len(Subject()),
        ):
            try:
                r.append(str(f()))
            except Exception as e:
                r.append([type(e).__name__, str(e)])
        return r
    finally:
        del os.environ["DJ_THREAD_SAFE"]


@check
def objectref_import():
    return [M("objectref").ObjectRef is dj.ObjectRef, M("builtin_codecs").NpyRef is dj.NpyRef]


@check
def sparkadapter():
    return [isinstance(dj.get_codec("blob"), dj.SparkAdapter)]


@check
def lineage_mod():
    return [
        M("lineage").get_lineage(conn, "cmp_lab", "session", "subject"),
        M("lineage").get_table_lineages(conn, "cmp_lab", "session"),
        M("lineage").get_lineage(conn, "cmp_lab", "session", "zz"),
    ]


@check
def deploy_ri():
    return M("deploy").set_replica_identity(sch)


@check
def deploy_ri_mode():
    return M("deploy").set_replica_identity(sch, mode="zz")


@check
def deploy_ri_target():
    return M("deploy").set_replica_identity(5)


@check
def deploy_ri_cls():
    return M("deploy").set_replica_identity(Session, mode="DEFAULT", dry_run=False)


@check
def deploy_prov():
    r = M("deploy").add_prov_column(sch)
    return {k: v for k, v in r.items() if k != "ddl"}


@check
def matstruct():
    return [dj.MatStruct.__name__, dj.MatCell.__name__]


@check
def logger():
    return [dj.logger.name == which, hasattr(dj.logger, "jobs")]


@check
def version():
    return isinstance(dj.__version__, str) and isinstance(dj.__author__, str)
