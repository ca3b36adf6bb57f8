"""Clocks that are set by hand."""

import asyncio
from time import monotonic
from types import ModuleType, SimpleNamespace

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


class TimeLimits:
    """Those that a module has set by `asyncio.timeout`, in that order; each is over when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
        self.begun: list[asyncio.Timeout] = []
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(**vars(asyncio) | {"timeout": self._begin}))

    def _begin(self, seconds: float) -> asyncio.Timeout:
        self.begun.append(asyncio.timeout(seconds))
        return self.begun[-1]


def run_out(limit: asyncio.Timeout) -> None:
    """Its time is over."""
    limit.reschedule(asyncio.get_running_loop().time())
