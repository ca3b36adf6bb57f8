"""Requests that are wrong in every way at once, from a seed; whatever comes, the server answers in its own words.

`python -m tests.rpc.hostile_requests [--requests N] [--seed N]` starts a PostgreSQL and a server of its own, sends a
hundred thousand, and prints how they were answered and by how much the server's memory has grown. It ends with 1 when
something was answered that must not be, or when the memory grew by more than it may.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from uuid import UUID, uuid4

import grpc.aio
import psutil
from google.protobuf.message_factory import GetMessageClass

from server.rpc.scopes import SCOPES, SERVICES
from tests.rpc.test_bad_input import typed
from tests.support.bad_values import spoiled
from tests.support.postgres import TestServer, postgres_forms, running_postgres
from tests.support.programs import said, started
from tests.support.requests import World, good_requests, make_world
from tests.support.wire import Refused, Wire

REQUESTS = 100_000
IN_FLIGHT = 32
GROWTH_MIB_MAX = 32
# What is larger than this is sent seldom: it is the same mistake each time, and takes as long as a hundred others.
LARGE_BYTES, LARGE = 20_000, 0.02
WARM_UP = 0.1
TENANTS = ("", "nobody", "00000000-0000-0000-0000-000000000000", "'; DROP TABLE tenants; --", "x" * 4_000)
SCOPES_SENT = ("", "read", "write", "inventory,ops", "root", "read,,write", "override")
TIMEOUT_S = 60.0
FORMS = {
    f"/{service.full_name}/{method.name}": method.input_type
    for service in SERVICES
    for method in service.methods
}


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request as bytes, to be sent to a method, perhaps with headers of its own."""

    path: str
    raw: bytes
    headers: tuple[tuple[str, str], ...] | None = None


@dataclass(slots=True)
class Answers:
    """How often each answer was given, and what must not have been answered."""

    counted: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, request: Hostile, answer: bytes | Refused) -> None:
        self.counted[f"{answer.code.name} {answer.reason}" if isinstance(answer, Refused) else "OK"] += 1
        if isinstance(answer, Refused):
            about = f"{request.path} {request.headers or ''} {request.raw[:500].hex()}"
            try:
                typed(answer, about)
            except AssertionError as problem:
                self.wrong.append(f"{about}: {problem}")


@dataclass(frozen=True, slots=True)
class Material:
    """Good and spoiled requests of every method, as bytes."""

    good: dict[str, bytes]
    small: dict[str, Sequence[bytes]]
    large: dict[str, Sequence[bytes]]

    @classmethod
    def of(cls, world: World) -> "Material":
        requests = good_requests(world)
        bad = {
            path: [case.request.SerializeToString(deterministic=True) for case in spoiled(good)]
            for path, good in requests.items()
        }
        return cls(
            {path: good.SerializeToString(deterministic=True) for path, good in requests.items()},
            {path: [raw for raw in raws if len(raw) <= LARGE_BYTES] for path, raws in bad.items()},
            {path: [raw for raw in raws if len(raw) > LARGE_BYTES] for path, raws in bad.items()},
        )


def hostile_requests(material: Material, rng: random.Random) -> Iterator[Hostile]:
    """Without end. One message after another is, for protobuf, one message that has what both have."""
    paths = sorted(SCOPES)
    while True:
        path = rng.choice(paths)
        good, small = material.good[path], material.small[path]
        kind = rng.random()
        if kind < LARGE and material.large[path]:
            yield Hostile(path, rng.choice(material.large[path]))
        elif kind < 0.25:
            yield Hostile(path, rng.choice(small))
        elif kind < 0.45:
            yield Hostile(path, b"".join(rng.choices(small, k=rng.randint(2, 4))))
        elif kind < 0.65:
            yield Hostile(path, _flipped(rng.choice((good, rng.choice(small))), rng))
        elif kind < 0.75:
            yield Hostile(path, good + rng.choice(material.small[rng.choice(paths)]))
        elif kind < 0.85:
            yield Hostile(path, rng.choice(material.small[rng.choice(paths)]))
        elif kind < 0.9:
            yield Hostile(path, rng.randbytes(rng.randint(0, 200)))
        elif kind < 0.95:
            yield Hostile(path, good, _headers(rng))
        else:
            yield Hostile(path, good + _another_request_id(path, rng))


def _another_request_id(path: str, rng: random.Random) -> bytes:
    """To be appended to a change, so that it is not answered from the ledger."""
    form = FORMS[path]
    if "request_id" not in form.fields_by_name:
        return b""
    return bytes(
        GetMessageClass(form)(request_id=str(UUID(int=rng.getrandbits(128), version=4))).SerializeToString()
    )


def _flipped(whole: bytes, rng: random.Random) -> bytes:
    """Some bytes are others, and the end may be missing."""
    raw = bytearray(whole or b"\0")
    for _ in range(rng.randint(1, 8)):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    return bytes(raw[: rng.randint(len(raw) // 2, len(raw))])


def _headers(rng: random.Random) -> tuple[tuple[str, str], ...]:
    return (
        ("x-maitred-tenant", rng.choice((str(uuid4()), *TENANTS))),
        ("x-maitred-actor", rng.choice(("", "Ada", "a" * 4_000, "'; SELECT 1"))),
        ("x-maitred-scopes", rng.choice(SCOPES_SENT)),
    )


async def send(wire: Wire, requests: Iterator[Hostile], number: int, answers: Answers) -> None:
    """So many of them, some at the same time."""

    async def sender(share: int) -> None:
        for _ in range(share):
            request = next(requests)
            own = wire if request.headers is None else Wire(wire.channel, headers=request.headers)
            answers.add(request, await own.call(request.path, request.raw, timeout_s=TIMEOUT_S))

    shares = [number // IN_FLIGHT + (one < number % IN_FLIGHT) for one in range(IN_FLIGHT)]
    await asyncio.gather(*map(sender, shares))


async def besiege(database_url: str, number: int, seed: int) -> tuple[Answers, float]:
    """How a server of its own answers, and by how many MiB it grew after the first tenth."""
    answers = Answers()
    settings = {"database_url": database_url, "log_level": "error"}
    async with started("serve", "--port", "0", settings=settings) as process:
        server = psutil.Process(process.pid)
        async with grpc.aio.insecure_channel(await said(process, "serving on ")) as channel:
            wire = Wire(channel)
            material = Material.of(await make_world(wire))
            requests = hostile_requests(material, random.Random(seed))
            warm_up = int(number * WARM_UP)
            await send(wire, requests, warm_up, answers)
            before = server.memory_info().rss
            await send(wire, requests, number - warm_up, answers)
            return answers, (server.memory_info().rss - before) / 2**20


async def _on_a_fresh_database(postgres: TestServer, number: int, seed: int) -> tuple[Answers, float]:
    async with postgres.fresh_database() as url:
        return await besiege(url, number, seed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rpc.hostile_requests", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments, began = parser.parse_args(), perf_counter()
    with running_postgres(postgres_forms()[0]) as postgres:
        answers, grown_mib = asyncio.run(_on_a_fresh_database(postgres, arguments.requests, arguments.seed))
    for told, times in answers.counted.most_common():
        print(f"  {told:55} {times:7}")
    print(
        f"{answers.counted.total()} requests in {perf_counter() - began:.0f} s, seed {arguments.seed}; "
        f"the server grew by {grown_mib:.1f} MiB"
    )
    print("\n".join(answers.wrong) or "every refusal was typed, and none told what is nobody's business")
    return 1 if answers.wrong or grown_mib > GROWTH_MIB_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
