"""What the tables of a database are called in a program."""

import re
import types

from .table import Table

#: How deep modules are searched.
_DEPTH = 3


def class_names(context):
    """The names by which `context` (a dict of names) reaches table classes, for each full table name.

    Parts are reached through their master, tables of modules through the module. The shortest way
    counts; names that begin with an underscore lead nowhere.
    """
    found, seen = {}, set()
    level = [("", context)]
    for _ in range(_DEPTH + 1):
        following = []
        for prefix, names in level:
            for name, item in list(names.items()):
                if not isinstance(name, str) or name.startswith("_"):
                    continue
                if isinstance(item, type) and issubclass(item, Table):
                    if getattr(item, "_bound", None) is not None:
                        found.setdefault(item._bound.name(), prefix + name)
                        following.append((f"{prefix}{name}.", vars(item)))
                elif isinstance(item, types.ModuleType) and id(item) not in seen:
                    seen.add(id(item))
                    following.append((f"{prefix}{name}.", vars(item)))
        level = following
    return found


def unquoted(name):
    """A full table name without its quotes: ``schema.table``."""
    return name.replace("`", "").replace('"', "")


def tier_of(name):
    """Returns the tier that follows from a full table name, in lower case; `other` if none does."""
    table = name.partition(".")[2]
    match = re.fullmatch(
        r"(#|__|_)?[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*((?:__[a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*)*)", table
    )
    if match is None:
        return "other"
    if match[3]:
        return "part"
    return {"#": "lookup", "_": "imported", "__": "computed", None: "manual"}[match[1]]
