"""Faults of the market data leg, frame by frame: lost, doubled, late, mangled."""

import re

from sim.world.network import Line, Network

LATE_NS = 30_000_000
MANGLED_CHARACTER = b"x"
_KIND = re.compile(rb'"type":"(\w+)"')


def describe_frame(frame: bytes) -> str:
    """Type and size of a frame, for the trace."""
    kind = _KIND.search(frame)
    return f"{kind[1].decode() if kind else 'frame'} of {len(frame)} bytes"


class FeedWire:
    """Sends frames down one direction of one connection, faults included."""

    def __init__(self, network: Network, line: Line) -> None:
        self._network = network
        self._line = line

    def send(self, frame: bytes) -> None:
        """Sends one frame."""
        network, plan = self._network, self._network.plan
        text = describe_frame(frame)
        if network.happens(plan.lose_share):
            network.trace.note(f"{self._line.name} loses {text}")
            return
        if network.happens(plan.mangle_share):
            frame, text = self._mangle(frame), f"mangled {text}"
        if network.happens(plan.late_share):
            delay_ns = network.rng.randrange(LATE_NS)
            self._line.send(frame, f"late {text}", delay_ns=delay_ns, in_order=False)
            return
        self._line.send(frame, text)
        if network.happens(plan.double_share):
            self._line.send(frame, f"again {text}")

    def _mangle(self, frame: bytes) -> bytes:
        at = self._network.rng.randrange(len(frame))
        if self._network.rng.random() < 0.5:
            return frame[:at]
        return frame[:at] + MANGLED_CHARACTER + frame[at + 1 :]
