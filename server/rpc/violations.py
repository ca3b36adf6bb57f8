"""What is wrong with one request, collected so that the caller learns all of it at once."""

from dataclasses import dataclass, field

from server.domain.limits import VIOLATIONS_LISTED_MAX
from server.errors import FieldViolation, Reason, Refusal, ServiceError


@dataclass(frozen=True, slots=True)
class Problem:
    """One bad field. `limit` is what would have been accepted, where that can be said in a word."""

    violation: FieldViolation
    reason: Reason
    limit: str


@dataclass(slots=True)
class Violations:
    """Counts every problem and keeps the first ones."""

    count: int = 0
    kept: list[Problem] = field(default_factory=list)
    reasons: set[Reason] = field(default_factory=set)

    def add(self, path: str, description: str, limit: object = "", reason: Reason | None = None) -> None:
        reason = reason or Reason.INVALID_ARGUMENT_FIELD
        self.count += 1
        self.reasons.add(reason)
        if len(self.kept) < VIOLATIONS_LISTED_MAX:
            self.kept.append(Problem(FieldViolation(path, description), reason, str(limit)))

    def raise_if_any(self) -> None:
        """Raises one error about everything that was found.

        Its reason is INVALID_PARTY_SIZE, INVALID_WINDOW or REQUEST_ID_MISSING when the request has no other kind of
        problem, and INVALID_ARGUMENT_FIELD otherwise. The message and the metadata are about the first problem.
        """
        if not self.kept:
            return
        first = self.kept[0]
        others = f" ({self.count - 1} more)" if self.count > 1 else ""
        reason = next(iter(self.reasons)) if len(self.reasons) == 1 else Reason.INVALID_ARGUMENT_FIELD
        raise ServiceError(
            Refusal(
                reason,
                f"{first.violation.field}: {first.violation.description}{others}",
                {"field": first.violation.field, "limit": first.limit},
                violations=tuple(problem.violation for problem in self.kept),
            )
        )
