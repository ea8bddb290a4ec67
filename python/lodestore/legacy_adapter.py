"""Adapters of DataJoint 0.12 to 0.14: what codecs of one's own were called before 2.0.

    class GraphAdapter(dj.AttributeAdapter):
        attribute_type = "longblob"

        def put(self, graph): ...
        def get(self, stored): ...

    graph = GraphAdapter()

and then ``value : <graph>`` in definitions, which find the adapter by its name among the names around them.
"""

import re

from .codecs import _BUILTIN, Codec, _register
from .legacy import warn


class AttributeAdapter:
    """A translation between values and what a column of `attribute_type` takes; today `lodestore.Codec`."""

    #: What is stored: a type as definitions say it.
    attribute_type = "longblob"

    def put(self, obj):
        """What is stored for a value."""
        raise NotImplementedError(f"{type(self).__name__} has no put()")

    def get(self, value):
        """The value of what is stored."""
        raise NotImplementedError(f"{type(self).__name__} has no get()")


class _Adapted(Codec, register=False):
    """The codec that an adapter is."""

    def __init__(self, name, adapter):
        self.name, self._adapter = name, adapter

    def get_dtype(self, is_store):
        return _modern(self._adapter.attribute_type)

    def encode(self, value, *, key=None):
        return self._adapter.put(value)

    def decode(self, stored, *, key=None):
        return self._adapter.get(stored)


def _modern(attribute_type):
    """What a type was before 2.0, as it is written today."""
    text = attribute_type.strip()
    if re.fullmatch(r"(tiny|medium|long)?blob", text, re.IGNORECASE):
        return "<blob>"
    if re.fullmatch(r"(blob|attach|filepath)(@\w+)?", text):
        return f"<{text}>"
    return text


def adopt(definition, context):
    """Makes codecs of the adapters that a definition names, among the names of its context."""
    adopt_all({name: context.get(name) for name in re.findall(r":\s*<\s*(\w+)\s*>", definition)})


def adopt_all(names):
    """Makes codecs of the adapters among some names; an adapter of the same name that is known gives way."""
    for name, adapter in names.items():
        if isinstance(adapter, AttributeAdapter) and name not in _BUILTIN:
            warn("`dj.AttributeAdapter`", "write a `dj.Codec` of this name")
            _register(name, _Adapted(name, adapter))
