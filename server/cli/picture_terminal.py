"""The floor picture as text: one line per table, a few minutes per character."""

from datetime import datetime
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size, split_graphemes
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from server.cli.picture import KIND_WORDS, Bar, BarKind, FloorPicture, Row

LABEL_WIDTH_MAX = 14
AXIS_WIDTH_MIN = 24

# Dark enough for white text, far enough apart to be told from one another side by side.
MERGE_COLORS = ("#a3541d", "#2f7d4f", "#8a3d8f", "#7a6a12", "#b03a48", "#2b7a86", "#5f4bb6", "#8c5a4a")
KIND_COLORS = {
    BarKind.ASSIGNMENT: "#35608f",
    BarKind.COMPLETED: "#5d7389",
    BarKind.HOLD: "#b08a1e",
    BarKind.BLOCK: "#555b63",
}
# What a bar is filled with; without color it is all that tells the kinds apart.
FILL = {BarKind.ASSIGNMENT: "▒", BarKind.COMPLETED: "=", BarKind.HOLD: "░", BarKind.BLOCK: "╳"}
Cell: TypeAlias = tuple[str, str]


class TerminalPicture:
    """A rich renderable of a floor picture, as wide as the console it is printed on."""

    def __init__(self, picture: FloorPicture) -> None:
        self.picture = picture

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        colored = console.color_system is not None and not console.no_color
        labels = [f"{row.table.name} {row.table.capacity}" for row in self.picture.rows]
        label_width = min(LABEL_WIDTH_MAX, max([4, *map(cell_len, labels)]))
        width = max(AXIS_WIDTH_MIN, options.max_width - label_width - 1)
        yield Text(self.picture.title, style="bold")
        yield Text(self.picture.subtitle, style="dim")
        yield self._axis(label_width, width)
        for zone in self.picture.zones:
            yield Text(zone.name, style="bold cyan")
            for row in zone.rows:
                yield self._line(row, label_width, width, colored=colored)
        yield Text("")
        yield from self._legend(colored=colored)

    def _column(self, instant: datetime, width: int) -> int:
        return int(self.picture.fraction(instant) * width)

    def _axis(self, label_width: int, width: int) -> Text:
        ticks = self.picture.ticks
        pattern = "%H:%M" if width >= 7 * len(ticks) else "%H"
        cells = [" "] * width
        free_from = 0
        for tick in ticks:
            word, column = tick.strftime(pattern), self._column(tick, width)
            if column >= free_from and column + len(word) <= width:
                cells[column : column + len(word)] = word
                free_from = column + len(word) + 1
        axis = Text(" " * (label_width + 1) + "".join(cells), style="dim")
        if self.picture.now is not None:
            column = label_width + 1 + min(self._column(self.picture.now, width), width - 1)
            axis.stylize("bold red", column, column + 5)
        return axis

    def _line(self, row: Row, label_width: int, width: int, *, colored: bool) -> Text:
        seats = str(row.table.capacity)
        name = set_cell_size(row.table.name, max(1, label_width - len(seats) - 1))
        line = Text(name, style="" if row.table.in_service else "dim strike")
        line.append(f" {seats} ", style="dim")
        cells = self._background(width)
        for bar in row.bars:
            self._paint(cells, bar, width, colored=colored)
        for character, style in cells:
            line.append(character, style=style)
        return line

    def _background(self, width: int) -> list[Cell]:
        cells: list[Cell] = [(" ", "")] * width
        for tick in self.picture.ticks[:-1]:
            cells[self._column(tick, width)] = ("┊", "dim")
        if self.picture.now is not None:
            cells[min(self._column(self.picture.now, width), width - 1)] = ("┃", "bold red")
        return cells

    def _paint(self, cells: list[Cell], bar: Bar, width: int, *, colored: bool) -> None:
        first = min(self._column(bar.start, width), width - 1)
        room = min(max(1, self._column(bar.end, width) - first), width - first)
        words = _words(bar, room - 1)
        fill = FILL[bar.kind] if not colored or bar.kind in (BarKind.HOLD, BarKind.BLOCK) else " "
        style = _style(bar) if colored else ""
        columns = _columns("▎" + words)
        columns += [fill] * (room - len(columns))
        for offset, character in enumerate(columns):
            cells[first + offset] = (character, style)

    def _legend(self, *, colored: bool) -> RenderResult:
        bars = [bar for row in self.picture.rows for bar in row.bars]
        legend = Text()
        for kind in BarKind:
            if any(bar.kind is kind for bar in bars):
                sample = f"▎{FILL[kind] if not colored or kind in (BarKind.HOLD, BarKind.BLOCK) else ' '} "
                legend.append(sample, style=f"white on {KIND_COLORS[kind]}" if colored else "")
                legend.append(f" {KIND_WORDS[kind]}  ")
        if any(bar.party_size for bar in bars):
            legend.append("4·17 party of 4, booking 17")
        yield legend
        if self.picture.merges:
            line = Text("")
            for color in MERGE_COLORS[:3] if colored else ():
                line.append("▎ ", style=f"white on {color}")
            line.append(" " if colored else "")
            line.append("8+17 party of 8 on several tables pushed together, one color, one number")
            yield line


def _style(bar: Bar) -> str:
    color = KIND_COLORS[bar.kind]
    if bar.merge is not None and bar.kind is BarKind.ASSIGNMENT:
        color = MERGE_COLORS[bar.merge % len(MERGE_COLORS)]
    return f"bold white on {color}"


def _words(bar: Bar, room: int) -> str:
    """A block's label, or the longest of party and booking, and party alone, that fits into the room, or nothing."""
    party = str(bar.party_size) if bar.party_size else ""
    joint = "+" if bar.merge is not None else "·"
    full = f"{party}{joint}{bar.label}" if bar.label else party
    choices = (full, f"{party}+" if bar.merge is not None else party, party)
    for words in (bar.label,) if bar.kind is BarKind.BLOCK else choices:
        if words and cell_len(words) <= room:
            return words
    return ""


def _columns(words: str) -> list[str]:
    """What stands in each column: a character that takes two leaves nothing for the second."""
    columns: list[str] = []
    for start, end, width in split_graphemes(words)[0]:
        columns += [words[start:end], *[""] * (width - 1)]
    return columns
