"""A module `datajoint` that is made of Lodestore: for good (`install`), or while a package is imported (`meanwhile`)."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from contextlib import contextmanager

import lodestore

from . import datajoint_names, legacy
from .legacy_adapter import AttributeAdapter

#: The release of DataJoint whose names and behaviour are offered: programs look.
VERSION = "2.3.5"


#: Names that only older programs import.
_OLDER = {**legacy.NAMES, "AttributeAdapter": AttributeAdapter, **datajoint_names.names_of("")}


class _DataJoint(types.ModuleType):
    """The module ``datajoint``: what `lodestore` has, and older names besides."""

    def __getattr__(self, name):
        if name in _OLDER:
            return _OLDER[name]
        if name in datajoint_names.MODULES:
            return importlib.import_module(f"datajoint.{name}")
        return getattr(lodestore, name)

    def __setattr__(self, name, value):
        # Sub-modules, which the import system puts here, have their place there already.
        if not (isinstance(value, types.ModuleType) and value.__name__.startswith("lodestore.")):
            super().__setattr__(name, value)

    def __dir__(self):
        return sorted({*dir(lodestore), *_OLDER, "VERSION"})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Returns `lodestore.x` for ``datajoint.x``: the same module, so that classes are the same. Names that only
    DataJoint has there are added; a module that only DataJoint has consists of them.
    """

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith("datajoint."):
            return None
        name = fullname.removeprefix("datajoint.")
        if name not in datajoint_names.MODULES and importlib.util.find_spec(f"lodestore.{name}") is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def get_code(self, fullname):
        """Returns the code of a module that is run as a program: ``python -m datajoint.cli``."""
        real = f"lodestore.{fullname.removeprefix('datajoint.')}"
        return importlib.util.find_spec(real).loader.get_code(real)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__.removeprefix("datajoint.")
        real = f"lodestore.{name}"
        if importlib.util.find_spec(real) is not None:
            # What the import system finds under the name afterwards is what it returns.
            sys.modules[module.__name__] = module = importlib.import_module(real)
        for added, value in datajoint_names.names_of(name).items():
            if added not in vars(module):
                setattr(module, added, value)


def install(file):
    """Puts the module in the place of DataJoint; `file` is where it says that it comes from."""
    module = _DataJoint("datajoint", lodestore.__doc__)
    module.__dict__.update(__version__=VERSION, __path__=[], __file__=file, __package__="datajoint")
    module.__dict__["__spec__"] = importlib.machinery.ModuleSpec("datajoint", None, is_package=True)
    sys.modules["datajoint"] = module
    sys.meta_path.insert(0, _Finder())


@contextmanager
def meanwhile():
    """Within it ``import datajoint`` means Lodestore; afterwards what it meant before, DataJoint itself perhaps."""
    if isinstance(sys.modules.get("datajoint"), _DataJoint):
        yield
        return
    before = {name: sys.modules.pop(name) for name in _modules()}
    install(__file__)
    finder = sys.meta_path[0]
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in _modules():
            del sys.modules[name]
        sys.modules.update(before)


def load(entry):
    """What an entry point names. A package for DataJoint that is imported for it gets Lodestore under that name."""
    with meanwhile():
        return entry.load()


def _modules():
    return [name for name in sys.modules if name == "datajoint" or name.startswith("datajoint.")]
