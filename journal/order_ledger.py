"""Orders and positions of a run, rebuilt from its order stream by the code that made them.

The tables are private; nothing is sent and no strategy is called. What the records of a run say is
enough: requests with their terms, reports as they came, and what the engine did to the table.
"""

from collections import deque
from collections.abc import Callable

import msgspec
import numpy as np

from ext.bounds import Bound
from ext.codecs.fix_report import FixReportDecoder
from ext.dtypes import ORDER, POSITION, REQUEST_TERMS
from ext.errors import RecordingError
from ext.instrument_table import InstrumentTable
from ext.order_history import OrderHistory
from ext.orders import OrderTable
from ext.safety_records import KeptState
from ext.shared_memory import SharedMemory
from ext.wire import Command, RecordKind
from journal.entries import Entry
from journal.run_facts import RunFacts
from journal.snapshot import FillMark, Snapshot

ORDERLY_STOP = 1  # ``detail`` of a pause that belongs to a stop: nobody has to look
UNARMED = 2  # the same of an engine that nobody has armed yet


class OrderLedger:
    """State of one run; ``apply`` its entries in order, then take a ``snapshot``."""

    def __init__(self, facts: RunFacts, start: Snapshot | None = None) -> None:
        """Begins with ``start``, a snapshot of the same run; None: with nothing."""
        self.facts = facts
        self.sequence = 0
        self.time_ns = facts.start_time_ns
        self.applied = 0
        self.pause_reason = self.kill_reason = ""
        self.last_result = 0  # ReportResult bits of the last report
        self.next_outgoing = self.next_incoming = 1
        self._memory = SharedMemory(
            None,
            [(each[0], each[1], each[2]) for each in facts.instruments],
            [each.name for each in facts.strategies],
            is_resident=False,
        )
        table = InstrumentTable()
        for symbol, tick, lot in facts.instruments:
            table.add(symbol, tick, lot)
        orders = OrderTable(self._memory, table)
        self.history = OrderHistory(orders)
        self.history.identify(facts.prefix.encode(), facts.first_number)
        decoder = FixReportDecoder(table, orders, facts.sender_comp_id, facts.target_comp_id)
        self.history = OrderHistory(orders, decoder)
        self.orders = self._memory.region("orders_offset", ORDER, int(Bound.MAX_ORDERS))
        self.positions = self._memory.region("positions_offset", POSITION, len(facts.strategies))
        for index, each in enumerate(facts.strategies):
            symbols = [symbol for symbol, _, _ in facts.instruments]
            self.positions[index]["strategy"] = index
            self.positions[index]["instrument"] = symbols.index(each.instrument)
        self.strategy_states = [b""] * len(facts.strategies)
        self.breakers = [b""] * (len(facts.strategies) + 1)
        self.guards = [b""] * len(facts.strategies)
        self.fill_marks = {
            symbol: FillMark(since_ns=facts.start_time_ns) for symbol, _, _ in facts.instruments
        }
        self._messages: deque[tuple[int, bytes]] = deque(maxlen=int(Bound.OUTGOING_SLOTS))
        if start is not None:
            self._load(start)
        self._actions: dict[int, Callable[[Entry], None]] = {
            RecordKind.RECORD_REQUEST: self._request,
            RecordKind.RECORD_REPORT: self._report,
            RecordKind.RECORD_COMMAND: self._command,
            RecordKind.RECORD_SESSION_WORDS: self._session_words,
            RecordKind.RECORD_STRATEGY_STATE: self._kept_state,
        }

    def apply(self, entry: Entry) -> None:
        """Applies one entry of the order stream; those that change nothing are passed over.

        Raises RecordingError, naming the record, when it cannot belong to this state.
        """
        if entry.sequence <= self.sequence:
            return
        action = self._actions.get(entry.kind)
        if action is not None:
            try:
                action(entry)
            except RecordingError as error:
                raise RecordingError(f"order record {entry.sequence}: {error}") from error
            self.applied += 1
        self.sequence = entry.last_sequence
        self.time_ns = entry.time_ns

    def snapshot(self) -> Snapshot:
        """The state now."""
        return Snapshot(
            start_time_ns=self.facts.start_time_ns,
            sequence=self.sequence,
            time_ns=self.time_ns,
            next_number=self.history.next_number,
            next_outgoing=self.next_outgoing,
            next_incoming=self.next_incoming,
            pause_reason=self.pause_reason,
            instruments=self.facts.instruments,
            strategies=[(each.name, each.instrument) for each in self.facts.strategies],
            tables=self.history.save(),
            positions=self.positions.tobytes(),
            strategy_states=self.strategy_states,
            messages=list(self._messages),
            breakers=list(self.breakers),
            guards=list(self.guards),
            kill_reason=self.kill_reason,
            fill_marks=dict(self.fill_marks),
        )

    def _load(self, start: Snapshot) -> None:
        self.history.load(start.tables)
        self.history.identify(self.facts.prefix.encode(), start.next_number)
        self.positions[:] = np.frombuffer(start.positions, POSITION)
        self.sequence, self.time_ns = start.sequence, start.time_ns
        self.pause_reason, self.kill_reason = start.pause_reason, start.kill_reason
        self.next_outgoing, self.next_incoming = start.next_outgoing, start.next_incoming
        self.strategy_states = list(start.strategy_states)
        self.breakers = list(start.breakers) or self.breakers
        self.guards = list(start.guards) or self.guards
        self.fill_marks.update(start.fill_marks)
        self._messages.extend(start.messages)

    def _request(self, entry: Entry) -> None:
        record, size = entry.record, REQUEST_TERMS.itemsize
        self.history.apply_request(
            entry.data[:size],
            int(record["strategy"]),
            int(record["instrument"]),
            int(record["reference"]),
            entry.time_ns,
        )
        self.next_outgoing = int(record["reference"]) + 1
        self._messages.append((int(record["reference"]), entry.data[size:]))

    def _report(self, entry: Entry) -> None:
        code = int(entry.record["code"])
        self.last_result = self.history.apply_report(entry.data, code, entry.time_ns)

    def _command(self, entry: Entry) -> None:
        record, orders, time_ns = entry.record, self.history.orders, entry.time_ns
        match Command(int(record["code"])):
            case Command.COMMAND_MARK_UNKNOWN:
                orders.mark_unknown(time_ns)
            case Command.COMMAND_EXPIRE_PENDING:
                orders.expire_pending(time_ns, int(record["reference"]))
            case Command.COMMAND_FORGET_SEQUENCES:
                orders.requests.forget_sequences()
                self._messages.clear()
                self.next_outgoing = self.next_incoming = 1
            case Command.COMMAND_SEND_FAILED:
                self.history.apply_unsent(int(record["reference"]), time_ns)
            case Command.COMMAND_PAUSE:
                if int(record["detail"]) not in (ORDERLY_STOP, UNARMED):
                    self.pause_reason = entry.data.decode(errors="replace") or "paused"
            case Command.COMMAND_RESUME:
                self.pause_reason = ""
            case Command.COMMAND_KILL:
                self.kill_reason = entry.data.decode(errors="replace") or self.kill_reason
                self.kill_reason = self.kill_reason or "the kill word was set"
            case Command.COMMAND_REARM:
                self.kill_reason = ""
            case Command.COMMAND_AGREED:
                self._agreed(entry)
            case _:
                pass  # of market data, or what it makes is recorded as requests

    def _agreed(self, entry: Entry) -> None:
        try:
            trade_ids = msgspec.json.decode(entry.data, type=dict[str, int])
        except msgspec.MsgspecError as error:
            raise RecordingError(f"trades agreed on: {error}") from error
        marks = {symbol: FillMark(trade_id) for symbol, trade_id in trade_ids.items()}
        self.fill_marks.update(marks)

    def _session_words(self, entry: Entry) -> None:
        self.next_outgoing = int(entry.record["order_number"])
        self.next_incoming = max(1, int(entry.record["reference"]))

    def _kept_state(self, entry: Entry) -> None:
        strategy = int(entry.record["strategy"])
        match KeptState(int(entry.record["code"])):
            case KeptState.KEPT_STRATEGY:
                self.strategy_states[strategy] = entry.data
            case KeptState.KEPT_BREAKERS:
                self.breakers[strategy] = entry.data  # -1: the engine's, the last one
            case KeptState.KEPT_GUARD:
                self.guards[strategy] = entry.data
