"""SQLite, which needs no server."""

import lodestore as dj


class Embedded:
    """Projects in folders of their own."""

    name = "sqlite"
    address = None

    @staticmethod
    def install():
        """Nothing is missing."""

    def open(self, folder):
        """The project in a folder."""
        return dj.Instance(path=folder)

    def clean(self):
        """Nothing is left behind but the folder."""

    def stop(self):
        """Nothing runs."""
