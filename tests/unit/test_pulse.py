"""Whether a service does its work, told by its rounds."""

import contextlib

from server.telemetry.pulse import Pulse
from tests.support.clock import Clock


def fail(pulse: Pulse) -> None:
    with contextlib.suppress(OSError), pulse.round():
        raise OSError("away")


def test_a_service_beats_until_it_failed_too_often_and_again_after_a_success() -> None:
    pulse = Pulse("sweeper", 60.0)
    beats = [pulse.beats(3)]
    for _ in range(3):
        fail(pulse)
        beats.append(pulse.beats(3))
    with pulse.round():
        beats.append(pulse.beats(3))
    beats.append(pulse.beats(3))
    assert beats == [True, True, True, False, False, True]
    assert (pulse.rounds_done, pulse.rounds_failed, pulse.failures) == (1, 3, 0)


def test_a_round_that_takes_longer_than_it_may_hangs_until_it_ends() -> None:
    clock = Clock()
    pulse = Pulse("sweeper", 60.0, clock)
    with pulse.round():
        clock.now_s += 60.0
        assert pulse.beats(3)
        clock.now_s += 0.1
        assert not pulse.beats(3)
    assert pulse.beats(3)
    assert round(pulse.last_round_s, 3) == 60.1
    with contextlib.suppress(OSError), pulse.round():
        clock.now_s += 5.0
        raise OSError("away")
    assert round(pulse.last_round_s, 3) == 5.0


def test_however_long_lies_between_two_rounds_a_service_beats() -> None:
    clock = Clock()
    pulse = Pulse("invariant_check", 60.0, clock)
    clock.now_s += 3_600.0
    assert pulse.beats(1)


def test_a_service_that_has_ended_does_not_beat() -> None:
    pulse = Pulse("relay_lease", 60.0)
    pulse.end()
    assert not pulse.beats(3)
