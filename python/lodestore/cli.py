"""A Python console with a connection and the tables of some schemas at hand.

python -m lodestore.cli --host db.lab -u ann -s lab:lab pipeline:p
"""

import argparse
import code
import sys
import types

import lodestore

from .settings import config
from .virtual import VirtualModule


def cli(args=None):
    """Opens the console; `args` are the words of the command line, by default those of the program.

    Ends by `SystemExit`, with status 2 for a command line that makes no sense.
    """
    parser = argparse.ArgumentParser(
        prog="dj",
        description="An interactive Python console (REPL) with Lodestore as `dj`, and schemas as virtual modules",
        epilog="Example: dj -s my_lab:lab --host localhost:3306",
    )
    parser.add_argument("-V", "--version", action="version", version="{} {}".format(*_product()).lower())
    parser.add_argument("-u", "--user", help="user of the database server")
    parser.add_argument(
        "-p", "--password", help="password (the variable DJ_PASS keeps it out of the list of processes)"
    )
    parser.add_argument("--host", metavar="HOST[:PORT]", help="the database server")
    parser.add_argument(
        "-s",
        "--schemas",
        metavar="DB:ALIAS",
        nargs="+",
        action="extend",
        default=[],
        type=_pair,
        help="schemas to load as virtual modules, in the form schema_name:alias",
    )
    given = parser.parse_args(args)
    config.set_database({"user": given.user, "password": given.password, "host": given.host})
    names = {"dj": lodestore}
    for schema, name in given.schemas:
        names[name] = VirtualModule(name, schema)
    product, version = _product()
    lines = [f"{product} {version} REPL", "Lodestore is `dj`: press Tab after `dj.` for what it offers."]
    if given.schemas:
        lines += ["", "Loaded schemas:", *(f"  {name} -> {schema}" for schema, name in given.schemas)]
    code.interact("\n".join(lines), local=names, exitmsg="")
    sys.exit(0)


def _product():
    """What the console says that it is, with its version: programs look, where Lodestore stands for DataJoint."""
    stand_in = sys.modules.get("datajoint")
    if (
        getattr(stand_in, "schema", None) is not None
        and getattr(stand_in, "Schema", None) is lodestore.Schema
    ):
        return "DataJoint", stand_in.__version__
    return "Lodestore", lodestore.__version__


def _pair(text):
    schema, colon, name = text.partition(":")
    if not (schema and colon and name.isidentifier()):
        raise argparse.ArgumentTypeError(f"Invalid schema format {text!r}. Use schema_name:alias")
    return schema, name


class _Callable(types.ModuleType):
    """This module: as an attribute of the package it stands for its function."""

    def __call__(self, args=None):
        cli(args)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    cli()
