"""Reaches the host that can be used, of all that an address names."""

import asyncio
import os
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

Attempt: TypeAlias = "asyncio.Task[Any]"

# How long a host is waited for alone. One that lost its power says nothing, and the driver would spend all of its time
# on the first such host.
HEAD_START_S = 0.25
ATTRIBUTES = "target_session_attrs"


async def connect_to(url: str, **given: Any) -> Any:
    """A connection to the first host that can be used, which is the next one when one fails or says nothing.

    Of several hosts that is one that takes changes, unless the address or PGTARGETSESSIONATTRS says otherwise. Raises
    what the driver does: what a PostgreSQL said, when none can be used, else for the first host.
    """
    hosts = each_host(url)
    if len(hosts) == 1:
        return await asyncpg.connect(url, **given)
    if ATTRIBUTES not in dict(parse_qsl(urlsplit(url).query)) and "PGTARGETSESSIONATTRS" not in os.environ:
        given |= {ATTRIBUTES: "read-write"}
    attempts: list[Attempt] = []
    try:
        for host in hosts:
            attempts.append(asyncio.create_task(asyncpg.connect(host, **given)))
            found = await _first_success(attempts, HEAD_START_S if len(attempts) < len(hosts) else None)
            if found is not None:
                attempts.remove(found)
                return found.result()
        problems = [problem for attempt in attempts if (problem := attempt.exception())]
        raise next((each for each in problems if isinstance(each, asyncpg.PostgresError)), problems[0])
    finally:
        for attempt in attempts:
            _give_up(attempt)


def each_host(url: str) -> tuple[str, ...]:
    """An address for each host of this one, in order."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if hosts:
        return tuple(urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(","))
    query = dict(parse_qsl(parts.query))
    names, ports = query.get("host", "").split(","), query.get("port", "").split(",")
    if len(names) == 1:
        return (url,)
    if len(ports) == 1:
        ports *= len(names)
    before = url.partition("?")[0]
    each = (query | {"host": name, "port": port} for name, port in zip(names, ports, strict=True))
    return tuple(f"{before}?{urlencode({key: text for key, text in one.items() if text})}" for one in each)


async def _first_success(attempts: list[Attempt], patience_s: float | None) -> "Attempt | None":
    """The attempt that has a connection; None when all have failed, or none has ended for so long."""
    while True:
        for attempt in attempts:
            if attempt.done() and not attempt.exception():
                return attempt
        waiting = [attempt for attempt in attempts if not attempt.done()]
        if not waiting:
            return None
        ended, _ = await asyncio.wait(waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if not ended:
            return None


def _give_up(attempt: Attempt) -> None:
    if not attempt.done():
        attempt.cancel()
    elif not attempt.exception():
        attempt.result().terminate()
