"""Binance's order books start from a REST answer: brings it and the updates around it together.

The venue's rule (USD-M and spot documents, "How to manage a local order book correctly"): open the
diff stream first and keep its updates, ask for the snapshot, then apply the kept updates behind
it. Which of them are old, and whether one is missing, is judged where they are applied
(``ext/market``). Sans-io: frames and bodies come in as bytes, frames to apply go out.
"""

from collections import deque
from collections.abc import Callable

import orjson

MAX_EARLY_UPDATES = 1024
"""Updates kept for each product, 100 s of the 100 ms stream; one more, and the oldest is dropped.

A snapshot older than the first kept update is then found out as a gap, and another one asked for.
"""


def wrap_snapshot(symbol: str, body: bytes) -> bytes:
    """The body of ``GET …/depth`` as a frame of the product's diff stream: it names no product."""
    return b'{"stream":"%s@depth","data":%s}' % (symbol.lower().encode(), body)


class EarlyUpdates:
    """Depth updates of one connection that came before the snapshot of their product."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[bytes]] = {}

    def receive(
        self,
        payload: bytes,
        is_waiting: Callable[[str], bool],
        apply: Callable[[bytes], object],
    ) -> None:
        """A frame that has just been taken.

        Args:
            payload: a frame, or a snapshot in its envelope (``wrap_snapshot``). One that was
                refused is not passed on: if it mattered, it is missed behind the snapshot.
            is_waiting: whether the book of a symbol has no snapshot that updates can follow. Their
                updates are kept.
            apply: called with each update kept of a product behind its snapshot, in order. Those
                that find the book waiting again, because one is missing, are kept on.
        """
        if b"lastUpdateId" in payload:
            for kept in self._kept.pop(_snapshot_symbol(payload), ()):
                apply(kept)
                self._keep(kept, is_waiting)
        elif b"depthUpdate" in payload:
            self._keep(payload, is_waiting)

    def _keep(self, payload: bytes, is_waiting: Callable[[str], bool]) -> None:
        symbol = _update_symbol(payload)
        if symbol and is_waiting(symbol):
            kept = self._kept.setdefault(symbol, deque(maxlen=MAX_EARLY_UPDATES))
            kept.append(payload)


def _snapshot_symbol(payload: bytes) -> str:
    """Of a snapshot in its envelope; empty for anything else, such as a partial book."""
    try:
        symbol, _, stream = orjson.loads(payload)["stream"].upper().partition("@")
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
    return str(symbol) if stream.partition("@")[0] == "DEPTH" else ""


def _update_symbol(payload: bytes) -> str:
    """Of an update of a diff stream; empty for anything else."""
    try:
        frame = orjson.loads(payload)
        event = frame.get("data", frame)
        channel = frame.get("stream", "@depth").partition("@")[2].partition("@")[0]
        if channel == "depth" and event["e"] == "depthUpdate" and isinstance(event["s"], str):
            return str(event["s"])
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    return ""
