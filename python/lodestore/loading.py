"""Many references at once."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

from . import _lodestore
from .objectref import ObjectRef
from .references import NpyRef


def load_all(refs):
    """What all of these references hold, in order: arrays, and for files bytes.

    They are read together, many at once: over a network that takes hardly longer than the largest of
    them. An array is kept by its reference, as by ``ref.load()``.

        rows = Recording.to_dicts()
        arrays = dj.load_all([row["waveform"] for row in rows])

    None stays None. Raises what loading any one of them raises.
    """
    refs = list(refs)
    arrays, files = {}, {}
    for ref in refs:
        if isinstance(ref, NpyRef):
            if not ref.is_loaded:
                arrays[id(ref)] = ref
        elif isinstance(ref, ObjectRef):
            if ref.is_dir:
                # It says what to do with a folder.
                ref.read()
            files[id(ref)] = ref
        elif ref is not None:
            raise _lodestore.error(
                "invalid-type",
                f"an object of class `{type(ref).__name__}` is no reference",
                "fetch references first",
            )
    for ref, array in zip(
        arrays.values(), _lodestore.load_all([ref._core for ref in arrays.values()]), strict=True
    ):
        ref._loaded = array
    contents = dict(zip(files, _lodestore.read_all([ref._core for ref in files.values()]), strict=True))
    return [
        None if ref is None else ref.load() if isinstance(ref, NpyRef) else contents[id(ref)] for ref in refs
    ]


def load_each(refs, ahead=8):
    """Yields what each of these references holds, in order, while the next ones are being read.

    So many of them are read `ahead`; memory holds no more, for nothing is kept by the references.

        for array in dj.load_each(row["waveform"] for row in Recording):
            ...
    """
    if ahead < 1:
        raise _lodestore.error("invalid-request", f"`ahead` is {ahead}: nothing would ever be read")
    waiting = deque()
    with ThreadPoolExecutor(ahead, thread_name_prefix="lodestore-load") as pool:
        try:
            for ref in refs:
                waiting.append(pool.submit(_held_by, ref))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _held_by(ref):
    if isinstance(ref, NpyRef):
        return ref._loaded if ref.is_loaded else ref._core.load()
    return None if ref is None else ref.read()


__all__ = ["load_all", "load_each"]
