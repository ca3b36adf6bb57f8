"""Sending calls: one after the other or many at once, at a rate or as fast as they are answered, from many processes.

`Line` is a connection that takes bytes. `closed_loop` and `open_loop` decide when something is done. `Tally` counts
what came back. `ClientProcesses` does all of that in processes of their own.
"""

from loadgen.driving.calls_job import CallsPart, send_calls
from loadgen.driving.histogram import Histogram
from loadgen.driving.line import UNSURE, Line, Outcome, Reply, lines_to, metadata_of, retry_after_s
from loadgen.driving.loops import (
    Limit,
    closed_loop,
    fixed_arrivals,
    open_loop,
    poisson_arrivals,
    together,
)
from loadgen.driving.processes import (
    ClientEndedError,
    ClientProcesses,
    Desk,
    HinderedError,
    JobFailedError,
)
from loadgen.driving.tally import Tally

__all__ = [
    "UNSURE",
    "CallsPart",
    "ClientEndedError",
    "ClientProcesses",
    "Desk",
    "HinderedError",
    "Histogram",
    "JobFailedError",
    "Limit",
    "Line",
    "Outcome",
    "Reply",
    "Tally",
    "closed_loop",
    "fixed_arrivals",
    "lines_to",
    "metadata_of",
    "open_loop",
    "poisson_arrivals",
    "retry_after_s",
    "send_calls",
    "together",
]
