"""What a crash must not do to stops: the part of ``crash_trial --stops`` that looks at guards.

Three things are held after each kill. The state of position management that the next run begins
with is what the killed run's journal tells. That is what the killed process had in its memory, as
its shared memory still shows it. And each fill of an exit that the venue tells makes the position
smaller: no exit was doubled, over all runs.
"""

# tidy-ok: a tool of the tests, not a mirror of a module

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ext.dtypes import GUARD_STATE, ORDER, SHARED_HEADER
from ext.safety_records import GuardReason
from journal.order_ledger import OrderLedger
from journal.reader import run_starts
from journal.rebuild import rebuild
from journal.snapshot import read_snapshot, snapshot_path

MANAGEMENT = {
    "BTC-USD": (
        '{stop_loss = "60 ticks", trailing_stop = "50 ticks", take_profit = ["0.1 r", "1 r"],'
        " take_profit_percent = [50, 50], max_hold_seconds = 2}"
    ),
    "ETH-USD": (
        '{stop_loss = "12 ticks", trailing_stop = "0.005 %", break_even_after = "2 ticks",'
        " max_hold_seconds = 5}"
    ),
}
"""Near enough that the simulated market reaches each of them within seconds."""
COUNTED = tuple(
    name for name in GUARD_STATE.names or () if name not in ("strategy", "extreme_ticks")
)
MOST_IN_HAND = 1
"""Kills of a trial that may hit the moment between a change and its record, below a microsecond."""

Guards = NDArray[np.void]


class StopsError(Exception):
    """Position management is not what it was, or an exit did not reduce."""


class StopsLook:
    """Looks at guards and exits of one trial. ``directory`` has the shared memory, ``journal`` the
    segments."""

    def __init__(self, shared_memory: Path, journal: Path) -> None:
        self.kills_with_position = 0
        self.kills_while_exiting = 0
        self.kills_with_record_in_hand = 0
        self.exits: dict[str, GuardReason] = {}
        """Reason of each exit order, by the venue's id."""
        self._shared_memory = shared_memory
        self._journal = journal
        self._killed: Guards | None = None

    def note_kill(self) -> None:
        """A process is dead: keeps what it had in its memory."""
        data = self._shared_memory.read_bytes()
        header = np.frombuffer(data, SHARED_HEADER, 1)[0]
        count, offset = int(header["strategy_count"]), int(header["guards_offset"])
        self._killed = np.frombuffer(data, GUARD_STATE, count, offset).copy()
        self.kills_with_position += bool((self._killed["side"] != 0).any())
        self.kills_while_exiting += bool((self._killed["exit_reason"] != 0).any())

    def compare_takeover(self) -> None:
        """The next run has begun: holds its guards against journal and memory of the last one."""
        before, now = run_starts(self._journal)[-2:]
        ledger, _ = rebuild(self._journal, before)
        assert ledger is not None
        assert self._killed is not None
        count = len(self._killed)
        told = _read_guards(ledger.snapshot().guards, count)
        taken = _read_guards(read_snapshot(snapshot_path(self._journal, now, 0)).guards, count)
        if taken.tobytes() != told.tobytes():
            raise StopsError(f"the run began with {taken}, the journal of the last tells {told}")
        is_kept = all((told[name] == self._killed[name]).all() for name in COUNTED)
        trailing = told["stop_reason"] == GuardReason.EXIT_TRAILING
        is_kept &= bool((told["extreme_ticks"] == self._killed["extreme_ticks"])[trailing].all())
        self.kills_with_record_in_hand += not is_kept
        if self.kills_with_record_in_hand > MOST_IN_HAND:
            raise StopsError(f"the journal tells {told}, the killed process had {self._killed}")

    def note_exits(self, ledger: OrderLedger) -> None:
        """Learns which orders were exits; the table forgets old ones."""
        orders = np.frombuffer(ledger.snapshot().tables["orders"], ORDER)
        for order in orders[(orders["reason"] < 0) & (orders["venue_order_id"] != b"")]:
            venue_id = bytes(order["venue_order_id"]).decode()
            self.exits[venue_id] = GuardReason(-int(order["reason"]))

    def compare_fills(self, symbol: str, fills: Iterable[dict[str, Any]]) -> None:
        """Each fill of an exit makes the position of its product smaller; one strategy has it."""
        held = Decimal(0)
        for fill in sorted(fills, key=lambda each: int(each["trade_id"])):
            signed = Decimal(fill["size"]) * (1 if fill["side"] == "buy" else -1)
            is_smaller = held * signed < 0 and abs(signed) <= abs(held)
            if fill["order_id"] in self.exits and not is_smaller:
                raise StopsError(f"{symbol}: with {held} held an exit did {signed}: {fill}")
            held += signed

    def text(self) -> str:
        """What was seen, in words."""
        names = [each.name.removeprefix("EXIT_").lower() for each in self.exits.values()]
        shown = ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))
        return (
            f"{self.kills_with_position} kills with a managed position, {self.kills_while_exiting}"
            f" in the middle of an exit, {self.kills_with_record_in_hand} before a change was"
            f" recorded; guards equal after each; exits: {shown or 'none'}, none doubled"
        )


def _read_guards(kept: list[bytes], count: int) -> Guards:
    """``strategy`` is not compared: of a strategy of which nothing is known it is 0."""
    guards = np.zeros(count, GUARD_STATE)
    for index, state in enumerate(kept):
        if state:
            guards[index] = np.frombuffer(state, GUARD_STATE, 1)[0]
    guards["strategy"] = 0
    return guards
