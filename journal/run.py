"""One engine run of a journal, and how an operator names it."""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from ext.errors import RecordingError, UsageError
from journal.decimals import DecimalStep
from journal.directory import run_starts, segment_paths
from journal.segment import Segment, read_header
from journal.shared_reader import Instrument, SharedReader

LATEST = "latest"
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """Names of one run's numbers. ``instruments`` and ``strategies`` are in the order of their
    numbers; one that a record does not name, or that is not there, is shown as nothing."""

    start_time_ns: int
    engine: str
    mode: str
    instruments: tuple[Instrument, ...]
    strategies: tuple[str, ...]

    def instrument(self, number: int) -> Instrument:
        """Symbol and steps."""
        if 0 <= number < len(self.instruments):
            return self.instruments[number]
        return Instrument.unknown()

    def strategy(self, number: int) -> str:
        """Name, "" when there is none."""
        return self.strategies[number] if 0 <= number < len(self.strategies) else ""


def run_of_segment(segment: Segment) -> Run:
    """From the header of any of its segments."""
    metadata: dict[str, Any] = segment.metadata
    return Run(
        segment.start_time_ns,
        metadata["engine"],
        metadata["mode"],
        tuple(
            Instrument(each["symbol"], DecimalStep(each["tick"]), DecimalStep(each["lot"]))
            for each in metadata["instruments"]
        ),
        tuple(metadata["strategies"]),
    )


def run_of_memory(reader: SharedReader) -> Run:
    """From the shared memory of an engine."""
    return Run(
        reader.start_time_ns,
        reader.engine_name,
        reader.mode,
        tuple(reader.instruments),
        tuple(reader.strategies),
    )


def load_run(directory: Path, start_time_ns: int) -> Run:
    """The names of a run; RecordingError when no header of its segments can be read."""
    first_error: RecordingError | None = None
    for path in segment_paths(directory, start_time_ns):
        try:
            return run_of_segment(read_header(path))
        except RecordingError as error:
            first_error = first_error or error
    raise first_error or RecordingError(f"{directory}: holds no run that began at {start_time_ns}")


def choose_run(directory: Path, text: str) -> int:
    """The engine start that ``text`` means: ``latest``, ``-2`` (the one before the latest), or the
    beginning of a start time as digits or as ``2026-11-20T13:00``.

    Raises UsageError when it means none or more than one, RecordingError when there is no run.
    """
    starts = run_starts(directory)
    if not starts:
        what = "holds no journal" if directory.is_dir() else "is no directory"
        raise RecordingError(f"{directory}: {what}; [journal] path of the config names it")
    if text == LATEST:
        return starts[-1]
    if text.startswith("-") and text[1:].isdecimal() and 0 < int(text[1:]) <= len(starts):
        return starts[-int(text[1:])]
    found = [start for start in starts if str(start).startswith(text) or _iso(start, text)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{start} ({format_time(start)[:19]})" for start in starts[-5:])
    many = f"{len(found)} runs begin" if found else "no run begins"
    raise UsageError(f"--run was {text!r}; {many} like that; the newest are {known}")


def _iso(start_time_ns: int, text: str) -> bool:
    return len(text) >= len("2026-11-20") and format_time(start_time_ns).startswith(text)


def format_time(time_ns: int) -> str:
    """UTC in ISO 8601 with nanoseconds, which ``datetime`` does not have."""
    seconds, nanoseconds = divmod(time_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def parse_time(text: str, start_time_ns: int) -> int:
    """Nanoseconds since the Unix epoch of a time as operators write it: digits are nanoseconds,
    ISO 8601 is UTC unless it says otherwise, a time alone is of the day of the run's start.

    Raises UsageError for anything else.
    """
    if text.isdecimal():
        return int(text)
    try:
        if "-" not in text:
            day = datetime.fromtimestamp(start_time_ns // NS_PER_S, UTC).date()
            moment = datetime.combine(day, time.fromisoformat(text))
        else:
            moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"time was {text!r}; use 2026-11-20T13:00:00, 13:00:00 or nanoseconds; UTC"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000
