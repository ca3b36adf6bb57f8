"""Commands as they are added: with the help text that their docstring is, and options for whom to call."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

import typer

from server.cli.options import Actor, Address, Connection, Tenant, Timeout


def add_command(app: typer.Typer, function: Callable[..., None], *, panel: str = "", name: str = "") -> None:
    """Adds a command named after its function, or as told, under a panel of the help page."""
    help_text = unwrapped(function.__doc__ or "")
    app.command(name or None, help=help_text, rich_help_panel=panel or None)(_with_options(function))


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    """The function with four options in the place of a parameter `connection`, where it has one."""
    signature = inspect.signature(function)
    given = signature.parameters.get("connection")
    if given is None:
        return function

    @wraps(function)
    def command(*, address: str, tenant: UUID, actor: str, timeout: float, **others: Any) -> None:
        function(connection=Connection(address, tenant, actor, timeout), **others)

    default: Connection = given.default
    values = {
        "address": (Address, default.address),
        "tenant": (Tenant, default.tenant),
        "actor": (Actor, default.actor),
        "timeout": (Timeout, default.timeout_s),
    }
    options = [
        given.replace(name=name, annotation=annotation, default=value)
        for name, (annotation, value) in values.items()
    ]
    shown = [
        each
        for parameter in signature.parameters.values()
        for each in (options if parameter is given else [parameter])
    ]
    vars(command)["__signature__"] = signature.replace(parameters=shown)
    return command


def unwrapped(text: str) -> str:
    """Paragraphs without the line breaks of the source, which the help page would keep."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))
