"""Half-open time ranges."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """[start, end) in aware instants; two windows that touch don't overlap."""

    start: datetime
    end: datetime

    @classmethod
    def covering(cls, windows: Iterable["Window"]) -> "Window":
        """From the first start of these to the last end; there has to be one."""
        starts, ends = zip(*((window.start, window.end) for window in windows), strict=True)
        return cls(min(starts), max(ends))

    def overlaps(self, other: "Window") -> bool:
        return self.start < other.end and other.start < self.end

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Stay:
    """When a party dines and when its tables are taken: `window` is `dining` with the buffers around it."""

    dining: Window
    window: Window
    period: str
