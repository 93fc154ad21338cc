"""One number for everything that decides what the engine does next.

Orders, requests, counted fills, positions, breakers, position management, books with every level,
and the state of each strategy. Left out is what differs between a run and its repetition and
decides nothing: latencies, the words of the relay, versions of the sequence locks, figures that are
only shown.
"""

import hashlib

import numpy as np

from engine.composition import Arc
from ext.dtypes import BOOK_VIEW, BREAKER_STATE, GUARD_STATE, POSITION

HASH_BYTES = 16


def hash_state(arc: Arc, *, with_market: bool = True) -> str:
    """Hash of the state of an arc in hex; without ``with_market`` of what outlives the process
    only: orders, positions and what strategies keep."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for name, table in arc.history.save().items():
        digest.update(name.encode() + len(table).to_bytes(8, "little") + table)
    digest.update(arc.history.next_number.to_bytes(8, "little"))
    positions = arc.memory.region("positions_offset", POSITION, max(1, len(arc.strategies))).copy()
    positions["version"] = 0
    digest.update(positions.tobytes())
    breakers = arc.memory.region("breakers_offset", BREAKER_STATE, len(arc.strategies) + 1).copy()
    breakers["use_permille"] = 0
    if not with_market:
        # Recorded now and then, with what follows from them.
        breakers["net"] = breakers["high_water_net"] = 0
    digest.update(breakers.tobytes())
    guards = arc.memory.region("guards_offset", GUARD_STATE, max(1, len(arc.strategies))).copy()
    if not with_market:
        guards["extreme_ticks"] = 0  # the stop that follows it is recorded
    digest.update(guards.tobytes())
    for strategy in arc.strategies:
        state = strategy.state.view(np.uint8)
        if not with_market:
            offset, size = strategy.persistent
            state = state[offset : offset + size]
        digest.update(state.tobytes())
    if with_market:
        views = arc.memory.region("books_offset", BOOK_VIEW, len(arc.instruments)).copy()
        views["version"] = 0
        digest.update(views.tobytes())
        for instrument in arc.instruments:
            book = arc.pipeline.book(instrument.index)
            digest.update(repr((book.levels(True), book.levels(False))).encode())
    return digest.hexdigest()
