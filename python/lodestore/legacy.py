"""What pipelines written for DataJoint 0.13 and 0.14 use and 2.x has no more.

It works where the setting ``legacy`` is on, as it is with `lodestore.as_datajoint`. Each older form
warns once in a program, by a `LegacyWarning` that names the form of today.
"""

import json
import os
import sys
import warnings

from . import _lodestore
from .logs import logger

#: Where older programs kept their settings, in the order in which they count.
OLD_FILES = ("dj_local_conf.json", os.path.join("~", ".datajoint_config.json"))

_told = set()


class LegacyWarning(FutureWarning):
    """An older form of something that is written otherwise today."""


def enable():
    """Switches the setting ``legacy`` on for this process and for those that it starts, unless the
    environment says otherwise.
    """
    os.environ.setdefault("DJ_LEGACY", "1")
    from .settings import config

    if config._loaded is not None:
        config["legacy"] = os.environ["DJ_LEGACY"]


def warn(old, modern):
    """Tells once what an older form is called today."""
    if old in _told:
        return
    _told.add(old)
    # The line of the user's that says it.
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("lodestore."):
        frame, level = frame.f_back, level + 1
    warnings.warn(f"{old} is of DataJoint before 2.0: {modern}", LegacyWarning, stacklevel=level)


# Names of the module.


def schema(*args, **options):
    """Today `lodestore.Schema`."""
    from .schemas import Schema

    warn("`dj.schema`", "write `dj.Schema`")
    return Schema(*args, **options)


def create_virtual_module(module_name, schema_name, **options):
    """Today `lodestore.VirtualModule`."""
    from .virtual import VirtualModule

    warn("`dj.create_virtual_module`", "write `dj.VirtualModule(module_name, schema_name)`")
    return VirtualModule(module_name, schema_name, **options)


def _diagram(name):
    def diagram(source, context=None):
        from .diagram import Diagram

        warn(f"`dj.{name}`", "write `dj.Diagram`")
        return Diagram(source, context)

    return diagram


NAMES = {
    "schema": schema,
    "create_virtual_module": create_virtual_module,
    "key": "KEY",
    "ERD": _diagram("ERD"),
    "Di": _diagram("Di"),
}


# Aggregation.


def keeps_unmatched(legacy, exclude_nonmatching, keep_all_rows):
    """Returns whether `aggr` keeps the rows without a match: since 2.0 unless `exclude_nonmatching`, before only
    with `keep_all_rows`.
    """
    if keep_all_rows is not None:
        if not legacy:
            raise _lodestore.error(
                "invalid-request",
                "`aggr` has no option `keep_all_rows`",
                f"write `exclude_nonmatching={not keep_all_rows}`",
            )
        warn("the option `keep_all_rows`", f"write `exclude_nonmatching={not keep_all_rows}`")
        return keep_all_rows
    if exclude_nonmatching is not None:
        return not exclude_nonmatching
    if legacy:
        warn(
            "`aggr` that leaves out rows without a match",
            "write `exclude_nonmatching=True`, or False to keep them (`DJ_LEGACY=0` for programs of 2.x)",
        )
    return not legacy


# Settings.


class OlderSettings:
    """What older programs do with ``dj.config`` besides: it was a dict, and kept whatever one put there."""

    def save_local(self, verbose=False):
        """Writes ``dj_local_conf.json`` in the working directory."""
        self.save(OLD_FILES[0], verbose)

    def save_global(self, verbose=False):
        """Writes ``.datajoint_config.json`` in the home directory."""
        self.save(os.path.expanduser(OLD_FILES[1]), verbose)

    def save(self, filename, verbose=False):
        """Writes the settings to a file, but not the password."""
        self._older("save")
        known = {name: value for name, value in self._core.masked().items() if name != "database.password"}
        known["stores"] = {
            name: {key: value for key, value in store.items() if "key" not in key}
            if isinstance(store, dict)
            else store
            for name, store in self._core.get("stores").items()
        }
        with open(filename, "w") as file:
            json.dump({**known, **self._kept}, file, indent=4, default=str)
        if verbose:
            print(f"Saved settings in {filename}")

    def _older(self, name):
        if not self._core.get("legacy"):
            raise AttributeError(f"the settings have no `{name}`")
        warn(f"`dj.config.{name}`", "settings are read and set by name: `dj.config['database.host']`")

    def _keep(self, name, value):
        """Keeps what is no setting, where that is asked for; tells whether it did."""
        if not self._core.get("legacy"):
            return False
        modern = _MOVED.get(name, "keep settings of your own in your own module")
        warn(f"the setting `{name}`", modern)
        self._kept[name] = value
        return True


#: Settings that are gone, and what to do.
_MOVED = {
    "custom": "keep settings of your own in your own module or in the environment",
    "enable_python_native_blobs": "nothing need be set, any value can be packed",
    "fetch_format": "write `to_arrays`, `to_dicts` or `to_pandas`",
    "add_hidden_timestamp": "declare an attribute `=CURRENT_TIMESTAMP : datetime`",
    "filepath_checksum_size_limit": "nothing need be set",
    "connection.init_function": "nothing need be set",
    "cache": "nothing need be set, references read what is asked for",
    "external": "describe stores under `stores`",
}


def load_old_file(settings):
    """Applies the settings file of an older program, if there is one: what the environment sets stays."""
    for name in map(os.path.expanduser, OLD_FILES):
        if not os.path.isfile(name):
            continue
        if (reason := _lodestore.Config.untrusted(name)) is not None:
            logger.warning(reason)
            continue
        with open(name) as file:
            found = json.load(file)
        warn(
            f"the settings file `{os.path.basename(name)}`",
            "write `datajoint.json` (`dj.config.save_template()`)",
        )
        for key, value in found.items():
            if key == "stores":
                for store, options in value.items():
                    settings.stores[store] = options
            elif value is not None and not os.environ.get(_lodestore.Config.variable(key) or ""):
                settings[key] = value
        return
