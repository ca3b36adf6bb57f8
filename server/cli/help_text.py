"""Commands with the help text that their docstring is."""

import inspect
from collections.abc import Callable

import typer


def add_command(app: typer.Typer, function: Callable[..., None], *, panel: str = "", name: str = "") -> None:
    """Adds a command named after its function, or as told, under a panel of the help page."""
    app.command(name or None, help=unwrapped(function.__doc__ or ""), rich_help_panel=panel or None)(function)


def unwrapped(text: str) -> str:
    """Paragraphs without the line breaks of the source, which the help page would keep."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))
