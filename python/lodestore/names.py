"""What the tables of a database are called in a program."""

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
