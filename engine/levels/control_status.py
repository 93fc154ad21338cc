"""What ``wow-ctl status`` shows: read from the shared memory and the latch, without any process."""

import time
from pathlib import Path

import msgspec
import numpy as np

from control.kill_source import source_words
from control.latch import LatchFile
from control.paths import ControlPaths
from engine.settings.config_schema import EngineConfig
from ext.errors import ConfigError
from ext.safety_records import BreakerLevel
from ext.wire import BookState, OrderState, Side
from journal.names import BREAKER_LEVELS, BREAKERS, ENGINE_STATES, SESSION_STATES, name_of
from journal.shared_reader import SharedReader

HUNG_NS = 1_000_000_000  # the heartbeat comes every 100 ms


class OrderLine(msgspec.Struct, frozen=True):
    """One open order, in the instrument's own units."""

    symbol: str
    strategy: str
    side: str
    quantity: str
    price: str
    state: str


class PositionLine(msgspec.Struct, frozen=True):
    """One position; ``pnl`` is after fees, with what is held at the mid, None without a book."""

    symbol: str
    strategy: str
    quantity: str
    pnl: float | None


class StrategyLine(msgspec.Struct, frozen=True):
    """What the breakers say of one strategy; ``number`` is what wow-ctl calls it by, ``cause`` the
    breaker, ``until_s`` the seconds until it goes on by itself, None: a person has to."""

    number: int
    strategy: str
    symbol: str
    level: str
    cause: str = ""
    until_s: float | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one glance; ``process`` is lives, hangs, gone or absent."""

    engine: str
    mode: str = ""
    level: str = "UNKNOWN"
    reason: str = ""
    process: str = "absent"
    process_id: int = 0
    heartbeat_age_s: float = -1.0
    relay: str = "absent"
    market_data: str = ""
    order_session: str = ""
    kill_word: str = ""
    latch: str = ""
    open_orders: list[OrderLine] = []
    positions: list[PositionLine] = []
    strategies: list[StrategyLine] = []


def read_status(config: EngineConfig, paths: ControlPaths) -> Status:
    """The status now; of an engine that never ran too."""
    found = LatchFile(paths.latch).read()
    latch = found.text if found is not None else ""
    try:
        reader = SharedReader(Path(config.shared_memory_path))
    except ConfigError as error:
        level = "KILLED" if latch else "NOT RUNNING"
        return Status(engine=config.engine.name, level=level, reason=str(error), latch=latch)
    try:
        return _read(reader, latch)
    finally:
        reader.close()


def _read(reader: SharedReader, latch: str) -> Status:
    age_ns = reader.heartbeat_age_ns(time.time_ns())
    lives = reader.engine_lives()
    word = reader.word("kill_word")
    level = name_of(ENGINE_STATES, reader.word("engine_state"))
    relay_ns = time.time_ns() - reader.word("relay_heartbeat_ns")
    return Status(
        engine=reader.engine_name,
        mode=reader.mode,
        level="KILLED" if word and lives else level,
        reason=reader.text("state_reason"),
        process=("lives" if age_ns < HUNG_NS else "HANGS") if lives else "gone",
        process_id=reader.process_id,
        heartbeat_age_s=round(age_ns / 1e9, 3),
        relay="lives" if abs(relay_ns) < HUNG_NS else "DOES NOT LIVE",
        market_data=name_of(SESSION_STATES, reader.word("feed_state")),
        order_session=name_of(SESSION_STATES, reader.word("order_session_state")),
        kill_word=source_words(word) if word else "",
        latch=latch,
        open_orders=[_order(reader, order) for order in reader.open_orders()],
        positions=_positions(reader),
        strategies=_strategies(reader),
    )


def _order(reader: SharedReader, order: np.void) -> OrderLine:
    instrument = reader.instruments[int(order["instrument"])]
    return OrderLine(
        symbol=instrument.symbol,
        strategy=reader.strategies[int(order["strategy"])],
        side=Side(int(order["side"])).name,
        quantity=instrument.lot.format(int(order["leaves_lots"])),
        price=instrument.tick.format(int(order["price_ticks"])),
        state=OrderState(int(order["state"])).name,
    )


def _strategies(reader: SharedReader) -> list[StrategyLine]:
    lines, states = [], reader.breakers()
    for number, name in enumerate(reader.strategies):
        position, state = reader.position(number), states[number]
        if position is None:
            continue
        is_stopped = state["level"] >= BreakerLevel.BREAKER_PAUSED
        until_ns = int(state["paused_until_ns"])
        lines.append(
            StrategyLine(
                number=number,
                strategy=name,
                symbol=reader.instruments[int(position["instrument"])].symbol,
                level=BREAKER_LEVELS[int(state["level"])],
                cause=BREAKERS.get(int(state["cause"]), "") if is_stopped else "",
                until_s=round((until_ns - time.time_ns()) / 1e9, 1) if until_ns else None,
            )
        )
    return lines


def _positions(reader: SharedReader) -> list[PositionLine]:
    lines = []
    for number, name in enumerate(reader.strategies):
        position = reader.position(number)
        if position is None:
            continue
        instrument = reader.instruments[int(position["instrument"])]
        lots = int(position["position_lots"])
        lines.append(
            PositionLine(
                symbol=instrument.symbol,
                strategy=name,
                quantity=instrument.lot.format(lots),
                pnl=_pnl(reader, position),
            )
        )
    return lines


def _pnl(reader: SharedReader, position: np.void) -> float | None:
    net = float(position["realised_pnl"]) - float(position["fees"])
    lots = int(position["position_lots"])
    if not lots:
        return round(net, 2)
    book = reader.book(int(position["instrument"]))
    if book is None or book["state"] != BookState.LIVE or not book["bid_levels"]:
        return None
    middle = (int(book["bid_ticks"][0]) + int(book["ask_ticks"][0])) / 2
    value = float(book["tick_size"]) * float(book["lot_size"])
    return round(net + lots * (middle - float(position["average_price_ticks"])) * value, 2)


def describe_status(status: Status) -> str:
    """The status as a table for people: the level first."""
    rows = [
        ("level", f"{status.level}: {status.reason}" if status.reason else status.level),
        ("engine", f"{status.engine} {status.mode.upper()}, process {status.process_id or '-'}"),
        ("process", f"{status.process}{_age(status)}"),
        ("relay", status.relay),
        (
            "sessions",
            f"market data {status.market_data or '-'}, orders {status.order_session or '-'}",
        ),
    ]
    if status.kill_word:
        rows.append(("kill word", status.kill_word))
    if status.latch:
        rows.append(("latch", status.latch))
    rows.append(("open orders", str(len(status.open_orders))))
    for order in status.open_orders:
        words = (order.side, order.quantity, order.symbol, "at", order.price, order.state)
        rows.append(("", f"{' '.join(words)} ({order.strategy})"))
    for line in status.positions:
        pnl = "P&L unknown, no book" if line.pnl is None else f"P&L {line.pnl:+,.2f}"
        rows.append(("position", f"{line.quantity} {line.symbol} ({line.strategy}), {pnl}"))
    rows += [("strategy", _stopped(line)) for line in status.strategies if line.cause]
    return "\n".join(f"{name:>11}  {text}" for name, text in rows)


def _stopped(line: StrategyLine) -> str:
    """What stops a strategy, and what ends that."""
    who = f"{line.number} {line.strategy}@{line.symbol}: {line.level} by {line.cause}"
    if line.until_s is None:
        return f"{who}; wow-ctl resume --strategy {line.number} --reason TEXT"
    return f"{who}; goes on by itself in {max(0.0, line.until_s):.0f} s"


def _age(status: Status) -> str:
    return f", heartbeat {status.heartbeat_age_s:.1f} s old" if status.heartbeat_age_s >= 0 else ""
