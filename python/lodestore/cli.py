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
        prog="dj", description="A Python console with Lodestore as `dj`, and schemas as modules"
    )
    parser.add_argument("-V", "--version", action="version", version=f"lodestore {lodestore.__version__}")
    parser.add_argument("-u", "--user", help="user of the database server")
    parser.add_argument(
        "-p", "--password", help="password (the variable DJ_PASS keeps it out of the list of processes)"
    )
    parser.add_argument("--host", metavar="HOST[:PORT]", help="the database server")
    parser.add_argument(
        "-s",
        "--schemas",
        metavar="SCHEMA:NAME",
        nargs="+",
        action="extend",
        default=[],
        type=_pair,
        help="schemas to open, each with the name that it gets in the console",
    )
    given = parser.parse_args(args)
    config.set_database({"user": given.user, "password": given.password, "host": given.host})
    names = {"dj": lodestore}
    for schema, name in given.schemas:
        names[name] = VirtualModule(name, schema)
    shown = "".join(f"\n  {name}: schema `{schema}`" for schema, name in given.schemas)
    code.interact(f"Lodestore {lodestore.__version__} is `dj`{shown}", local=names, exitmsg="")
    sys.exit(0)


def _pair(text):
    schema, colon, name = text.partition(":")
    if not (schema and colon and name.isidentifier()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form SCHEMA:NAME")
    return schema, name


class _Callable(types.ModuleType):
    """This module: as an attribute of the package it stands for its function."""

    def __call__(self, args=None):
        cli(args)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    cli()
