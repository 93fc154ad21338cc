"""The nouns of ``ext/wire.pxd`` as aligned NumPy dtypes, for Numba, readers and tests.

Field by field the same as the C structs; ``tests/ext/test_layout.py`` compares sizes and offsets.
"""

import hashlib

import numpy as np

from ext.bounds import Bound
from ext.loop_source import LoopSource
from ext.safety_records import Breaker

_LEVELS = Bound.BOOK_VIEW_LEVELS


def _record(*fields: tuple[object, ...]) -> np.dtype[np.void]:
    return np.dtype(list(fields), align=True)


def _integers(*names: str) -> list[tuple[str, str]]:
    return [(name, "i8") for name in names]


BOOK_DELTA = _record(*_integers("price_ticks", "quantity_lots", "side"))

TRADE = _record(
    *_integers(
        "price_ticks",
        "quantity_lots",
        "aggressor_side",
        "trade_id",
        "exchange_time_ns",
        "receive_time_ns",
    )
)

BOOK_VIEW = _record(
    *_integers(
        "version",
        "instrument",
        "state",
        "stale_reason",
        "exchange_time_ns",
        "receive_time_ns",
        "update_count",
        "bid_levels",
        "ask_levels",
        "total_bid_levels",
        "total_ask_levels",
    ),
    ("tick_size", "f8"),
    ("lot_size", "f8"),
    ("bid_ticks", "i8", (_LEVELS,)),
    ("bid_lots", "i8", (_LEVELS,)),
    ("ask_ticks", "i8", (_LEVELS,)),
    ("ask_lots", "i8", (_LEVELS,)),
)

BAR = _record(
    *_integers(
        "start_time_ns",
        "interval_ns",
        "open_ticks",
        "high_ticks",
        "low_ticks",
        "close_ticks",
        "volume_lots",
        "trade_count",
    )
)

WORKING_ORDER = _record(*_integers("order_number", "side", "state", "price_ticks", "leaves_lots"))

POSITION = _record(
    *_integers("version", "strategy", "instrument", "position_lots"),
    ("average_price_ticks", "f8"),
    ("realised_pnl", "f8"),
    ("fees", "f8"),
    *_integers(
        "bought_lots",
        "sold_lots",
        "fill_count",
        "order_count",
        "open_buy_lots",
        "open_sell_lots",
        "last_reject",
        "reject_count",
        "signal_count",
        "working_count",
    ),
    ("working", WORKING_ORDER, (Bound.MAX_WORKING_ORDERS,)),
)

FILL = _record(
    *_integers(
        "order_number",
        "side",
        "price_ticks",
        "quantity_lots",
        "leaves_lots",
        "is_maker",
        "exchange_time_ns",
        "receive_time_ns",
    )
)

TIMER = _record(*_integers("now_ns"))

INTENT = _record(
    ("kind", "i4"),
    ("side", "i4"),
    ("order_type", "i4"),
    ("time_in_force", "i4"),
    ("post_only", "i4"),
    ("reason", "i4"),
    *_integers("price_ticks", "quantity_lots", "order_number"),
)

INTENTS = _record(
    *_integers("count", "dropped"), ("intents", INTENT, (Bound.MAX_INTENTS_PER_CALL,))
)

ORDER = _record(
    *_integers(
        "order_number",
        "instrument",
        "strategy",
        "side",
        "order_type",
        "time_in_force",
        "post_only",
        "state",
        "price_ticks",
        "quantity_lots",
        "filled_lots",
        "leaves_lots",
        "pending_price_ticks",
        "pending_quantity_lots",
        "request_number",
        "accepted_number",
        "sent_time_ns",
        "acknowledged_time_ns",
        "accepted_time_ns",
        "update_time_ns",
        "reason",
        "state_before_pending",
    ),
    ("venue_order_id", f"S{int(Bound.VENUE_ORDER_ID_BYTES)}"),
)

RECORD = _record(
    *_integers("sequence", "time_ns", "exchange_time_ns"),
    ("kind", "i4"),
    ("instrument", "i4"),
    ("strategy", "i4"),
    ("code", "i4"),
    ("detail", "i4"),
    ("side", "i4"),
    *_integers(
        "order_number",
        "price_ticks",
        "quantity_lots",
        "filled_lots",
        "leaves_lots",
        "position_lots",
        "best_bid_ticks",
        "best_ask_ticks",
        "fee_nano",
        "reference",
    ),
)

