"""A codec with a file of its own for each row: data frames as Parquet.

``<parquet@>`` writes ``_schema/{schema}/{Table}/{key}/{attribute}.{token}.parquet``, which any program
that reads Parquet opens. If the row is not inserted in the end, the file is removed again.
"""

import io

import pandas as pd

import lodestore as dj


class ParquetCodec(dj.SchemaCodec):
    """Data frames, one file each."""

    name = "parquet"

    def validate(self, value):
        """Only data frames are taken."""
        if not isinstance(value, pd.DataFrame):
            raise TypeError(f"expected a pandas DataFrame, got {type(value).__name__}")

    def encode(self, frame, *, key=None, context=None, store_name=None):
        """Writes the file; the row tells where it is, and what is in it."""
        schema, table, field, primary_key = self._extract_context(key, context)
        config = self._codec_config(key, context)
        path, _ = self._build_path(
            schema, table, field, primary_key, ext=".parquet", store_name=store_name, config=config
        )
        buffer = io.BytesIO()
        frame.to_parquet(buffer)
        self._get_backend(store_name, config=config).put_buffer(buffer.getvalue(), path)
        return {"path": path, "store": store_name, "rows": len(frame), "columns": list(frame.columns)}

    def decode(self, stored, *, key=None, context=None):
        """Reads the file."""
        backend = self._get_backend(stored["store"], config=self._codec_config(key, context))
        return pd.read_parquet(io.BytesIO(backend.get_buffer(stored["path"])))
