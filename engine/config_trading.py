"""Sections of the config about what is traded, and within which limits."""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from engine.config_metadata import DECIMAL, about, whole
from ext.bounds import Bound

SYMBOL_CHARACTERS = Bound.SYMBOL_BYTES - 1  # the kernel's tables end a symbol with a NUL


class RiskSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the whole engine; those of one product stand in [[instrument]] limits."""

    max_orders_per_second: Annotated[
        int, whole(1, Bound.MAX_RATE_WINDOW, "New, cancel and replace requests together.")
    ] = 50
    cancel_reserve: Annotated[
        int, whole(0, Bound.MAX_RATE_WINDOW - 1, "Of these, how many only a cancel may use.")
    ] = 10
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
    duplicate_window_ms: Annotated[
        int, whole(0, 1000, "The same order again within it is rejected; 0: off.")
    ] = 100


class LimitsTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one instrument; each must be given."""

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
    limits: Annotated[LimitsTable, about("")]


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
    enabled: Annotated[bool, about("false: not loaded.")] = True
