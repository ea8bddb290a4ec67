"""A codec that writes many files for each row: arrays as Zarr, and reads of them what is asked for.

``<zarr@>`` takes NumPy arrays and gives Zarr arrays, which read chunk by chunk from the store.
"""

import numpy as np
import zarr

import lodestore as dj


class ZarrCodec(dj.SchemaCodec):
    """Arrays in chunks."""

    name = "zarr"

    def validate(self, value):
        """Only arrays without objects are taken."""
        if not isinstance(value, np.ndarray) or value.dtype.hasobject:
            raise TypeError(f"expected a numpy array without objects, got {type(value).__name__}")

    def encode(self, array, *, key=None, context=None, store_name=None):
        """Writes the chunks straight into the store."""
        schema, table, field, primary_key = self._extract_context(key, context)
        config = self._codec_config(key, context)
        path, _ = self._build_path(
            schema, table, field, primary_key, ext=".zarr", store_name=store_name, config=config
        )
        mapping = self._get_backend(store_name, config=config).get_fsmap(path)
        stored = zarr.open(mapping, mode="w", shape=array.shape, dtype=array.dtype)
        stored[...] = array
        return {"path": path, "store": store_name, "shape": list(array.shape), "dtype": str(array.dtype)}

    def decode(self, stored, *, key=None, context=None):
        """The array, with nothing read but what describes it."""
        backend = self._get_backend(stored["store"], config=self._codec_config(key, context))
        return zarr.open(backend.get_fsmap(stored["path"]), mode="r")
