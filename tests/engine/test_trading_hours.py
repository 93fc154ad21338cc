"""Trading hours: texts to windows of the week."""

import pytest

from engine.trading_hours import combine_hours, intersect_hours, parse_trading_hours
from ext.errors import ConfigError

HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("texts", "windows"),
    [
        ([], []),
        (["mon 00:00-24:00"], [(0, DAY)]),
        (["mon-sun 00:00-24:00"], [(0, 7 * DAY)]),
        (["sun 22:00-24:00"], [(6 * DAY + 22 * HOUR, 7 * DAY)]),
        (["tue-wed 13:30-20:00"], [(day * DAY + 48_600, day * DAY + 72_000) for day in (1, 2)]),
        (["mon 10:00-11:00", "mon 11:00-12:00"], [(10 * HOUR, 12 * HOUR)]),
        (["mon 11:00-12:00", "mon 10:00-11:30"], [(10 * HOUR, 12 * HOUR)]),
        (["mon 09:00-18:00", "mon 10:00-11:00"], [(9 * HOUR, 18 * HOUR)]),
        (["mon 14:30:00-14:30:04"], [(52_200, 52_204)]),
    ],
)
def test_texts(texts: list[str], windows: list[tuple[int, int]]) -> None:
    assert parse_trading_hours(texts) == windows


@pytest.mark.parametrize(
    "text",
    [
        "",
        "monday 10:00-11:00",
        "mon 10-11",
        "mon 10:00-10:00",
        "mon 11:00-10:00",
        "mon 10:00-24:01",
        "mon 10:60-11:00",
        "fri-mon 10:00-11:00",
        "mon 10:00-11:00 UTC",
        "Mon 10:00-11:00",
        "mon 10:00-11:00\n",
    ],
)
def test_texts_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="was "):
        parse_trading_hours(["mon 00:00-01:00", text])


def test_what_is_in_both() -> None:
    assert intersect_hours([], [(1, 2)]) == [(1, 2)]
    assert intersect_hours([(1, 2)], []) == [(1, 2)]
    assert intersect_hours([(0, 10), (20, 30)], [(5, 25), (29, 40)]) == [
        (5, 10),
        (20, 25),
        (29, 30),
    ]
    assert intersect_hours([(0, 10)], [(10, 20)]) == []


def test_no_hour_in_common() -> None:
    assert combine_hours([], []) == []
    with pytest.raises(ConfigError, match="no hour in common"):
        combine_hours(["mon 10:00-11:00"], ["mon 11:00-12:00"])


def test_more_windows_than_the_gate_holds() -> None:
    texts = [f"mon {minute // 60:02d}:{minute % 60:02d}-24:00"[:11] for minute in range(0, 66, 2)]
    texts = [f"{text[:9]}-{text[4:8]}{int(text[8]) + 1}" for text in texts]
    assert len(combine_hours(texts[:32], [])) == 32
    with pytest.raises(ConfigError, match="makes 33 windows a week; use at most 32"):
        combine_hours(texts, [])
