"""One owner's time on a set of tables.

A tenure is a hold, from the call that made it to whatever ended it, an assignment or a block. Its beginning and its
end are spans: they lie between the moment a call was sent and the moment it was answered, and the end of a hold's life
is known up to the tolerance of the clocks. A tenure whose making has no definite answer may never have begun.
"""

from dataclasses import dataclass, field
from typing import Literal

from loadgen.checking.operations import NEVER_NS, Operation, Span

Kind = Literal["hold", "assignment", "block"]
Window = tuple[int, int]


@dataclass(eq=False)
class Tenure:
    """`table_ids` and `window` (wall clock, half-open, nanoseconds) are None when nobody was told: then it may be any.

    `owner_id` is empty while nobody was told either. `next` is the tenure that takes over without a gap, and `ended`
    the operation that ended it first or may have.
    """

    kind: Kind
    owner_id: str
    restaurant_id: str
    booking_id: str
    table_ids: frozenset[str] | None
    window: Window | None
    taken: Operation
    begin: Span
    end: Span = field(default=Span(0, NEVER_NS))
    ended: Operation | None = None
    next: "Tenure | None" = None
    expires_at: tuple[str, ...] = ()

    @property
    def is_definite(self) -> bool:
        return self.begin.latest_ns < NEVER_NS

    @property
    def party(self) -> str:
        """Whom the tables are taken for; a block is a party of its own."""
        return self.booking_id or self.owner_id

    def overlaps(self, window: Window | None) -> bool:
        if self.window is None or window is None:
            return True
        return self.window[0] < window[1] and window[0] < self.window[1]

    def may_have(self, table_id: str) -> bool:
        return self.table_ids is None or table_id in self.table_ids
