"""What all references to objects in a store have in common."""


class Reference:
    """Something in a store that a row names: comparable, hashable, and found again by another process."""

    def __init__(self, core):
        self._core = core

    @property
    def path(self):
        """Where it lies in its store."""
        return self._core.path

    @property
    def store(self):
        """The name of the store."""
        return self._core.store

    def _names_the_same(self, other):
        """True if both name the same object, and tell the same of it."""
        mine, theirs = self._core, other._core
        same_place = (mine.place, mine.store, mine.path) == (theirs.place, theirs.store, theirs.path)
        return same_place and mine.metadata() == theirs.metadata()

    def __hash__(self):
        return hash((self._core.place, self.store, self.path))
