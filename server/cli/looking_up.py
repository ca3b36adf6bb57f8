"""Finding restaurants, zones and starts by the names and times that people use."""

import asyncio
import csv
import datetime as dt
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

import typer

from maitred_client import AsyncMaitredClient, PermissionMissingError
from maitred_client.messages import (
    Floor,
    GetFloorRequest,
    GetRestaurantRequest,
    ListRestaurantsRequest,
    Restaurant,
)
from server.cli.instants import parse_start, zone_of
from server.cli.options import Connection
from server.cli.output import note
from server.cli.picture_source import table_ids_by_name

T = TypeVar("T")
NO_RESTAURANT = "this tenant has no restaurant; check --tenant"


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's coroutine to its end, on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_until_terminated(work))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_terminated(work))


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    """Lets SIGTERM and the end of the terminal end the work as Ctrl-C does: what was started for it is stopped."""
    from server.lifecycle import stop_signals

    task = asyncio.ensure_future(work)
    terminated = False

    def on_signal() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    # Ctrl-C is asyncio's own.
    for number in {*stop_signals()} - {signal.SIGINT}:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise KeyboardInterrupt from None
        raise


async def find_restaurant(client: AsyncMaitredClient, wanted: str) -> Restaurant:
    """By id, by name whatever the case, or the tenant's only one when nothing is wanted in particular."""
    if _is_uuid(wanted):
        return (await client.get_restaurant(GetRestaurantRequest(restaurant_id=wanted))).restaurant
    request = ListRestaurantsRequest(page_size=500)
    restaurants = [restaurant async for restaurant in client.iterate_restaurants(request)]
    called_so = [each for each in restaurants if not wanted or each.name.casefold() == wanted.casefold()]
    if len(called_so) == 1:
        return called_so[0]
    if not restaurants:
        raise typer.BadParameter(NO_RESTAURANT, param_hint="--restaurant")
    choice = called_so or restaurants
    listed = "; ".join(f"{item.name} {item.restaurant_id}" for item in choice[:10])
    more = f"; and {len(choice) - 10} more" if len(choice) > 10 else ""
    problem = "say which one" if called_so else f"no restaurant called {wanted!r}; there are"
    raise typer.BadParameter(f"{problem}: {listed}{more}", param_hint="--restaurant")


@asynccontextmanager
async def visiting(
    connection: Connection, wanted: str
) -> AsyncIterator[tuple[AsyncMaitredClient, Restaurant, Floor]]:
    """A client, and the restaurant that is wanted with its floor."""
    async with connection.open() as client:
        restaurant = await find_restaurant(client, wanted)
        yield client, restaurant, await get_floor(client, restaurant)


async def note_nobody(client: AsyncMaitredClient) -> None:
    """Says that the tenant has no restaurant, where it has none: nothing of a wrong tenant is not good news."""
    # Who may look at events need not be allowed to list restaurants.
    with suppress(PermissionMissingError):
        if not (await client.list_restaurants(ListRestaurantsRequest(page_size=1))).restaurants:
            note(NO_RESTAURANT)


async def get_floor(client: AsyncMaitredClient, restaurant: Restaurant) -> Floor:
    """The restaurant's floor."""
    return (await client.get_floor(GetFloorRequest(restaurant_id=restaurant.restaurant_id))).floor


def zone_id_by_name(floor: Floor, wanted: str, option: str = "--zone") -> str:
    """The id of a zone given by name or id; empty for no zone."""
    if not wanted:
        return ""
    for zone in floor.zones:
        if wanted.casefold() in (zone.name.casefold(), zone.zone_id):
            return zone.zone_id
    names = ", ".join(zone.name for zone in floor.zones)
    raise typer.BadParameter(f"no such zone: {wanted}; there are: {names}", param_hint=option)


def table_ids(floor: Floor, names: str, option: str) -> list[str]:
    """Ids of tables given as comma-separated names or ids."""
    try:
        return list(table_ids_by_name(floor, words(names, option)))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def words(text: str, option: str) -> list[str]:
    """What commas part, as in a line of CSV: a word that has a comma itself stands in double quotes."""
    try:
        parted = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        problem = (
            f"{text}: {error}; a name with a comma stands in double quotes, and one of its own quotes twice"
        )
        raise typer.BadParameter(problem, param_hint=option) from None
    return [word.strip() for word in parted if word.strip()]


def start_in(restaurant: Restaurant, text: str, option: str = "--start") -> dt.datetime:
    """The instant that a person means by a time in this restaurant."""
    try:
        return parse_start(text, lambda: zone_of(restaurant), dt.datetime.now(dt.UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
