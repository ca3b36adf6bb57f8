"""`python -m tests.checker.sowing [SEEDS]`: every bug is sown into the real server, and has to be found; without one,
nothing.

Takes about two minutes for one seed. Ends with 1 after a false alarm or a bug that was missed.
"""

import argparse
import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from loadgen.checking.report import Report
from tests.checker.seeded import SEEDED, Sown, checked
from tests.support.postgres import TestServer, postgres_forms, running_postgres

# What a load does is up to chance; a bug that it gave no chance gets another load.
LOADS_MAX = 3


async def sow(postgres: TestServer, seeds: int) -> int:
    """How many were wrong."""
    wrong = 0
    for seed in range(1, seeds + 1):
        report = await _one_load(postgres, seed, None)
        print(f"seed {seed}  no bug: {'clean' if report.clean else report.as_text()}")
        wrong += not report.clean
        for name, sown in SEEDED.items():
            started = perf_counter()
            for load in range(LOADS_MAX):
                report = await _one_load(postgres, seed + 1000 * load, sown)
                found = sown.rules & report.by_rule.keys()
                if found:
                    break
            said = ", ".join(f"{number} × {rule}" for rule, number in report.by_rule.items()) or "nothing"
            print(
                f"seed {seed}  {name}: {'found' if found else 'MISSED'} ({said}; {perf_counter() - started:.1f} s)"
            )
            wrong += not found
    return wrong


async def _one_load(postgres: TestServer, seed: int, sown: Sown | None) -> Report:
    with TemporaryDirectory() as folder:
        async with postgres.fresh_database() as url:
            return await checked(url, Path(folder), seed, sown)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.checker.sowing", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=1, help="how many; 1 if left out")
    seeds: int = parser.parse_args().seeds
    with running_postgres(postgres_forms()[0]) as postgres:
        wrong = asyncio.run(sow(postgres, seeds))
    print(f"{len(SEEDED)} bugs, {seeds} seeds: {wrong} wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
