"""Market data made for the warm-up, in the words of the configured venue.

One book of ten levels a side whose middle swings, so that averages cross and quotes are moved;
trades in between. A venue without a maker here is warmed with the frames of ``SUBSTITUTE``: all of
the arc but its decoder.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from engine.instruments import Instrument
from ext.wire import Side

SUBSTITUTE = "coinbase_exchange"
MIDDLE_TICKS = 100_000
SWING_TICKS = 40
JITTER_TICKS = 3  # up and down again, or a trend follower calls it overbought
LEVELS = 10  # of a side
FRAMES_PER_SWING = 120
FRAMES_PER_TRADE = 4
NANOSECONDS_PER_SECOND = 1_000_000_000

Change = tuple[Side, int, int]  # side, price in ticks, quantity in lots; 0 deletes


def frame_maker(venue: str) -> type["FrameMaker"]:
    """The maker of a venue's frames, or that of SUBSTITUTE."""
    return _MAKERS.get(venue, _MAKERS[SUBSTITUTE])


def has_frames(venue: str) -> bool:
    """Whether the frames of a venue can be made."""
    return venue in _MAKERS


class FrameMaker:
    """Frames of one connection; instruments are by their place in ``instruments``."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self._instruments = instruments
        self._levels: list[dict[tuple[Side, int], int]] = [{} for _ in instruments]
        self._trade_ids = [0] * len(instruments)

    def make(self, number: int, time_ns: int) -> Iterator[bytes]:
        """The frames of one moment, ``number`` counting from 0: snapshots first, then changes."""
        for index, instrument in enumerate(self._instruments):
            changes = self._move(index, number)
            yield self._book(instrument, changes, time_ns, is_snapshot=number == 0)
            if number % FRAMES_PER_TRADE == 1:
                self._trade_ids[index] += 1
                yield self._trade(instrument, self._trade_ids[index], _middle(number), time_ns)

    def _move(self, index: int, number: int) -> list[Change]:
        """Makes the book that of ``number``; what has changed."""
        middle = _middle(number)
        wanted = {
            (side, middle - side * offset): _lots(number, side, offset)
            for offset in range(1, LEVELS + 1)
            for side in (Side.BUY, Side.SELL)
        }
        present = self._levels[index]
        gone = [(side, price, 0) for side, price in present if (side, price) not in wanted]
        new = [(*key, lots) for key, lots in wanted.items() if present.get(key) != lots]
        self._levels[index] = wanted
        return gone + new

    def _book(
        self, instrument: Instrument, changes: list[Change], time_ns: int, *, is_snapshot: bool
    ) -> bytes:
        raise NotImplementedError

    def _trade(
        self, instrument: Instrument, trade_id: int, price_ticks: int, time_ns: int
    ) -> bytes:
        raise NotImplementedError


class CoinbaseExchangeFrames(FrameMaker):
    """``snapshot``, ``l2update`` and ``match`` of docs.cdp.coinbase.com/exchange/websocket-feed."""

    def _book(
        self, instrument: Instrument, changes: list[Change], time_ns: int, *, is_snapshot: bool
    ) -> bytes:
        rows = [
            ("buy" if side == Side.BUY else "sell", *_texts(instrument, price, lots))
            for side, price, lots in changes
        ]
        message: dict[str, Any] = {"type": "l2update", "product_id": instrument.symbol}
        if is_snapshot:
            message["type"] = "snapshot"
            message["bids"] = [row[1:] for row in rows if row[0] == "buy"]
            message["asks"] = [row[1:] for row in rows if row[0] == "sell"]
        else:
            message["changes"] = rows
            message["time"] = _time(time_ns)
        return orjson.dumps(message)

    def _trade(
        self, instrument: Instrument, trade_id: int, price_ticks: int, time_ns: int
    ) -> bytes:
        price, size = _texts(instrument, price_ticks, 1)
        return orjson.dumps(
            {
                "type": "match",
                "trade_id": trade_id,
                "maker_order_id": "ac928c66-ca53-498f-9c13-a110027a60e8",
                "taker_order_id": "132fb6ae-456b-4654-b4e0-d681ac05cea1",
                "side": ("buy", "sell")[trade_id % 2],
                "size": size,
                "price": price,
                "product_id": instrument.symbol,
                "sequence": trade_id,
                "time": _time(time_ns),
            }
        )


class CoinbaseAdvancedFrames(FrameMaker):
    """``l2_data`` and ``market_trades`` of the Advanced Trade WebSocket, one sequence for all."""

    _sequence = -1

    def _book(
        self, instrument: Instrument, changes: list[Change], time_ns: int, *, is_snapshot: bool
    ) -> bytes:
        rows = []
        for side, price_ticks, lots in changes:
            price, quantity = _texts(instrument, price_ticks, lots)
            rows.append(
                {
                    "side": "bid" if side == Side.BUY else "offer",
                    "event_time": _time(time_ns),
                    "price_level": price,
                    "new_quantity": quantity,
                }
            )
        kind = "snapshot" if is_snapshot else "update"
        event = {"type": kind, "product_id": instrument.symbol, "updates": rows}
        return self._frame("l2_data", event, time_ns)

    def _trade(
        self, instrument: Instrument, trade_id: int, price_ticks: int, time_ns: int
    ) -> bytes:
        price, size = _texts(instrument, price_ticks, 1)
        trade = {
            "product_id": instrument.symbol,
            "trade_id": str(trade_id),
            "price": price,
            "size": size,
            "time": _time(time_ns),
            "side": ("BUY", "SELL")[trade_id % 2],
        }
        return self._frame("market_trades", {"type": "update", "trades": [trade]}, time_ns)

    def _frame(self, channel: str, event: dict[str, Any], time_ns: int) -> bytes:
        self._sequence += 1
        return orjson.dumps(
            {
                "channel": channel,
                "client_id": "",
                "timestamp": _time(time_ns),
                "sequence_num": self._sequence,
                "events": [event],
            }
        )


_MAKERS: dict[str, type[FrameMaker]] = {
    "coinbase_exchange": CoinbaseExchangeFrames,
    "coinbase_advanced": CoinbaseAdvancedFrames,
}


def _middle(number: int) -> int:
    swing = math.sin(2 * math.pi * number / FRAMES_PER_SWING)
    return MIDDLE_TICKS + round(SWING_TICKS * swing) + JITTER_TICKS * (number % 2)


def _lots(number: int, side: Side, offset: int) -> int:
    """Quantity of a level: some of them change each moment, and the book leans where it goes."""
    is_rising = math.cos(2 * math.pi * number / FRAMES_PER_SWING) > 0
    unit = 3000 if is_rising == (side == Side.BUY) else 1000
    return unit * offset + (number if offset % 5 == number % 5 else 0)


def _texts(instrument: Instrument, price_ticks: int, lots: int) -> tuple[str, str]:
    return instrument.format_price(price_ticks), instrument.format_quantity(lots)


def _time(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // NANOSECONDS_PER_SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % NANOSECONDS_PER_SECOND // 1000:06d}Z"
