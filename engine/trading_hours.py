"""Trading hours as text and as windows of the UTC week, in seconds since Monday 00:00.

One text is days and a time of day: ``mon-fri 13:30-20:00``, ``sun 22:00-24:00``, with seconds where
they matter. What goes past midnight is written as two windows.
"""

import re
from collections.abc import Iterable, Sequence

from ext.bounds import Bound
from ext.errors import ConfigError

Windows = list[tuple[int, int]]
"""Ascending and apart; the second number is the first second outside."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_S = 86_400
FORM = 'days and hours in UTC, as in "mon-fri 13:30-20:00"'
_DAY = "|".join(DAYS)
_TIME = r"(\d\d):([0-5]\d)(?::([0-5]\d))?"
_TEXT = re.compile(rf"({_DAY})(?:-({_DAY}))? {_TIME}-{_TIME}\Z")


def parse_trading_hours(texts: Iterable[str]) -> Windows:
    """The windows of all texts, joined where they touch; ConfigError names the text that is none,
    or that there are too many."""
    windows = sorted(window for text in texts for window in _parse(text))
    joined: Windows = []
    for opens_s, closes_s in windows:
        if joined and opens_s <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], closes_s)
        else:
            joined.append((opens_s, closes_s))
    return joined


def intersect_hours(first: Sequence[tuple[int, int]], second: Sequence[tuple[int, int]]) -> Windows:
    """The windows that are in both; no windows at all stand for every hour."""
    if not first or not second:
        return list(first or second)
    return sorted(
        (max(opens_s, others_s), min(closes_s, ends_s))
        for opens_s, closes_s in first
        for others_s, ends_s in second
        if max(opens_s, others_s) < min(closes_s, ends_s)
    )


def combine_hours(engine: Iterable[str], instrument: Iterable[str]) -> Windows:
    """The hours of one instrument; ConfigError when none is left, or more than the gate holds."""
    first, second = parse_trading_hours(engine), parse_trading_hours(instrument)
    windows = intersect_hours(first, second)
    if (first or second) and not windows:
        raise ConfigError("has no hour in common with [risk] trading_hours")
    if len(windows) > Bound.MAX_TRADING_WINDOWS:
        raise ConfigError(
            f"makes {len(windows)} windows a week; use at most {Bound.MAX_TRADING_WINDOWS:d}"
        )
    return windows


def _parse(text: str) -> Windows:
    match = _TEXT.match(text)
    if match is None:
        raise ConfigError(f'was "{text}"; use {FORM}')
    first, last, *numbers = match.groups()
    opens_s, closes_s = _seconds(numbers[:3]), _seconds(numbers[3:])
    days = range(DAYS.index(first), DAYS.index(last or first) + 1)
    if not days or not opens_s < closes_s <= DAY_S:
        raise ConfigError(
            f'was "{text}"; the first day and hour come first, 24:00 is the end of a day, and what'
            " goes past midnight or Sunday is written as two"
        )
    return [(day * DAY_S + opens_s, day * DAY_S + closes_s) for day in days]


def _seconds(numbers: Sequence[str | None]) -> int:
    hours, minutes, seconds = (int(number or 0) for number in numbers)
    return 3600 * hours + 60 * minutes + seconds
