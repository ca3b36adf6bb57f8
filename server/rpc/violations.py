"""What is wrong with one request, collected so that the caller learns all of it at once."""

from dataclasses import dataclass, field

from server.domain.limits import VIOLATIONS_LISTED_MAX
from server.errors import FieldViolation, Reason, bad_fields


@dataclass(slots=True)
class Violations:
    """Counts every bad field and keeps the first ones. `limit` is what would have been accepted for the very first,
    where that can be said in a word.
    """

    count: int = 0
    limit: str = ""
    kept: list[FieldViolation] = field(default_factory=list)
    reasons: set[Reason] = field(default_factory=set)

    def add(self, path: str, description: str, limit: object = "", reason: Reason | None = None) -> None:
        if not self.count:
            self.limit = str(limit)
        self.count += 1
        self.reasons.add(reason or Reason.INVALID_ARGUMENT_FIELD)
        if len(self.kept) < VIOLATIONS_LISTED_MAX:
            self.kept.append(FieldViolation(path, description))

    def raise_if_any(self) -> None:
        """Raises one error about everything that was found.

        Its reason is INVALID_PARTY_SIZE, INVALID_WINDOW or REQUEST_ID_MISSING when the request has no other kind of
        problem, and INVALID_ARGUMENT_FIELD otherwise. The message and the metadata are about the first problem.
        """
        if not self.kept:
            return
        reason = next(iter(self.reasons)) if len(self.reasons) == 1 else Reason.INVALID_ARGUMENT_FIELD
        raise bad_fields(self.kept, reason=reason, limit=self.limit, count=self.count)
