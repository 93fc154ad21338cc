"""The compliance report: sums that can be checked by hand, and never of two modes."""

import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from engine.law.compliance import TRADING_KEYS, make_report
from journal.trade_schema import COLUMNS, Row

MODES = ("simulated", "paper", "live")


def make_row(event: str, **values: object) -> Row:
    row: Row = dict.fromkeys((name for name, _, _ in COLUMNS), None)
    row |= {
        "event": event,
        "mode": "live",
        "country": "US",
        "region": "NY",
        "is_overridden": False,
        "engine": "prod",
        "venue": "coinbase",
        "product": "spot",
        "permission": "permitted",
        "instrument": "BTC-USD",
        "quote_currency": "USD",
        "strategy": "maker",
    }
    return row | values


def make_fill(side: str, price: str, quantity: str, **values: object) -> Row:
    terms: Row = {
        "side": side,
        "price": Decimal(price),
        "quantity": Decimal(quantity),
        "liquidity": "MAKER",
        "fee": Decimal("0.1"),
        "realised_pnl": Decimal("0.25"),
    }
    return make_row("FILL", **terms | values)


def test_a_line_by_hand() -> None:
    rows = [
        make_row("RUN", instrument=None),
        make_row("SUBMIT"),
        make_row("SUBMIT"),
        make_row("REPLACE"),
        make_row("CANCEL"),
        make_row("ACCEPTED"),
        make_row("REFUSED", verdict="PRICE_COLLAR"),
        make_row("REJECTED"),
        make_row("CANCEL_REJECT"),
        make_fill("BUY", "100", "2"),
        make_fill("SELL", "110", "1", liquidity="TAKER", fee=Decimal("-0.02")),
        make_row("KILL", instrument=None, text="a person"),
        make_row("PAUSE", instrument=None),
        make_row("FOREIGN_FILL", instrument=None),
    ]
    report = make_report(rows, "a", "b")
    (line,) = report.trading
    assert {name: line[name] for name in list(line) if name not in TRADING_KEYS} == {
        "orders": 2,
        "replaces": 1,
        "cancels": 1,
        "rejected": 2,
        "refused": 1,
        "fills": 2,
        "bought": 2,
        "sold": 1,
        "notional": 310,
        "maker_notional": 200,
        "taker_notional": 110,
        "fees": Decimal("0.08"),
        "realised_pnl": Decimal("0.50"),
        "net_pnl": Decimal("0.42"),
    }
    (engine,) = report.engines
    assert (engine["runs"], engine["kills"], engine["pauses"], engine["foreign_fills"]) == (
        1,
        1,
        1,
        1,
    )
    assert (report.period_from, report.period_to) == ("a", "b")


@pytest.mark.parametrize("name", [each for each in TRADING_KEYS if each != "is_overridden"])
def test_what_is_not_the_same_never_stands_in_one_figure(name: str) -> None:
    rows = [make_fill("BUY", "1", "1", **{name: value}) for value in ("a", "b", "a")]
    report = make_report(rows)
    assert [(line[name], int(line["fills"])) for line in report.trading] == [("a", 2), ("b", 1)]


def test_an_override_is_a_line_of_its_own() -> None:
    rows = [make_fill("BUY", "1", "1", is_overridden=each) for each in (True, False)]
    assert [line["is_overridden"] for line in make_report(rows).trading] == [False, True]


@pytest.mark.parametrize("seed", range(20))
def test_sums_agree_with_a_slow_reference(seed: int) -> None:
    rng = random.Random(seed)
    rows = [
        make_fill(
            rng.choice(("BUY", "SELL")),
            f"{rng.randrange(1, 10**7) / 100:.2f}",
            f"{rng.randrange(1, 10**10):d}e-8",
            mode=rng.choice(MODES),
            instrument=rng.choice(("BTC-USD", "ETH-USD")),
            liquidity=rng.choice(("MAKER", "TAKER")),
            fee=Decimal(rng.randrange(-(10**9), 10**12)).scaleb(-9),
            realised_pnl=Decimal(rng.randrange(-(10**14), 10**14)).scaleb(-9),
        )
        for _ in range(200)
    ]
    expected: dict[Any, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        sums = expected[row["mode"], row["instrument"]]
        sums["notional"] += row["price"] * row["quantity"]
        sums["fees"] += row["fee"]
        sums["net_pnl"] += row["realised_pnl"] - row["fee"]
        sums["bought"] += row["quantity"] * (row["side"] == "BUY")
        sums["maker_notional"] += row["price"] * row["quantity"] * (row["liquidity"] == "MAKER")
    report = make_report(rows)
    assert len(report.trading) == len(expected)
    for line in report.trading:
        for name, value in expected[line["mode"], line["instrument"]].items():
            assert line[name] == value, (line, name)
        assert line["notional"] == line["maker_notional"] + line["taker_notional"]


def test_nothing_gives_an_empty_report() -> None:
    report = make_report([])
    assert (report.trading, report.engines) == ([], [])
