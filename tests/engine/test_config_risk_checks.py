"""The text of every refusal of limits that do not go together."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.settings.config import describe_config, load_config

WriteConfig = Callable[..., Path]
Refusal = Callable[..., str]
FIRST, SECOND = 'symbol = "BTC-USD"', 'symbol = "ETH-USD"'
BITCOIN_LIMITS = "max_position = 0.2"
STRATEGY = 'class = "jerico_maker"'


def currency(*lines: str, name: str = "USD") -> str:
    return "\n".join(["[[currency]]", f'name = "{name}"', *lines, "", "[[instrument]]"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "[risk]": "[risk]\nmax_orders_per_ten_seconds = 9"
                "\ncancel_reserve_per_ten_seconds = 9"
            },
            "[risk] cancel_reserve_per_ten_seconds was 9; use less than"
            " max_orders_per_ten_seconds, which is 9, or no order could be placed",
        ),
        (
            {"[risk]": "[risk]\ncancel_reserve_per_ten_seconds = 9"},
            "[risk] cancel_reserve_per_ten_seconds was 9; use less than"
            " max_orders_per_ten_seconds, which is 0",
        ),
        (
            {"[risk]": '[risk]\ntrading_hours = ["always"]'},
            '[risk] trading_hours was "always"; use days and hours in UTC, as in',
        ),
        (
            {FIRST: FIRST + '\ntrading_hours = ["fri-mon 10:00-11:00"]'},
            'instrument.0 (BTC-USD) trading_hours was "fri-mon 10:00-11:00"; the first day',
        ),
        (
            {
                "[risk]": '[risk]\ntrading_hours = ["mon 10:00-11:00"]',
                SECOND: SECOND + '\ntrading_hours = ["mon 11:00-12:00"]',
            },
            "instrument.1 (ETH-USD) trading_hours has no hour in common with [risk] trading_hours",
        ),
        (
            {"[[instrument]]": currency(name="USDT")},
            'currency.0 name was "USDT", in which no [[instrument]] is quoted; did you mean USD?',
        ),
        (
            {"[[instrument]]": currency().replace("[[instrument]]", currency())},
            'currency.1 name was "USD", as currency.0 is already; name each once',
        ),
        (
            {"[[instrument]]": currency("max_gross_exposure = 922337204")},
            "currency.0 max_gross_exposure was 922337204; use at most 922337203.6854775806,"
            " the largest count in 64 bits",
        ),
        (
            {STRATEGY: STRATEGY + '\nlimits = {max_position = "0.000000015"}'},
            "strategy.0 (jerico_maker) limits.max_position was 1.5E-8;"
            " use a whole number of lots of 0.00000001",
        ),
        (
            {STRATEGY: STRATEGY + "\nlimits = {max_gross_exposure = 922337204}"},
            "strategy.0 (jerico_maker) limits.max_gross_exposure was 922337204; use at most",
        ),
        (
            {BITCOIN_LIMITS: BITCOIN_LIMITS + "\nmin_order_quantity = 0.06"},
            "instrument.0 (BTC-USD) limits.min_order_quantity was 0.06;"
            " use at most max_order_quantity, which is 0.05",
        ),
        (
            {BITCOIN_LIMITS: BITCOIN_LIMITS + "\nmin_order_notional = 5001"},
            "instrument.0 (BTC-USD) limits.min_order_notional was 5001;"
            " use at most max_order_notional, which is 5000",
        ),
        (
            {BITCOIN_LIMITS: BITCOIN_LIMITS + "\nlast_trade_collar_percent = 0.00001"},
            "instrument.0 (BTC-USD) limits.last_trade_collar_percent was 0.00001;"
            " use at most 4 decimals",
        ),
        (
            {BITCOIN_LIMITS: BITCOIN_LIMITS + "\nmax_open_notional = 922337204"},
            "instrument.0 (BTC-USD) limits.max_open_notional was 922337204; use at most",
        ),
        (
            {FIRST: FIRST + "\ntradable = false"},
            'strategy.0 (jerico_maker) instrument was "BTC-USD", which is not tradable;',
        ),
    ],
)
def test_what_does_not_go_together(
    write_config: WriteConfig, refusal: Refusal, changes: dict[str, str], message: str
) -> None:
    assert message in refusal(write_config(changes))


def test_more_currencies_than_the_gate_holds(write_config: WriteConfig, refusal: Refusal) -> None:
    instruments, currencies = "", ""
    for index in range(8):
        limits = "{max_order_quantity=1,max_order_notional=1,price_collar_percent=1,max_position=1}"
        currencies += f'[[currency]]\nname = "Q{index}"\n'
        instruments += (
            f'[[instrument]]\nsymbol = "A-Q{index}"\ntick = 1\nlot = 1\nlimits = {limits}\n'
        )
    said = refusal(write_config({"[[strategy]]": f"{currencies}{instruments}[[strategy]]"}))
    assert "[currency] has 8 tables; use at most 7" in said


def test_limits_survive_being_written_down(write_config: WriteConfig, tmp_path: Path) -> None:
    """The journal keeps the config of a run as text: a replay has the same gate."""
    path = write_config(
        {
            "[[instrument]]": currency("max_net_exposure = 7"),
            FIRST: FIRST + '\ntrading_hours = ["mon-fri 10:00-11:00"]\ntradable = true',
            STRATEGY: STRATEGY + "\nlimits = {max_position = 0.1, max_open_orders = 3}",
        }
    )
    config = load_config(path)
    written = tmp_path / "written.toml"
    written.write_text(describe_config(config))
    assert load_config(written) == config
    assert config.strategies[0].limits.max_open_orders == 3
    assert str(config.currencies[0].max_net_exposure) == "7"
