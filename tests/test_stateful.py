"""Random programs against a model: inserts, updates, deletes, transactions and alters on related tables.

After every step the rows are those of the model, and each row can read all its objects: none is missing
or damaged. Whoever looks from outside sees what was committed last.
"""

import copy
import os
import shutil
import tempfile

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import lodestore as dj
from lodestore.errors import DuplicateError, IntegrityError, InvalidValueError

SUBJECT = """
subject : int8
---
name='' : varchar(12)
info=null : <blob>
"""
CLIP = """
-> master
clip : int8
---
file=null : <attach@>
"""
LINK = """
link : int8
---
-> [nullable] Session
"""

keys = st.integers(1, 3)
texts = st.text("aü ", max_size=12)
objects = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
arrays = st.none() | st.builds(
    lambda count, kind: np.arange(count).astype(kind), st.integers(0, 300), st.sampled_from(["f8", "i2", "?"])
)
files = st.none() | st.tuples(st.sampled_from(["a.txt", "ü b.bin"]), st.binary(max_size=8))


class Model:
    """What the tables should hold: for each table its rows by key."""

    #: The key of each table, and for each foreign key the parent and the attributes that refer to it.
    KEYS = {
        "Subject": ("subject",),
        "Session": ("subject", "session"),
        "Clip": ("subject", "session", "clip"),
        "Link": ("link",),
    }
    PARENTS = {"Subject": None, "Session": "Subject", "Clip": "Session", "Link": "Session"}

    def __init__(self):
        self.rows = {name: {} for name in self.KEYS}
        #: How `Session` is declared: the name and width of its text, and whether it has `extra`.
        self.text, self.width, self.extra = "note", 12, False

    def key(self, name, row):
        return tuple(row[attribute] for attribute in self.KEYS[name])

    def has_parent(self, name, row):
        parent = self.PARENTS[name]
        if parent is None:
            return True
        key = tuple(row[attribute] for attribute in self.KEYS[parent])
        return None in key or key in self.rows[parent]

    def children(self, name, key):
        """The rows that refer to a row, as tables and keys."""
        for child, parent in self.PARENTS.items():
            if parent == name:
                for child_key, row in self.rows[child].items():
                    if tuple(row[attribute] for attribute in self.KEYS[name]) == key:
                        yield child, child_key

    def delete(self, name, key):
        for child, child_key in list(self.children(name, key)):
            self.delete(child, child_key)
        self.rows[name].pop(key, None)

    def insert(self, name, rows, mode):
        """The errors of which one must come; none if the rows go in."""
        if name == "Session" and any(len(row[self.text]) > self.width for row in rows):
            return (InvalidValueError,)
        table, errors = dict(self.rows[name]), []
        for row in rows:
            key = self.key(name, row)
            if key in table and mode == "skip":
                continue
            if key in table and mode is None:
                errors.append(DuplicateError)
            if not self.has_parent(name, row):
                errors.append(IntegrityError)
            table[key] = row
        if not errors:
            self.rows[name] = table
        return tuple(errors)

    def session_definition(self):
        extra = "extra=7 : int16\n" if self.extra else ""
        old = "{note} " if self.text == "remark" else "{remark} "
        return (
            "-> Subject\nsession : int8\n---\n"
            f"{self.text}='' : varchar({self.width})  # {old}renamed now and then\n"
            f"data=null : <blob@>\ntrace=null : <npy@>\n{extra}"
        )


