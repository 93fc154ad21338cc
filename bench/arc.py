"""Joins the compiled arc as the engine does, for one strategy a product and wide limits.

Wide means that no order of a benchmark is refused; every check runs.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Generic, TypeVar

from bench.order_every_frame import OrderEveryFrame
from engine.instruments import Instrument
from engine.kernel.kernels import CompiledStrategy, compile_strategy
from engine.settings.config_records import TelemetrySection
from ext.bounds import Bound
from ext.codecs.binance_feed import BinanceFeed
from ext.codecs.binance_order import BinanceOrderEncoder
from ext.codecs.binance_report import BinanceReportDecoder
from ext.codecs.coinbase_advanced_feed import CoinbaseAdvancedFeed
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.codecs.coinbase_rest_order import CoinbaseRestOrderEncoder
from ext.codecs.fix_order import FixOrderEncoder
from ext.codecs.fix_report import FixReportDecoder
from ext.codecs.gemini_feed import GeminiFeed
from ext.codecs.kraken_feed import KrakenFeed
from ext.codecs.kraken_v1_feed import KrakenV1Feed
from ext.feed_decoder import FeedDecoder
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.order_encoder import OrderEncoder
from ext.order_sender import OrderSender
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.rest_sender import RestSender
from ext.risk import RiskGate
from ext.session_store import SessionStore
from ext.shared_memory import PRIVATE_MARKET_SLOTS, SharedMemory
from feeds.recording_survey import Product

BEGIN_STRING = "FIXT.1.1"
SENDER = "WOWBENCH"
TARGET = "EXCHANGE"
SELF_TRADE_RULE = "N"
BINANCE_SELF_TRADE_MODE = "EXPIRE_TAKER"  # the same: the aggressor ends
REST_SELF_TRADE_RULE = "cn"  # and here
REST_HOST, REST_PASSPHRASE = "api.exchange.coinbase.com", "p" * 16
REST_SECRET = base64.b64encode(bytes(range(64))).decode()
RUN_SEED = bytes(range(8))  # the same client order ids in every run

DECODERS: dict[str, type[FeedDecoder]] = {
    "coinbase_exchange": CoinbaseExchangeFeed,
    "coinbase_advanced": CoinbaseAdvancedFeed,
    "binance_usdm": BinanceFeed,
    "gemini": GeminiFeed,
    "kraken": KrakenFeed,
    "kraken_v1": KrakenV1Feed,
}
WITHOUT_TIMES = frozenset({"gemini"})
"""Venues whose book messages carry no time."""

# The engine's largest message rate, and its default windows.
_MAX_MESSAGES_PER_SECOND = 1024
_CANCEL_RESERVE = 24
_STALE_AFTER_NS = 2_000_000_000
_DUPLICATE_WINDOW_NS = 100_000_000
_WIDE = 1 << 60
_COLLAR_PPM = 1_000_000
_WEEK_S = 604_800


Encoder = TypeVar("Encoder", bound=OrderEncoder)
Decoder = TypeVar("Decoder")


@dataclass(frozen=True, slots=True)
class JoinedArc(Generic[Encoder, Decoder]):
    """The joined parts, for one way to place orders."""

    table: InstrumentTable
    orders: OrderTable
    store: SessionStore
    sender: OrderSender
    encoder: Encoder
    decoder: Decoder
    pipeline: Pipeline
    strategies: tuple[CompiledStrategy, ...]


Arc = JoinedArc[FixOrderEncoder, FixReportDecoder]
RestArc = JoinedArc[CoinbaseRestOrderEncoder, None]
BinanceArc = JoinedArc[BinanceOrderEncoder, BinanceReportDecoder]


def make_table(products: Sequence[Product]) -> InstrumentTable:
    """The instruments in the order of ``products``."""
    table = InstrumentTable()
    for product in products:
        table.add(
            product.symbol,
            product.tick,
            product.lot,
            price_precision=product.price_precision,
            quantity_precision=product.quantity_precision,
            depth=product.depth,
        )
    return table


def make_arc(
    venue: str,
    products: Sequence[Product],
    sender: OrderSender,
    *,
    unit_lots: int = 1,
    directory: Path | None = None,
    is_recording: bool = False,
) -> Arc:
    """An arc whose orders leave by FIX, and whose order session counts as logged on.

    ``directory`` takes the shared memory and the session store as files, as in production; None
    keeps both in this process. With ``is_recording`` it keeps what comes in, as in production.
    """
    return _join(
        venue,
        products,
        lambda encoder, store: sender,
        lambda table, orders: FixOrderEncoder(
            table, orders, BEGIN_STRING, SENDER, TARGET, SELF_TRADE_RULE
        ),
        lambda table, orders: FixReportDecoder(table, orders, SENDER, TARGET),
        unit_lots,
        directory,
        is_recording=is_recording,
    )


def make_binance_arc(
    venue: str,
    products: Sequence[Product],
    sender: OrderSender,
    *,
    unit_lots: int = 1,
    directory: Path | None = None,
) -> BinanceArc:
    """The same with orders by Binance's WebSocket API."""
    return _join(
        venue,
        products,
        lambda encoder, store: sender,
        lambda table, orders: BinanceOrderEncoder(
            table, orders, self_trade_mode=BINANCE_SELF_TRADE_MODE
        ),
        BinanceReportDecoder,
        unit_lots,
        directory,
    )