BLOB = _record(
    *_integers("sequence", "time_ns", "after_sequence"),
    ("kind", "i4"),
    ("instrument", "i4"),
    ("strategy", "i4"),
    ("code", "i4"),
    ("detail", "i4"),
    ("byte_count", "i4"),
    ("reference", "i8"),
    ("payload", f"S{int(Bound.BLOB_PAYLOAD_BYTES)}"),
)

REQUEST_TERMS = _record(("intent", INTENT), *_integers("request_number", "order_number"))

EXECUTION_REPORT = _record(
    *_integers(
        "execution_type",
        "order_state",
        "request_number",
        "original_number",
        "instrument",
        "side",
        "order_quantity_lots",
        "price_ticks",
        "cumulative_lots",
        "leaves_lots",
        "last_price_ticks",
        "last_quantity_lots",
        "is_maker",
        "fee_nano",
        "exchange_time_ns",
        "execution_id_high",
        "execution_id_low",
        "reject_code",
        "reference_sequence",
        "trade_id",
    ),
    ("venue_order_id", f"S{int(Bound.VENUE_ORDER_ID_BYTES)}"),
)

BREAKER_STATE = _record(
    *_integers(
        "strategy",
        "level",
        "cause",
        "raised_time_ns",
        "paused_until_ns",
        "trip_count",
        "day",
        "is_excused",
        "losses_in_row",
        "fill_count",
        "seen_lots",
    ),
    ("day_start_net", "f8"),
    ("high_water_net", "f8"),
    ("net", "f8"),
    ("trip_start_net", "f8"),
    ("use_permille", "i8", (int(Breaker.BREAKER_COUNT),)),
)

GUARD_STATE = _record(
    *_integers(
        "strategy",
        "side",
        "entered_time_ns",
        "largest_lots",
        "entry_count",
        "entry_order_number",
        "extreme_ticks",
        "stop_ticks",
        "stop_reason",
        "targets_done",
        "exit_reason",
        "exit_until_lots",
        "exit_order_number",
        "triggered_time_ns",
        "trigger_count",
    ),
    ("risk_ticks", "f8"),
)

NAME = _record(("name", "S48"), ("tick", "S24"), ("lot", "S24"))

SHARED_HEADER = _record(
    ("magic", "S8"),
    *_integers(
        "layout_hash",
        "process_id",
        "start_time_ns",
        "instrument_count",
        "strategy_count",
        "names_offset",
        "books_offset",
        "positions_offset",
        "orders_offset",
        "breakers_offset",
        "guards_offset",
        "histograms_offset",
        "ring_offset",
        "market_ring_offset",
        "market_ring_slots",
        "total_bytes",
        "engine_state",
        "heartbeat_ns",
        "feed_state",
        "order_session_state",
        "write_sequence",
        "read_sequence",
        "market_write_sequence",
        "market_read_sequence",
        "reader_attached",
        "journal_failing",
        "synced_sequence",
        "dropped_market_records",
        "dropped_order_records",
        "frames",
        "frame_bytes",
        "control_frames",
        "bad_frames",
        "deltas",
        "trades",
        "gaps",
        "stale_count",
        "crossed_count",
        "intents",
        "accepted",
        "rejected",
        "orders_sent",
        "requests_sent",
        "reports",
        "fills",
        "duplicate_fills",
        "unknown_reports",
        "dropped_intents",
        "loop_cycles",
        "loop_max_cycle_ns",
        "loop_max_cycle_source",
        "loop_stalls",
        "engine_core",
        "threads_on_core",
        "garbage_collections",
        "general_frames",
        "failed_sends",
        "conflated_updates",
        "outgoing_sequence",
        "incoming_sequence",
        "wall_offset_ns",
    ),
    ("loop_stalls_by_source", "i8", (int(LoopSource.LOOP_SOURCE_COUNT),)),
    ("engine_name", "S32"),
    ("mode", "S16"),
    ("state_reason", "S128"),
    *_integers(
        "kill_word",
        "kill_time_ns",
        "relay_heartbeat_ns",
        "command_sequence",
        "answer_sequence",
    ),
    ("kill_reason", "S192"),
    ("command_text", "S1024"),
    ("answer_text", "S1024"),
)

SHARED_MAGIC = b"WOWSHM01"


def layout_hash() -> int:
    """Hash of every shared record's fields; readers refuse memory written with another one."""
    shared = (
        SHARED_HEADER,
        NAME,
        BOOK_VIEW,
        POSITION,
        ORDER,
        BREAKER_STATE,
        GUARD_STATE,
        RECORD,
        BLOB,
        REQUEST_TERMS,
    )
    bounds = {name: int(bound) for name, bound in Bound.__members__.items()}  # aliases too
    text = repr([(dtype.descr, dtype.itemsize) for dtype in shared]) + repr(bounds)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
