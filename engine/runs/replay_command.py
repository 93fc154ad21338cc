"""``wow-engine replay``: repeats a run from its journal and says whether it was the same.

wow-engine replay var/demo/journal                 the newest run: same orders, same state
wow-engine replay JOURNAL --strategy file.py:Mine  what another strategy would have decided
wow-engine replay --diff A B                       where two runs part
"""

import argparse
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from engine.composition import compile_strategies
from engine.exit_codes import ExitCode
from engine.runs.recovery import Recovery, take_over
from engine.runs.replay import Difference, Replay, ReplayResult, make_replay_arc
from engine.settings.config import EngineConfig, load_config
from ext.dtypes import REQUEST_TERMS
from ext.errors import ConfigError, RecordingError
from ext.wire import RecordKind
from journal.entries import Entry
from journal.reader import read_entries, run_starts
from journal.run_facts import RunFacts, read_facts
from journal.snapshot import read_snapshot

_log = logging.getLogger("engine.replay")

NS_PER_SECOND = 1_000_000_000
PROGRESS_EVERY = 4096  # inputs between two looks of the bar
SHOWN_BYTES = 400


def main(arguments: Sequence[str]) -> int:
    """Runs the command line; 1 when something differed."""
    options = _make_parser().parse_args(arguments)
    if options.diff:
        return _diff(Path(options.diff[0]), Path(options.diff[1]))
    if options.journal is None:
        raise ConfigError("replay needs the directory of a journal; see --help")
    return _replay(options)


def replay_run(
    directory: Path,
    start_time_ns: int,
    *,
    strategy: str = "",
    until_ns: int = 0,
    speed: float = 0.0,
    on_progress: Callable[[Entry], None] | None = None,
) -> ReplayResult:
    """Repeats one run of a journal.

    ``strategy`` replaces the class of every strategy: nothing is compared then. ``until_ns`` ends
    before inputs of that time; ``speed`` is recorded seconds a second, 0: as fast as it goes.
    """
    entries = read_entries(directory, start_time_ns)
    facts = read_facts(entries)
    if facts is None:
        raise RecordingError(f"{directory}: run {start_time_ns} ended before its first record")
    config = _config_of(facts, [])
    if strategy:
        overrides = [
            f"strategy.{index}.class={strategy}" for index in range(len(config.strategies))
        ]
        config = _config_of(facts, overrides)
    compiled = compile_strategies(config, lambda _: None)
    if not strategy:
        _check_sources(facts, [each.source_digest for each in compiled])
    arc, sender, store = make_replay_arc(config, compiled, facts)
    if facts.snapshot:
        snapshot = read_snapshot(directory / facts.snapshot)
        take_over(Recovery(facts, snapshot, 0, 0.0), arc)
    replay = Replay(arc, sender, store, is_compared=not strategy)
    if until_ns:
        entries = _until(entries, until_ns)
    if speed > 0:
        entries = _paced(entries, speed)
    return replay.run(entries, on_progress)


def _config_of(facts: RunFacts, overrides: list[str]) -> EngineConfig:
    with tempfile.TemporaryDirectory(prefix="wow-replay-") as folder:
        path = Path(folder) / "recorded.toml"
        path.write_text(facts.config)
        return load_config(path, overrides)


def _check_sources(facts: RunFacts, digests: list[str]) -> None:
    for recorded, digest in zip(facts.strategies, digests, strict=True):
        if recorded.source_digest != digest:
            _log.warning(
                "%s on %s: its source is not the recorded one; expect another result",
                recorded.name,
                recorded.instrument,
            )


def _until(entries: Iterator[Entry], until_ns: int) -> Iterator[Entry]:
    for entry in entries:
        if entry.time_ns >= until_ns:
            return
        yield entry


def _paced(entries: Iterator[Entry], speed: float) -> Iterator[Entry]:
    first_ns = 0
    started_s = time.monotonic()
    waiting = threading.Event()  # never set: its wait is a sleep until then
    for entry in entries:
        first_ns = first_ns or entry.time_ns
        ahead_s = (entry.time_ns - first_ns) / NS_PER_SECOND / speed
        ahead_s -= time.monotonic() - started_s
        if ahead_s > 0:
            waiting.wait(ahead_s)
        yield entry


