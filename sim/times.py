"""Time as text: ISO 8601 for the feed, FIX UTCTimestamp for order entry.

Times are nanoseconds since the epoch, UTC.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

NS_PER_SECOND = 1_000_000_000
_FIX_TIME = re.compile(r"(\d{8})-(\d\d:\d\d:\d\d)(?:\.(\d{3}|\d{6}|\d{9}))?")


@lru_cache(maxsize=8)
def _second_text(seconds: int, layout: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(layout)


def iso_text(time_ns: int) -> str:
    """``2026-01-05T14:30:00.000001Z``: six decimals, truncated."""
    seconds, rest_ns = divmod(time_ns, NS_PER_SECOND)
    return f"{_second_text(seconds, '%Y-%m-%dT%H:%M:%S')}.{rest_ns // 1000:06d}Z"


def fix_text(time_ns: int, decimals: int = 3) -> str:
    """``20260105-14:30:00.000`` with ``decimals`` (1 to 9) digits, truncated."""
    seconds, rest_ns = divmod(time_ns, NS_PER_SECOND)
    return f"{_second_text(seconds, '%Y%m%d-%H:%M:%S')}.{f'{rest_ns:09d}'[:decimals]}"


def fix_time_ns(text: str) -> int:
    """Reads a FIX UTCTimestamp with 0, 3, 6 or 9 decimals; ``ValueError`` otherwise.

    Second 60 is legal (leap second) and read as the next second.
    """
    match = _FIX_TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a UTCTimestamp such as 20260105-14:30:00.000")
    day, clock, fraction = match.groups()
    leap = 1 if clock.endswith(":60") else 0
    clock = clock[:-2] + "59" if leap else clock
    moment = datetime.strptime(f"{day}-{clock}", "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    seconds = int(moment.timestamp()) + leap
    return seconds * NS_PER_SECOND + int((fraction or "0").ljust(9, "0"))
