"""All bugs that a clean evening can be changed by, and the word that each has to be found under."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from loadgen.checking.against_database import State
from loadgen.checking.history import History
from tests.checker import false_answers, false_lives, false_rows
from tests.checker.scene import NoOccasionError, Scene

# Each bug with the word that the checker has for it.
BUGS: Mapping[Callable[[Scene], None], str] = {
    false_answers.table_given_twice: "table_given_twice",
    false_answers.confirmed_table_given: "table_given_twice",
    false_answers.hold_lost_a_second_early: "table_given_twice",
    false_answers.own_hold_in_the_way: "refused_without_cause",
    false_answers.refusal_invented: "refused_without_cause",
    false_answers.blocked_after_release: "refused_without_cause",
    false_answers.repeat_answered_afresh: "one_request_two_answers",
    false_answers.repeat_not_byte_equal: "one_request_two_answers",
    false_answers.refusal_forgotten: "one_request_two_answers",
    false_answers.other_payload_answered: "request_id_reused",
    false_answers.reuse_invented: "request_id_reused",
    false_answers.other_tables_than_asked: "wrong_tables",
    false_answers.other_tables_than_held: "wrong_tables",
    false_answers.confirmed_after_expiry: "hold_was_over",
    false_answers.expired_too_early: "refused_without_cause",
    false_answers.called_expired_when_it_is_given_back: "refused_without_cause",
    false_answers.confirm_refused_in_vain: "refused_without_cause",
    false_answers.shorter_life: "wrong_expiry",
    false_answers.confirmed_twice: "hold_used_twice",
    false_answers.released_and_confirmed: "hold_used_twice",
    false_answers.hold_forgotten: "refused_without_cause",
    false_answers.seated_twice: "booking_seated_twice",
    false_rows.confirm_lost: "lost",
    false_rows.called_released: "lost",
    false_rows.given_for_another_time: "lost",
    false_rows.given_other_tables: "lost",
    false_rows.claimed_for_another_time: "lost",
    false_rows.booking_left_out: "lost",
    false_rows.member_forgotten: "lost",
    false_rows.release_without_effect: "not_given_back",
    false_rows.claims_overlap: "claims_overlap",
    false_rows.hold_from_nowhere: "from_nowhere",
    false_rows.ledger_row_missing: "ledger_differs",
    false_rows.event_missing: "event_missing",
    false_rows.commits_out_of_order: "order_of_commits",
    false_answers.old_need_confirmed: "old_need",
    false_lives.seated_after_the_end: "wrong_status",
    false_lives.step_out_of_turn: "wrong_status",
    false_lives.step_that_leads_elsewhere: "wrong_status",
    false_lives.step_refused_in_vain: "refused_without_cause",
    false_lives.return_refused_in_vain: "refused_without_cause",
    false_lives.table_of_a_party_that_came_given: "table_given_twice",
    false_lives.no_show_kept_its_tables: "not_given_back",
    false_lives.party_that_left_kept_its_tables: "not_given_back",
    false_lives.step_lost: "lost",
    false_lives.step_not_told: "event_missing",
    false_lives.blocked_table_given: "table_given_twice",
    false_lives.block_invented: "refused_without_cause",
    false_lives.block_forgotten: "refused_without_cause",
    false_lives.other_tables_blocked: "wrong_tables",
    false_lives.unblocked_and_kept: "not_given_back",
    false_lives.block_lost: "lost",
}


def with_bug(
    bug: Callable[[Scene], None], history: History, state: State, seed: int
) -> tuple[History, State]:
    """The evening as the bug would have left it. Raises NoOccasionError."""
    scene = Scene(list(history.calls), state, Random(seed))
    try:
        bug(scene)
    except (ValueError, StopIteration) as nothing:
        raise NoOccasionError from nothing
    return replace(history, calls=tuple(sorted(scene.calls, key=lambda call: call.invoked_ns))), scene.state
