"""The floor picture as SVG and PNG. The same picture gives the same bytes."""

import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch

from server.cli.picture import HOUR, KIND_WORDS, Bar, BarKind, FloorPicture

INK = "#1f2933"
QUIET = "#8592a0"
GRID = "#e3e8ee"
BAND = "#f5f7fa"
NOW = "#d62839"
KIND_COLORS = {
    BarKind.ASSIGNMENT: "#4c7fb4",
    BarKind.COMPLETED: "#a9b8c6",
    BarKind.HOLD: "#f2c14e",
    BarKind.BLOCK: "#c3c9d0",
}
HATCHES = {BarKind.HOLD: "////", BarKind.BLOCK: "xxxx"}
MERGE_COLORS = (
    "#d9743a", "#3f9b6c", "#a659a6", "#b39b1f", "#d05a6e",
    "#2f97a5", "#7d6bd0", "#a9745f", "#6f9a3e", "#c2569b",
)  # fmt: skip

ROW_HEIGHT_IN = 0.27
WIDTH_IN = 15.0
MARGIN_TOP_IN = 1.05
MARGIN_BOTTOM_IN = 0.75
BAR_HEIGHT = 0.76
ZONE_GAP = 1.0
PNG_DPI = 110
# A little more than the widest digit of the bar's font, so that a label that is written also fits.
CHARACTER_WIDTH_IN = 0.074

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "svg.hashsalt": "maitred",
    "svg.fonttype": "path",
    "hatch.linewidth": 0.6,
    "path.simplify": False,
    "text.parse_math": False,
}


def write_svg(picture: FloorPicture, path: Path) -> bool:
    """Writes the picture as SVG; the folder must exist. False when boxes stand for what the font lacks."""
    return _write(picture, path, "svg", {"Date": None, "Creator": "maitred"})


def write_png(picture: FloorPicture, path: Path) -> bool:
    """Writes the picture as PNG, 1,650 pixels wide; the folder must exist. False as for SVG."""
    return _write(picture, path, "png", {"Software": "maitred"})


def _write(picture: FloorPicture, path: Path, form: str, metadata: dict[str, str | None]) -> bool:
    # Each character that is lacking is a warning.
    with mpl.rc_context(STYLE), warnings.catch_warnings(record=True) as lacking:
        warnings.simplefilter("always")
        figure = _figure(picture)
        figure.savefig(path, format=form, dpi=PNG_DPI, metadata=metadata)
    return not lacking


def _figure(picture: FloorPicture) -> Figure:
    heights, rows, total = _layout(picture)
    height_in = total * ROW_HEIGHT_IN + MARGIN_TOP_IN + MARGIN_BOTTOM_IN
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(
        (0.085, MARGIN_BOTTOM_IN / height_in, 0.895, total * ROW_HEIGHT_IN / height_in), facecolor="white"
    )
    axes.set_xlim(0.0, _hours(picture, picture.end))
    axes.set_ylim(total, 0.0)
    _zones(axes, picture, heights)
    _grid(axes, picture)
    placed = [(bar, y) for y, row in rows for bar in row]
    for bar, y in placed:
        _bar(axes, picture, bar, y)
    _links(axes, picture, placed)
    _now(axes, picture, total)
    figure.text(0.012, 1 - 0.34 / height_in, picture.title, size=16, weight="bold", color=INK, va="center")
    figure.text(0.012, 1 - 0.64 / height_in, picture.subtitle, size=10.5, color=QUIET, va="center")
    _legend(figure, picture, height_in)
    return figure


def _layout(picture: FloorPicture) -> tuple[list[float], list[tuple[float, Sequence[Bar]]], float]:
    """Tops of the zones, middle and bars of every row, and the height of all, counted in rows."""
    y = 0.0
    tops: list[float] = []
    rows: list[tuple[float, Sequence[Bar]]] = []
    for zone in picture.zones:
        tops.append(y)
        y += ZONE_GAP
        for row in zone.rows:
            rows.append((y + 0.5, row.bars))
            y += 1.0
    return tops, rows, max(y + 0.15, 1.0)