class Laboratory(RuleBasedStateMachine):
    """A project on which random programs run."""

    @initialize()
    def begin(self):
        self.folder = tempfile.mkdtemp(prefix="lodestore-test-")
        self.project = self.open()
        self.model, self.committed = Model(), None
        schema = self.project.Schema("lab")
        self.project.config["download_path"] = os.path.join(self.folder, "downloads")
        os.mkdir(self.project.config["download_path"])
        self.Subject = schema(type("Subject", (dj.Manual,), {"definition": SUBJECT}), context={})
        clip = type("Clip", (dj.Part,), {"definition": CLIP})
        # Declared by the comment's other name, the first text is a new attribute.
        definition = self.model.session_definition().replace("{remark} ", "")
        session = type("Session", (dj.Manual,), {"definition": definition, "Clip": clip})
        self.Session = schema(session, context={"Subject": self.Subject})
        link = type("Link", (dj.Manual,), {"definition": LINK})
        self.Link = schema(link, context={"Session": self.Session})

    def open(self):
        return dj.Instance(path=os.path.join(self.folder, "project"))

    def teardown(self):
        if hasattr(self, "project"):
            self.project.connection.close()
            shutil.rmtree(self.folder)

    def table(self, name):
        return self.Session.Clip if name == "Clip" else getattr(self, name)

    # What programs do.

    @rule(
        rows=st.lists(st.fixed_dictionaries({"subject": keys, "name": texts, "info": objects}), max_size=2),
        mode=st.sampled_from([None, "skip", "replace"]),
    )
    def insert_subjects(self, rows, mode):
        self.insert("Subject", rows, mode)

    @rule(
        rows=st.lists(
            st.fixed_dictionaries(
                {"subject": keys, "session": keys, "text": texts, "data": objects, "trace": arrays}
            ),
            max_size=2,
        ),
        mode=st.sampled_from([None, "skip", "replace"]),
    )
    def insert_sessions(self, rows, mode):
        extra = {"extra": 3} if self.model.extra else {}
        rows = [{self.model.text: row["text"], **row, **extra} for row in rows]
        self.insert("Session", [{k: v for k, v in row.items() if k != "text"} for row in rows], mode)

    @rule(
        rows=st.lists(
            st.fixed_dictionaries({"subject": keys, "session": keys, "clip": keys, "file": files}), max_size=2
        ),
        mode=st.sampled_from([None, "skip", "replace"]),
    )
    def insert_clips(self, rows, mode):
        self.insert("Clip", rows, mode)

    @rule(
        link=keys,
        session=st.none() | st.tuples(keys, keys),
        mode=st.sampled_from([None, "skip", "replace"]),
    )
    def insert_links(self, link, session, mode):
        subject, session = session or (None, None)
        self.insert("Link", [{"link": link, "subject": subject, "session": session}], mode)

    def insert(self, name, rows, mode):
        options = {None: {}, "skip": {"skip_duplicates": True}, "replace": {"replace": True}}[mode]
        errors = self.model.insert(name, rows, mode)
        with self.expecting(errors):
            self.table(name).insert([self.given(row) for row in rows], **options)

    @rule(subject=keys, name=texts, info=objects)
    def update_subject(self, subject, name, info):
        row = self.model.rows["Subject"].get((subject,))
        with self.expecting((dj.DataJointError,) if row is None else ()):
            self.Subject.update1({"subject": subject, "name": name, "info": info})
        if row is not None:
            self.model.rows["Subject"][(subject,)] = {**row, "name": name, "info": info}

    @rule(subject=keys, session=keys, data=objects, trace=arrays)
    def update_session(self, subject, session, data, trace):
        row = self.model.rows["Session"].get((subject, session))
        with self.expecting((dj.DataJointError,) if row is None else ()):
            self.Session.update1({"subject": subject, "session": session, "data": data, "trace": trace})
        if row is not None:
            self.model.rows["Session"][subject, session] = {**row, "data": data, "trace": trace}

    @rule(name=st.sampled_from(["Subject", "Session", "Link"]), key=st.tuples(keys, keys))
    def delete(self, name, key):
        key = key[: len(Model.KEYS[name])]
        restriction = dict(zip(Model.KEYS[name], key, strict=True))
        rows = self.table(name) & restriction
        assert rows.delete(prompt=False) == (key in self.model.rows[name])
        self.model.delete(name, key)

    @rule(name=st.sampled_from(["Subject", "Session", "Clip"]), key=st.tuples(keys, keys, keys))
    def delete_quick(self, name, key):
        key = key[: len(Model.KEYS[name])]
        restriction = dict(zip(Model.KEYS[name], key, strict=True))
        held = any(self.model.children(name, key))
        with self.expecting((IntegrityError,) if held else ()):
            (self.table(name) & restriction).delete_quick()
        if not held:
            self.model.rows[name].pop(key, None)

    @precondition(lambda self: self.committed is None)
    @rule()
    def start_transaction(self):
        self.project.connection.start_transaction()
        self.committed = copy.deepcopy(self.model)

    @precondition(lambda self: self.committed is not None)
    @rule(commit=st.booleans())
    def end_transaction(self, commit):
        if commit:
            self.project.connection.commit_transaction()
        else:
            self.project.connection.cancel_transaction()
            self.model = self.committed
        self.committed = None

    @rule(text=st.sampled_from(["note", "remark"]), width=st.sampled_from([4, 12]), extra=st.booleans())
    def alter(self, text, width, extra):
        model, before = self.model, copy.copy(self.model)
        model.text, model.width, model.extra = text, width, extra
        self.Session.definition = model.session_definition()
        rows = model.rows["Session"]
        too_long = any(len(row[before.text]) > width for row in rows.values())
        changes = (text, width, extra) != (before.text, before.width, before.extra)
        if self.committed is not None:
            errors = (dj.DataJointError,) if changes else ()
        else:
            errors = (InvalidValueError,) if too_long else ()
        with self.expecting(errors):
            self.Session.alter(prompt=False)
        if errors:
            self.model = before
            return
        for row in rows.values():
            row[text] = row.pop(before.text)
            if extra and not before.extra:
                row["extra"] = 7
            elif not extra:
                row.pop("extra", None)

    # What must hold.

    @invariant()
    def rows_agree(self):
        if not hasattr(self, "project"):
            return
        for name in Model.KEYS:
            self.compare(self.table(name), name, self.model)
        if self.committed is not None:
            outside = self.open()
            outside.config["download_path"] = self.project.config["download_path"]
            for name in Model.KEYS:
                full_name = self.table(name).full_table_name
                self.compare(outside.FreeTable(full_name), name, self.committed)
            outside.connection.close()

    def compare(self, table, name, model):
        found = {model.key(name, row): row for row in table.to_dicts()}
        expected = model.rows[name]
        assert found.keys() == expected.keys()
        for key, row in expected.items():
            assert found[key].keys() == row.keys()
            for attribute, value in row.items():
                self.same(found[key][attribute], value)

    def same(self, found, value):
        if isinstance(value, np.ndarray):
            loaded = found.load()
            assert loaded.dtype == value.dtype and np.array_equal(loaded, value)
        elif isinstance(value, tuple):
            with open(found, "rb") as file:
                assert file.read() == value[1]
        else:
            assert found == value and type(found) is type(value)

    # How values are given, and errors expected.

    def given(self, row):
        """A row as a program gives it: an attachment is the path of a file."""
        if not isinstance(row.get("file"), tuple):
            return row
        name, content = row["file"]
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        return {**row, "file": path}

    def expecting(self, errors):
        return pytest.raises(errors) if errors else _nothing()


class _nothing:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        return False


TestLaboratory = Laboratory.TestCase
TestLaboratory.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
