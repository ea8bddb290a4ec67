"""``python -m lodestore run program.py``: runs a program written for DataJoint, unchanged."""

import os
import runpy
import sys


def main(words):
    """Runs a Python file, or with ``-m`` a module, with the words behind it as its arguments.

    In it, and in the Python programs that it starts, ``import datajoint`` means Lodestore. Gives the
    exit status.
    """
    module = words[:1] == ["-m"]
    words = words[1:] if module else words
    if not words or words[0] in ("-h", "--help"):
        print(
            "usage: python -m lodestore run PROGRAM.py [ARGUMENT ...]\n       python -m lodestore run -m MODULE ..."
        )
        return 0 if words else 2
    from . import as_datajoint

    os.environ.update(as_datajoint.environment())
    sys.argv = list(words)
    # As Python does: the program's own folder comes first, or for a module the one we are in.
    sys.path[0] = os.getcwd() if module else os.path.dirname(os.path.abspath(words[0]))
    if module:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(words[0], run_name="__main__")
    return 0
