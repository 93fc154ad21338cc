"""What the relay publishes: one msgspec Struct per topic, as msgpack maps on ZeroMQ PUB.

Every message has two frames: the topic and the packed Struct. Prices and quantities are exact
decimal text in quote and base currency; times are nanoseconds since the Unix epoch; durations end
in ``_ns``; P&L is a float in quote currency and a report, not an account. Fields may be added;
readers ignore those they do not know. ``docs/monitor.md`` says when each topic is sent.
"""

import msgspec

from journal.names import SideName

SCHEMA_VERSION = 1


class Envelope(msgspec.Struct, kw_only=True):
    """First fields of every message; the publisher fills them in.

    ``topic_seq`` counts from 1 per topic: a jump means that messages were dropped on the way.
    Another ``epoch`` is another relay: forget what the one before said.
    """

    v: int = SCHEMA_VERSION
    src: str = ""  # name of the engine
    epoch: int = 0  # start time of the relay
    engine_start_ns: int = 0  # another one is another run: counters and sequences begin anew
    topic_seq: int = 0
    t_engine_ns: int = 0  # events: receive time of the cause; states: the engine's heartbeat
    t_relay_ns: int = 0  # when it was published


class Heartbeat(Envelope, kw_only=True):
    """Topic ``hb``, 10 per second: is the engine well, and if not why."""

    mode: str
    state: str  # EngineState
    reason: str  # why it is in this state
    process_id: int
    process_lives: bool
    heartbeat_age_ns: int  # age of the engine's heartbeat when this was published
    feed_state: str  # SessionState of market data
    order_session_state: str  # SessionState of order entry
    write_sequence: int  # records written by the engine
    read_sequence: int  # records taken by the relay
    lost_records: int  # overwritten before the relay could take them
    dropped_market_records: int
    dropped_order_records: int  # not 0: the journal has a hole
    loop_max_cycle_ns: int
    loop_max_cycle_source: str = ""  # LoopSource that took most of it; "" when there was none
    loop_stalls: int = 0  # cycles above the engine's threshold
    engine_core: int = -1  # core of the engine's thread; -1: not pinned
    threads_on_core: int = 0  # its other threads that may run there; should be 0
    garbage_collections: int = 0
    journal_error: str  # "": the journal is being written
    journal_lag_ns: int = 0  # age of the oldest order record that is not on the disk; 0: none
    instruments: list[str]
    strategies: list[str]


class Counters(Envelope, kw_only=True):
    """Topic ``cnt``, 1 per second: counters since the engine's start, by name."""

    values: dict[str, int]


class StepLatency(msgspec.Struct, kw_only=True):
    """One step of the arc since the engine's start; percentiles at most 1/32 too high."""

    step: str
    count: int
    p50_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int
    delta: dict[int, int]  # values per bucket (ext/latency_histogram.py) since the last message


class Latency(Envelope, kw_only=True):
    """Topic ``lat``, 1 per second."""

    steps: list[StepLatency]


class OrderEvent(Envelope, kw_only=True):
    """Topic ``ord``: a request was sent, or a report about an order was received."""

    sequence: int  # of the journal record
    event: str  # NEW, CANCEL, REPLACE sent, or the ExecutionType of the report
    is_report: bool
    order_number: int
    instrument: str
    strategy: str
    side: SideName
    price: str
    quantity: str
    filled: str
    leaves: str
    state: str  # OrderState after it; "" for a request


class FillEvent(Envelope, kw_only=True):
    """Topic ``fill``: one execution of one of our orders, counted once."""

    sequence: int
    exchange_time_ns: int
    order_number: int
    instrument: str
    strategy: str
    side: SideName
    price: str
    quantity: str
    leaves: str
    position: str  # of the strategy after it
    fee: float  # quote currency, positive is paid
    best_bid: str  # "" where the book had none
    best_ask: str


class RiskEvent(Envelope, kw_only=True):
    """Topic ``rsk``: an intent that was not accepted, at most 20 per second."""

    sequence: int
    instrument: str
    strategy: str
    intent: str  # IntentKind
    verdict: str  # Verdict
    side: SideName
    price: str
    quantity: str
    suppressed: int  # rejects not published since the last message of this topic


