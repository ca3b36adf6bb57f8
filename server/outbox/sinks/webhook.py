"""Events posted to an HTTP endpoint as signed CloudEvents."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib.metadata import version

import aiohttp

from server.outbox.encoding import CONTENT_TYPE, cloud_event
from server.outbox.events import OutboxEvent
from server.outbox.ports import RetryLater, Undeliverable
from server.outbox.sinks.signature import signed_headers

# Too late, too early, too often: the same request may well succeed later.
RETRIED_STATUSES = frozenset({408, 425, 429})
# However long a receiver asks to be left alone.
RETRY_AFTER_S_MAX = 3_600.0
# A receiver refuses what was signed longer ago than this, or later than it is.
CLOCKS_APART_S_MAX = 300
# What is read of an answer, so that its connection can be used again.
ANSWER_BYTES_MAX = 65_536


class NotAcceptedError(Exception):
    """The receiver did not take the event, and may take it later."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """`timeout_s` bounds the whole exchange, `connect_timeout_s` the part of it that makes a connection.

    Each key signs, the one to be verified first in front. `connections_max` are kept at a time.
    """

    url: str
    keys: tuple[bytes, ...]
    timeout_s: float
    connect_timeout_s: float
    connections_max: int


class WebhookSink:
    """Posts each event and takes any 2xx as received.

    408, 425, 429 and 5xx are tried again, after the time in Retry-After if there is one. Every other answer is final,
    redirects included: they are not followed, because what was signed was meant for one address. But a receiver whose
    clock is far from ours cannot find what was signed to be genuine, and that passes.
    """

    name = "webhook"

    def __init__(self, settings: WebhookSettings, now_s: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now_s = now_s
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        settings = self._settings
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=settings.timeout_s, sock_connect=settings.connect_timeout_s),
            connector=aiohttp.TCPConnector(limit=settings.connections_max),
            cookie_jar=aiohttp.DummyCookieJar(),
            # An answer is not looked into, so it need not be unpacked.
            auto_decompress=False,
            headers={"user-agent": f"maitred/{version('maitred')}"},
        )

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def deliver(self, event: OutboxEvent) -> None:
        body = cloud_event(event)
        sent_at_s = int(self._now_s())
        headers = signed_headers(self._settings.keys, str(event.event_id), sent_at_s, body)
        headers["content-type"] = CONTENT_TYPE
        status, answered = await self._post(headers, body)
        if 200 <= status < 300:
            return
        if status not in RETRIED_STATUSES and status < 500:
            raise _refused(status, answered.get("date"), sent_at_s)
        wait_s = _seconds(answered.get("retry-after"), self._now_s())
        if wait_s is None:
            raise NotAcceptedError(f"the receiver answered {status}")
        raise RetryLater(f"the receiver answered {status} and asked for {wait_s:g} s", wait_s)

    async def _post(self, headers: dict[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        """Status and headers of the answer."""
        assert self._session is not None, "the sink is not open"
        try:
            async with self._session.post(
                self._settings.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                read = 0
                async for part in answer.content.iter_any():
                    read += len(part)
                    if read > ANSWER_BYTES_MAX:
                        break
                return answer.status, answer.headers
        # The text of each of these has the whole address in it, which is a secret.
        except aiohttp.ClientResponseError as problem:
            said, _, _ = problem.message.partition("\n")
            raise NotAcceptedError(f"the receiver's answer is not HTTP: {said}") from None
        except aiohttp.ConnectionTimeoutError:
            raise TimeoutError("no connection to the receiver in time") from None
        except aiohttp.InvalidURL:
            raise NotAcceptedError("the address of the receiver cannot be read") from None


def _seconds(retry_after: str | None, now_s: float) -> float | None:
    """The wait that a Retry-After asks for, given in seconds or as a date; None when it says nothing sensible."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_S_MAX)
    until_s = _date_s(text)
    return None if until_s is None else min(max(until_s - now_s, 0.0), RETRY_AFTER_S_MAX)


def _refused(status: int, date: str | None, sent_at_s: int) -> Exception:
    """A final answer, unless the date in it is so far away that it may be the clocks that it is about."""
    shown_s = _date_s(date or "")
    if shown_s is None or abs(shown_s - sent_at_s) <= CLOCKS_APART_S_MAX:
        return Undeliverable(f"the receiver answered {status}")
    return NotAcceptedError(
        f"the receiver answered {status}, and its clock is {shown_s - sent_at_s:+.0f} s from ours"
    )


def _date_s(text: str) -> float | None:
    """Seconds since 1970 of a date as HTTP writes it; None when it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # One that ends with -0000 has no zone for Python, and is UTC.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
