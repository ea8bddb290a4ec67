"""The same questions put to Lodestore and to DataJoint: run by `tests/test_peer_behaviour.py`, once for each program.

    python checks.py PROGRAM SETTINGS

The files beside this one ask about one part each; they see the names that this one defines, and register their
questions by `check` or by `ask`. An answer is a value, or the error that came instead. Prints all as one line of JSON.
"""

import contextlib
import datetime
import decimal
import importlib
import io
import json
import logging
import os
import pathlib
import sys
import tempfile
import uuid
import warnings

import numpy as np
import pandas as pd

HERE = pathlib.Path(__file__).parent

which, settings = sys.argv[1], json.loads(sys.argv[2])
warnings.simplefilter("ignore")
dj = importlib.import_module(which)
logging.getLogger(which).setLevel("CRITICAL")

folder = tempfile.TemporaryDirectory()
tmp = folder.name
os.chdir(tmp)
stores = pathlib.Path(tmp) / "store"
stores.mkdir()
inst = dj.Instance(**settings)
inst.config.stores = {
    "default": "main",
    "filepath_default": "main",
    "main": {"protocol": "file", "location": str(stores)},
}
inst.config["safemode"] = False
inst.config["download_path"] = tmp
conn = inst.connection
sch = inst.Schema("cmp_lab")
pg = settings.get("backend") == "postgresql"


@sch
class Person(dj.Lookup):
    definition = """
    # people
    person : varchar(20)  # the name
    ---
    full="" : varchar(40)
    """
    contents = [("ann", "Ann A"), ("bob", "Bob B"), ("cyd", "")]


@sch
class Subject(dj.Manual):
    definition = """
    # animals
    subject : int32   # number
    ---
    sex='U' : enum('M','F','U')
    weight=null : float64  # grams
    born=null : date
    -> [nullable] Person
    note='' : varchar(100)
    unique index (born, weight)
    """


@sch
class Session(dj.Manual):
    definition = """
    -> Subject
    session : int16
    ---
    start : datetime
    -> [nullable] Person.proj(operator='person')
    data=null : <blob>
    """

    class Trial(dj.Part):
        definition = """
        -> master
        trial : int16
        ---
        rt=null : float32
        """


@sch
class Stat(dj.Computed):
    definition = """
    -> Session
    ---
    n : int32
    """

    class Detail(dj.Part):
        definition = """
        -> master
        k : int16
        """

    def make(self, key):
        n = len(Session.Trial & key)
        self.insert1({**key, "n": n})
        self.Detail.insert({**key, "k": i} for i in range(n))


@sch
class Blob(dj.Manual):
    definition = """
    id : int32
    ---
    v=null : <blob>
    w=null : <blob@main>
    a=null : <npy@main>
    j=null : json
    """


Subject.insert(
    [
        dict(subject=1, sex="M", weight=20.5, born=datetime.date(2020, 1, 1), person="ann", note="a"),
        dict(subject=2, sex="F", weight=None, born=None, person=None, note="50%"),
        dict(subject=3, sex="U", weight=22.0, born=datetime.date(2020, 3, 1), person="bob", note="it's"),
    ]
)
for s, n in ((1, 1), (1, 2), (2, 1)):
    Session.insert1(
        dict(
            subject=s,
            session=n,
            start=datetime.datetime(2022, 1, s, n, 0, 0),
            operator="ann" if n == 1 else None,
            data=np.arange(n),
        )
    )
    Session.Trial.insert([dict(subject=s, session=n, trial=t, rt=t / 2) for t in range(1, n + 2)])


checks = {}


def check(function):
    """Asks what a function asks, under its name."""
    checks[function.__name__] = function
    return function


def ask(topic, questions):
    """Asks many questions, under their names behind that of the topic."""
    checks.update({f"{topic}_{name}": question for name, question in questions.items()})


def plain(value):
    """A value as JSON, with its types."""
    if isinstance(value, np.ndarray):
        names = value.dtype.names
        dtype = str(value.dtype) if names is None else [[name, str(value.dtype[name])] for name in names]
        return ["ndarray", dtype, list(value.shape), [plain(cell) for cell in value.tolist()]]
    if isinstance(value, dict):
        return {"dict": [[plain(key), plain(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return ["tuple", *map(plain, value)]
    if isinstance(value, set):
        return ["set", *sorted(str(plain(item)) for item in value)]
    if isinstance(value, pd.DataFrame):
        return [
            "frame",
            list(value.index.names),
            list(value.columns),
            [plain(list(row)) for row in value.itertuples()],
        ]
    if value is None or isinstance(value, (bool, int, str)):
        return value.replace(tmp, "/tmp") if isinstance(value, str) else value
    if isinstance(value, (np.generic, float, decimal.Decimal, datetime.date, uuid.UUID, bytes)):
        return [type(value).__name__, str(value)]
    return ["class", value.__name__] if isinstance(value, type) else ["object", type(value).__name__]


def answer(question):
    """What comes of a question."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return ["ok", plain(question())]
    except BaseException as error:
        with contextlib.suppress(Exception):
            conn.cancel_transaction()
        return ["error", [cls.__name__ for cls in type(error).__mro__], str(error)[:200]]


for name in ("schemas", "definitions", "dependencies", "queries", "rows", "settings"):
    exec(compile((HERE / f"{name}.py").read_text(), name, "exec"))
print("ANSWERS" + json.dumps({name: answer(question) for name, question in checks.items()}, default=str))
