"""How much processor time a measurement takes, which other work on the machine hardly changes."""

import contextlib

import psutil


def processor_seconds() -> float:
    """User and system time so far of this process and of all that it has started and that still run."""
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            used = process.cpu_times()
            total += used.user + used.system
    return total
