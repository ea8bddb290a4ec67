"""Runs the blocks of a guide one after the other, in one namespace, and prints what became of each as JSON.

A guide is a Markdown file with headings, each with a block of Python as the guide prints it, perhaps after a
block `given` and before a block `then`. `block` holds the text that will run: what a block leaves open, such as
``/path/to/report.pdf``, may be put in its place there.
"""

import json
import os
import re
import sys
import traceback
from pathlib import Path

import lodestore as dj

PART = re.compile(r"^```python ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text):
    """The title of each block, and its parts: the block itself under ``""``."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        yield section.partition("\n")[0], dict(PART.findall(section))


def main(guide, store):
    store = json.loads(store)
    dj.config["safemode"] = False
    dj.config.stores["main"] = store
    dj.config.stores["default"] = dj.config.stores["filepath_default"] = "main"

    def place(name):
        """A place for another store, beside the one that there is."""
        location = f"{store['location']}-{name}"
        if store["protocol"] == "file":
            Path(location).mkdir(parents=True)
        return location

    def put(path, content):
        """Puts a file of the user's into the default store."""
        dj._lodestore.StoreHandle.open(dj.conn()._core, "").put(path, content)

    def quote(name):
        return dj.conn().adapter.quote_identifier(name)

    names = {
        "dj": dj,
        "json": json,
        "store": store,
        "place": place,
        "put": put,
        "quote": quote,
        "__name__": "guide",
        "whole": os.environ.get("LODESTORE_SEEDS") == "whole",
    }
    outcomes = {}
    for title, parts in blocks(Path(guide).read_text()):
        names["block"] = parts[""]
        try:
            exec(compile(parts.get("given", ""), f"{title} (given)", "exec"), names)
            exec(compile(names["block"], title, "exec"), names)
            exec(compile(parts.get("then", ""), f"{title} (then)", "exec"), names)
            outcomes[title] = "ok"
        except BaseException:
            outcomes[title] = traceback.format_exc()
    print("OUTCOMES", json.dumps(outcomes))


main(*sys.argv[1:])
