"""Faults of the order leg, message by message: spoilt, repeated, swapped, in pieces, garbage.

A spoilt message is one that the receiver ignores, and asks for when it sees the gap; so is the
loss of one message in a stream that TCP keeps in order.
"""

from sim.world.network import Line, Network
from sim.world.wire_text import as_possible_duplicate, describe, is_report, whole_messages

GARBAGE = (
    b"\x00" * 7,
    b"8=FIXT.1.1\x01",
    b"8=FIXT.1.1\x019=5\x0135=0\x0110=999\x01",
    b"10=1\x01",
    b"\xff8=",
)
SPOILT_BYTE = b"\x02"
SMALLEST_SPLIT = 2


class OrderWire:
    """Sends FIX messages down one direction of one connection, faults included."""

    def __init__(self, network: Network, line: Line, *, is_to_engine: bool) -> None:
        self._network = network
        self._line = line
        self._is_to_engine = is_to_engine
        self._held: bytes | None = None

    def send(self, data: bytes) -> None:
        """Sends what one side wrote at once: whole messages."""
        for message in whole_messages(data):
            self._send_one(message)

    def _send_one(self, message: bytes) -> None:
        network, plan = self._network, self._network.plan
        if self._is_to_engine and self._held is None and network.happens(plan.swap_share):
            self._held = message
            network.trace.note(f"{self._line.name} holds back {describe(message)}")
            return
        self._pass_on(message)
        if self._held is not None:
            held, self._held = self._held, None
            self._pass_on(held)
        if self._is_to_engine and is_report(message) and network.happens(plan.repeat_share):
            self._write(as_possible_duplicate(message), f"again {describe(message)}")

    def _pass_on(self, message: bytes) -> None:
        network, plan = self._network, self._network.plan
        text = describe(message)
        if network.happens(plan.garbage_share):
            self._write(network.rng.choice(GARBAGE), "garbage")
        if network.happens(plan.spoil_share):
            at = network.rng.randrange(len(message))
            message = message[:at] + SPOILT_BYTE + message[at + 1 :]
            text = f"spoilt at {at}: {text}"
        self._write(message, text)

    def _write(self, message: bytes, text: str) -> None:
        network = self._network
        pieces = [message]
        if len(message) > SMALLEST_SPLIT and network.happens(network.plan.split_share):
            at = network.rng.randrange(1, len(message))
            pieces = [message[:at], message[at:]]
        for index, piece in enumerate(pieces, 1):
            part = f" ({index} of {len(pieces)})" if len(pieces) > 1 else ""
            self._line.send(piece, text + part)
