"""Plays the machine for as long as one likes: `python -m tests.model [--seed N] [--runs R] [--steps S]`.

Runs are made in batches, each from a seed of its own. When server and model disagree, the calls of that run are printed
with the command that replays them; with `--shorten` it looks for the shortest run that still shows it.
"""

import argparse
import random
import sys
from collections import Counter

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from tests.model.life import AssignmentLife
from tests.model.running import playing
from tests.support.postgres import postgres_forms, running_postgres


def main() -> int:
    arguments = _arguments()
    total: Counter[tuple[str, str]] = Counter()
    with running_postgres(postgres_forms()[0]) as postgres, playing(postgres) as outcomes:
        for batch in range(arguments.batches):
            seed = arguments.seed + batch
            print(f"seed {seed}: {arguments.runs} runs of {arguments.steps} steps", flush=True)
            try:
                _play(seed, arguments)
            except BaseException:
                sizes = f"--runs {arguments.runs} --steps {arguments.steps}"
                print(f"replay with: python -m tests.model --seed {seed} --batches 1 {sizes}", flush=True)
                raise
        total.update(outcomes)
    _summary(total)
    return 0


def _play(seed: int, arguments: argparse.Namespace) -> None:
    settings = hypothesis.settings(
        max_examples=arguments.runs,
        stateful_step_count=arguments.steps,
        phases=(Phase.generate, Phase.shrink) if arguments.shorten else (Phase.generate,),
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(seed)(AssignmentLife), settings=settings)


def _summary(outcomes: Counter[tuple[str, str]]) -> None:
    print(f"{sum(outcomes.values())} calls, and after each the service and the model agreed")
    for (method, outcome), times in sorted(outcomes.items()):
        print(f"  {method:20} {outcome:32} {times:7}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the first batch")
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--runs", type=int, default=10, help="in each batch")
    parser.add_argument("--steps", type=int, default=150, help="in each run")
    parser.add_argument("--shorten", action="store_true", help="take minutes to shorten a run that fails")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
