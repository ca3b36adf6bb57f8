"""What the servers of this process keep of floors. A test that moves time by hand in the database, which makes no new
version of the floor as a change does, has them forget it."""

from typing import Any
from weakref import WeakSet

from server.cache.diaries import CachedDiaries

_KEPT: "WeakSet[CachedDiaries]" = WeakSet()


class RememberedDiaries(CachedDiaries):
    """Can be told to forget by `forget_diaries`."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        _KEPT.add(self)


def forget_diaries() -> None:
    """As a gap in the notifications would."""
    for diaries in tuple(_KEPT):
        diaries.on_gap()
