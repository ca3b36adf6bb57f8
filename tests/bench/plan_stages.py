"""Where the time of a plan goes.

`python -m tests.bench.plan_stages` asks for plans on floors of 120 tables that are prepared and half full: a server
does, and each step of the use case by itself in this process, for a hundred questions at a time. Prints milliseconds of
processor time per plan, medians of repeats, beside a call that does nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from time import thread_time
from typing import Any
from uuid import UUID

import uvloop

from maitred.v1 import planner_service_pb2 as pb
from server.bench.calls import EMPTY, Call
from server.bench.ground import own_ground
from server.bench.rates import floors_to_plan_on, plan_calls
from server.bench.sizes import MAIN_FULL
from server.bench.stage import TENANT, Stage, stage_on
from server.cache.diaries import CachedDiaries, DiaryLimits
from server.cache.inventories import CachedInventories, CacheLimits
from server.domain.restaurant import Caller
from server.orchestrator.plan_tables import Asked, PlanTables, horizon_of, question_for
from server.orchestrator.situation import Situation, look
from server.orchestrator.subject import need_of
from server.persistence.pool import PoolSettings, open_pool
from server.persistence.store import SqlStore, StoreSettings
from server.planner.plan import plan_tables
from server.rpc.messages.planner import plan_tables_response, read_plan_tables
from server.telemetry.metrics import CacheMetrics

REPEATS = 5
QUESTIONS = 128
ROUNDS = 10
CALLER = Caller(TENANT, "bench", frozenset())
EMPTY_CALL = "a call that does nothing"
CALL = "a plan through a server"
WHOLE = "the use case, from bytes to bytes"


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds of this thread's processor time per question, by step."""

    spent: dict[str, float] = field(default_factory=dict)
    began_s: float = 0.0

    def start(self) -> None:
        self.began_s = thread_time()

    def lap(self, step: str) -> None:
        """What was done since the start or the last lap was that step, for all questions."""
        now_s = thread_time()
        each_ms = (now_s - self.began_s) * 1e3 / QUESTIONS / ROUNDS
        self.spent[step] = self.spent.get(step, 0.0) + each_ms
        self.began_s = thread_time()


@dataclass(frozen=True, slots=True)
class Steps:
    """The use case as a whole and in pieces."""

    use: PlanTables

    async def whole(self, body: bytes) -> bytes:
        question = read_plan_tables(pb.PlanTablesRequest.FromString(body))
        return plan_tables_response(await self.use(CALLER, question)).SerializeToString()

    async def one_by_one(self, calls: Sequence[Call], watch: Stopwatch) -> None:
        use = self.use
        watch.start()
        questions = [read_plan_tables(pb.PlanTablesRequest.FromString(body)) for _, body in calls]
        watch.lap("  reading the request")
        situations = await asyncio.gather(
            *(look(use.catalogue, use.inventories, CALLER, each.restaurant_id) for each in questions)
        )
        watch.lap("  versions from the database, the floor that is kept")
        asked = [
            await self._asked(situation, question)
            for situation, question in zip(situations, questions, strict=True)
        ]
        watch.lap("  stay, horizon and claims that are kept")
        results = [plan_tables(each.question) for each in asked]
        watch.lap("  planning")
        assert all(result.plans_found for result in results), "half of the tables are free"

    async def _asked(self, situation: Situation, question: Any) -> Asked:
        party, stay = await need_of(self.use.catalogue, situation, question.subject)
        horizon = horizon_of(situation, stay)
        diary = await self.use.diaries.covering(situation.restaurant, horizon)
        return question_for(diary, situation, party, stay, horizon, None, question.avoid, question.plans_max)

    async def measured(self, calls: Sequence[Call]) -> dict[str, float]:
        watch = Stopwatch()
        for _ in range(ROUNDS):
            await self.one_by_one(calls, watch)
        for _ in range(ROUNDS):
            watch.start()
            await asyncio.gather(*(self.whole(body) for _, body in calls))
            watch.lap(WHOLE)
        steps = sum(spent for step, spent in watch.spent.items() if step != WHOLE)
        return {**watch.spent, "  writing the answer, and the rest": watch.spent[WHOLE] - steps}


async def one_repeat(stage: Stage, restaurants: Sequence[UUID], steps: Steps) -> dict[str, float]:
    place, clients = stage.place, stage.clients
    sizes = MAIN_FULL
    empty = await clients.send(place.address, [EMPTY] * sizes.plans, sizes.callers)
    plans = await clients.send(place.address, plan_calls(restaurants, sizes.plans), sizes.callers)
    return {
        EMPTY_CALL: empty.processor_per_call_ms("server"),
        CALL: plans.processor_per_call_ms("server"),
        **await steps.measured(plan_calls(restaurants, QUESTIONS)),
    }


async def main() -> None:
    async with own_ground(print) as ground, stage_on(ground, MAIN_FULL.clients) as stage:
        pool = await open_pool(PoolSettings(ground.url, size_min=1, size_max=4))
        try:
            catalogue = SqlStore(pool, StoreSettings()).catalogue
            inventories = CachedInventories(CacheLimits(100, 600.0), CacheMetrics())
            diaries = CachedDiaries(
                catalogue, DiaryLimits(1_000_000, 600.0, 1_000_000), CacheMetrics(name="diaries")
            )
            steps = Steps(PlanTables(catalogue, inventories, diaries))
            restaurants = await floors_to_plan_on(stage, MAIN_FULL.planned_tables)
            await stage.place.stock.settle()
            repeats = stage.repeats("plans", REPEATS)
            found = [await one_repeat(stage, restaurants, steps) async for _repeat in repeats]
        finally:
            await pool.close()
    for name in found[-1]:
        values = [each[name] for each in found[1:]]
        print(f"{name:55} {median(values):6.3f} ms  ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    uvloop.run(main())
