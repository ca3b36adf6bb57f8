"""Plots of a run as SVG text."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from loadgen.drawing import drawn

SIZE_IN = (7.2, 3.2)


def curve_svg(curve: Mapping[str, Any]) -> str:
    """One curve with all its series, sizes on a logarithmic scale."""

    def draw(axes: Axes) -> None:
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

    return drawn(draw, *SIZE_IN)


def latencies_svg(latencies: Mapping[str, Sequence[tuple[float, int]]]) -> str:
    """The share of calls that took about so long, of everything that was called, on a logarithmic scale."""

    def draw(axes: Axes) -> None:
        for name, counts in latencies.items():
            total = sum(count for _, count in counts)
            shares = [count / total for _, count in counts]
            axes.step([up_to_ms for up_to_ms, _ in counts], shares, where="pre", label=name, linewidth=1)
        axes.set_xscale("log")
        axes.set_xlabel("ms")
        axes.set_ylabel("share of the calls")
        axes.legend(frameon=False, fontsize=7)

    return drawn(draw, *SIZE_IN)
