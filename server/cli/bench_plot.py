"""Plots of a run as SVG text. The same numbers give the same text."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.hashsalt": "maitred",
    "svg.fonttype": "path",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e8ee",
}
SIZE_IN = (7.2, 3.2)


def curve_svg(curve: Mapping[str, Any]) -> str:
    """One curve with all its series, sizes on a logarithmic scale."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes()
        for name, values in curve["series"].items():
            axes.plot(curve["sizes"], values, marker="o", markersize=3, label=name)
        axes.set_xscale("log")
        axes.set_xticks(curve["sizes"], [f"{size:,}" for size in curve["sizes"]])
        axes.minorticks_off()
        if curve["y"] == "ms":
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set_title(curve["title"], loc="left")
        axes.set_xlabel(curve["x"])
        axes.set_ylabel(curve["y"])
        axes.legend(frameon=False)
        return _svg(figure)


def latencies_svg(latencies: Mapping[str, Sequence[tuple[float, int]]]) -> str:
    """The share of calls that took about so long, of everything that was called, on a logarithmic scale."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes()
        for name, counts in latencies.items():
            total = sum(count for _, count in counts)
            shares = [count / total for _, count in counts]
            axes.step([up_to_ms for up_to_ms, _ in counts], shares, where="pre", label=name, linewidth=1)
        axes.set_xscale("log")
        axes.set_xlabel("ms")
        axes.set_ylabel("share of the calls")
        axes.legend(frameon=False, fontsize=7)
        return _svg(figure)


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE_IN, layout="constrained")
    return figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": "maitred"})
    # What stands before the element belongs to a file of its own.
    return text.getvalue()[text.getvalue().index("<svg") :]
