"""The first record of a run: everything that a later reader needs and the stream does not say.

Names and steps behind the numbers of the records, who the run is to the venue, its config without
secrets, and what it began with.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from ext.errors import RecordingError
from ext.wire import RecordKind
from journal.entries import Entry


class StrategyFacts(msgspec.Struct, frozen=True):
    """One strategy of a run. ``persistent`` are the fields of its persistent state, as NumPy has
    them: name, type, shape."""

    name: str
    instrument: str
    source_digest: str
    persistent: list[Any]


class RulingFacts(msgspec.Struct, frozen=True):
    """What the jurisdiction table said of one instrument. ``date`` is of the table's entry, empty
    when there is none."""

    symbol: str
    venue: str
    product: str
    permission: str
    date: str


class SiteFacts(msgspec.Struct, frozen=True):
    """Where the operator was, and on what grounds the run was let trade. ``table_digest`` is the
    SHA-256 of the jurisdiction table; ``forbidden`` are the instruments that the gate refused."""

    country: str = ""
    region: str = ""
    table_digest: str = ""
    override_reason: str = ""
    rulings: list[RulingFacts] = []
    forbidden: list[int] = []


class RunFacts(msgspec.Struct, frozen=True):
    """What a RECORD_RUN holds, as JSON.

    ``instruments`` are (symbol, tick, lot). ``snapshot`` names the file with the state that the
    run began with; empty: with nothing. ``mode`` is empty in journals of before it was there.
    """

    version: str
    start_time_ns: int
    config: str
    config_hash: str
    instruments: list[tuple[str, str, str]]
    strategies: list[StrategyFacts]
    prefix: str
    first_number: int
    sender_comp_id: str
    target_comp_id: str
    snapshot: str
    mode: str = ""
    site: SiteFacts = SiteFacts()


def encode_facts(facts: RunFacts) -> bytes:
    """The bytes of the record."""
    return msgspec.json.encode(facts)


def decode_facts(entry: Entry) -> RunFacts:
    """The facts of a RECORD_RUN; RecordingError when it is not one of this version."""
    try:
        return msgspec.json.decode(entry.data, type=RunFacts)
    except msgspec.MsgspecError as error:
        raise RecordingError(f"the first record of the run cannot be read: {error}") from error


def read_facts(entries: Iterator[Entry]) -> RunFacts | None:
    """The facts of a run, which its first entries hold; the iterator stands behind them."""
    for entry in entries:
        if entry.kind == RecordKind.RECORD_RUN:
            return decode_facts(entry)
        if entry.kind == RecordKind.RECORD_REQUEST:
            raise RecordingError(f"run {entry.time_ns}: requests before its first record")
    return None
