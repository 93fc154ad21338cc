"""The arc and the order session of an engine in a world, joined without files and sockets."""

import hashlib
from typing import Any, cast

import numpy as np

from engine.composition import CANCEL_ON_DISCONNECT, MILLISECOND_NS, SELF_TRADE_RULE, OrderParts
from engine.config import make_instruments, make_limits
from engine.config_schema import EngineConfig
from engine.run_identity import NUMBERS_PER_RUN, RunIdentity
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.codecs.fix_order import FixOrderEncoder
from ext.codecs.fix_report import FixReportDecoder
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.order_history import OrderHistory
from ext.order_sender import CapturingSender
from ext.orders import OrderTable, draw_run_prefix
from ext.pipeline import Pipeline
from ext.risk import RiskGate
from ext.session_store import SessionStore
from ext.shared_memory import SharedMemory
from gateways.fix_dialect import FIXT_BEGIN_STRING, CoinbaseExchangeDialect
from gateways.fix_session import FixSession
from gateways.fix_timers import SessionLimits
from sim.world.engine_config import EngineSetup

SENDER_COMP_ID = "demo-key"
SENDER_BYTES = 1 << 18
"""Far more than one event of a world makes the engine send."""
_DIGEST_BYTES = 8


def draw_identity(seed: int, run: int) -> RunIdentity:
    """Who a run is to the venue: the same prefix over the runs of a world, numbers of its own."""
    prefix = draw_run_prefix(_digest(seed, 0, "client ids"))
    return RunIdentity(prefix, run * NUMBERS_PER_RUN + 1)


def draw_states(setup: EngineSetup, seed: int, run: int) -> list[np.ndarray]:
    """What the strategies of a run begin with; those that play at random have their seed there."""
    states = [strategy.state.copy() for strategy in setup.strategies]
    for index, state in enumerate(states):
        if "random" in (state.dtype.names or ()):
            digest = _digest(seed, run, f"strategy {index}")
            state["random"] = int.from_bytes(digest, "little", signed=True)
    return states


def _digest(seed: int, run: int, what: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{run}:{what}".encode(), digest_size=_DIGEST_BYTES).digest()


def join(
    setup: EngineSetup, states: list[np.ndarray], identity: RunIdentity
) -> tuple[SharedMemory, Pipeline, OrderParts]:
    """The arc of a run as ``engine.composition`` joins it, in memory and with nothing behind it."""
    config = setup.config
    instruments = make_instruments(config)
    table = InstrumentTable()
    for instrument in instruments:
        table.add(instrument.symbol, f"{instrument.tick:f}", f"{instrument.lot:f}")
    names = [(each.symbol, f"{each.tick:f}", f"{each.lot:f}") for each in instruments]
    memory = SharedMemory(None, names, [each.name for each in setup.strategies])
    orders = OrderTable(memory, table)
    OrderHistory(orders).identify(identity.prefix, identity.first_number)
    strategies, gate = StrategyTable(), _make_gate(config)
    for strategy, state in zip(setup.strategies, states, strict=True):
        gate.add_strategy(strategy.instrument.index)
        strategies.add(
            strategy.instrument.index,
            state,
            strategy.addresses,
            strategy.bar_interval_ns,
            strategy.timer_interval_ns,
            owner=strategy,
            persistent=strategy.persistent,
        )
    parts = _make_order_parts(config, table, orders)
    section = config.order_entry
    assert section is not None
    pipeline = Pipeline(
        table,
        CoinbaseExchangeFeed(table),
        memory,
        strategies,
        orders,
        gate,
        encoder=FixOrderEncoder(
            table,
            orders,
            FIXT_BEGIN_STRING,
            section.key.reveal(),
            section.target_comp_id,
            SELF_TRADE_RULE,
        ),
        sender=parts.sender,
        store=parts.store,
        step_interval=0,
        is_conflating=config.feed.conflate,
        is_recording=True,
    )
    return memory, pipeline, parts


def _make_gate(config: EngineConfig) -> RiskGate:
    gate, risk = RiskGate(), config.risk
    gate.set_engine_limits(
        risk.max_orders_per_second,
        risk.cancel_reserve,
        risk.stale_after_ms * MILLISECOND_NS,
        risk.duplicate_window_ms * MILLISECOND_NS,
        risk.max_feed_delay_ms * MILLISECOND_NS,
    )
    for index, limits in enumerate(make_limits(config)):
        gate.set_instrument_limits(
            index,
            limits.max_order_lots,
            limits.max_order_notional_steps,
            limits.price_collar_parts_per_million,
            limits.max_position_lots,
        )
    return gate


def _make_order_parts(
    config: EngineConfig, table: InstrumentTable, orders: OrderTable
) -> OrderParts:
    section = config.order_entry
    assert section is not None
    key = section.key.reveal()
    store = SessionStore(None, f"{config.engine.name}:{section.target_comp_id}")
    dialect = CoinbaseExchangeDialect(
        key,
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
    return OrderParts(
        session=FixSession(dialect, store, limits=limits),
        store=store,
        sender=cast(Any, CapturingSender(SENDER_BYTES)),
        decoder=FixReportDecoder(table, orders, key, section.target_comp_id),
    )