def set_every_limit(gate: RiskGate, instrument: int) -> None:
    """The optional limits as well, as wide: of the engine, of an instrument and of its currency."""
    gate.set_engine_limits(
        _MAX_MESSAGES_PER_SECOND,
        _CANCEL_RESERVE,
        _STALE_AFTER_NS,
        _DUPLICATE_WINDOW_NS,
        max_messages_per_ten_seconds=10 * _MAX_MESSAGES_PER_SECOND,
        long_cancel_reserve=10 * _CANCEL_RESERVE,
        max_open_orders=int(Bound.MAX_WORKING_ORDERS),
        max_trade_age_ns=_STALE_AFTER_NS,
        prevents_self_match=True,
    )
    gate.set_currency_limits(0, max_open_value=_WIDE, max_gross_value=_WIDE, max_net_value=_WIDE)
    gate.set_instrument_limits(
        instrument,
        _WIDE,
        _WIDE,
        _COLLAR_PPM,
        _WIDE,
        min_order_lots=1,
        min_order_notional=1,
        last_trade_collar_ppm=_COLLAR_PPM,
        max_open_orders=int(Bound.MAX_WORKING_ORDERS),
        max_open_notional=_WIDE,
    )
    gate.set_trading_hours(instrument, [(0, _WEEK_S)])


def make_rest_arc(
    venue: str,
    products: Sequence[Product],
    senders: Sequence[OrderSender],
    *,
    unit_lots: int = 1,
    directory: Path | None = None,
) -> RestArc:
    """The same with orders by Coinbase Exchange's REST, on a connection for each of ``senders``."""
    return _join(
        venue,
        products,
        lambda encoder, store: RestSender(encoder, store, list(senders)),
        lambda table, orders: CoinbaseRestOrderEncoder(
            table, orders, REST_HOST, SENDER, REST_SECRET, REST_PASSPHRASE, REST_SELF_TRADE_RULE
        ),
        lambda table, orders: None,
        unit_lots,
        directory,
    )


def _join(
    venue: str,
    products: Sequence[Product],
    make_sender: Callable[[Encoder, SessionStore], OrderSender],
    make_encoder: Callable[[InstrumentTable, OrderTable], Encoder],
    make_decoder: Callable[[InstrumentTable, OrderTable], Decoder],
    unit_lots: int,
    directory: Path | None,
    *,
    is_recording: bool = False,
) -> JoinedArc[Encoder, Decoder]:
    table = make_table(products)
    memory = SharedMemory(
        str(directory / "bench.shm") if directory else None,
        [(product.symbol, product.tick, product.lot) for product in products],
        [f"order_every_frame {product.symbol}" for product in products],
        market_ring_slots=Bound.MARKET_RING_SLOTS if is_recording else PRIVATE_MARKET_SLOTS,
    )
    orders = OrderTable(memory, table, RUN_SEED)
    gate = RiskGate()
    gate.set_engine_limits(
        _MAX_MESSAGES_PER_SECOND, _CANCEL_RESERVE, _STALE_AFTER_NS, _DUPLICATE_WINDOW_NS
    )
    strategies = StrategyTable()
    compiled_strategies = []
    for index, product in enumerate(products):
        instrument = Instrument(product.symbol, Decimal(product.tick), Decimal(product.lot), index)
        params = {"unit_lots": unit_lots, "has_times": int(venue not in WITHOUT_TIMES)}
        compiled = compile_strategy(OrderEveryFrame, instrument, params)
        strategies.add(index, compiled.state, compiled.addresses, owner=compiled)
        compiled_strategies.append(compiled)
        gate.set_instrument_limits(index, _WIDE, _WIDE, _COLLAR_PPM, _WIDE)
        gate.add_strategy(index)
    store = SessionStore(str(directory / "bench.store") if directory else None, "bench")
    store.is_active = True
    encoder = make_encoder(table, orders)
    sender = make_sender(encoder, store)
    pipeline = Pipeline(
        table,
        DECODERS[venue](table),
        memory,
        strategies,
        orders,
        gate,
        encoder,
        sender,
        store,
        step_interval=TelemetrySection().step_timing_interval,
        is_recording=is_recording,
    )
    decoder = make_decoder(table, orders)
    return JoinedArc(
        table, orders, store, sender, encoder, decoder, pipeline, tuple(compiled_strategies)
    )
