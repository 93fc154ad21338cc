"""The trades that earlier runs have counted, as the order table keeps them over a restart.

A fill is counted by order, instrument and the venue's trade id (``OrderTable._count_fill``). The
largest of a product is where the venue's list of fills is read from: what came behind it while
nobody looked, or stood in records that a loss of power took, is found there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from journal.snapshot import Snapshot

_MARK = 1 << 62  # TRADE_ID_MARK of ext/orders: ids that are trades of an order, not ExecIDs
_INSTRUMENT_BITS = 8
_LARGEST_TRADE_ID = 1 << 53
_ID = np.dtype([("high", "<i8"), ("low", "<i8")])


@dataclass(frozen=True, slots=True)
class KnownTrades:
    """``trade_ids`` is the last one of each product, of those that have any; of the others what
    was traded before ``start_time_ns``, the start of the last run, is none of its orders'."""

    trade_ids: Mapping[str, int]
    start_time_ns: int


def known_trades(snapshot: Snapshot, start_time_ns: int) -> KnownTrades:
    """Those of the last run, which began at ``start_time_ns`` and ended with ``snapshot``."""
    symbols = [symbol for symbol, _, _ in snapshot.instruments]
    ids = np.frombuffer(snapshot.tables["execution_ids"], _ID)
    trades = ids[_are_trades(ids, snapshot.next_number)]
    indices = trades["high"] & ((1 << _INSTRUMENT_BITS) - 1)
    largest = {
        symbol: int(trades["low"][indices == index].max(initial=0))
        for index, symbol in enumerate(symbols)
    }
    found = {symbol: trade_id for symbol, trade_id in largest.items() if trade_id}
    return KnownTrades(found, start_time_ns)


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
