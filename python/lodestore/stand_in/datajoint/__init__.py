"""Stands where DataJoint would, in processes that are to use Lodestore instead."""

# It puts the real thing in the place of this module.
import lodestore.as_datajoint  # noqa: F401
