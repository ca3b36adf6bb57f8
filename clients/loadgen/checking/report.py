"""What a check found, for people and for programs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from loadgen.checking.clock import NS_PER_S
from loadgen.checking.history import Recorded

VIOLATIONS_SHOWN_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that no correct service can have told or kept.

    `rule` is one word for the kind, `sentence` says what is wrong, and `calls` are the ones that show it.
    """

    rule: str
    sentence: str
    calls: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`counts` says how much was looked at; `database` whether the rows were compared too."""

    violations: tuple[Violation, ...]
    counts: Mapping[str, int]
    seed: str = ""
    database: bool = False
    began_ns: int = field(default=0, repr=False)

    @property
    def clean(self) -> bool:
        return not self.violations

    @property
    def by_rule(self) -> Mapping[str, int]:
        return dict(Counter(violation.rule for violation in self.violations).most_common())

    def as_json(self) -> dict[str, Any]:
        """Everything, as values that `json.dumps` takes; instants are seconds after the first call."""
        return {
            "clean": self.clean,
            "seed": self.seed,
            "database": self.database,
            "counts": dict(self.counts),
            "by_rule": self.by_rule,
            "violations": [
                {
                    "rule": violation.rule,
                    "sentence": violation.sentence,
                    "calls": [self._call(call) for call in violation.calls],
                }
                for violation in self.violations
            ],
        }

    def as_text(self) -> str:
        return "\n".join(self._lines())

    def _call(self, call: Recorded) -> dict[str, Any]:
        return {
            "name": call.name,
            "method": call.method,
            "request_id": call.request_id,
            "booking_id": call.booking_id,
            "hold_id": call.hold_id,
            "table_ids": list(call.table_ids),
            "attempt": call.attempt,
            "invoked_s": self._seconds(call.invoked_ns),
            "returned_s": None if call.returned_ns is None else self._seconds(call.returned_ns),
            "outcome": call.outcome,
            "reason": call.reason,
            "answer": dict(call.answer),
        }

    def _lines(self) -> Iterator[str]:
        counted = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in self.counts.items())
        yield f"Looked at {counted}" + ("." if self.database else "; not compared with a database.")
        if self.seed:
            yield f"Seed {self.seed}."
        if self.clean:
            yield "Clean: a service that gives no table twice can have told all of this."
            return
        for rule, number in self.by_rule.items():
            yield f"{number} × {rule}"
        for violation in self.violations[:VIOLATIONS_SHOWN_MAX]:
            yield ""
            yield f"{violation.rule}: {violation.sentence}"
            for call in violation.calls:
                yield f"  {self._told(call)}"
        left = len(self.violations) - VIOLATIONS_SHOWN_MAX
        if left > 0:
            yield f"\n… and {left} more."

    def _told(self, call: Recorded) -> str:
        """One call on one line."""
        asked = f"{call.name} {call.method} asked at {self._seconds(call.invoked_ns):.6f} s"
        about = _about((("booking", call.booking_id), ("hold", call.hold_id), ("tables", call.table_ids)))
        if call.returned_ns is None:
            return f"{asked}{about}; no answer"
        reason = f" {call.reason}" if call.reason else ""
        made = "".join(
            f", {member} {call.answer[member].get(f'{member}_id', '')}"
            for member in _MADE & call.answer.keys()
        )
        return (
            f"{asked}{about}; told at {self._seconds(call.returned_ns):.6f} s: {call.outcome}{reason}{made}"
        )

    def _seconds(self, at_ns: int) -> float:
        return (at_ns - self.began_ns) / NS_PER_S


_MADE: Final = frozenset({"hold", "assignment"})


def _about(parts: Sequence[tuple[str, str | tuple[str, ...]]]) -> str:
    return "".join(
        f", {word} {value if isinstance(value, str) else ' '.join(value)}" for word, value in parts if value
    )
