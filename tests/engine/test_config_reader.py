"""The text of every refusal of a single value, and of a name or shape that is not known."""

from collections.abc import Callable
from pathlib import Path

import pytest

WriteConfig = Callable[..., Path]
Refusal = Callable[..., str]
LITERAL = "hunter2-AAECAwQFBgcICQoLDA0ODw=="
REFERENCES = "a reference: env:NAME, file:/path, credential:NAME, or in simulated mode demo:NAME"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # Types and ranges of each kind of key.
        ("= 50", "= 0", "[risk] max_orders_per_second was 0; use a whole number from 1 to 1024"),
        (
            "= 50",
            "= 1025",
            "[risk] max_orders_per_second was 1025; use a whole number from 1 to 1024",
        ),
        (
            "= 50",
            "= 2.5",
            "[risk] max_orders_per_second was 2.5; use a whole number from 1 to 1024",
        ),
        (
            "= 50",
            "= true",
            "[risk] max_orders_per_second was true; use a whole number from 1 to 1024",
        ),
        (
            "= 50",
            '= "50"',
            '[risk] max_orders_per_second was "50"; use a whole number from 1 to 1024',
        ),
        ("start = true", "start = 1", "[simulator] start was 1; use true or false"),
        (
            "start = true",
            "start = true\nspeed = 0",
            '[simulator] speed was 0; use a number above 0, or "max"',
        ),
        (
            "start = true",
            "start = true\nspeed = inf",
            '[simulator] speed was Infinity; use a number above 0, or "max"',
        ),
        (
            "start = true",
            "start = true\nspeed = nan",
            '[simulator] speed was NaN; use a number above 0, or "max"',
        ),
        (
            "start = true",
            'start = true\nspeed = "fast"',
            '[simulator] speed was "fast"; use a number above 0, or "max"',
        ),
        (
            "start = true",
            "start = true\nproducts = [1]",
            '[simulator] products was [1]; use a list of symbols, as in ["BTC-USD"]',
        ),
        (
            "start = true",
            "start = true\nduration_seconds = 1e999999",
            "[simulator] duration_seconds was 1E+999999; use a number from 1 to 86400",
        ),
        (
            '"simulated"',
            '"real"',
            '[engine] mode was "real"; use "simulated", "shadow", "paper" or "live"',
        ),
        (
            'name = "test"',
            'name = "Test One"',
            '[engine] name was "Test One"; use 1 to 31 of the characters a-z 0-9 _ -,'
            " the first one a letter or digit",
        ),
        (
            'name = "test"',
            f'name = "{"x" * 100}"',
            f'[engine] name was "{"x" * 59}…; use 1 to 31 of the characters a-z 0-9 _ -,'
            " the first one a letter or digit",
        ),
        (
            "= 50",
            "= 1979-05-27",
            "[risk] max_orders_per_second was 1979-05-27; use a whole number from 1 to 1024",
        ),
        # Decimals.
        (
            "tick = 0.01",
            "tick = 0",
            'instrument.0 (BTC-USD) tick was 0; use a decimal above 0, as in "0.01"',
        ),
        (
            'tick = "0.01"',
            'tick = "-0.01"',
            'instrument.1 (ETH-USD) tick was "-0.01"; use a decimal above 0, as in "0.01"',
        ),
        (
            "lot = 1e-8",
            "lot = nan",
            'instrument.1 (ETH-USD) lot was NaN; use a decimal above 0, as in "0.01"',
        ),
        (
            "lot = 1e-8",
            'lot = "tiny"',
            'instrument.1 (ETH-USD) lot was "tiny"; use a decimal above 0, as in "0.01"',
        ),
        (
            "lot = 1e-8",
            "lot = 1e-13",
            "instrument.1 (ETH-USD) lot was 1E-13; use at most 12 decimals",
        ),
        (
            "max_position = 0.2",
            "max_position = 1e999999",
            "instrument.0 (BTC-USD) limits.max_position was 1E+999999;"
            ' use a decimal above 0, as in "0.01"',
        ),
        # Names.
        (
            "max_orders_per_second",
            "max_order_per_second",
            "[risk] max_order_per_second is unknown; did you mean max_orders_per_second?",
        ),
        ("[risk]", "[rsk]", "[rsk] is unknown; did you mean [risk]?"),
        (
            "[risk]",
            "[risk]\nbusy_poll = true",
            "[risk] busy_poll is unknown; did you mean [loop] busy_poll?",
        ),
        (
            "[risk]",
            "[risk]\nxyzzy = 1",
            "[risk] xyzzy is unknown; known keys: max_orders_per_second, cancel_reserve,"
            " max_orders_per_ten_seconds, cancel_reserve_per_ten_seconds, max_open_orders,"
            " prevent_self_match, trading_hours, stale_after_ms, max_feed_delay_ms,"
            " max_trade_age_ms, duplicate_window_ms",
        ),
        (
            "[engine]",
            "xyzzy = 1\n[engine]",
            "[xyzzy] is unknown; known sections: engine, site, paper, canary, simulator, feed,"
            " order_entry, reconciliation, loop, risk, currency, breakers, portfolio, instrument,"
            " strategy, telemetry, journal, stop, kill, flatten, log",
        ),
        (
            "max_position = 0.2",
            "max_position = 0.2\nmax_positon = 1",
            "instrument.0 (BTC-USD) limits.max_positon is unknown; did you mean max_position?",
        ),
        # Shape.
        (
            "[risk]\nmax_orders_per_second = 50",
            "[[risk]]\nmax_orders_per_second = 50",
            "[risk] is not a table; use a table of max_orders_per_second, cancel_reserve,"
            " max_orders_per_ten_seconds, cancel_reserve_per_ten_seconds, max_open_orders,"
            " prevent_self_match, trading_hours, stale_after_ms, max_feed_delay_ms,"
            " max_trade_age_ms, duplicate_window_ms",
        ),
        ("[[strategy]]", "[strategy]", "[strategy] is not an array of tables; write [[strategy]]"),
        ('name = "test"\n', "", "[engine] name is missing; give 1 to 31 of the characters"),
        ('key = "demo:key"\n', "", "[feed] key is missing; coinbase_exchange signs level2"),
        (
            "max_position = 0.2\n",
            "",
            "instrument.0 (BTC-USD) limits.max_position is missing;"
            ' give a decimal above 0, as in "0.01"',
        ),
        (
            '{half_spread_ticks = 2, lean = 0.15, quantity = "0.01"}',
            "{list = [1]}",
            "strategy.0 (jerico_maker) params was {list = [1]};"
            " use a table of numbers, texts, true or false",
        ),
        # Secrets.
        (
            '"demo:secret"',
            f'"{LITERAL}"',
            f"[feed] secret is not a reference, and no secret may stand here; use {REFERENCES}",
        ),
        (
            '"demo:secret"',
            "12345",
            f"[feed] secret is not a reference, and no secret may stand here; use {REFERENCES}",
        ),
        (
            "[risk]",
            f'pasphrase = "{LITERAL}"\n[risk]',
            "[order_entry] pasphrase is unknown; did you mean passphrase?",
        ),
    ],
)
def test_one_wrong_value(
    write_config: WriteConfig, refusal: Refusal, old: str, new: str, message: str
) -> None:
    said = refusal(write_config({old: new}))
    assert message in said.splitlines()[-1]
    assert LITERAL not in said
