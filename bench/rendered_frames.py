"""The generated changes as frames of each venue, so that one work is counted for every decoder."""

from collections.abc import Callable

import orjson

from bench.frames import PRODUCT, FrameSet, GeneratedFrames


def render_exchange(frame: bytes, number: int) -> bytes:
    """A generated frame is one of Coinbase Exchange already."""
    return frame


def render_advanced(frame: bytes, number: int) -> bytes:
    """The same changes as a message of the level2 channel of Coinbase Advanced Trade."""
    content = orjson.loads(frame)
    updates = [
        {
            "side": "bid" if side == "buy" else "offer",
            "event_time": content["time"],
            "price_level": price,
            "new_quantity": quantity,
        }
        for side, price, quantity in content["changes"]
    ]
    return orjson.dumps(
        {
            "channel": "l2_data",
            "client_id": "",
            "timestamp": content["time"],
            "sequence_num": number,
            "events": [{"type": "update", "product_id": content["product_id"], "updates": updates}],
        }
    )


def render_gemini(frame: bytes, number: int) -> bytes:
    """The same changes as an update of Gemini's market data v2."""
    content = orjson.loads(frame)
    return orjson.dumps(
        {"type": "l2_updates", "symbol": content["product_id"], "changes": content["changes"]}
    )


def render_kraken(frame: bytes, number: int) -> bytes:
    """The same changes as an update of the book channel of Kraken's WebSocket v2."""
    content = orjson.loads(frame)
    levels = {
        name: ",".join(
            f'{{"price":{price},"qty":{quantity}}}'
            for side, price, quantity in content["changes"]
            if side == wanted
        )
        for name, wanted in (("bids", "buy"), ("asks", "sell"))
    }
    return (
        f'{{"channel":"book","type":"update","data":[{{"symbol":"{content["product_id"]}",'
        f'"bids":[{levels["bids"]}],"asks":[{levels["asks"]}],'
        f'"checksum":{number},"timestamp":"{content["time"]}"}}]}}'
    ).encode()


def render_kraken_v1(frame: bytes, number: int) -> bytes:
    """The same changes as an update of the book channel of Kraken's WebSocket v1."""
    content = orjson.loads(frame)
    parts: list[dict[str, object]] = [
        {name: [[price, lots, "1767623400.000000"] for side, price, lots in changes]}
        for name, wanted in (("b", "buy"), ("a", "sell"))
        if (changes := [each for each in content["changes"] if each[0] == wanted])
    ]
    parts[-1]["c"] = str(number)
    return orjson.dumps([0, *parts, "book-1000", content["product_id"]])


def render_binance(frame: bytes, number: int) -> bytes:
    """The same changes as a depth update of a combined stream of Binance USD-M."""
    content = orjson.loads(frame)
    sides = {
        name: [[price, quantity] for side, price, quantity in content["changes"] if side == wanted]
        for name, wanted in (("b", "buy"), ("a", "sell"))
    }
    symbol = content["product_id"]
    event = {"e": "depthUpdate", "E": 1_767_623_400_000, "T": 1_767_623_400_000, "s": symbol}
    numbers = {"U": number + 1, "u": number + 1, "pu": number}
    return orjson.dumps({"stream": f"{symbol}@depth@0ms", "data": event | numbers | sides})


RENDERERS: dict[str, Callable[[bytes, int], bytes]] = {
    "coinbase_exchange": render_exchange,
    "coinbase_advanced": render_advanced,
    "gemini": render_gemini,
    "kraken": render_kraken,
    "kraken_v1": render_kraken_v1,
    "binance_usdm": render_binance,
}
"""Generated changes as frames of each venue whose decoder is counted."""

BIDS_FIRST = {"kraken", "kraken_v1", "binance_usdm"}
"""Venues that list the changes of one side behind those of the other."""


def render_binance_set(frames: GeneratedFrames) -> FrameSet:
    """Generated frames as a capture of Binance USD-M: the REST snapshot, then depth updates."""
    content = orjson.loads(frames.snapshot)
    body = {"lastUpdateId": 1, "bids": content["bids"], "asks": content["asks"]}
    snapshot = orjson.dumps({"stream": f"{PRODUCT.symbol}@depth", "data": body})
    updates = [render_binance(frame, number) for number, frame in enumerate(frames.updates)]
    is_update = [False] + [True] * len(updates)
    return FrameSet("binance_20", "binance_usdm", [PRODUCT], [snapshot, *updates], is_update)
