"""Whether a run kept every promise: its history, the rows, what was delivered and what the programs said."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadgen.checking.against_database import State
from loadgen.checking.check import check
from loadgen.checking.history import History, Recorded
from server.domain.invariants import InvariantReport
from server.persistence.torture import Rows
from server.torture.answers import LostAnswers
from server.torture.receiver import Receiver
from server.torture.schedule import DISTURBANCES, Kind
from server.torture.watching import Watcher

SHOWN_MAX: Final = 5
LINE_MAX: Final = 400
OVERLAPS: Final = frozenset({"overlap_refused", "no_overlap"})
HALVES: Final = frozenset(
    {
        "status_matches_assignment",
        "assignments_match_claims",
        "holds_match_claims",
        "confirmed_holds_assigned",
        "ledger_matches_state",
    }
)
EVENTS: Final = frozenset({"one_event_per_change"})
# Answers that say that the service broke, never that it was hindered.
BROKEN: Final = frozenset({"INTERNAL", "UNKNOWN", "INVARIANT_BROKEN", "DATA_LOSS"})


@dataclass(frozen=True, slots=True)
class Promise:
    """`kept` when nothing was found against it; `wrong` has the first sentences of all that was `found`."""

    name: str
    found: int
    looked_at: str
    wrong: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        return self.found == 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a run left behind; `logs` by program."""

    history: History
    state: State
    report: InvariantReport
    rows: Rows
    answers: LostAnswers
    receiver: Receiver
    watchers: Sequence[Watcher]
    logs: Mapping[str, str]


def promises(evidence: Evidence, *, delivering: bool) -> tuple[Promise, ...]:
    """Everything that is promised, whatever happens; of deliveries only where there are workers that deliver."""
    history, report, rows = evidence.history, evidence.report, evidence.rows
    claims = f"{report.counts.claims} claims, and whether the database would refuse one more"
    halves = f"{report.counts.assignments} assignments, {report.counts.holds} holds"
    others = other_invariants(report)
    kept = [
        checked(history, evidence.state),
        invariants_kept("overlaps", claims, report, OVERLAPS),
        invariants_kept("half-done confirms", halves, report, HALVES),
        acknowledged_kept(history, rows),
        single_effects(history, rows),
        equal_answers(history, evidence.answers),
        no_breakage(history),
        invariants_kept("changes without their events", f"{report.counts.events} events", report, EVENTS),
        all_seen(evidence.watchers, evidence.state),
        invariants_kept("other contradictions in the rows", f"{len(others)} checks", report, others),
        nothing_cried(evidence.logs),
    ]
    if delivering:
        receiver = evidence.receiver
        looked_at = f"{receiver.received} delivered, {receiver.repeats} again"
        name = "events lost, invented or out of order"
        kept.insert(-1, promise(name, looked_at, receiver.wrong(rows.committed)))
    return tuple(kept)


def checked(history: History, state: State) -> Promise:
    """What the checker of histories says, of the answers alone and beside the rows."""
    report = check(history, state)
    looked_at = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in report.counts.items())
    sentences = [f"{violation.rule}: {violation.sentence}" for violation in report.violations]
    return promise("answers that contradict each other", looked_at, sentences)


def promise(name: str, looked_at: str, wrong: Iterable[str]) -> Promise:
    """One that is broken by every sentence in `wrong`."""
    sentences = tuple(wrong)
    return Promise(name, len(sentences), looked_at, sentences[:SHOWN_MAX])


def invariants_kept(name: str, looked_at: str, report: InvariantReport, checks: frozenset[str]) -> Promise:
    """Those of the database's checks that are named."""
    broken = [check for check in report.checks if check.check_id in checks and check.violations]
    sentences = [
        f"{check.check_id}: {example.message}" for check in broken for example in check.examples[:SHOWN_MAX]
    ]
    return Promise(name, sum(check.violations for check in broken), looked_at, tuple(sentences[:SHOWN_MAX]))


def other_invariants(report: InvariantReport) -> frozenset[str]:
    """The checks that no promise of its own is made of."""
    return frozenset(check.check_id for check in report.checks) - OVERLAPS - HALVES - EVENTS


