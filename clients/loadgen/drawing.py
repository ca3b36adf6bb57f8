"""Plots as SVG text, to stand in a page that needs nothing else. The same numbers give the same text."""

from collections.abc import Callable
from io import StringIO
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

QUIET, GRID = "#8592a0", "#e3e8ee"
STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.hashsalt": "maitred",
    "svg.fonttype": "path",
    "axes.axisbelow": True,
    "axes.edgecolor": QUIET,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
}


def drawn(draw: Callable[[Axes], None], width_in: float, height_in: float) -> str:
    """What `draw` puts on the axes of a picture of this size."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_in, height_in), facecolor="white", layout="constrained")
        draw(figure.add_subplot())
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": "maitred"})
    # What stands before the element belongs to a file of its own.
    return text.getvalue()[text.getvalue().index("<svg") :]
