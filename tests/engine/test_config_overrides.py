"""``--set``: what it changes, and how it names a place that is not there."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from engine.settings.config import load_config
from engine.settings.config_overrides import apply_overrides

WriteConfig = Callable[..., Path]
Refusal = Callable[..., str]

FORM = "use --set section.key=value, as in --set risk.stale_after_ms=500"


@pytest.mark.parametrize(
    ("override", "place", "value"),
    [
        ("risk.stale_after_ms=500", ("risk", "stale_after_ms"), 500),
        ("loop.busy_poll = true", ("loop", "busy_poll"), True),
        ("simulator.speed=2.5", ("simulator", "speed"), Decimal("2.5")),
        ("simulator.speed=max", ("simulator", "speed"), "max"),
        ('log.file="a b"', ("log", "file"), "a b"),
        ("log.file=", ("log", "file"), ""),
        ("log.file=a=b", ("log", "file"), "a=b"),
        ("log.file=/tmp/x.log # y", ("log", "file"), "/tmp/x.log # y"),
        ("log.file=1\n[risk]", ("log", "file"), "1\n[risk]"),
        ('feed.channels=["level2"]', ("feed", "channels"), ["level2"]),
        ("instrument.1.tick=0.05", ("instrument", 1, "tick"), Decimal("0.05")),
        ("instrument.ETH-USD.tick=0.05", ("instrument", 1, "tick"), Decimal("0.05")),
        ('instrument."A.B".tick=1', ("instrument", 2, "tick"), 1),
        ("strategy.jerico_maker.params.fast=5", ("strategy", 0, "params", "fast"), 5),
        ("strategy.0.params={fast = 5}", ("strategy", 0, "params"), {"fast": 5}),
        ("strategy.Trend.enabled=false", ("strategy", 1, "enabled"), False),
        ("strategy.trend_file.enabled=false", ("strategy", 1, "enabled"), False),
        ('strategy."/a.b/trend_file.py:Trend".x=1', ("strategy", 1, "x"), 1),
        ("strategy.reversion.enabled=false", ("strategy", 2, "enabled"), False),
        ("strategy.Reversion.enabled=false", ("strategy", 2, "enabled"), False),
        ("strategy.alone.enabled=false", ("strategy", 3, "enabled"), False),
    ],
)
def test_one_value(override: str, place: tuple[str | int, ...], value: object) -> None:
    raw = {
        "instrument": [{"symbol": "BTC-USD"}, {"symbol": "ETH-USD"}, {"symbol": "A.B"}],
        "strategy": [
            {"class": "jerico_maker"},
            {"class": "/a.b/trend_file.py:Trend"},
            {"class": "package.reversion:Reversion"},
            {"class": "~/alone.py"},
        ],
    }
    places = apply_overrides(raw, [override])
    assert places == {place: override.partition("=")[0].strip()}
    found: object = raw
    for part in place:
        found = found[part]  # type: ignore[index]
    assert found == value
    assert type(found) is type(value)


def test_the_last_one_counts(write_config: WriteConfig) -> None:
    config = load_config(write_config(), ["risk.stale_after_ms=1", "risk.stale_after_ms=500"])
    assert config.risk.stale_after_ms == 500


def test_a_symbol_may_be_a_number(write_config: WriteConfig) -> None:
    path = write_config({'symbol = "ETH-USD"': 'symbol = "1234"'})
    config = load_config(path, ["instrument.1234.tick=0.5", "instrument.0.tick=0.25"])
    assert [section.tick for section in config.instruments] == [Decimal("0.25"), Decimal("0.5")]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("risk.stale_after_ms", f"--set risk.stale_after_ms is not an override; {FORM}"),
        ("stale_after_ms=5", f"--set stale_after_ms is not an override; {FORM}"),
        ("=5", f"--set  is not an override; {FORM}"),
        ("risk..x=5", f"--set risk..x is not an override; {FORM}"),
        (
            "instrument.ETH-USB.tick=1",
            "--set instrument.ETH-USB.tick: there is no item ETH-USB; did you mean ETH-USD?",
        ),
        (
            "instrument.XXX.tick=1",
            "--set instrument.XXX.tick: there is no item XXX; known: BTC-USD, ETH-USD",
        ),
        (
            "instrument.2.tick=1",
            "--set instrument.2.tick: there is no item 2; use a position from 0 to 1",
        ),
        ("engine.name.x=1", "--set engine.name.x: engine.name is not a table"),
        ("engine.name.x.y=1", "--set engine.name.x.y: engine.name is not a table"),
    ],
)
def test_places_that_are_not_there(
    write_config: WriteConfig, refusal: Refusal, override: str, message: str
) -> None:
    assert refusal(write_config(), [override]) == message


def test_messages_name_a_place_as_an_override_does(
    write_config: WriteConfig, refusal: Refusal
) -> None:
    said = refusal(write_config({"tick = 0.01": "tik = 0.01"}))
    place = "instrument.0"
    assert f"{place} (BTC-USD) tik is unknown" in said
    fixed = refusal(write_config({"tick = 0.01": "tik = 0.01"}), [f"{place}.tick=0.01"])
    assert "tick is missing" in said
    assert "tick is missing" not in fixed


def test_an_ambiguous_class(write_config: WriteConfig, refusal: Refusal) -> None:
    strategy = '[[strategy]]\nclass = "jerico_maker"\ninstrument = "ETH-USD"\n'
    path = write_config({"[[strategy]]": f"{strategy}[[strategy]]"})
    assert refusal(path, ["strategy.jerico_maker.enabled=false"]) == (
        "--set strategy.jerico_maker.enabled: jerico_maker is ambiguous;"
        " use one of the positions 0, 1"
    )
    assert not load_config(path, ["strategy.1.enabled=false"]).strategies[1].enabled


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "risk.max_orders_per_second=0",
            "--set risk.max_orders_per_second was 0; use a whole number from 1 to 1024",
        ),
        (
            "risk.max_order_per_second=5",
            "--set risk.max_order_per_second is unknown; did you mean max_orders_per_second?",
        ),
        ("rsk.stale_after_ms=5", "F: [rsk] is unknown; did you mean [risk]?"),
        (
            "instrument.BTC-USD.tick=x",
            '--set instrument.BTC-USD.tick was "x"; use a decimal above 0, as in "0.01"',
        ),
        (
            "instrument.0.limits={max_position = 0}",
            "--set instrument.0.limits.max_position was 0;",
        ),
        (
            "feed.secret=hunter2",
            "--set feed.secret is not a reference, and no secret may stand here; use a reference:",
        ),
        ("feed=hunter2", "--set feed is not an override;"),
    ],
)
def test_a_message_names_the_override(
    write_config: WriteConfig, refusal: Refusal, override: str, message: str
) -> None:
    said = refusal(write_config(), [override])
    assert message in said
    assert "hunter2" not in said
