"""Makes `npy.json`: files that NumPy wrote, and what NumPy makes of indices.

python npy.py [seed] [arrays] > npy.json
Other cases can be tested with LODESTORE_NUMPY_CASES=/path/to/cases.json cargo test golden_npy.
"""

import io
import json
import random
import sys

import numpy as np

seed, arrays = (int(argument) for argument in (sys.argv[1:] + ["1", "150"][len(sys.argv) - 1 :]))
rng = random.Random(seed)
np.random.seed(seed)

DTYPES = [
    "<f8", ">i2", "|b1", "<c16", "<U3", "|S4", "<M8[us]", "|u1", "<m8", "<f2", "|V3",
    [("a", "<i4"), ("b", "<f8", (2,))],
    np.dtype([("it's", "<U2"), ("é", ">f4")], align=True),
    np.dtype([("x", "u1"), ("y", "<f8")], align=True),
    [(("title", "name"), "<i2"), ("n", [("p", "?"), ("q", ">M8[25s]")], (2, 2))],
]  # fmt: skip


def noise(shape, dtype):
    count = int(np.prod(shape)) * dtype.itemsize
    text = "U" in str(dtype)
    raw = b"\1\0\0\0" * (count // 4 + 1) if text or dtype.kind == "b" else np.random.bytes(count)
    return np.frombuffer(raw[:count], dtype=dtype).reshape(shape)


def spelled(item):
    if item is None:
        return "n"
    if item is Ellipsis:
        return "e"
    if isinstance(item, slice):
        return {"r": [item.start, item.stop, 1 if item.step is None else item.step]}
    if isinstance(item, np.ndarray):
        return {"m" if item.dtype == bool else "a": [list(item.shape), item.ravel().tolist()]}
    return {"i": item}


def random_index(shape):
    items, axis, ellipsis = [], 0, False
    common = rng.choice([(), (3,), (2, 1), (1, 3), (2, 3), (1,)])
    while axis < len(shape) and rng.random() < 0.85:
        choice, size = rng.random(), shape[axis]
        if choice < 0.1:
            items.append(None)
            continue
        if choice < 0.2 and not ellipsis:
            items.append(Ellipsis)
            ellipsis = True
            continue
        if choice < 0.5:
            bounds = [rng.choice([None, rng.randint(-7, 7)]) for _ in range(2)]
            items.append(slice(*bounds, rng.choice([None, 1, 2, -1, -2, 3])))
        elif choice < 0.7 or (choice < 0.92 and not size):
            wrong = size == 0 or rng.random() < 0.05
            items.append(rng.randint(-size - 1, size) if wrong else rng.randint(-size, size - 1))
        elif choice < 0.92:
            items.append(np.random.randint(-size, size, rng.choice([common, common[-1:]]) or (3,)))
        else:
            width = rng.randint(1, len(shape) - axis)
            mask = np.random.rand(*shape[axis : axis + width]) < 0.5
            if ellipsis and not mask.size:
                break  # NumPy takes a mask without elements on any axis; that slip is not followed.
            items.append(mask)
            axis += width - 1
        axis += 1
    return items


result = []
for number in range(arrays):
    shape = tuple(rng.randint(0 if rng.random() < 0.2 else 1, 5) for _ in range(rng.randint(0, 4)))
    dtype = np.dtype(DTYPES[number % len(DTYPES)])
    array = noise(shape, dtype)
    if rng.random() < 0.5:
        array = np.asfortranarray(array)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    cases = []
    # NumPy leaves padding between fields as it finds it: nothing to compare.
    for _ in range(0 if str(dtype).startswith("{") else 8):
        index = random_index(shape)
        told = {"idx": [spelled(item) for item in index]}
        try:
            part = array[tuple(index)]
            part = np.array(part, dtype=dtype) if isinstance(part, np.void) else np.asarray(part).astype(dtype)
            told |= {"shape": list(part.shape), "hex": np.ascontiguousarray(part).tobytes().hex()}
        except IndexError as error:
            told |= {"error": str(error)}
        cases.append(told)
    result.append({"file": file.getvalue().hex(), "str": str(dtype), "cases": cases})

json.dump(result, sys.stdout, ensure_ascii=False, separators=(",", ":"))
