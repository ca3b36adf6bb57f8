"""What a torture came to, as a table and as JSON."""

from collections.abc import Iterator
from shlex import quote
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from server.cli.output import facts, grid
from server.torture.run import Outcome, Plan
from server.torture.schedule import Kind


def repeat(plan: Plan, scenario: str) -> str:
    """The command that runs the same calls and faults again."""
    burden = plan.burden
    length = (
        f"--minutes {burden.duration_s / 60:g}"
        if burden.duration_s is not None
        else f"--operations {burden.operations}"
    )
    servers = plan.kills.get(Kind.KILL_SERVER, 0) + plan.kills.get(Kind.KILL_SUPERVISOR, 0)
    return (
        f"maitred torture --seed {plan.seed} {length} --scenario {quote(scenario)} --in-flight {burden.in_flight}"
        f" --clients {burden.clients} --lines {burden.lines} --timeout {burden.timeout_s:g}"
        f" --processes {plan.servers} --workers {plan.workers}"
        f" --lost-answers {plan.lost:g} --kills-of-servers {servers}"
        f" --kills-of-postgres {plan.kills.get(Kind.KILL_POSTGRES, 0)}"
        f" --kills-of-workers {plan.kills.get(Kind.KILL_WORKER, 0)} --disturbances {plan.disturbances}"
    )


def outcome_json(plan: Plan, scenario: str, outcome: Outcome) -> dict[str, Any]:
    """Everything, as values that `json.dumps` takes."""
    return {
        "kept": outcome.kept,
        "seed": plan.seed,
        "repeat": repeat(plan, scenario),
        "seconds": round(outcome.seconds, 1),
        "in_flight": plan.burden.in_flight,
        "operations": outcome.found.operations,
        "hold_attempts": outcome.hold_attempts,
        "repeats": outcome.found.repeats,
        "lost_answers": outcome.lost_answers,
        "delivered": outcome.delivered,
        "promises": [
            {
                "name": each.name,
                "found": each.found,
                "kept": each.kept,
                "looked_at": each.looked_at,
                "wrong": list(each.wrong),
            }
            for each in outcome.promises
        ],
        "faults": {
            str(kind): outcome.strikes.counted[kind] for kind in Kind if outcome.strikes.counted[kind]
        },
        "missing": list(outcome.missing),
        "ended_by_itself": dict(outcome.strikes.ended_by_itself),
        "calls": {method: dict(counts) for method, counts in sorted(outcome.calls.items())},
        "struck": [
            {"at_s": round(struck.at_s, 2), "kind": str(struck.fault.kind), "note": struck.note}
            for struck in outcome.strikes.struck
        ],
        "beats": [
            {"at_s": round(beat.at_s, 1), "operations": beat.operations, "unknown": beat.unknown}
            for beat in outcome.beats
        ],
    }


def outcome_parts(result: dict[str, Any]) -> Iterator[RenderableType]:
    """What people want to see of it."""
    marks = {True: Text("kept", style="green"), False: Text("broken", style="bold red")}
    rows = (
        (marks[each["kept"]], each["name"], each["found"], each["looked_at"]) for each in result["promises"]
    )
    yield grid(("", "There must be no", "Found>", "Looked at"), rows, kept=3)
    for each in result["promises"]:
        for sentence in each["wrong"]:
            yield Text(f"{each['name']}: {sentence}")
    for sentence in result["missing"]:
        yield Text(f"too few faults: {sentence}", style="bold red")
    faults = ", ".join(f"{number} × {kind}" for kind, number in result["faults"].items())
    ended = ", ".join(f"{number} × {kind}" for kind, number in result["ended_by_itself"].items())
    yield facts(
        (
            ("load", f"{result['operations']} operations, {result['hold_attempts']} hold attempts"),
            ("again", f"{result['repeats']} repeats, {result['lost_answers']} answers lost on their way"),
            ("faults", faults or "none"),
            ("ended by itself", ended or "nothing"),
            ("took", f"{result['seconds']:g} s"),
            ("to repeat", result["repeat"]),
        )
    )
