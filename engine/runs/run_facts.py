"""The facts of a run that begins, for its first record."""

from typing import Any

from engine.instruments import Instrument
from engine.kernel.kernels import CompiledStrategy
from engine.law.jurisdiction import forbidden_instruments, rule, table_of
from engine.paper.paper_entry import TARGET_COMP_ID
from engine.rest.rest_parts import host_header
from engine.runs.run_identity import RunIdentity
from engine.settings.config import config_hash, describe_config
from engine.settings.config_schema import EngineConfig
from journal.run_facts import RulingFacts, RunFacts, SiteFacts, StrategyFacts


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
    target = ""
    if (section := config.order_entry) is not None:
        target = host_header(section) if section.protocol == "rest" else section.target_comp_id
    if config.engine.mode == "paper":
        target = TARGET_COMP_ID
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
        mode=config.engine.mode,
        site=_site_facts(config),
    )


def _site_facts(config: EngineConfig) -> SiteFacts:
    return SiteFacts(
        country=config.site.country,
        region=config.site.region,
        table_digest=table_of(config).digest,
        override_reason=config.site.override_reason,
        rulings=[
            RulingFacts(
                each.symbol,
                each.venue,
                each.product,
                each.permission.value,
                f"{each.entry.date}" if each.entry is not None else "",
            )
            for each in rule(config)
        ],
        forbidden=sorted(forbidden_instruments(config)),
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
