"""The columns of a trade record: what they are called, hold and mean.

A column is never renamed, and its meaning never changes: who keeps records for five years reads old
ones beside new ones. New columns come at the end, with a new SCHEMA.
"""

from typing import Any

Row = dict[str, Any]

SCHEMA = 1
FILL = "FILL"
NO_ORDER = (
    "RUN",
    "PAUSE",
    "RESUME",
    "KILL",
    "REARM",
    "FLATTEN",
    "BREAKER",
    "STRATEGY_PAUSE",
    "STRATEGY_RESUME",
)
"""Events of the engine, not of an order: ``text`` says who and why."""

# Name, type, and what it means. docs/compliance.md shows them; a column is never renamed.
COLUMNS = (
    ("schema", "int32", "version of these columns: 1"),
    ("record_id", "string", "run and slot of the journal that the row was made of; never repeats"),
    ("event", "string", "FILL, SUBMIT, REPLACE, CANCEL, REFUSED, or what the venue said"),
    ("time", "timestamp[ns, UTC]", "ours: when what caused it was received"),
    ("exchange_time", "timestamp[ns, UTC]", "the venue's; null where it says none"),
    ("engine", "string", "name of the engine"),
    ("mode", "string", "simulated, shadow, paper or live: never add up two of them"),
    ("country", "string", "of the site, ISO 3166-1; empty: not configured"),
    ("region", "string", "of the site, ISO 3166-2 without the country"),
    ("venue", "string", "as the jurisdiction table calls it"),
    ("product", "string", "spot, derivatives, fx or equities"),
    ("permission", "string", "what the jurisdiction table said at the start of the run"),
    ("is_overridden", "bool", "a person had released what it did not permit"),
    ("engine_version", "string", "of the software"),
    ("config_hash", "string", "SHA-256 of the effective config and the strategies' source"),
    ("strategy", "string", "that decided it; empty: of none"),
    ("decision_reason", "int64", "the strategy's own code of why; below 0: minus a GuardReason"),
    ("verdict", "string", "of our risk gate: why an intent was REFUSED; else empty"),
    ("instrument", "string", "symbol"),
    ("quote_currency", "string", "of price, notional, fee and P&L"),
    ("side", "string", "BUY or SELL"),
    ("order_type", "string", "LIMIT"),
    ("time_in_force", "string", "GOOD_TILL_CANCEL, IMMEDIATE_OR_CANCEL or FILL_OR_KILL"),
    ("is_post_only", "bool", "the venue was told not to let it take"),
    ("order_number", "int64", "ours, of the order, whatever its ids were"),
    ("client_order_id", "string", "ClOrdID of the request that the row is about"),
    ("venue_order_id", "string", "the venue's; empty until it has said one"),
    ("execution_id", "string", "ExecID of the report, where its format has one"),
    ("trade_id", "int64", "the venue's number of the trade; null where it has not said"),
    ("order_price", "decimal128(38, 18)", "limit of the order"),
    ("order_quantity", "decimal128(38, 18)", "of the whole order, what was filled included"),
    ("price", "decimal128(38, 18)", "of this fill; of a request or refusal what it asks for"),
    ("quantity", "decimal128(38, 18)", "of this fill; of a request or refusal what it asks for"),
    ("notional", "decimal128(38, 18)", "price times quantity of a fill, exact"),
    ("filled", "decimal128(38, 18)", "of the order so far"),
    ("leaves", "decimal128(38, 18)", "of the order still open"),
    ("liquidity", "string", "MAKER or TAKER of a fill"),
    ("fee", "decimal128(38, 18)", "of a fill; positive is paid"),
    (
        "realised_pnl",
        "decimal128(38, 18)",
        "of a fill, by average cost, less no fee; 9 decimals",
    ),
    ("position", "decimal128(38, 18)", "of the strategy afterwards, signed"),
    ("best_bid", "decimal128(38, 18)", "of our book at that moment; null: none"),
    ("best_ask", "decimal128(38, 18)", "of our book at that moment; null: none"),
    ("reject_code", "int64", "the venue's reason; null: none"),
    ("text", "string", "of RUN and commands: who and why"),
)
