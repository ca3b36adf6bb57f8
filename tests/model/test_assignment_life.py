"""Whatever is called in whatever order, the service does what a plain model of the contract says, and says so."""

import hypothesis
from hypothesis import Phase
from hypothesis.stateful import run_state_machine_as_test

from tests.model.life import VERBS, AssignmentLife
from tests.model.running import playing
from tests.support.postgres import TestServer

RUNS, STEPS = 3, 170
# So many verbs have to succeed at least once in these runs; all do in longer ones.
MOST_VERBS = 13


def test_the_service_and_a_plain_model_of_it_agree_after_every_call(postgres: TestServer) -> None:
    """The same runs each time. `python -m tests.model` makes other ones, and shortens one that fails."""
    settings = hypothesis.settings(
        max_examples=RUNS,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        phases=(Phase.generate,),
    )
    with playing(postgres) as outcomes:
        run_state_machine_as_test(AssignmentLife, settings=settings)
    assert {method for method, _ in outcomes} == {verb.method for verb in VERBS}
    assert len({method for method, outcome in outcomes if outcome == "OK"}) >= MOST_VERBS
