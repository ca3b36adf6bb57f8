"""The server's own counts beside those of the callers."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final, TypeAlias
from urllib.request import urlopen

from loadgen.driving import UNSURE

METRIC: Final = "rpc_server_call_duration_seconds_count"
READ_S: Final = 5.0
READS_MAX: Final = 20
READ_AGAIN_S: Final = 0.1
_SAMPLE: Final = re.compile(rf"^{METRIC}\{{(?P<labels>.*)\}} (?P<value>\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Counts: TypeAlias = Mapping[tuple[str, str, str], int]
"""By the RPC's name, the name of its status code, and the reason, empty where there is none."""


class NotReadError(Exception):
    """Measurements could not be read; the text says from where and why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Calls of one method that ended in one way, as callers and server counted them."""

    method: str
    status: str
    reason: str
    callers: int
    server: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differences` are those that nothing explains. `unsure` calls lost their answers: the server may have counted
    each in any way or not at all, so that its counts may be higher by as many.
    """

    compared: int
    unsure: int
    differences: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences


async def read_counts(urls: Sequence[str]) -> Counter[tuple[str, str, str]]:
    """What the server processes at these addresses have counted so far, together. Raises NotReadError."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for text in await asyncio.gather(*(asyncio.to_thread(_read, url) for url in urls)):
        counts.update(parse_counts(text))
    return counts


def parse_counts(text: str) -> Counter[tuple[str, str, str]]:
    """The counts of calls in measurements in the text format of Prometheus."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for sample in _SAMPLE.finditer(text):
        labels = dict(_LABEL.findall(sample["labels"]))
        method = labels["rpc_method"].rpartition("/")[2]
        key = method, labels["rpc_response_status_code"], labels.get("reason", "")
        counts[key] += round(float(sample["value"]))
    return counts


def compare(replies: Counts, before: Counts, after: Counts) -> Comparison:
    """The callers' replies beside what the server counted meanwhile.

    Whoever else calls the server at the same time makes a difference, and so does a server that is started anew.
    """
    server = {key: after.get(key, 0) - before.get(key, 0) for key in {*before, *after}}
    differences: list[Difference] = []
    methods = {method for method, _, _ in replies}
    for method in sorted(methods):
        differences += _unexplained(method, replies, server)
    return Comparison(
        sum(count for (_, status, _), count in replies.items() if status not in UNSURE),
        sum(count for (_, status, _), count in replies.items() if status in UNSURE),
        tuple(differences),
    )


async def compare_settled(
    replies: Counts, before: Counts, read: Callable[[], Awaitable[Counts]]
) -> Comparison:
    """The same with what is read now. A server counts a call once it has answered, which a busy one comes to a moment
    later: while it has counted too few, it is read again, for two seconds at most.
    """
    for _ in range(READS_MAX):
        found = compare(replies, before, await read())
        if all(difference.server >= difference.callers for difference in found.differences):
            break
        await asyncio.sleep(READ_AGAIN_S)
    return found


def _unexplained(method: str, replies: Counts, server: Counts) -> list[Difference]:
    """Where the server counted less than the callers got, or more than those that lost their answers can explain."""
    keys = _sure(method, {*replies, *server})
    found = [Difference(*key, replies.get(key, 0), server.get(key, 0)) for key in keys]
    fewer = [difference for difference in found if difference.server < difference.callers]
    more = [difference for difference in found if difference.server > difference.callers]
    surplus = sum(difference.server - difference.callers for difference in more)
    lost = sum(
        count for (called, status, _), count in replies.items() if called == method and status in UNSURE
    )
    return fewer + (more if surplus > lost else [])


def _sure(method: str, keys: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return sorted(key for key in keys if key[0] == method and key[1] not in UNSURE)


def _read(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise NotReadError(f"{url}: measurements are read over http")
    try:
        with urlopen(url, timeout=READ_S) as answer:  # noqa: S310 the scheme has been looked at
            text: str = answer.read().decode()
    except OSError as error:
        raise NotReadError(f"{url}: {error}") from None
    except (ValueError, HTTPException) as error:
        # Its text alone may be whatever came instead of an answer.
        raise NotReadError(f"{url}: {error!r}") from None
    return text
