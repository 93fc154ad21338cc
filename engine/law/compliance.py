"""The compliance report: what was traded in a period, where, under which rules and in which mode.

Every figure is a sum of trade records (``journal.trade_record``) of one mode, one site, one venue
and one currency: figures of two modes, or of two currencies, are never added up.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from journal.trade_record import EXACT
from journal.trade_schema import FILL, NO_ORDER, Row

# What tells one line from another: figures are added up inside of a line only.
TRADING_KEYS = (
    "mode",
    "country",
    "region",
    "is_overridden",
    "engine",
    "venue",
    "product",
    "permission",
    "instrument",
    "quote_currency",
    "strategy",
)
ENGINE_KEYS = ("mode", "country", "region", "is_overridden", "engine")

# Name and what it means; the file has them in this order.
TRADING_FIGURES = (
    ("orders", "new orders sent"),
    ("replaces", "requests to replace, sent"),
    ("cancels", "requests to cancel, sent"),
    ("rejected", "orders and requests that the venue rejected"),
    ("refused", "intents that the risk gate refused: none of them left"),
    ("fills", "executions, each counted once"),
    ("bought", "base currency"),
    ("sold", "base currency"),
    ("notional", "price times quantity of all fills, quote currency"),
    ("maker_notional", "of it, where we were the resting side"),
    ("taker_notional", "of it, where we took"),
    ("fees", "quote currency, positive is paid"),
    ("realised_pnl", "by average cost, without fees, quote currency"),
    ("net_pnl", "realised_pnl less fees"),
)
ENGINE_FIGURES = (
    ("runs", "starts of the engine"),
    ("pauses", "PAUSE, but for that of an orderly stop"),
    ("resumes", "RESUME"),
    ("kills", "KILL"),
    ("rearms", "REARM after a KILL"),
    ("flattens", "FLATTEN"),
    ("breakers", "words of circuit breakers: warnings, pauses, kills"),
    ("strategy_pauses", "a strategy was paused by a person"),
    ("strategy_resumes", "and goes on"),
    ("foreign_fills", "fills reported to us of orders that are not ours"),
)

_COUNTED = {
    "SUBMIT": "orders",
    "REPLACE": "replaces",
    "CANCEL": "cancels",
    "REJECTED": "rejected",
    "CANCEL_REJECT": "rejected",
    "MESSAGE_REJECT": "rejected",
    "REFUSED": "refused",
    FILL: "fills",
}
_COUNTED_OF_ENGINE = {
    "RUN": "runs",
    "PAUSE": "pauses",
    "RESUME": "resumes",
    "KILL": "kills",
    "REARM": "rearms",
    "FLATTEN": "flattens",
    "BREAKER": "breakers",
    "STRATEGY_PAUSE": "strategy_pauses",
    "STRATEGY_RESUME": "strategy_resumes",
    "FOREIGN_FILL": "foreign_fills",
}

Line = dict[str, Any]


@dataclass(slots=True)
class ComplianceReport:
    """Lines of both kinds, in the order of their keys. Times as the operator gave them."""

    period_from: str
    period_to: str
    trading: list[Line] = field(default_factory=list)
    engines: list[Line] = field(default_factory=list)


def make_report(
    rows: Iterable[Row], period_from: str = "", period_to: str = ""
) -> ComplianceReport:
    """Adds up trade records, of one journal or several, with all their events."""
    trading: dict[tuple[Any, ...], Line] = {}
    engines: dict[tuple[Any, ...], Line] = {}
    for row in rows:
        if row["event"] in NO_ORDER or row["event"] == "FOREIGN_FILL":
            line = _line_of(engines, row, ENGINE_KEYS, ENGINE_FIGURES)
            line[_COUNTED_OF_ENGINE[row["event"]]] += 1
        elif row["instrument"]:
            line = _line_of(trading, row, TRADING_KEYS, TRADING_FIGURES)
            if (name := _COUNTED.get(row["event"])) is not None:
                line[name] += 1
            if row["event"] == FILL:
                _add_fill(line, row)
    return ComplianceReport(period_from, period_to, _sorted(trading), _sorted(engines))


def _line_of(
    lines: dict[tuple[Any, ...], Line],
    row: Row,
    keys: tuple[str, ...],
    figures: tuple[tuple[str, str], ...],
) -> Line:
    key = tuple(row[name] for name in keys)
    if key not in lines:
        lines[key] = dict(zip(keys, key, strict=True)) | {name: Decimal(0) for name, _ in figures}
    return lines[key]


def _add_fill(line: Line, row: Row) -> None:
    notional = EXACT.multiply(row["price"], row["quantity"])
    added = {
        "bought" if row["side"] == "BUY" else "sold": row["quantity"],
        "notional": notional,
        "maker_notional" if row["liquidity"] == "MAKER" else "taker_notional": notional,
        "fees": row["fee"],
        "realised_pnl": row["realised_pnl"],
        "net_pnl": EXACT.subtract(row["realised_pnl"], row["fee"]),
    }
    for name, value in added.items():
        line[name] = EXACT.add(line[name], value)


def _sorted(lines: dict[tuple[Any, ...], Line]) -> list[Line]:
    return [lines[key] for key in sorted(lines, key=lambda key: [str(each) for each in key])]