def _replay(options: argparse.Namespace) -> int:
    directory = Path(options.journal)
    start_time_ns = _choose_run(directory, options.run)
    until_ns = int(options.until * NS_PER_SECOND) + start_time_ns if options.until else 0
    started_s = time.perf_counter()
    console = Console(stderr=True)
    columns = TextColumn("replay"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replay", total=None)
        count = 0

        def show(entry: Entry) -> None:
            nonlocal count
            count += 1
            if count % PROGRESS_EVERY == 0:
                progress.update(task, completed=count)

        result = replay_run(
            directory,
            start_time_ns,
            strategy=options.strategy,
            until_ns=until_ns,
            speed=options.speed,
            on_progress=show,
        )
    return _report(result, time.perf_counter() - started_s, bool(options.strategy))


def _choose_run(directory: Path, run: int) -> int:
    starts = run_starts(directory)
    if not starts:
        raise ConfigError(f"{directory}: no journal there")
    if not run:
        return starts[-1]
    if run in starts:
        return run
    raise ConfigError(f"{directory}: no run {run}; there are {', '.join(map(str, starts))}")


def _report(result: ReplayResult, seconds: float, is_other: bool) -> int:
    _say(
        f"{result.frames:,} frames, {result.reports:,} reports, {result.timers:,} timers,"
        f" {result.commands:,} commands in {seconds:.1f} s"
    )
    if result.dropped_frames:
        _say(f"{result.dropped_frames:,} frames were not recorded: behind them all may differ")
    if is_other:
        _say(f"state {result.state_hash}; another strategy, nothing was compared")
        return ExitCode.OK
    if result.difference is not None:
        _print_difference(result.difference)
        return ExitCode.DIFFERENCES
    _say(f"{result.requests:,} requests, every byte as recorded")
    if result.has_cut_end:
        _say("the run ended in the middle of an input: its last requests have no recorded cause")
    if result.hashes_checked:
        _say(f"state {result.recorded_hash} as recorded")
    else:
        _say(f"state {result.state_hash}; the run did not end in order, so none was recorded")
    return ExitCode.OK


def _say(text: str) -> None:
    Console(soft_wrap=True).print(text, markup=False, highlight=False)


def _print_difference(found: Difference) -> None:
    _say(f"DIFFERENT: {found.what} at record {found.sequence}, time {found.time_ns}")
    _say(f"  recorded: {_show(found.recorded)}")
    _say(f"  repeated: {_show(found.repeated)}")


def _show(data: bytes) -> str:
    text = data.replace(b"\x01", b"|").decode(errors="backslashreplace")
    return text[:SHOWN_BYTES] + ("…" if len(text) > SHOWN_BYTES else "") or "nothing"


def _diff(first: Path, second: Path) -> int:
    """The first request in which the newest runs of two journals differ."""
    pairs = zip_longest(_requests(first), _requests(second))
    count = 0
    for one, other in pairs:
        if one is None or other is None or _message(one) != _message(other):
            _say(f"{count:,} requests are the same; then")
            for path, entry in ((first, one), (second, other)):
                shown = "no more requests"
                if entry is not None:
                    shown = f"record {entry.sequence}, time {entry.time_ns}: {_show(entry.data)}"
                _say(f"  {path}: {shown}")
            return ExitCode.DIFFERENCES
        count += 1
    _say(f"{count:,} requests, all the same")
    return ExitCode.OK


def _requests(directory: Path) -> Iterator[Entry]:
    start_time_ns = _choose_run(directory, 0)
    for entry in read_entries(directory, start_time_ns, with_market=False):
        if entry.kind == RecordKind.RECORD_REQUEST:
            yield entry


def _message(entry: Entry) -> bytes:
    return entry.data[REQUEST_TERMS.itemsize :]


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wow-engine replay",
        description="Repeats a run from its journal: same orders byte for byte, same state.",
        allow_abbrev=False,
    )
    parser.add_argument("journal", nargs="?", help="directory of the journal")
    parser.add_argument(
        "--run", type=int, default=0, metavar="TIME_NS", help="start of the run; default the newest"
    )
    parser.add_argument(
        "--speed", type=float, default=0.0, help="recorded seconds a second; default: at once"
    )
    parser.add_argument(
        "--until", type=float, default=0.0, metavar="SECONDS", help="end so long after the start"
    )
    parser.add_argument(
        "--strategy", default="", metavar="CLASS", help="another strategy; nothing is compared"
    )
    parser.add_argument(
        "--diff", nargs=2, metavar=("A", "B"), help="first difference of two journals' newest runs"
    )
    return parser
