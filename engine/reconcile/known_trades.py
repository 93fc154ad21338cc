"""Which of the venue's fills the runs before this one knew: where its list is read from.

A comparison that ends with equal records is journaled with the trade id of each product until which
they were (COMMAND_AGREED). What came behind that while nobody looked, or stood in records that a
loss of power took, is found from there on, however many runs have ended before one could look.
What had been counted behind it is known by its id, as the order table keeps it: a fill is counted
by order, instrument and the venue's trade id (``OrderTable._count_fill``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from journal.snapshot import FillMark, Snapshot

CLOCK_MARGIN_NS = 30_000_000_000
"""So far may our clock have been off the venue's, which refuses what is further off."""
_MARK = 1 << 62  # TRADE_ID_MARK of ext/orders: ids that are trades of an order, not ExecIDs
_INSTRUMENT_BITS = 8
_LARGEST_TRADE_ID = 1 << 53
_ID = np.dtype([("high", "<i8"), ("low", "<i8")])


@dataclass(frozen=True, slots=True)
class KnownTrades:
    """``trade_ids`` are those until which everything is known, of products that were agreed on; of
    the others nothing from before ``since_ns`` is ours. ``counted`` are known besides. A product
    that is in neither is new: its fills begin with this run."""

    trade_ids: Mapping[str, int] = field(default_factory=dict)
    since_ns: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[str, frozenset[int]] = field(default_factory=dict)


def known_trades(left: Snapshot) -> KnownTrades:
    """Those of the runs that ended with ``left``."""
    counted = _counted_trades(left)
    trade_ids, since_ns = {}, {}
    for symbol, _, _ in left.instruments:
        mark = left.fill_marks.get(symbol)
        if mark is None:  # of a version that kept none
            mark = FillMark(max(counted[symbol], default=0), left.start_time_ns)
        if mark.trade_id or not mark.since_ns:
            trade_ids[symbol] = mark.trade_id
        else:
            since_ns[symbol] = mark.since_ns - CLOCK_MARGIN_NS
    return KnownTrades(trade_ids, since_ns, counted)


def _counted_trades(left: Snapshot) -> dict[str, frozenset[int]]:
    ids = np.frombuffer(left.tables["execution_ids"], _ID)
    trades = ids[_are_trades(ids, left.next_number)]
    indices = trades["high"] & ((1 << _INSTRUMENT_BITS) - 1)
    return {
        symbol: frozenset(trades["low"][indices == index].tolist())
        for index, (symbol, _, _) in enumerate(left.instruments)
    }


def move_trades(ids: bytes, next_number: int, places: Sequence[int]) -> bytes:
    """The ids with the instrument numbers of another config: ``places`` has the new one of each, or
    -1, whose trades are left out."""
    moved = np.frombuffer(ids, _ID).copy()
    are_trades = _are_trades(moved, next_number)
    mask = (1 << _INSTRUMENT_BITS) - 1
    old = np.where(are_trades, moved["high"] & mask, 0)
    table = np.array([*places, *[-1] * ((1 << _INSTRUMENT_BITS) - len(places))], np.int64)
    new = table[old]
    moved["high"] = np.where(are_trades & (new >= 0), (moved["high"] & ~mask) | new, moved["high"])
    return moved[~are_trades | (new >= 0)].tobytes()


def _are_trades(ids: np.ndarray, next_number: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """An ExecID(17) of 128 random bits is taken for one once in 2**29."""
    numbers = (ids["high"] & ~_MARK) >> _INSTRUMENT_BITS
    is_marked = (ids["high"] >> 62) == 1
    is_order = (numbers > 0) & (numbers < next_number)
    result: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        is_marked & is_order & (ids["low"] > 0) & (ids["low"] < _LARGEST_TRADE_ID)
    )
    return result