class StateEvent(Envelope, kw_only=True):
    """Topic ``state``: a book or a session changed its state."""

    sequence: int
    subject: str  # symbol of the book, or "market data", "order entry"
    state: str  # BookState or SessionState
    reason: str  # StaleReason of a book, else ""


class TextEvent(Envelope, kw_only=True):
    """Topic ``txt``: a line of the engine's log, cut at 80 bytes."""

    sequence: int
    level: int  # as in logging: 20 info, 30 warning, 40 error
    text: str


class PositionEntry(msgspec.Struct, kw_only=True):
    """Position and P&L of one strategy in its instrument."""

    strategy: str
    instrument: str
    position: str  # signed
    average_price: str  # of the open position; "" when flat
    realised_pnl: float  # fees not taken off
    fees: float
    unrealised_pnl: float | None  # against the middle of the book; None without a LIVE book
    bought: str
    sold: str
    fill_count: int
    order_count: int
    reject_count: int
    signal_count: int
    last_reject: str  # Verdict; "" when there was none
    working_count: int


class BreakerEntry(msgspec.Struct, kw_only=True):
    """Circuit breakers of one strategy, or of the engine."""

    strategy: str  # "" is the engine
    level: str  # BreakerLevel
    breaker: str  # what raised the level last; "" while QUIET
    paused_until_ns: int  # 0: until a person resumes, where the level is PAUSED
    trip_count: int
    use_percent: dict[str, float]  # of each limit, by breaker; those that are not used are left out


class Positions(Envelope, kw_only=True):
    """Topic ``pos``: at most 5 per second when something changed, else 1."""

    positions: list[PositionEntry]
    breakers: list[BreakerEntry] = []  # of each strategy, then of the engine


class OpenOrder(msgspec.Struct, kw_only=True):
    """An order that may still trade."""

    order_number: int
    venue_order_id: str
    instrument: str
    strategy: str
    side: SideName
    state: str
    price: str
    quantity: str
    filled: str
    leaves: str
    sent_time_ns: int


class OpenOrders(Envelope, kw_only=True):
    """Topic ``open``: all working orders, at most 5 per second when one changed, else 1."""

    orders: list[OpenOrder]


class Book(Envelope, kw_only=True):
    """Topic ``book.<symbol>``: top levels, at most 5 per second when they changed, else 1."""

    instrument: str
    state: str  # BookState
    stale_reason: str  # StaleReason; "" when not stale
    exchange_time_ns: int
    receive_time_ns: int
    update_count: int
    total_bid_levels: int
    total_ask_levels: int
    bids: list[tuple[str, str]]  # price, quantity; best first, at most 10
    asks: list[tuple[str, str]]


Message = (
    Heartbeat
    | Counters
    | Latency
    | OrderEvent
    | FillEvent
    | RiskEvent
    | StateEvent
    | TextEvent
    | Positions
    | OpenOrders
    | Book
)

_TYPES: dict[str, type[Message]] = {
    "hb": Heartbeat,
    "cnt": Counters,
    "lat": Latency,
    "ord": OrderEvent,
    "fill": FillEvent,
    "rsk": RiskEvent,
    "state": StateEvent,
    "txt": TextEvent,
    "pos": Positions,
    "open": OpenOrders,
    "book": Book,
}
_DECODERS: dict[str, msgspec.msgpack.Decoder[Message]] = {
    topic: msgspec.msgpack.Decoder(kind) for topic, kind in _TYPES.items()
}
_TOPICS = {kind: topic for topic, kind in _TYPES.items()}
_ENCODER = msgspec.msgpack.Encoder()


def topic_of(message: Message) -> str:
    """Topic under which a message is published."""
    if isinstance(message, Book):
        return f"book.{message.instrument}"
    return _TOPICS[type(message)]


def encode(message: Message) -> bytes:
    """Second frame of a message."""
    return _ENCODER.encode(message)


def decode(topic: str, payload: bytes) -> Message | None:
    """Message of two frames; None for a topic or version that this reader does not know.

    Raises msgspec.DecodeError (msgspec.ValidationError for a wrong type) on anything else.
    """
    decoder = _DECODERS.get(topic.partition(".")[0])
    if decoder is None:
        return None
    message = decoder.decode(payload)
    return message if message.v == SCHEMA_VERSION else None
