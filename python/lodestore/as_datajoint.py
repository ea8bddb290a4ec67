"""``import lodestore.as_datajoint``: from then on ``import datajoint`` means Lodestore.

What DataJoint 2.x offers is there as it is; what pipelines written for 0.13 and 0.14 use besides
works too, and says once what is written instead today (see `lodestore.legacy`). Worker processes
that this one starts through `multiprocessing` or `concurrent.futures` do the same; so does every
Python that is started with the environment that `environment` gives.

Raises `ImportError` if DataJoint itself was imported before.
"""

import os
import sys
from pathlib import Path

from . import legacy
from .in_place import VERSION, install
from .logs import adopt

#: A folder with a package `datajoint` that imports this module, for processes that start afresh.
_STAND_IN = str(Path(__file__).parent / "stand_in")


def environment():
    """The environment for other processes in which ``import datajoint`` means Lodestore."""
    paths = [_STAND_IN, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _install():
    known = sys.modules.get("datajoint")
    if known is not None and str(getattr(known, "__file__", "")) and not _is_stand_in(known):
        raise ImportError(
            "DataJoint itself was imported before: `import lodestore.as_datajoint` must come first",
            name="datajoint",
        )
    install(__file__)
    # Processes that `multiprocessing` spawns get this path before they import anything of the user's.
    if _STAND_IN not in sys.path:
        sys.path.insert(1, _STAND_IN)
    legacy.enable()
    adopt("datajoint")


def _is_stand_in(module):
    return str(getattr(module, "__file__", "")).startswith(_STAND_IN)


_install()

__all__ = ["VERSION", "environment"]
