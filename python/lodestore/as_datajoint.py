"""``import lodestore.as_datajoint``: from then on ``import datajoint`` means Lodestore.

What DataJoint 2.x offers is there as it is; what pipelines written for 0.13 and 0.14 use besides
works too, and says once what is written instead today (see `lodestore.legacy`). Worker processes
that this one starts through `multiprocessing` or `concurrent.futures` do the same; so does every
Python that is started with the environment that `environment` gives.

Raises `ImportError` if DataJoint itself was imported before.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types
from pathlib import Path

import lodestore

from . import legacy
from .logs import adopt

#: The release of DataJoint whose names and behaviour are offered: programs look.
VERSION = "2.3.5"

#: A folder with a package `datajoint` that imports this module, for processes that start afresh.
_STAND_IN = str(Path(__file__).parent / "stand_in")


class _DataJoint(types.ModuleType):
    """The module ``datajoint``: what `lodestore` has, and older names besides."""

    def __getattr__(self, name):
        if name in legacy.NAMES:
            return legacy.NAMES[name]
        return getattr(lodestore, name)

    def __setattr__(self, name, value):
        # Sub-modules, which the import system puts here, have their place there already.
        if not (isinstance(value, types.ModuleType) and value.__name__.startswith("lodestore.")):
            super().__setattr__(name, value)

    def __dir__(self):
        return sorted({*dir(lodestore), *legacy.NAMES, "VERSION"})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives `lodestore.x` for ``datajoint.x``: the same module, so that classes are the same."""

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith("datajoint."):
            return None
        real = f"lodestore.{fullname.removeprefix('datajoint.')}"
        if importlib.util.find_spec(real) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        # What the import system finds under the name afterwards is what it gives.
        sys.modules[module.__name__] = importlib.import_module(
            f"lodestore.{module.__name__.removeprefix('datajoint.')}"
        )


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
    module = _DataJoint("datajoint", lodestore.__doc__)
    module.__dict__.update(__version__=VERSION, __path__=[], __file__=__file__, __package__="datajoint")
    module.__dict__["__spec__"] = importlib.machinery.ModuleSpec("datajoint", None, is_package=True)
    sys.modules["datajoint"] = module
    sys.meta_path.insert(0, _Finder())
    # Processes that `multiprocessing` spawns get this path before they import anything of the user's.
    if _STAND_IN not in sys.path:
        sys.path.insert(1, _STAND_IN)
    legacy.enable()
    adopt("datajoint")


def _is_stand_in(module):
    return str(getattr(module, "__file__", "")).startswith(_STAND_IN)


_install()
