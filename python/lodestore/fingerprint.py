"""Whether what was fetched twice is the same."""

import hashlib
import io
import pickle

from . import _lodestore


def fingerprint(data, name):
    """A digest of values of any kind that can be sent to another process; equal values have equal ones.

    It is taken before anything is computed, which may change the values where they are.
    """
    sink = _Sink()
    pickler = _Pickler(sink, protocol=5)
    # Without memory of what stood before: two equal texts are the same, be they one object or two.
    pickler.fast = True
    try:
        pickler.dump(data)
    except (TypeError, AttributeError, pickle.PicklingError, RecursionError, ValueError) as error:
        raise _lodestore.error(
            "invalid-type",
            f"what `{name}` fetches cannot be compared with what it fetches again: {error}",
            "fetch values, arrays and references; leave out queries, open files and functions",
        ) from error
    return sink.digest()


class _Sink(io.RawIOBase):
    """A file that keeps nothing but the digest of what is written."""

    def __init__(self):
        self._hash = hashlib.blake2b(digest_size=16)

    def writable(self):
        return True

    def write(self, data):
        self._hash.update(data)
        return len(data)

    def digest(self):
        return self._hash.digest()


class _Pickler(pickle.Pickler):
    """Sets and dicts stand in the order of what is in them, not in that of their making."""

    def persistent_id(self, value):
        if isinstance(value, set | frozenset):
            return type(value).__name__, sorted(fingerprint(item, "a set") for item in value)
        return None
