"""The loops do what they are counted for: fills that are booked, orders that pass every check."""

import numpy as np
import pytest

from bench.arc import Arc, make_arc
from bench.frames import UNIT_LOTS, generate_frames
from bench.order_loops import apply_fills, check_intents
from ext.dtypes import POSITION
from ext.errors import UsageError
from ext.order_sender import CapturingSender
from ext.wire import Side

START_NS = 1_767_623_400_000_000_000
GAP_NS = 2_000_000


@pytest.fixture
def arc() -> Arc:
    """One open order of UNIT_LOTS and a live book."""
    frames = generate_frames(1).frame_set()
    made = make_arc(frames.venue, frames.products, CapturingSender(1), unit_lots=UNIT_LOTS)
    made.pipeline.receive(frames.payloads[0], START_NS)
    return made


def test_every_fill_is_booked(arc: Arc) -> None:
    [before] = arc.orders.open_orders()
    assert apply_fills(arc.pipeline, 1, 30, START_NS) == 30
    assert apply_fills(arc.pipeline, 1, 12, START_NS) == 12
    [after] = arc.orders.open_orders()
    assert (before["filled_lots"], after["filled_lots"]) == (0, 42)
    position = arc.pipeline.memory.region("positions_offset", POSITION, 1)[0]
    assert position["position_lots"] == 42
    counters = arc.pipeline.counters()
    assert (counters["reports"], counters["fills"], counters["duplicate_fills"]) == (42, 42, 0)
    assert not arc.pipeline.gate.is_paused, "a fill was inconsistent"


@pytest.mark.parametrize(("number", "count"), [(2, 1), (1, UNIT_LOTS)])
def test_fills_of_no_order_or_too_many_are_refused(arc: Arc, number: int, count: int) -> None:
    with pytest.raises(UsageError, match=f"order {number} is not open for more than {count} lots"):
        apply_fills(arc.pipeline, number, count, START_NS)


def test_accepted_orders_count_as_sent(arc: Arc) -> None:
    start_ns = START_NS + GAP_NS
    rows = np.array([(Side.BUY, 6_400_000, lots) for lots in range(1, 51)], np.int64)
    assert check_intents(arc.pipeline, rows, start_ns, GAP_NS) == 50
    again_ns = start_ns + GAP_NS
    assert check_intents(arc.pipeline, rows[:1], again_ns, GAP_NS) == 0, "a duplicate"
    far = np.array([(Side.BUY, 640_000_000, 1)], np.int64)
    assert check_intents(arc.pipeline, far, start_ns + 10**10, GAP_NS) == 0, "outside the collar"
