"""Turns a deployment's switches: on its database, for all servers and workers at once."""

from collections.abc import Callable

from server.bootstrap import explaining, seen_database
from server.config import Settings
from server.persistence.switches import Position, Switch, SwitchName, read_switches, turn_switch


async def switches(settings: Settings, on_started: Callable[[str], None]) -> tuple[Switch, ...]:
    """How every switch stands. `on_started` hears of a database that nothing runs on. Raises `StartError`."""
    async with seen_database(settings, on_started) as found:
        with explaining():
            return await read_switches(found.url)


async def turn(
    settings: Settings,
    name: SwitchName,
    value: Position,
    actor: str,
    reason: str,
    on_started: Callable[[str], None],
) -> tuple[Switch, ...]:
    """Turns one switch; how all of them stand then. As `switches` otherwise."""
    async with seen_database(settings, on_started) as found:
        with explaining():
            await turn_switch(found.url, name, value, actor, reason)
            return await read_switches(found.url)
