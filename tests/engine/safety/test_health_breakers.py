"""Breakers of the engine's health: each value beside its limit, and the way back."""

from collections.abc import Callable

import pytest

from engine.composition import Arc
from engine.safety.health_breakers import HealthBreakers
from ext.dtypes import BREAKER_STATE, RECORD
from ext.safety_records import Breaker, BreakerLevel
from ext.wire import RecordKind, SessionState, StaleReason, Step

NOW_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000
MakeArc = Callable[..., Arc]
CountStep = Callable[..., None]


class Rig:
    """Health breakers of an arc that trades, its clock and its error counts in the test's hand."""

    def __init__(self, make_arc: MakeArc, feed_book: Callable[[Arc, int], None], **limits: int):
        settings = {"max_errors": 0, "max_outage_seconds": 0, **limits}
        overrides = [f"breakers.{name}={value}" for name, value in settings.items()]
        self.arc = make_arc(*overrides, is_trading=True)
        feed_book(self.arc, NOW_NS)
        self.header = self.arc.memory.header_record()
        self.header["order_session_state"] = SessionState.SESSION_ACTIVE
        self.now_ns, self.clock_error_ns, self.failures = NOW_NS, 0, 0
        self.health = HealthBreakers(self.arc, lambda: self.clock_error_ns, lambda: self.failures)
        self.state = self.arc.memory.region("breakers_offset", BREAKER_STATE, 3)[-1:]

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.now_ns += SECOND_NS
            self.health.poll(self.now_ns)

    def cause(self) -> Breaker:
        """Why the engine is stopped; NO_BREAKER: it is not."""
        is_stopped = self.state["level"][0] >= BreakerLevel.BREAKER_PAUSED
        return Breaker(int(self.state["cause"][0])) if is_stopped else Breaker.NO_BREAKER


@pytest.fixture
def make_rig(make_arc: MakeArc, feed_book: Callable[[Arc, int], None]) -> Callable[..., Rig]:
    def make(**limits: int) -> Rig:
        return Rig(make_arc, feed_book, **limits)

    return make


@pytest.mark.parametrize("share", [0.699, 0.7, 0.999, 1.0])
def test_a_clock_at_each_edge(
    make_rig: Callable[..., Rig], share: float, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(max_clock_error_ms=1000)
    rig.clock_error_ns = int(share * 1_000_000_000)
    rig.look(3)
    assert rig.cause() == (Breaker.BREAKER_CLOCK_OFFSET if share >= 1 else Breaker.NO_BREAKER)
    assert ("% of its limit" in caplog.text) == (0.7 <= share < 1)
    assert int(rig.state["use_permille"][0][Breaker.BREAKER_CLOCK_OFFSET]) == round(share * 1000)


def test_looks_in_a_row_have_to_agree(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(max_clock_error_ms=10, consistent_looks=3)
    for errors_ns in [20, 20, 1, 20, 20]:
        rig.clock_error_ns = errors_ns * MILLISECOND_NS
        rig.look()
    assert rig.cause() == Breaker.NO_BREAKER
    rig.look()
    assert rig.cause() == Breaker.BREAKER_CLOCK_OFFSET


@pytest.mark.parametrize(
    ("step", "limits"),
    [
        (Step.STEP_TICK_TO_ORDER, {"max_tick_to_order_us": 100}),
        (Step.STEP_ACKNOWLEDGE, {"max_acknowledge_ms": 1}),
    ],
)
def test_latency_of_what_is_new(
    make_rig: Callable[..., Rig], count_step: CountStep, step: Step, limits: dict[str, int]
) -> None:
    rig = make_rig(**limits, consistent_looks=2)
    count_step(rig.arc.memory, step, 9_000_000)
    rig.look(5)  # one slow order, and then nothing: no latency to judge
    assert rig.cause() == Breaker.NO_BREAKER
    for _ in range(2):
        count_step(rig.arc.memory, step, 9_000_000)
        rig.look()
    assert rig.cause() == Breaker.BREAKER_LATENCY


def test_errors_in_the_window(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(max_errors=10, errors_window_seconds=5, consistent_looks=1)
    rig.look()
    rig.failures = 4
    rig.header["bad_frames"] = 3
    rig.header["unknown_reports"] = 2
    rig.look(5)
    assert rig.cause() == Breaker.NO_BREAKER
    rig.look(3)
    rig.header["failed_sends"] = 9  # the nine before are out of the window
    rig.look()
    assert rig.cause() == Breaker.NO_BREAKER
    rig.failures = 5
    rig.look()
    assert rig.cause() == Breaker.BREAKER_ERROR_RATE


def test_an_outage_of_the_order_session(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(max_outage_seconds=10, consistent_looks=1)
    # The demo's other book never came up.
    rig.arc.pipeline.receive(
        b'{"type":"snapshot","product_id":"ETH-USD","asks":[["2.01","1"]],"bids":[["2","1"]]}',
        NOW_NS,
    )
    rig.look(30)
    assert rig.cause() == Breaker.NO_BREAKER
    rig.header["order_session_state"] = SessionState.SESSION_CONNECTING
    rig.look(10)
    assert rig.cause() == Breaker.NO_BREAKER
    rig.look()
    assert rig.cause() == Breaker.BREAKER_VENUE_OUTAGE


def test_an_outage_of_a_book(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(max_outage_seconds=10, consistent_looks=1)
    rig.arc.pipeline.mark_stale(0, StaleReason.SILENCE, NOW_NS)
    rig.look(11)
    assert rig.cause() == Breaker.BREAKER_VENUE_OUTAGE


def test_a_person_resumes_unless_the_config_says_otherwise(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(max_clock_error_ms=10, consistent_looks=1)
    rig.clock_error_ns = SECOND_NS
    rig.look()
    rig.clock_error_ns = 0
    rig.look(1000)
    assert rig.cause() == Breaker.BREAKER_CLOCK_OFFSET


def test_it_resumes_exactly_when_all_was_well_for_long_enough(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(max_clock_error_ms=10, consistent_looks=1, resume_after_seconds=30)
    rig.clock_error_ns = SECOND_NS
    rig.look()
    rig.clock_error_ns = 0
    rig.look(29)
    assert rig.cause() == Breaker.BREAKER_CLOCK_OFFSET
    rig.look()
    assert rig.cause() == Breaker.NO_BREAKER


def test_it_ends_no_pause_of_another_cause(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(max_clock_error_ms=10, resume_after_seconds=1)
    rig.arc.pipeline.pause_strategy(-1, Breaker.BREAKER_OPERATOR, NOW_NS, "look")
    rig.look(100)
    assert rig.cause() == Breaker.BREAKER_OPERATOR


def test_the_command_holds_what_was_seen(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(max_clock_error_ms=10, consistent_looks=1)
    rig.clock_error_ns = 25 * MILLISECOND_NS
    before = rig.arc.memory.counters()["write_sequence"]
    rig.look()
    ring = rig.arc.memory.region("ring_offset", RECORD, 65536)
    records = ring[before : rig.arc.memory.counters()["write_sequence"]]
    assert RecordKind.RECORD_COMMAND in records["kind"]
    assert b'"value": 25.0' in records.tobytes()
