"""``<zarr@>``: arrays in chunks, each row's in a folder of its own.

Takes NumPy and Zarr arrays, and gives Zarr arrays, which read chunk by chunk.
"""

import datajoint as dj
import numpy as np
import zarr
from datajoint.errors import DataJointError


class ZarrCodec(dj.SchemaCodec):
    """An array in a folder."""

    name = "zarr"

    def validate(self, value):
        """Refuses what is no array, and arrays of objects."""
        if not isinstance(value, np.ndarray | zarr.Array):
            raise DataJointError(f"<zarr> takes arrays, got {type(value).__name__}")
        if value.dtype.hasobject:
            raise DataJointError("<zarr> takes no arrays of objects")

    def encode(self, value, *, key=None, context=None, store_name=None):
        """Copies the array into the store."""
        schema, table, field, primary_key = self._extract_context(key, context)
        config = self._codec_config(key, context)
        path, _token = self._build_path(
            schema, table, field, primary_key, ext=".zarr", store_name=store_name, config=config
        )
        folder = self._get_backend(store_name, config=config).get_fsmap(path)
        chunks = value.chunks if isinstance(value, zarr.Array) else "auto"
        stored = zarr.create_array(folder, shape=value.shape, chunks=chunks, dtype=value.dtype)
        stored[...] = value[...]
        return {
            "path": path,
            "store": store_name,
            "codec_version": "1.2",
            "shape": list(value.shape),
            "dtype": str(value.dtype),
        }

    def decode(self, stored, *, key=None, context=None):
        """The array; nothing is read but what describes it."""
        config = self._codec_config(key, context)
        folder = self._get_backend(stored["store"], config=config).get_fsmap(stored["path"])
        return zarr.open_array(folder, mode="r")
