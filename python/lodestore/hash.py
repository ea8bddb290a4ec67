"""Hashes that pipelines for DataJoint use as keys: the same values as there."""

import hashlib
import uuid

_CHUNK = 1 << 20


def key_hash(mapping):
    """Returns 32 hexadecimal digits for the values of a mapping, in the order of its names."""
    digest = hashlib.md5()
    for _, value in sorted(mapping.items()):
        digest.update(str(value).encode())
    return digest.hexdigest()


def uuid_from_stream(stream, init_string=""):
    """Returns a UUID for `init_string` and all that is left of a binary stream."""
    digest = hashlib.md5(init_string.encode())
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return uuid.UUID(bytes=digest.digest())


def uuid_from_buffer(buffer=b"", init_string=""):
    """Returns a UUID for `init_string` and some bytes."""
    return uuid.UUID(bytes=hashlib.md5(init_string.encode() + bytes(buffer)).digest())


def uuid_from_file(filepath, init_string=""):
    """Returns a UUID for `init_string` and the contents of a file."""
    with open(filepath, "rb") as stream:
        return uuid_from_stream(stream, init_string)
