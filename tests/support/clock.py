"""Clocks that are set by hand."""

from time import monotonic
from types import SimpleNamespace

import pytest

from server import clock


class Clock:
    """Stands still until it is set."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def let_pass(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """So much time has passed for every deadline of this process."""
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: monotonic() + seconds))
