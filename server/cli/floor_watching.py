"""`floor --watch`: the picture of a day that follows every change, or the changes themselves for programs."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import aclosing

from rich.live import Live

from maitred_client import AsyncMaitredClient, timestamp, to_dict
from maitred_client.messages import Restaurant, WatchFloorRequest, WatchFloorResponse
from server.cli.instants import zone_of
from server.cli.output import Format, is_read, note, results, show, write_json
from server.cli.picture_source import fetch_picture
from server.cli.picture_terminal import TerminalPicture

# A service day can end well after midnight.
DAY = dt.timedelta(hours=36)


async def watch_day(client: AsyncMaitredClient, restaurant: Restaurant, day: dt.date, output: Format) -> None:
    """Until it is interrupted, or refused."""
    start = dt.datetime.combine(day, dt.time(), zone_of(restaurant))
    request = WatchFloorRequest(
        restaurant_id=restaurant.restaurant_id,
        window_start=timestamp(start),
        window_end=timestamp(start + DAY),
    )
    async with aclosing(client.watch_floor(request)) as responses:
        if output is Format.TABLE:
            await _draw(client, restaurant, day, responses)
        else:
            await print_changes(responses)


async def print_changes(responses: AsyncIterator[WatchFloorResponse]) -> None:
    """One line for each part of a snapshot and for each change. Ends by the next heartbeat when nobody reads them."""
    async for response in responses:
        heartbeat = response.HasField("heartbeat")
        if not (is_read() if heartbeat else write_json(to_dict(response), Format.JSONL)):
            return


async def _draw(
    client: AsyncMaitredClient,
    restaurant: Restaurant,
    day: dt.date,
    responses: AsyncIterator[WatchFloorResponse],
) -> None:
    """Draws anew after changes, however many there were meanwhile, and with each heartbeat, because time goes on."""
    seen = asyncio.Event()
    note("watching; Ctrl-C ends it")
    with Live(console=results(), auto_refresh=False, vertical_overflow="crop") as live:

        async def follow() -> None:
            async for _ in responses:
                seen.set()

        async def redraw() -> None:
            while True:
                await seen.wait()
                seen.clear()
                picture = TerminalPicture(
                    await fetch_picture(client, restaurant, day, dt.datetime.now(dt.UTC))
                )
                if live.console.is_terminal:
                    live.update(picture, refresh=True)
                elif not show(picture):
                    return

        following, drawing = asyncio.ensure_future(follow()), asyncio.ensure_future(redraw())
        try:
            done, _ = await asyncio.wait((following, drawing), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            following.cancel()
            drawing.cancel()
            await asyncio.gather(following, drawing, return_exceptions=True)
