"""How diagrams are drawn: as SVG, as pixels, and as text for Mermaid and Graphviz."""

import io
from pathlib import Path

from . import _lodestore
from .names import class_names

#: What each ending of a file's name means.
_ENDINGS = {
    ".svg": "svg",
    ".png": "png",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
}


class Svg(str):
    """The text of a drawing, which notebooks show as a picture."""

    @property
    def data(self):
        """The text, as `IPython.display.SVG` has it."""
        return str(self)

    def _repr_svg_(self):
        return str(self)


class Drawable:
    """The part of `Diagram` that draws it.

    The settings `display.diagram_direction` and `display.diagram_theme` apply to every drawing. With the theme ``auto``
    an SVG follows the light or dark mode of its viewer; PNG, which cannot, is light.
    """

    def make_svg(self):
        """Returns the drawing as SVG: text that a notebook shows as a picture."""
        return Svg(self.svg_string())

    def svg_string(self):
        """Returns the drawing as the text of an SVG file."""
        return self._drawing().svg(None)

    def make_png(self):
        """Returns the drawing as a PNG file in memory.

        Needs the package `resvg-py` or `matplotlib`.
        """
        from .raster import png

        return io.BytesIO(png(self._drawing(), self._theme_of_pixels()))

    def make_image(self):
        """Returns the drawing as an array of floats between 0 and 1 with the axes height, width, and RGBA."""
        from .raster import pixels

        return pixels(self.make_png())

    def make_dot(self, theme=None):
        """Returns the diagram as text in the language of Graphviz, in the colours of a theme."""
        return self._drawing().dot(theme)

    def make_mermaid(self):
        """Returns the diagram as text for Mermaid."""
        return self._drawing().mermaid()

    def draw(self):
        """Shows the drawing in a window or notebook, by `matplotlib`."""
        from .raster import show

        show(self.make_image())

    def save(self, filename, format=None):
        """Writes the drawing to a file.

        `format` is ``"svg"``, ``"png"``, ``"mermaid"`` or ``"dot"``; by default it follows from the ending of the name:
        ``.svg``, ``.png``, ``.mmd`` or ``.mermaid``, ``.dot`` or ``.gv``.
        """
        path = Path(filename)
        kind = _ENDINGS.get(path.suffix.lower()) if format is None else str(format).lower()
        if kind not in _ENDINGS.values():
            what = (
                f"the ending of `{path.name}` names no format"
                if format is None
                else f"unknown format `{format}`"
            )
            raise _lodestore.error("invalid-request", what, "the formats are svg, png, mermaid and dot")
        if kind == "png":
            path.write_bytes(self.make_png().getvalue())
            return
        make = {"svg": self.svg_string, "mermaid": self.make_mermaid, "dot": self.make_dot}[kind]
        path.write_text(make(), encoding="utf-8")

    def _repr_svg_(self):
        return self.svg_string()

    def _repr_mimebundle_(self, include=None, exclude=None):
        svg = self.svg_string()
        # In a page the tooltips work, which they do not where SVG is shown as an image.
        html = f'<div style="overflow: auto">{svg}</div>'
        return {"text/html": html, "image/svg+xml": svg, "text/plain": repr(self)}

    def _theme_of_pixels(self):
        theme = self._keys.connection.config["display.diagram_theme"]
        return "light" if theme == "auto" else theme

    def _drawing(self):
        labels, titles = self._captions()
        core = self._keys.connection._core
        return _lodestore.Drawing(core, self._names, labels, titles, sorted(self._collapsed))

    def _captions(self):
        """What tables and schemas are called, where the context says it.

        If all classes of a schema come from one module, the schema is called as the module, and the classes without it.
        """
        known = class_names(self._context)
        labels = {name: known[name] for name in self._names if name in known}
        modules = {}
        for name, label in labels.items():
            if "__" not in name.partition(".")[2].lstrip("_"):
                modules.setdefault(name.partition(".")[0], set()).add(label.rpartition(".")[0])
        titles = {schema: next(iter(found)) for schema, found in modules.items() if len(found) == 1}
        titles = {schema: title for schema, title in titles.items() if title}
        several = {title for title in titles.values() if list(titles.values()).count(title) > 1}
        for name, label in labels.items():
            title = titles.get(name.partition(".")[0])
            if title:
                labels[name] = label.removeprefix(f"{title}.")
        return labels, {
            schema: f"{title} ({schema})" if title in several else title for schema, title in titles.items()
        }
