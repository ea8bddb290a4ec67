"""Codecs whose values Spark can take."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class SparkAdapter(Protocol):
    """What a codec offers whose values can go into a Spark table.

    Whether a codec does is asked by ``isinstance(codec, dj.SparkAdapter)``; nothing is inherited.
    """

    def to_spark(self, decoded: Any, *, key: dict | None = None) -> Any:
        """The value as Spark takes it: None, a bool, int, float, str, bytes, date or datetime, or lists
        and dicts of these.
        """
        ...
