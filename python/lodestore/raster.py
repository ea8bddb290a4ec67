"""Drawings as pixels, by whichever of two optional packages is installed."""

import importlib.util
import io
from pathlib import Path

import numpy as np

from . import _lodestore

#: Pixels for each unit of a drawing, for screens of high resolution; fewer if a side would exceed `_LONGEST`.
_SCALE = 2.0
_LONGEST = 12_000
#: Dots per inch of matplotlib's figures; any number would do.
_DPI = 100


def png(drawing, theme):
    """The bytes of a PNG file."""
    if importlib.util.find_spec("resvg_py"):
        return _by_resvg(drawing, theme)
    if importlib.util.find_spec("matplotlib"):
        return _by_matplotlib(drawing, theme)
    raise _missing("a PNG needs the package `resvg-py` or `matplotlib`")


def pixels(file):
    """A PNG file as an array."""
    if importlib.util.find_spec("matplotlib"):
        import matplotlib.image

        return matplotlib.image.imread(file, format="png")
    if importlib.util.find_spec("PIL"):
        from PIL import Image

        return np.asarray(Image.open(file).convert("RGBA"), dtype=np.float32) / 255
    raise _missing("an array of pixels needs the package `matplotlib` or `pillow`")


def show(image):
    """Shows an array of pixels as a figure."""
    if not importlib.util.find_spec("matplotlib"):
        raise _missing("`draw` needs the package `matplotlib`")
    import matplotlib.pyplot as plt

    height, width = image.shape[:2]
    figure = plt.figure(figsize=(width / _SCALE / _DPI, height / _SCALE / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image)
    axes.axis("off")
    plt.show()


def _missing(what):
    return _lodestore.error("unsupported", what, "run `pip install 'lodestore[diagrams]'`")


def _scale(width, height):
    return min(_SCALE, _LONGEST / max(width, height))


def _by_resvg(drawing, theme):
    import resvg_py

    width, height, _ = drawing.shapes(theme)
    # Those of matplotlib, where the system has no fonts.
    matplotlib = importlib.util.find_spec("matplotlib")
    fonts = [str(Path(matplotlib.origin).parent / "mpl-data/fonts/ttf")] if matplotlib else None
    return bytes(
        resvg_py.svg_to_bytes(svg_string=drawing.svg(theme), zoom=_scale(width, height), font_dirs=fonts)
    )


def _by_matplotlib(drawing, theme):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height, shapes = drawing.shapes(theme)
    scale = _scale(width, height)
    figure = Figure(figsize=(width * scale / _DPI, height * scale / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    points = scale * 72 / _DPI
    for order, (kind, *shape) in enumerate(shapes):
        _PAINTERS[kind](axes, points, order, *shape)
    file = io.BytesIO()
    canvas.print_png(file)
    return file.getvalue()


def _paint_box(axes, points, order, place, fill, stroke, width, dashed):
    from matplotlib.patches import FancyBboxPatch

    x, y, breadth, height, radius = place
    style = f"round,pad=0,rounding_size={radius}"
    line = {"linewidth": width * points, "linestyle": "--" if dashed else "-"}
    if not width:
        stroke = "none"
    axes.add_patch(
        FancyBboxPatch((x, y), breadth, height, style, facecolor=fill, edgecolor=stroke, zorder=order, **line)
    )


def _paint_path(axes, points, order, start, pieces, colour, width, dashed):
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Line

    vertices = [start, *(point for piece in pieces for point in piece)]
    codes = [Line.MOVETO, *[Line.CURVE4] * (len(vertices) - 1)]
    style = (0, (4.5, 2.7)) if dashed else "-"
    axes.add_patch(
        PathPatch(
            Line(vertices, codes),
            facecolor="none",
            edgecolor=colour,
            linewidth=width * points,
            linestyle=style,
            zorder=order,
        )
    )


def _paint_dot(axes, points, order, centre, radius, colour):
    from matplotlib.patches import Circle

    axes.add_patch(Circle(centre, radius, facecolor=colour, zorder=order))


def _paint_text(axes, points, order, at, centred, size, bold, underlined, colour, text):
    fonts = ["Helvetica", "Arial", "Liberation Sans", "Nimbus Sans", "DejaVu Sans"]
    import matplotlib.font_manager

    known = set(matplotlib.font_manager.get_font_names())
    label = axes.text(
        *at,
        text.replace("$", r"\$"),
        fontsize=size * points,
        fontfamily=[font for font in fonts if font in known],
        fontweight="bold" if bold else "normal",
        color=colour,
        ha="center" if centred else "left",
        va="baseline",
        zorder=order,
    )
    if underlined:
        extent = label.get_window_extent().transformed(axes.transData.inverted())
        line = [at[1] + size * 0.14] * 2
        axes.plot([extent.x0, extent.x1], line, color=colour, linewidth=size * 0.06 * points, zorder=order)


_PAINTERS = {"box": _paint_box, "path": _paint_path, "dot": _paint_dot, "text": _paint_text}
