"""Tells other processes what was committed: after the commit, outside of any transaction, and not too often."""

import asyncio
from collections.abc import Iterator
from uuid import UUID

import msgspec
import structlog

from server.domain.announcement import Announcement
from server.lifecycle import end_task
from server.persistence.pool import Pool, borrowed
from server.persistence.queries import load_queries

log = structlog.get_logger(__name__)

ANNOUNCEMENTS = load_queries("announcements")
CHANNEL = "maitred_changes"
# PostgreSQL takes payloads below 8000 bytes, and no announcement is longer than this many.
PAYLOAD_BYTES_MAX = 7_999
ENTRY_BYTES_MAX = 110
PAYLOAD_ENTRIES_MAX = PAYLOAD_BYTES_MAX // ENTRY_BYTES_MAX
# So many payloads go together. Whoever hears of everything drops all that is kept of any restaurant, so that has to be
# rare: a process does not change so many restaurants between two notifications unless the database was away.
PAYLOADS_MAX = 16
ENTRIES_MAX = PAYLOADS_MAX * PAYLOAD_ENTRIES_MAX
# Says that more has changed than fits: look at everything.
EVERYTHING = "*"

SEND_TIMEOUT_S = 5.0
PAUSE_AFTER_FAILURE_S = 1.0
# As many notifications follow each other without a pause after a quiet time.
BURST = 4


class Pace:
    """When the next notification may be sent: `burst` at once after a quiet time, else one per `interval_s`.

    One that tells of a single change counts half: as long as changes come one by one, twice as many may go, which cost
    no more than they are worth. Kept as the instant at which the burst would be whole again (the generic cell rate
    algorithm). Instants are seconds of any clock that does not go back.
    """

    def __init__(self, interval_s: float, burst: int) -> None:
        self._interval_s = interval_s
        self._ahead_s = (burst - 1) * interval_s
        self._whole_s = float("-inf")

    def wait_s(self, now_s: float) -> float:
        """Seconds from `now_s` until one may be sent."""
        return max(0.0, self._whole_s - self._ahead_s - now_s)

    def sent(self, now_s: float, changes: int) -> None:
        """One was sent that tells of so many changes."""
        cost_s = self._interval_s if changes > 1 else self._interval_s / 2
        self._whole_s = max(self._whole_s, now_s) + cost_s


class Announcer:
    """Sends what comes now and then at once, and what comes in crowds together, by its `Pace`.

    Never fails or delays who announces.

    A notification takes a lock of the whole database while its transaction commits, so it has a transaction of its own,
    which does not wait for the disk. `start`, `stop`; stopping twice is harmless, and sends what waits.
    """

    def __init__(self, pool: Pool, interval_s: float, burst: int = BURST) -> None:
        self._pool = pool
        self._pace = Pace(interval_s, burst)
        self._told = 0
        self._waiting: dict[UUID, Announcement] = {}
        self._too_many = False
        self._woken = asyncio.Event()
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def announce(self, announcement: Announcement) -> None:
        """Of several changes of one restaurant that wait, only the last is worth telling."""
        known = self._waiting.get(announcement.restaurant_id)
        if known is None or known.floor_version < announcement.floor_version:
            self._waiting[announcement.restaurant_id] = announcement
        if len(self._waiting) > ENTRIES_MAX:
            self._waiting.clear()
            self._too_many = True
        self._told += 1
        self._woken.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="announcer")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        async with self._sending:
            await end_task(task)
        if self._woken.is_set():
            await self._send()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self._woken.wait()
            await asyncio.sleep(self._pace.wait_s(clock()))
            async with self._sending:
                self._pace.sent(clock(), self._told)
                sent = await self._send()
            if not sent:
                await asyncio.sleep(PAUSE_AFTER_FAILURE_S)

    async def _send(self) -> bool:
        """Whether it was sent. What was not is announced as a change of everything later on."""
        self._woken.clear()
        payloads = [EVERYTHING] if self._too_many else list(_payloads(tuple(self._waiting.values())))
        self._waiting.clear()
        self._too_many = False
        self._told = 0
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S), borrowed(self._pool) as connection:
                await connection.execute(ANNOUNCEMENTS["notify"], CHANNEL, payloads)
        except Exception as problem:  # noqa: BLE001  # whatever it is, nobody who announces has to know
            self._too_many = True
            self._woken.set()
            log.warning("not_announced", problem=f"{type(problem).__name__}: {problem}")
            return False
        return True


def _payloads(announcements: tuple[Announcement, ...]) -> Iterator[str]:
    for begin in range(0, len(announcements), PAYLOAD_ENTRIES_MAX):
        yield encode_announcements(announcements[begin : begin + PAYLOAD_ENTRIES_MAX])


def encode_announcements(announcements: tuple[Announcement, ...]) -> str:
    """The payload: a list of restaurant, floor version, inventory version and policy version."""
    return msgspec.json.encode(
        [
            (each.restaurant_id, each.floor_version, each.inventory_version, each.policy_version)
            for each in announcements
        ]
    ).decode()


def decode_announcements(payload: str) -> tuple[Announcement, ...] | None:
    """What a payload announces; None when it is anything else than a list of announcements."""
    try:
        entries = msgspec.json.decode(payload, type=list[tuple[UUID, int, int, int]])
    except (msgspec.DecodeError, UnicodeError):
        return None
    return tuple(Announcement(*entry) for entry in entries)
