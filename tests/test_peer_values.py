"""Values packed by Lodestore and unpacked by DataJoint, and the other way round: equal, with types.

The peer is the released package, run as it is. What the blob format itself cannot keep (a `bytearray`,
a `frozenset`, the width of text in an array) is in the documentation of `lodestore.blob`, not here.
"""

import datetime
import random
import uuid
import warnings
from decimal import Decimal

import numpy as np
import pytest

from blob_values import describe
from lodestore import blob

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    peer = pytest.importorskip("datajoint.blob")

COUNT = 2400
NUMBERS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16"]
LETTERS = "abcXYZ 0.%/\\é日😀\n'\""


def text(rng):
    return "".join(rng.choice(LETTERS) for _ in range(rng.randrange(12)))


def leaf(rng):
    return rng.choice(
        [
            lambda: None,
            lambda: rng.random() < 0.5,
            lambda: rng.randrange(-(2 ** rng.randrange(1, 200)), 2 ** rng.randrange(1, 200)),
            lambda: rng.choice([0.0, -0.0, 1e308, float("inf"), float("-inf"), rng.gauss(0, 1e6)]),
            lambda: complex(rng.gauss(0, 1), rng.gauss(0, 1)),
            lambda: text(rng),
            lambda: rng.randbytes(rng.randrange(40)),
            lambda: datetime.date.fromordinal(rng.randrange(1, 3_000_000)),
            lambda: datetime.datetime(rng.randrange(1, 9999), 3, 4, 5, 6, 7, rng.randrange(10**6)),
            lambda: datetime.time(rng.randrange(24), 59, 1, rng.randrange(10**6)),
            lambda: Decimal(rng.randrange(-(10**12), 10**12)).scaleb(rng.randrange(-20, 5)),
            lambda: uuid.UUID(int=rng.getrandbits(128)),
        ]
    )()


def array(rng):
    shape = tuple(rng.randrange(4) for _ in range(rng.randrange(1, 4)))
    dtype = np.dtype(rng.choice(NUMBERS))
    count = int(np.prod(shape))
    if dtype.kind == "c":
        flat = [complex(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(count)]
    elif dtype.kind == "f":
        flat = [rng.choice([rng.gauss(0, 1), float("nan"), float("inf")]) for _ in range(count)]
    else:
        flat = np.frombuffer(rng.randbytes(count * dtype.itemsize), "u1")
        flat = (flat & 1).view("?") if dtype.kind == "b" else flat.view(dtype)
    made = np.array(flat, dtype).reshape(shape)
    return np.asfortranarray(made) if rng.random() < 0.3 else made


def large(rng):
    """Long enough to be compressed."""
    return np.repeat(np.array([rng.randrange(100) for _ in range(50)], "i2"), rng.randrange(20, 60))


def key(rng):
    return rng.choice(
        [lambda: text(rng), lambda: rng.randrange(100), lambda: (rng.randrange(9), text(rng))]
    )()


def nested(rng, depth):
    choice = rng.random()
    if depth == 0 or choice < 0.3:
        return array(rng) if rng.random() < 0.3 else leaf(rng)
    if choice < 0.33:
        return large(rng)
    size = rng.randrange(5)
    if choice < 0.5:
        return [nested(rng, depth - 1) for _ in range(size)]
    if choice < 0.65:
        return tuple(nested(rng, depth - 1) for _ in range(size))
    if choice < 0.72:
        return {leaf(rng) for _ in range(size)}
    return {key(rng): nested(rng, depth - 1) for _ in range(size)}


def test_each_reads_what_the_other_packed():
    rng = random.Random(3)
    refused, kinds = 0, set()
    for number in range(COUNT):
        value = nested(rng, 4)
        expected = describe(value)
        kinds.add(type(value).__name__)
        ours = blob.pack(value)
        assert describe(blob.unpack(ours)) == expected, number
        assert describe(peer.unpack(ours)) == expected, number
        try:
            theirs = peer.pack(value)
        except Exception:
            # What the peer cannot pack it cannot have stored.
            refused += 1
            continue
        assert describe(blob.unpack(theirs)) == expected, number
        assert describe(peer.unpack(theirs)) == expected, number
        # Compressed bytes are those of different encoders.
        assert ours == theirs or ours.startswith(b"ZL123\0"), number
    assert refused < COUNT / 20 and len(kinds) > 12, (refused, kinds)
