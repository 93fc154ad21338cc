"""What the relay knows about itself, and whether the engine is well."""

from dataclasses import dataclass, field
from typing import Any

from ext.wire import EngineState
from journal.entries import ORDERS, STREAMS, Stream
from journal.names import ENGINE_STATES, name_of
from journal.shared_reader import SharedReader

HEALTHY_HEARTBEAT_NS = 3_000_000_000
# A process that cannot be seen may live in another PID namespace: then its heartbeat decides.
GONE_HEARTBEAT_NS = 1_000_000_000

_HEALTHY_STATES = (EngineState.ENGINE_RUNNING, EngineState.ENGINE_PAUSED_STATE)


@dataclass(slots=True)
class RelayStatus:
    """Counters of one relay since its start; written by its loop alone."""

    journaled_records: int = 0
    journal_bytes: dict[Stream, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    unjournaled_records: int = 0  # of market data, given up while the journal could not be written
    lost_records: int = 0  # slots overwritten before they could be taken
    published_messages: int = 0
    subscriptions: int = 0
    journal_error: str = ""


def engine_gone(reader: SharedReader, now_ns: int) -> bool:
    """Whether the engine ended without saying so; ``now_ns`` is wall clock."""
    return reader.heartbeat_age_ns(now_ns) > GONE_HEARTBEAT_NS and not reader.engine_lives()


def journal_lag_ns(reader: SharedReader, now_ns: int) -> int:
    """Age of the oldest order record that is not on the disk, not below 0; 0 when all are."""
    oldest_ns = reader.oldest_time_ns(ORDERS, reader.word("synced_sequence"))
    return max(0, now_ns - oldest_ns) if oldest_ns else 0


def health(reader: SharedReader, status: RelayStatus, now_ns: int) -> tuple[bool, dict[str, Any]]:
    """Answer of ``/healthz``: well or not, and the facts with the first reason found."""
    state = reader.word("engine_state")
    age_ns = reader.heartbeat_age_ns(now_ns)
    if engine_gone(reader, now_ns):
        reason = f"engine process {reader.process_id} is gone"
    elif state not in _HEALTHY_STATES:
        reason = f"engine is {name_of(ENGINE_STATES, state)}: {reader.text('state_reason')}"
    elif age_ns >= HEALTHY_HEARTBEAT_NS:
        reason = f"engine heartbeat is {age_ns / 1e9:.1f} s old, must be below 3 s"
    else:
        reason = ""
    facts = {
        "healthy": not reason,
        "reason": reason,
        "engine": reader.engine_name,
        "mode": reader.mode,
        "state": name_of(ENGINE_STATES, state),
        "heartbeat_age_seconds": round(age_ns / 1e9, 3),
        "journal_error": status.journal_error,
        "journal_lag_seconds": round(journal_lag_ns(reader, now_ns) / 1e9, 3),
    }
    return not reason, facts
