"""Whatever is called in whatever order, the service does what a plain model of the contract says, and says so."""

import hypothesis
from hypothesis import Phase
from hypothesis.stateful import run_state_machine_as_test

from maitred_client.channel import SERVICES
from tests.model.life import VERBS, AssignmentLife
from tests.model.running import playing
from tests.support.postgres import TestServer

# Time goes on while calls are made, so a busy machine plays other runs than an idle one. What they have not shown, the
# next ones may.
RUNS, STEPS = 2, range(220, 360, 20)
# So many verbs have to succeed at least once in these runs; all do in longer ones.
MOST_VERBS = 14
# What is done to a booking that stands so, and whether it succeeds: where mistakes are dear, and chance rarely comes.
HAS_TO_BE_SEEN = {
    ("check_in", "CONFIRMED needing tables", False),
    ("check_in", "CONFIRMED a little early", False),
    ("check_in", "CONFIRMED", True),
    ("undo_no_show", "NO_SHOW overriding", True),
    ("undo_no_show", "NO_SHOW overriding, begun", True),
    ("complete", "CHECKED_IN", True),
    ("complete", "CHECKED_IN together", True),
}


def test_the_service_and_a_plain_model_of_it_agree_after_every_call(postgres: TestServer) -> None:
    """The same runs each time. `python -m tests.model` makes other ones, and shortens one that fails."""
    with playing(postgres) as outcomes:
        for steps in STEPS:
            run_state_machine_as_test(AssignmentLife, settings=_settings(steps))
            succeeded = {method for method, outcome in outcomes if outcome == "OK"}
            if set(AssignmentLife.visits) >= HAS_TO_BE_SEEN and len(succeeded) >= MOST_VERBS:
                break
    assert {method for method, _ in outcomes} == {verb.method for verb in VERBS}
    assert len(succeeded) >= MOST_VERBS
    assert HAS_TO_BE_SEEN - set(AssignmentLife.visits) == set()


def _settings(steps: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=RUNS,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        phases=(Phase.generate,),
    )


def test_the_machine_knows_every_call_that_changes_something() -> None:
    changing = {
        method.input_type.name.removesuffix("Request")
        for service in SERVICES
        if service.name
        != "OpsService"  # what those who run the service do changes nothing that the model knows
        for method in service.methods
        if "request_id" in method.input_type.fields_by_name
    }
    assert {verb.method.title().replace("_", "") for verb in VERBS} == changing
