"""Runs the code of the documents that this system was made after, as it is printed there.

`pages/` holds the code of each page, block by block, under names. A block leaves things open: classes of
which it speaks, rows, paths, a camera. A test supplies these, and nothing else.
"""

import re
import sys
import uuid
from pathlib import Path

import numpy as np

import lodestore as dj
from lodestore._lodestore import StoreHandle
from lodestore.storage import StorageBackend

PAGES = Path(__file__).parent / "pages"


def blocks(page):
    """The blocks of a page by their names."""
    text = (PAGES / f"{page}.txt").read_text(encoding="utf-8")
    parts = re.split(r"^=== (.+)\n", text, flags=re.M)
    return {name: code.strip("\n") for name, code in zip(parts[1::2], parts[2::2], strict=True)}


class World:
    """A project in which blocks run one after the other, as in one session of a user's."""

    def __init__(self, project, stores, folder, monkeypatch, note):
        self.project, self.stores, self.folder = project, stores, folder
        # Called with the name of each block that is used.
        self.note = note
        # Where a block imports the system by its older name, it means this one.
        monkeypatch.setitem(sys.modules, "datajoint", dj)
        self.schema = project.Schema("experiment")
        self.names = {"dj": dj, "np": np, "uuid": uuid, "schema": self.schema, "__name__": "seed"}

    def __getitem__(self, name):
        return self.names[name]

    def __setitem__(self, name, value):
        self.names[name] = value

    def do(self, code):
        """Runs code of the test's own."""
        exec(compile(code, "<setting>", "exec"), self.names)

    def run(self, page, name, **places):
        """Runs a block. `places` are texts of it that stand for something of the user's: a path, an address."""
        exec(compile(self.code(page, name, **places), f"<{page}: {name}>", "exec"), self.names)

    def code(self, page, name, **places):
        """The code of a block, with its places filled in."""
        code = self.block(page, name)
        for text, instead in places.pop("places", {}).items():
            assert text in code, text
            code = code.replace(text, str(instead))
        return code

    def block(self, page, name):
        """A block as it is printed."""
        self.note(f"{page}/{name}")
        return blocks(page)[name]

    def declare(self, *names):
        """Declares classes that blocks define without doing so; gives the last one."""
        for name in names:
            self.names[name] = self.schema(self.names[name], context=self.names)
        return self.names[names[-1]]

    def attributes(self, page, name):
        """Declares a table for each line of a block that shows attributes; gives the tables."""
        lines = [line for line in self.block(page, name).splitlines() if line and not line.startswith("#")]
        tables = []
        for number, line in enumerate(lines):
            title = "".join(word.title() for word in re.findall("[a-z]+", f"{page}-{name}")) + "ABC"[number]
            members = {"definition": f"id : int32\n---\n{line}"}
            tables.append(self.schema(type(title, (dj.Manual,), members)))
        return tables

    def settings(self, page, name, places=()):
        """The settings of a block, read as the file that it shows."""
        file = self.folder / f"{page}-{name}.json"
        file.write_text(self.code(page, name, places=dict(places)), encoding="utf-8")
        config = dj.settings.Config.load_sources()
        config.load(file)
        return config

    def store(self, name):
        """A store of the project."""
        return StorageBackend(StoreHandle.open(self.project.connection._core, name))

    def objects(self, store):
        """The paths of all objects in a store, sorted, but what the system keeps of itself."""
        return sorted(path for path in self.store(store).fs.find("") if not path.startswith(".lodestore/"))