def _zones(axes: Axes, picture: FloorPicture, tops: Sequence[float]) -> None:
    right = _hours(picture, picture.end)
    for zone, top in zip(picture.zones, tops, strict=True):
        axes.text(
            -0.088, top + 0.62, zone.name.upper(), size=8.5, weight="bold", color=QUIET, va="center",
            ha="left", transform=axes.get_yaxis_transform(), clip_on=False, zorder=5,
        )  # fmt: skip
        axes.plot([0, right], [top + ZONE_GAP - 0.06] * 2, color="#cbd3dc", linewidth=0.8, zorder=1)
        for index, row in enumerate(zone.rows):
            y = top + ZONE_GAP + index
            if index % 2 == 0:
                axes.axhspan(y, y + 1, color=BAND, zorder=0, linewidth=0)
            color = INK if row.table.in_service else "#b0b8c1"
            axes.text(-0.028, y + 0.5, row.table.name, size=9, color=color, va="center", ha="right",
                      transform=axes.get_yaxis_transform())  # fmt: skip
            seats = f"{row.table.capacity}" + ("" if row.table.movable else "▪")
            axes.text(-0.006, y + 0.5, seats, size=7.5, color=QUIET, va="center", ha="right",
                      transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_yticks([])


def _grid(axes: Axes, picture: FloorPicture) -> None:
    hours = [_hours(picture, tick) for tick in picture.ticks]
    axes.set_xticks(hours, [tick.strftime("%H:%M") for tick in picture.ticks], size=9, color=INK)
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0, pad=5)
    axes.grid(axis="x", color=GRID, linewidth=0.9, zorder=0.5)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _bar(axes: Axes, picture: FloorPicture, bar: Bar, y: float) -> None:
    left, right = _hours(picture, bar.start), _hours(picture, bar.end)
    color = _color(bar)
    hatch = HATCHES.get(bar.kind)
    _box(axes, left, right, y, color, alpha=0.32, hatch=None)
    seated = _hours(picture, bar.seated_from), _hours(picture, bar.seated_until)
    if seated[1] > seated[0]:
        _box(axes, *seated, y, color, alpha=1.0, hatch=hatch)
    words = _words(bar, (right - left) * _inches_per_hour(picture))
    if words:
        dark = bar.kind in (BarKind.HOLD, BarKind.BLOCK, BarKind.COMPLETED)
        axes.text(
            seated[0] + (0.04 if bar.merge is None else 0.075), y + 0.02, words, size=8, weight="bold",
            color=INK if dark else "white", va="center", ha="left", zorder=5, clip_on=True,
            bbox={"boxstyle": "round,pad=0.12", "facecolor": "#ffffffc8", "linewidth": 0} if hatch else None,
        )  # fmt: skip


def _box(
    axes: Axes, left: float, right: float, y: float, color: str, *, alpha: float, hatch: str | None
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (left, y - BAR_HEIGHT / 2),
            max(0.02, right - left - 0.015),
            BAR_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.07",
            mutation_aspect=2.2,
            facecolor=color,
            edgecolor="#ffffff" if hatch is None else "#8a6d1d88",
            linewidth=0.0 if hatch is None else 0.5,
            hatch=hatch,
            alpha=alpha,
            zorder=3 if alpha == 1.0 else 2.5,
        )
    )


def _links(axes: Axes, picture: FloorPicture, placed: Sequence[tuple[Bar, float]]) -> None:
    """A line along the left edges of one merge: tables that are not neighbours on paper still read as one."""
    merges: dict[int, list[tuple[Bar, float]]] = {}
    for bar, y in placed:
        if bar.merge is not None:
            merges.setdefault(bar.merge, []).append((bar, y))
    for parts in merges.values():
        bar = parts[0][0]
        x = _hours(picture, bar.seated_from) + 0.022
        ys = sorted(y for _, y in parts)
        axes.add_line(
            Line2D([x, x], [ys[0] - 0.2, ys[-1] + 0.2], color=INK, linewidth=1.6, zorder=4.5, alpha=0.85,
                   solid_capstyle="round")
        )  # fmt: skip
        axes.plot([x] * len(ys), ys, linestyle="", marker="o", markersize=3.6, color=INK, zorder=4.6)


def _now(axes: Axes, picture: FloorPicture, total: float) -> None:
    if picture.now is None:
        return
    x = _hours(picture, picture.now)
    axes.plot([x, x], [0, total], color=NOW, linewidth=1.4, zorder=6)
    axes.text(x, 0.35, f" now {picture.now:%H:%M}", size=8.5, color=NOW, weight="bold", va="center", zorder=6)


def _legend(figure: Figure, picture: FloorPicture, height_in: float) -> None:
    kinds = {bar.kind for row in picture.rows for bar in row.bars}
    handles: list[Patch | Line2D] = [
        Patch(
            facecolor=KIND_COLORS[kind],
            hatch=HATCHES.get(kind),
            edgecolor="#00000033",
            linewidth=0,
            label=KIND_WORDS[kind],
        )
        for kind in BarKind
        if kind in kinds
    ]
    if picture.merges:
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                marker="o",
                markersize=3.6,
                linewidth=1.6,
                label="tables pushed together, one color",
            )
        )
    handles.append(Patch(facecolor=KIND_COLORS[BarKind.ASSIGNMENT], alpha=0.32, label="buffer"))
    if any(not row.table.movable for row in picture.rows):
        handles.append(
            Line2D([], [], linestyle="", marker="s", markersize=4, color=QUIET, label="table is fixed")
        )
    handles.append(Line2D([], [], linestyle="", label="4 · 17   party of 4, booking 17"))
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.006, 0.12 / height_in), ncols=len(handles),
        frameon=False, fontsize=9, labelcolor=INK, handlelength=1.8, columnspacing=1.8, borderpad=0.2,
    )  # fmt: skip


def _color(bar: Bar) -> str:
    if bar.merge is not None and bar.kind is BarKind.ASSIGNMENT:
        return MERGE_COLORS[bar.merge % len(MERGE_COLORS)]
    return KIND_COLORS[bar.kind]


def _words(bar: Bar, room_in: float) -> str:
    party = str(bar.party_size) if bar.party_size else ""
    full = " · ".join(part for part in (party, bar.label) if part)
    for words in (full, party):
        if words and len(words) * CHARACTER_WIDTH_IN + 0.1 <= room_in:
            return words
    return ""


def _inches_per_hour(picture: FloorPicture) -> float:
    return 0.895 * WIDTH_IN / _hours(picture, picture.end)


def _hours(picture: FloorPicture, instant: datetime) -> float:
    span = (picture.end.astimezone(UTC) - picture.start.astimezone(UTC)) / HOUR
    return picture.fraction(instant) * span
