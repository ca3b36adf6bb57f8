"""`bench compare` and `bench markdown`: looking at runs that were kept."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from server.bench.comparison import Compared, Verdict, compared, differences
from server.cli.bench_history import LATEST, RunNotFoundError, find_run, history_folder, read_run
from server.cli.bench_main import History
from server.cli.failures import CommandFailure, ExitCode
from server.cli.options import Output
from server.cli.output import Format, grid, note, show, write_json

STYLES = {Verdict.BETTER: "green", Verdict.WORSE: "bold red", Verdict.ONE_SIDED: "yellow"}
RUN_HELP = f"A run: its file, the beginning of its name, or {LATEST}."


def compare(
    old: Annotated[str, typer.Argument(help=RUN_HELP)],
    new: Annotated[str, typer.Argument(help=RUN_HELP)] = LATEST,
    history: History = None,
    output: Output = Format.TABLE,
) -> None:
    """Holds one run beside another: each figure's new value ÷ its old one, and whether that is more than noise.

    A figure is better or worse when the spreads of its repeats have nothing in common; with five repeats each, chance
    does that once in 126 times. What was not the same for both runs is told.

    Example: [bold]maitred bench compare 20310501 latest[/]
    """
    before, after = (_run(history, wanted) for wanted in (old, new))
    found, differs = compared(before, after), list(differences(before, after))
    if output is not Format.TABLE:
        write_json({"figures": [asdict(each) for each in found], "differs": differs}, output)
        return
    show(grid(("Figure", "Old>", "New>", "New ÷ old>", ""), map(_line, found), kept=5))
    for text in differs:
        note(f"not the same: {text}")


def markdown(
    run: Annotated[str, typer.Argument(help=RUN_HELP)] = LATEST,
    history: History = None,
) -> None:
    """Prints a run's figures as a table in Markdown.

    Example: [bold]maitred bench markdown latest[/]
    """
    show("\n".join(markdown_lines(_run(history, run))))


def _run(history: Path | None, wanted: str) -> dict[str, Any]:
    try:
        return read_run(find_run(history_folder(history), wanted))
    except RunNotFoundError as missing:
        raise CommandFailure(ExitCode.BAD_FILE, str(missing)) from None


def _line(each: Compared) -> tuple[object, ...]:
    numbers = (_number(each.old), _number(each.new), _number(each.ratio))
    return each.key, *numbers, Text(each.verdict.value, style=STYLES.get(each.verdict, ""))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def markdown_lines(run: Mapping[str, Any]) -> Iterator[str]:
    """A run as `bench -o json` tells it: a line per figure, with spread, target and whether that was reached."""
    yield "| Figure | Median | Least to most | Target | |"
    yield "|---|---|---|---|---|"
    for key, value in run["ratios"].items():
        target, reached = run["targets"].get(key), run["reached"].get(key)
        bound = f"{'≥' if target['at_least'] else '≤'} {target['bound']:g}" if target else "–"
        verdict = "–" if reached is None else "reached" if reached else "missed"
        spread = " to ".join(map(_number, run["spreads"].get(key, (None,))))
        yield f"| `{key}` | {_number(value)} | {spread} | {bound} | {verdict} |"
