"""What may be relaxed when nothing regular is free, and in which order it is tried."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import TypeAlias

from server.domain.limits import MERGE_TABLES_MAX
from server.domain.policy import RELAXABLE, ServicePolicy
from server.domain.rules import CONFLICT_REASON
from server.errors import PRECEDENCE, Reason
from server.planner.plan import PlanOutcome, PlanResult, Question, plan_tables

_CONFLICTS = frozenset(CONFLICT_REASON.values())

Step: TypeAlias = tuple[Reason, ...]
"""The rules that are relaxed together, in order of precedence."""


def relaxation_steps(policy: ServicePolicy, overflow: bool = False) -> Iterator[Step]:
    """The steps in the order in which they are tried, so that as little as possible is relaxed.

    First each rule that the policy lists, alone and in the policy's order; then each two of them; then all. With
    `overflow` the slack budget comes last, unless the policy lists it: alone, then together with each step before.
    A rule that only a newer version knows is none to break here.
    """
    listed = [rule for rule in policy.relaxations if rule in RELAXABLE]
    steps = [step for size in range(1, len(listed) + 1) for step in combinations(listed, size)]
    if overflow and Reason.SLACK_BUDGET_EXCEEDED not in listed:
        steps += [(*step, Reason.SLACK_BUDGET_EXCEEDED) for step in ((), *steps)]
    for step in steps:
        yield tuple(sorted(step, key=PRECEDENCE.__getitem__))


def relax(question: Question, regular: PlanResult, overflow: bool = False) -> PlanResult:
    """The plans of the first step that has any, or the regular answer when none has.

    `regular` is the answer of `plan_tables` to the same question. Every step searches all sets; steps that would
    have to look at more than COMBINATIONS_MAX merges are left out, and the answer names what was not relaxed
    because of that.
    Since smaller steps come first, each plan breaks exactly the rules of its step.
    """
    if regular.plans_found:
        return regular
    skipped: Step = ()
    taken_by: set[Reason] = set()
    for step in relaxation_steps(question.policy, overflow):
        asked = relaxed_question(question, step)
        if asked is None:
            skipped = (Reason.COMBINATION_TOO_LARGE,)
            continue
        answer = plan_tables(asked)
        if answer.plans_found:
            return replace(
                regular,
                outcome=PlanOutcome.RELAXED,
                plans=answer.plans,
                plans_found=answer.plans_found,
                relaxations_skipped=skipped,
            )
        taken_by.update(each.reason for each in answer.rejections if each.reason in _CONFLICTS)
    return replace(
        regular,
        outcome=PlanOutcome.FULLY_TAKEN if taken_by else regular.outcome,
        relaxations_skipped=skipped,
        relaxed_taken_by=tuple(sorted(taken_by, key=PRECEDENCE.__getitem__)),
    )


def relaxed_question(question: Question, step: Step) -> Question | None:
    """The question with the rules of the step relaxed; None when the floor has too many of the larger merges."""
    if Reason.COMBINATION_TOO_LARGE not in step:
        return replace(question, relaxed=step)
    sets = question.sets.with_largest_merges()
    if sets is None:
        return None
    rules = replace(question.policy.combinations, tables_max=MERGE_TABLES_MAX)
    return replace(question, relaxed=step, sets=sets, policy=replace(question.policy, combinations=rules))