def acknowledged_kept(history: History, rows: Rows) -> Promise:
    """What a client was told was held, confirmed or assigned is there, or was ended by another change."""
    told: dict[str, Recorded] = {}
    for call in history.calls:
        if call.outcome == "ok":
            for member in ("hold", "assignment"):
                made_id = call.answer.get(member, {}).get(f"{member}_id", "")
                if made_id:
                    told[made_id] = call
    lost = (
        f"{call.method} {call.name} was told of {made_id}, which is not there"
        for made_id, call in told.items()
        if made_id not in rows.made
    )
    return promise("lost acknowledged holds and confirms", f"{len(told)} that clients were told of", lost)


def single_effects(history: History, rows: Rows) -> Promise:
    """No request_id changed anything twice."""
    requests = {(call.method, call.request_id) for call in history.calls if call.request_id}
    repeats = sum(call.attempt > 1 for call in history.calls)
    wrong = (f"request {request_id} had more than one effect" for request_id in rows.repeated)
    return promise("second effects of retried calls", f"{len(requests)} requests, {repeats} repeats", wrong)


def equal_answers(history: History, answers: LostAnswers) -> Promise:
    """An answer that was lost on its way is, byte for byte, what the client was told in the end.

    Questions have no request_id, and what their first field names is none. AutoAssign may say that it ran out of time,
    which is no recorded answer; whether its assignments agree is looked at by the checker of histories.
    """
    changes = [call for call in history.calls if call.request_id and call.method != "AutoAssign"]
    told: dict[str, set[str]] = {call.request_id: set() for call in changes}
    for call in changes:
        if call.outcome == "ok":
            told[call.request_id].add(call.answer_digest)
    lost = {request_id: digest for request_id, digest in answers.digests.items() if request_id in told}
    in_two_ways = {request_id for request_id, seen in told.items() if len(seen) > 1}
    in_two_ways |= told.keys() & set(answers.differing)
    in_two_ways |= {request_id for request_id, digest in lost.items() if told[request_id] - {digest}}
    compared = sum(bool(told[request_id]) for request_id in lost)
    wrong = (f"request {request_id} was answered in two ways" for request_id in sorted(in_two_ways))
    return promise(
        "retried calls with another answer",
        f"{answers.lost} answers lost, {compared} of them compared with what was answered again",
        wrong,
    )


def all_seen(watchers: Sequence[Watcher], state: State) -> Promise:
    """Who watches is told every change once and in order, and knows in the end what the database has."""
    looked_at = f"{len(watchers)} watchers, {sum(watcher.changes for watcher in watchers)} changes told"
    wrong = (sentence for watcher in watchers for sentence in watcher.wrong(state))
    return promise("watchers with a gap or a wrong picture", looked_at, wrong)


def no_breakage(history: History) -> Promise:
    """No answer says that the service itself broke."""
    answered = sum(call.outcome != "unknown" for call in history.calls)
    wrong = (f"{call.method} {call.name}: {call.reason}" for call in history.calls if call.reason in BROKEN)
    return promise("INTERNAL, UNKNOWN and their like", f"{answered} answers", wrong)


def nothing_cried(logs: Mapping[str, str]) -> Promise:
    """No program said what it only says when the code is at fault: a critical line, or where an error came from."""
    wrong = [
        f"{name}: {line[:LINE_MAX]}"
        for name, log in logs.items()
        for line in log.splitlines()
        if '"level": "critical"' in line or "Traceback (most recent call last)" in line
    ]
    return promise("programs that found a fault in themselves", f"the logs of {len(logs)} programs", wrong)


def enough_faults(
    kills: Mapping[Kind, int], disturbances: int, happened: Mapping[Kind, int]
) -> Iterator[str]:
    """A sentence for every kind of kill that came less often than it was to, and for disturbances altogether."""
    for kind, number in kills.items():
        if happened.get(kind, 0) < number:
            yield f"{kind}: {happened.get(kind, 0)} of {number}"
    came = sum(happened.get(kind, 0) for kind in DISTURBANCES)
    if came < disturbances:
        yield f"disturbances: {came} of {disturbances}"


def calls_by_outcome(calls: Sequence[Recorded]) -> Mapping[str, Mapping[str, int]]:
    """How often each method came to what."""
    counted: Mapping[str, Counter[str]] = defaultdict(Counter)
    for call in calls:
        counted[call.method][call.reason or call.outcome] += 1
    return counted
