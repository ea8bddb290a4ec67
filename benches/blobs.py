"""Packing and unpacking blobs of 100 MB, beside DataJoint."""

import logging

import numpy as np

from lodestore import blob

from .harness import in_turns, table

SIZE = 100_000_000


def samples():
    """What is packed, by name."""
    rng = np.random.default_rng(0)
    return {
        "float64 noise": rng.standard_normal(SIZE // 8),
        "float64 uniform": rng.random(SIZE // 8),
        "int16, small": rng.integers(-100, 100, SIZE // 2).astype("int16"),
        "int16, very small": rng.integers(-10, 10, SIZE // 2).astype("int16"),
        "uint8 image": (np.add.outer(np.arange(10_000), np.arange(10_000)) // 40).astype("uint8"),
        "float32, C order 2-d": rng.standard_normal((SIZE // 4000, 1000), dtype="f4"),
        "dict of 100,000": {f"key{n}": [n, n / 7, str(n)] for n in range(100_000)},
    }


def run():
    logging.getLogger("datajoint").setLevel(logging.ERROR)
    from datajoint import blob as peer

    rows = []
    for name, value in samples().items():
        packed, theirs = blob.pack(value), peer.pack(value)
        size = len(blob.pack(value, compress=False))
        pack, peer_pack = in_turns(
            lambda value=value: blob.pack(value), lambda value=value: peer.pack(value), rounds=3
        )
        unpack, peer_unpack = in_turns(
            lambda packed=packed: blob.unpack(packed), lambda theirs=theirs: peer.unpack(theirs), rounds=3
        )
        rows.append(
            (
                name,
                f"{size / pack / 1e6:.0f}",
                f"{size / peer_pack / 1e6:.0f}",
                f"{peer_pack / pack:.1f}x",
                f"{len(packed) / len(theirs) - 1:+.1%}",
                f"{size / unpack / 1e6:.0f}",
                f"{size / peer_unpack / 1e6:.0f}",
                f"{peer_unpack / unpack:.1f}x",
            )
        )
    table(("", "pack MB/s", "peer", "ratio", "size", "unpack MB/s", "peer", "ratio"), rows)
