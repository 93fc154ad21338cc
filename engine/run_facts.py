"""The first record of a run: everything that a later reader needs and the stream does not say.

Names and steps behind the numbers of the records, who the run is to the venue, its config without
secrets, and what it began with.
"""

from typing import Any

import msgspec

from engine.config import config_hash, describe_config
from engine.config_schema import EngineConfig
from engine.instruments import Instrument
from engine.kernels import CompiledStrategy
from engine.run_identity import RunIdentity
from ext.errors import RecordingError
from journal.entries import Entry


class StrategyFacts(msgspec.Struct, frozen=True):
    """One strategy of a run. ``persistent`` are the fields of its persistent state, as NumPy has
    them: name, type, shape."""

    name: str
    instrument: str
    source_digest: str
    persistent: list[Any]


class RunFacts(msgspec.Struct, frozen=True):
    """What a RECORD_RUN holds, as JSON.

    ``instruments`` are (symbol, tick, lot). ``snapshot`` names the file with the state that the
    run began with; empty: with nothing.
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

    @property
    def identity(self) -> RunIdentity:
        """Who the run was to the venue."""
        return RunIdentity(self.prefix.encode(), self.first_number)


def make_facts(
    config: EngineConfig,
    instruments: tuple[Instrument, ...],
    strategies: tuple[CompiledStrategy, ...],
    identity: RunIdentity,
    *,
    version: str,
    start_time_ns: int,
    sender_comp_id: str,
    snapshot: str,
) -> RunFacts:
    """The facts of a run that begins."""
    target = config.order_entry.target_comp_id if config.order_entry is not None else ""
    return RunFacts(
        version=version,
        start_time_ns=start_time_ns,
        config=describe_config(config),
        config_hash=config_hash(config, [each.source_digest for each in strategies]),
        instruments=[(each.symbol, f"{each.tick:f}", f"{each.lot:f}") for each in instruments],
        strategies=[
            StrategyFacts(
                each.name, each.instrument.symbol, each.source_digest, persistent_fields(each)
            )
            for each in strategies
        ],
        prefix=identity.prefix.decode(),
        first_number=identity.first_number,
        sender_comp_id=sender_comp_id,
        target_comp_id=target,
        snapshot=snapshot,
    )


def persistent_fields(strategy: CompiledStrategy) -> list[Any]:
    """Names and types of the persistent fields of a strategy, in their order."""
    offset, size = strategy.persistent
    fields = strategy.state.dtype.fields or {}
    return [
        [name, str(field[0])]
        for name, field in fields.items()
        if offset <= field[1] < offset + size
    ]


def encode_facts(facts: RunFacts) -> bytes:
    """The bytes of the record."""
    return msgspec.json.encode(facts)


def decode_facts(entry: Entry) -> RunFacts:
    """The facts of a RECORD_RUN; RecordingError when it is not one of this version."""
    try:
        return msgspec.json.decode(entry.data, type=RunFacts)
    except msgspec.MsgspecError as error:
        raise RecordingError(f"the first record of the run cannot be read: {error}") from error
