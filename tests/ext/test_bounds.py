"""Relations between the bounds that other modules rely on without looking."""

import re
from pathlib import Path

from ext.bounds import Bound
from ext.dtypes import NAME
from ext.feed_decoder import PADDING
from ext.wire import Step


def test_every_bound_says_what_it_is_for() -> None:
    text = Path(__file__).parents[2].joinpath("ext/bounds.pxd").read_text()
    rows = re.findall(r"^    ([A-Z_]+) = (\d+) +# (.+)$", text, re.MULTILINE)
    assert {name: int(value) for name, value, _ in rows} == {
        name: int(bound) for name, bound in Bound.__members__.items()
    }


def test_rings_are_powers_of_two() -> None:
    """Their index is taken modulo the size on the hot path."""
    for bound in (
        Bound.RING_SLOTS,
        Bound.OUTGOING_SLOTS,
        Bound.MAX_ORDERS,
        Bound.MAX_REQUESTS,
        Bound.MAX_EXECUTION_IDS,
        Bound.MAX_RATE_WINDOW,
    ):
        assert int(bound).bit_count() == 1, bound.name


def test_reserve_leaves_room_for_market_records() -> None:
    assert 0 < Bound.RING_RESERVE < Bound.RING_SLOTS // 2


def test_one_frame_fits_a_whole_book() -> None:
    assert Bound.MAX_DELTAS_PER_FRAME >= 2 * Bound.MAX_LEVELS_PER_SIDE


def test_padding_is_as_long_as_promised() -> None:
    assert len(PADDING) == Bound.FRAME_PADDING_BYTES


def test_histogram_reaches_seconds() -> None:
    """The last bucket that is not the overflow starts beyond one hour."""
    exponent = Bound.HISTOGRAM_BUCKETS // 32 - 1
    assert 32 << (exponent - 1) > 3_600_000_000_000
    assert len(Step) > Step.STEP_COUNT


def test_symbols_fit_their_names() -> None:
    assert NAME["name"].itemsize >= Bound.SYMBOL_BYTES
