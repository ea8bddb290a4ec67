"""Files as values."""

import os


class AttachFileType(str):
    """The path of a file, marked as one: what ``<attach>`` attributes take. Plain paths do as well."""

    __slots__ = ()

    def __new__(cls, path):
        return super().__new__(cls, os.fspath(path))

    def __fspath__(self):
        return str(self)

    def __repr__(self):
        return f"AttachFileType({str(self)!r})"
