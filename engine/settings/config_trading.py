"""Sections of the config about what is traded, and within which limits."""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from engine.settings.config_breakers import StrategyBreakersTable
from engine.settings.config_management import ManagementTable
from engine.settings.config_metadata import DECIMAL, about, whole
from ext.bounds import Bound

HOURS = {"allowed": 'a list of UTC windows, as in ["mon-fri 13:30-20:00"]'}
LARGEST_OPEN_ORDERS = Bound.MAX_STRATEGIES * Bound.MAX_WORKING_ORDERS
SYMBOL_CHARACTERS = Bound.SYMBOL_BYTES - 1  # the kernel's tables end a symbol with a NUL


class RiskSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the whole engine; those of one product stand in [[instrument]] limits."""

    max_orders_per_second: Annotated[
        int, whole(1, Bound.MAX_RATE_WINDOW, "New, cancel and replace requests together.")
    ] = 50
    cancel_reserve: Annotated[
        int, whole(0, Bound.MAX_RATE_WINDOW - 1, "Of these, how many only a cancel may use.")
    ] = 10
    max_orders_per_ten_seconds: Annotated[
        int, whole(0, Bound.MAX_LONG_RATE_WINDOW, "The same over ten seconds; 0: not checked.")
    ] = 0
    cancel_reserve_per_ten_seconds: Annotated[
        int, whole(0, Bound.MAX_LONG_RATE_WINDOW - 1, "Of these, how many only a cancel may use.")
    ] = 0
    max_open_orders: Annotated[
        int, whole(1, LARGEST_OPEN_ORDERS, "Of all strategies and instruments together.")
    ] = LARGEST_OPEN_ORDERS
    prevent_self_match: Annotated[
        bool,
        about(
            "Reject an order that would trade with an open order of ours, of whatever strategy,"
            " pending and UNKNOWN ones included."
        ),
    ] = True
    trading_hours: Annotated[
        tuple[str, ...],
        about(
            "New orders and replaces only then; empty: always. A product's own hours narrow them.",
            HOURS,
        ),
    ] = ()
    stale_after_ms: Annotated[
        int, whole(10, 60_000, "Last frame of the product older than this: no new risk on it.")
    ] = 2000
    max_feed_delay_ms: Annotated[
        int,
        whole(
            0,
            60_000,
            "Received later after the venue's own time than this, as when a backlog is read: no"
            " new risk; 0: not checked (the simulated venue has a time of its own).",
        ),
    ] = 0
    max_trade_age_ms: Annotated[
        int,
        whole(
            0,
            86_400_000,
            "Oldest last trade that last_trade_collar_percent is held against; 0: any age.",
        ),
    ] = 0
    duplicate_window_ms: Annotated[
        int, whole(0, 1000, "The same order again within it is rejected; 0: off.")
    ] = 100


class CurrencySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of all products of one quote currency together; none without this section. Positions
    are valued at the mid, with what open orders may add to them."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[!-~]+\Z",
            max_length=SYMBOL_CHARACTERS,
            description="What stands behind the last - of its symbols.",
            extra={"allowed": 'text as in "USD"'},
        ),
    ]
    max_open_notional: Annotated[Decimal | None, about("Of all open orders.", DECIMAL)] = None
    max_gross_exposure: Annotated[
        Decimal | None, about("Of all strategies' positions, long and short added up.", DECIMAL)
    ] = None
    max_net_exposure: Annotated[
        Decimal | None, about("Of the same, long and short set off.", DECIMAL)
    ] = None


class LimitsTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one instrument; each must be given, unless it has a default."""

    max_order_quantity: Annotated[
        Decimal, about("Of one order, in base currency; whole lots.", DECIMAL)
    ]
    max_order_notional: Annotated[Decimal, about("Of one order, in quote currency.", DECIMAL)]
    price_collar_percent: Annotated[
        Decimal,
        about("Largest distance of an order's price from the mid; 4 decimals.", DECIMAL),
    ]
    max_position: Annotated[
        Decimal,
        about("Long or short with all open orders filled, base currency; whole lots.", DECIMAL),
    ]
    min_order_quantity: Annotated[
        Decimal | None, about("The venue's smallest order, base currency; whole lots.", DECIMAL)
    ] = None
    min_order_notional: Annotated[
        Decimal | None, about("The venue's smallest order, in quote currency.", DECIMAL)
    ] = None
    last_trade_collar_percent: Annotated[
        Decimal | None,
        about("Largest distance from the last trade as well; 4 decimals.", DECIMAL),
    ] = None
    max_open_orders: Annotated[
        int, whole(1, LARGEST_OPEN_ORDERS, "Of all strategies together.")
    ] = LARGEST_OPEN_ORDERS
    max_open_notional: Annotated[
        Decimal | None, about("Of all open orders, in quote currency.", DECIMAL)
    ] = None


class InstrumentSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One product; at least one, each with its own limits."""

    symbol: Annotated[
        str,
        Meta(
            pattern=r"^[!-~]+\Z",
            max_length=SYMBOL_CHARACTERS,
            description="The venue's product id.",
            extra={"allowed": f"1 to {SYMBOL_CHARACTERS} ASCII characters without spaces"},
        ),
    ]
    tick: Annotated[Decimal, about("Price step, in quote currency.", DECIMAL)]
    lot: Annotated[Decimal, about("Quantity step, in base currency.", DECIMAL)]
    product: Annotated[
        Literal["spot", "derivatives", "fx", "equities"],
        about("What it is, for the jurisdiction table."),
    ] = "spot"
    tradable: Annotated[bool, about("false: market data only, no order is accepted.")] = True
    trading_hours: Annotated[
        tuple[str, ...], about("Narrows [risk] trading_hours; empty: the same hours.", HOURS)
    ] = ()
    limits: Annotated[LimitsTable, about("")]


class StrategyLimitsTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one strategy, beside those of its instrument."""

    max_position: Annotated[
        Decimal | None,
        about("Its own, long or short with its open orders filled; whole lots.", DECIMAL),
    ] = None
    max_gross_exposure: Annotated[
        Decimal | None, about("The same at the mid, in quote currency.", DECIMAL)
    ] = None
    max_open_orders: Annotated[int, whole(1, Bound.MAX_WORKING_ORDERS, "At once.")] = (
        Bound.MAX_WORKING_ORDERS
    )
    max_orders_per_second: Annotated[
        int,
        whole(
            1,
            Bound.MAX_RATE_WINDOW,
            "Its cancels count and are not held back by it.",
        ),
    ] = Bound.MAX_RATE_WINDOW


class StrategySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One strategy on one instrument."""

    class_name: Annotated[
        str,
        Meta(
            min_length=1,
            description="A shipped one, `package.module:Class` or `/path/file.py:Class`.",
            extra={"allowed": 'text as in "jerico_trend" or "module:Class"'},
        ),
    ] = field(name="class")
    instrument: Annotated[str, about("Symbol of one of the [[instrument]].")]
    params: Annotated[
        dict[str, bool | int | float | str],
        about(
            "Overrides of the strategy's own params; docs/strategies.md.",
            {"allowed": "a table of numbers, texts, true or false"},
        ),
    ] = {}
    limits: Annotated[StrategyLimitsTable, about("")] = StrategyLimitsTable()
    enabled: Annotated[bool, about("false: not loaded.")] = True
    breakers: Annotated[StrategyBreakersTable | None, about("")] = None
    management: Annotated[ManagementTable | None, about("")] = None
