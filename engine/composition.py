"""Builds the parts of an engine in the order of the data's way and joins them.

Nothing here opens a socket or starts a process; ``engine.supervisor`` does.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.canary import scale_limits
from engine.gate_setup import make_gate
from engine.instruments import Instrument
from engine.kernel.kernels import CompiledStrategy, compile_strategy
from engine.kernel.strategy_loader import load_strategy
from engine.law.jurisdiction import forbidden_instruments
from engine.paper.paper_entry import SENDER_COMP_ID, TARGET_COMP_ID, PaperParts, make_parts
from engine.rest.rest_parts import (
    RestOrderParts,
    fit_parameters,
    host_header,
    is_by_rest,
    make_encoder,
    make_senders,
)
from engine.runs.run_identity import RunIdentity
from engine.safety.breaker_limits import make_breakers
from engine.safety.guard_limits import make_guard
from engine.settings.config import EngineConfig, make_instruments, make_limits
from engine.settings.config_checks import is_under_tls
from engine.settings.config_schema import MODES_WITHOUT_ORDERS
from engine.settings.config_venues import FeedSection, OrderEntrySection
from engine.tls_context import make_client_context
from ext.bounds import Bound
from ext.clock import read_wall_ns
from ext.codecs.coinbase_advanced_feed import CoinbaseAdvancedFeed
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.codecs.fix_order import FixOrderEncoder
from ext.codecs.fix_report import FixReportDecoder
from ext.errors import ConfigError, UsageError
from ext.feed_decoder import FeedDecoder
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.order_encoder import OrderEncoder
from ext.order_history import OrderHistory
from ext.order_sender import OrderSender
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.rest_sender import RestSender
from ext.session_store import SessionStore
from ext.shared_memory import SharedMemory
from ext.signing import sign_coinbase_exchange
from ext.tcp_sender import TcpSender
from ext.tls_channel import TlsChannel
from gateways.fix_dialect import FIXT_BEGIN_STRING, CoinbaseExchangeDialect
from gateways.fix_session import FixSession
from gateways.fix_timers import SessionLimits

MILLISECOND_NS = 1_000_000
# Coinbase Exchange FIX, tag 7928: cancel the aggressor. Its two pages give different defaults, so
# it is always sent.
SELF_TRADE_RULE = "N"
CANCEL_ON_DISCONNECT = {"session": "S", "profile": "Y", "off": None}
DECODERS: dict[str, type[FeedDecoder]] = {
    "coinbase_exchange": CoinbaseExchangeFeed,
    "coinbase_advanced": CoinbaseAdvancedFeed,
}


@dataclass(frozen=True, slots=True)
class OrderParts:
    """What order entry needs beyond the pipeline; absent in a shadow run without it."""

    session: FixSession
    store: SessionStore
    sender: TcpSender | TlsChannel
    decoder: FixReportDecoder


@dataclass(frozen=True, slots=True)
class OrderEdge:
    """Where orders leave: who we are to the venue, numbers and sent messages, the socket.

    By REST the names are the key and the host; ``senders`` are those of the connections, which one
    sender over all of them replaces, with the secrets of ``sealed_by``. Without them, as in a
    replay, ``sender`` takes what was not sealed.
    """

    sender_comp_id: str
    target_comp_id: str
    store: SessionStore
    sender: OrderSender
    senders: Sequence[OrderSender] = ()
    sealed_by: OrderEntrySection | None = None


@dataclass(frozen=True, slots=True)
class Arc:
    """The compiled arc of one run, joined."""

    config: EngineConfig
    instruments: tuple[Instrument, ...]
    strategies: tuple[CompiledStrategy, ...]
    memory: SharedMemory
    pipeline: Pipeline
    orders: OrderParts | RestOrderParts | None
    paper: PaperParts | None
    history: OrderHistory
    identity: RunIdentity
    decoder: FixReportDecoder | None
    sender_comp_id: str
    sender: OrderSender | None


def compile_strategies(
    config: EngineConfig, on_compiled: Callable[[CompiledStrategy], None]
) -> tuple[CompiledStrategy, ...]:
    """Loads and compiles every enabled strategy; ConfigError names the one that cannot be."""
    instruments = {instrument.symbol: instrument for instrument in make_instruments(config)}
    compiled = []
    for index, section in enumerate(config.strategies):
        if not section.enabled:
            continue
        try:
            kind = load_strategy(section.class_name)
            params = fit_parameters(config, kind.params.declarations, section.params)
            strategy = compile_strategy(kind, instruments[section.instrument], params)
        except ConfigError as error:
            place = f"strategy.{index} ({section.class_name} on {section.instrument})"
            raise ConfigError(f"{place}: {error}") from error
        on_compiled(strategy)
        compiled.append(strategy)
    return tuple(compiled)


def check_secrets(config: EngineConfig) -> None:
    """Reads the secrets that the run needs and signs with them; ConfigError names the section."""
    sections: dict[str, FeedSection | OrderEntrySection] = {"feed": config.feed}
    if (order_entry := _order_section(config)) is not None:
        sections["order_entry"] = order_entry
    for name, section in sections.items():
        if section.secret is not None:
            try:
                sign_coinbase_exchange(section.secret.reveal(), b"")
            except ConfigError as error:
                raise ConfigError(f"[{name}] secret: {error}") from None


def compose(
    config: EngineConfig,
    strategies: tuple[CompiledStrategy, ...],
    identity: RunIdentity | None = None,
) -> Arc:
    """The arc of a run; ``identity`` None is one of its own, for runs that leave nothing behind.

    Raises ConfigError for what cannot be joined.
    """
    edge = sender = None
    if config.engine.mode == "paper":
        return _compose_paper(config, strategies, identity)
    if is_by_rest(config) and config.engine.mode not in MODES_WITHOUT_ORDERS:
        return _compose_by_rest(config, strategies, identity)
    if (section := _order_section(config)) is not None:
        store = SessionStore(
            str(Path(config.engine.state_directory) / "fix-session.store"),
            f"{config.engine.name}:{section.target_comp_id}",
        )
        sender = _make_sender(section)
        edge = OrderEdge(section.key.reveal(), section.target_comp_id, store, sender)
    memory, forbidden = _make_memory(config, strategies), forbidden_instruments(config)
    arc = join(config, strategies, memory, edge, identity, forbidden)
    if edge is None or section is None or sender is None:
        return arc
    return replace(arc, orders=make_order_parts(section, arc, edge, sender))


def _compose_paper(
    config: EngineConfig, strategies: tuple[CompiledStrategy, ...], identity: RunIdentity | None
) -> Arc:
    paper = make_parts(config.paper)
    edge = OrderEdge(SENDER_COMP_ID, TARGET_COMP_ID, paper.store, paper.sender)
    arc = join(config, strategies, _make_memory(config, strategies), edge, identity)
    return replace(arc, paper=paper)


def _compose_by_rest(
    config: EngineConfig, strategies: tuple[CompiledStrategy, ...], identity: RunIdentity | None
) -> Arc:
    section = config.order_entry
    if section is None:
        raise UsageError("orders by REST need [order_entry]")
    store = SessionStore(None, "rest")  # numbers name requests of this run, no message is repeated
    senders = make_senders(section, is_under_tls=is_under_tls(section, config.simulator))
    host = host_header(section)
    edge = OrderEdge(section.key.reveal(), host, store, senders[0], senders, section)
    memory, forbidden = _make_memory(config, strategies), forbidden_instruments(config)
    arc = join(config, strategies, memory, edge, identity, forbidden)
    if not isinstance(arc.sender, RestSender):
        raise UsageError("orders by REST were joined without their sender")
    return replace(arc, orders=RestOrderParts(store, arc.sender, senders, host))


def _make_memory(config: EngineConfig, strategies: tuple[CompiledStrategy, ...]) -> SharedMemory:
    return SharedMemory(
        str(config.shared_memory_path),
        *_names(config, strategies),
        engine_name=config.engine.name,
        mode=config.engine.mode,
        start_time_ns=read_wall_ns(),
        market_ring_slots=Bound.MARKET_RING_SLOTS,
    )


def join(
    config: EngineConfig,
    strategies: tuple[CompiledStrategy, ...],
    memory: SharedMemory,
    edge: OrderEdge | None,
    identity: RunIdentity | None = None,
    forbidden: Iterable[int] = (),
) -> Arc:
    """Joins tables, gate, codecs and pipeline over ``memory``; orders leave by ``edge``, but for
    those of ``forbidden`` instruments."""
    instruments = make_instruments(config)
    table = InstrumentTable()
    for instrument in instruments:
        table.add(instrument.symbol, f"{instrument.tick:f}", f"{instrument.lot:f}")
    orders = OrderTable(memory, table)
    if identity is None:
        identity = RunIdentity(OrderHistory(orders).run_prefix, 1)
    OrderHistory(orders).identify(identity.prefix, identity.first_number)
    decoder = None
    encoder: OrderEncoder | None = None
    sender = edge.sender if edge is not None else None
    if edge is not None and is_by_rest(config) and config.engine.mode != "paper":
        key, host = edge.sender_comp_id, edge.target_comp_id
        encoder = rest_encoder = make_encoder(table, orders, host, key, edge.sealed_by)
        if edge.senders:
            sender = RestSender(rest_encoder, edge.store, list(edge.senders))
    elif edge is not None:
        names = edge.sender_comp_id, edge.target_comp_id
        decoder = FixReportDecoder(table, orders, *names)
        encoder = FixOrderEncoder(table, orders, FIXT_BEGIN_STRING, *names, SELF_TRADE_RULE)
    numbers = [strategy.instrument.index for strategy in strategies]
    held = scale_limits(config)  # what gate and breakers hold: a canary's are a part of the file's
    pipeline = Pipeline(
        table,
        DECODERS[config.feed.venue](table),
        memory,
        _make_strategy_table(strategies),
        orders,
        make_gate(held, strategies, forbidden),
        encoder=encoder,
        sender=sender,
        store=edge.store if edge else None,
        breakers=make_breakers(held, numbers, memory, table),
        guard=make_guard(config, numbers, make_limits(config), memory),
        is_sending=config.engine.mode != "shadow",
        step_interval=config.telemetry.step_timing_interval,
        is_conflating=config.feed.conflate,
        is_recording=True,
    )
    history = OrderHistory(orders, decoder)
    sender_comp_id = edge.sender_comp_id if edge is not None else ""
    return Arc(
        config,
        instruments,
        strategies,
        memory,
        pipeline,
        None,
        None,
        history,
        identity,
        decoder,
        sender_comp_id,
        sender,
    )


def private_memory(config: EngineConfig, strategies: tuple[CompiledStrategy, ...]) -> SharedMemory:
    """Memory that no other process sees, for a repetition of a run."""
    return SharedMemory(None, *_names(config, strategies), is_resident=False)


def _names(
    config: EngineConfig, strategies: tuple[CompiledStrategy, ...]
) -> tuple[list[tuple[str, str, str]], list[str]]:
    instruments = make_instruments(config)
    return (
        [(each.symbol, f"{each.tick:f}", f"{each.lot:f}") for each in instruments],
        [strategy.name for strategy in strategies],
    )


def _make_strategy_table(strategies: tuple[CompiledStrategy, ...]) -> StrategyTable:
    table = StrategyTable()
    for strategy in strategies:
        table.add(
            strategy.instrument.index,
            strategy.state,
            strategy.addresses,
            strategy.bar_interval_ns,
            strategy.timer_interval_ns,
            owner=strategy,
            persistent=strategy.persistent,
        )
    return table


def _order_section(config: EngineConfig) -> OrderEntrySection | None:
    """What orders of this run leave by; None when none can, as in a shadow or paper run."""
    return None if config.engine.mode in MODES_WITHOUT_ORDERS else config.order_entry


def _make_sender(section: OrderEntrySection) -> TcpSender | TlsChannel:
    if not section.tls:
        return TcpSender()
    return TlsChannel(make_client_context(section.ca_file, "order_entry"))


def make_order_parts(
    section: OrderEntrySection, arc: Arc, edge: OrderEdge, sender: TcpSender | TlsChannel
) -> OrderParts:
    """The order session over an arc that has an edge."""
    dialect = CoinbaseExchangeDialect(
        edge.sender_comp_id,
        section.secret.reveal(),
        section.passphrase.reveal(),
        target=section.target_comp_id,
        heartbeat_s=section.heartbeat_seconds,
        cancel_on_disconnect=CANCEL_ON_DISCONNECT[section.cancel_on_disconnect],
    )
    limits = SessionLimits(
        logon_timeout_ns=section.logon_timeout_ms * MILLISECOND_NS,
        sending_time_limit_ns=section.sending_time_limit_ms * MILLISECOND_NS or None,
        resend_age_limit_ns=section.resend_age_limit_ms * MILLISECOND_NS,
    )
    if arc.decoder is None:
        raise UsageError("an arc without a decoder has no order session")
    return OrderParts(
        session=FixSession(dialect, edge.store, limits=limits),
        store=edge.store,
        sender=sender,
        decoder=arc.decoder,
    )
