"""A KILL on loopback: from the trigger to the last cancel, and to nothing open at the venue.

The demo quotes on a venue of its own process; SIGUSR2 kills it, a person rearms it, again and
again. The times are those that the engine itself puts into its audit log: from its taking up of the
trigger to the last byte of the last cancel, and to the venue's first list without an open order.
"""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import msgspec
import numpy as np

from bench.demo_engine import DemoEngine, book_count, start_demo
from bench.goal import Goal
from bench.harness import Benchmark, BenchmarkError, Contender, Measurement, Size, Trial
from control.commands import Command, Verb, new_command_id
from control.door import ask_door
from ext.wire import OrderState

LAST_BYTE, ZERO = "trigger_to_last_byte_ns", "trigger_to_zero_ns"
SETTINGS = ("simulator.lockstep=false", "simulator.duration_seconds=600", "kill.rest_url=simulator")
MIN_QUOTES = 2
REARM_ATTEMPTS, REARM_WAIT_S, ANSWER_S = 20, 0.25, 12.0
REST_S = 1.0
"""Between two: a KILL finds the whole rate of requests that the venue allows by REST."""
MILLISECOND_NS = 1_000_000


def measure_kills(engine: DemoEngine, field: str, count: int) -> Measurement:
    """So many kills, each with quotes resting; the work: the venue lists nothing after each."""
    samples = [_kill(engine)[field] for _ in range(count)]
    return Measurement(sum(samples), count, count, np.array(samples))


def _kill(engine: DemoEngine) -> dict[str, int]:
    """One KILL, proven and lifted again: its times in nanoseconds."""
    seen = len(_times(engine))
    time.sleep(REST_S)  # tidy-ok: another process counts requests
    engine.wait_for("quotes", lambda: _quotes(engine) >= MIN_QUOTES)
    engine.signal(signal.SIGUSR2)
    engine.wait_for("a proof", lambda: len(_times(engine)) > seen)
    _rearm(engine)
    return _times(engine)[-1]


def _quotes(engine: DemoEngine) -> int:
    states = (int(order["state"]) for order in engine.memory.open_orders())
    return sum(state == OrderState.NEW for state in states)


def _times(engine: DemoEngine) -> list[dict[str, int]]:
    """Of every KILL that was proven so far, by the audit log."""
    proven: list[dict[str, int]] = []
    sent: dict[str, int] = {}
    path = engine.control.audit
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for line in lines[:-1]:  # the last one is empty, or being written
        entry = msgspec.json.decode(line)
        detail = entry.get("detail") or {}
        if entry["what"] == "kill":
            sent = {LAST_BYTE: int(detail[LAST_BYTE])}
        elif entry["what"] == "kill proven":
            proven.append(sent | {ZERO: int(detail[ZERO])})
    return proven


def _rearm(engine: DemoEngine) -> None:
    text = ""
    for _ in range(REARM_ATTEMPTS):
        command = Command(
            id=new_command_id(),
            verb=Verb.REARM,
            reason="the next measurement",
            sent_time_ns=time.time_ns(),
            seen_kill_time_ns=engine.memory.word("kill_time_ns"),
        )
        answer = ask_door(engine.control.socket, command, ANSWER_S)
        if answer.code == "done":
            return
        text = answer.text
        time.sleep(REARM_WAIT_S)  # tidy-ok: another process has reports to take in
    raise BenchmarkError(f"the demo was not rearmed: {text}")


@contextmanager
def prepare(size: Size) -> Iterator[Sequence[Trial]]:
    """One demo for all; the rounds follow each other in it."""
    count = size.pick(smoke=1, real=10)
    with start_demo(None, *SETTINGS) as engine:
        engine.wait_for_books(book_count())
        yield [
            _trial("kill.last_cancel", engine, LAST_BYTE, count, 1 * MILLISECOND_NS),
            _trial("kill.zero_open", engine, ZERO, count, 1000 * MILLISECOND_NS),
        ]


def _trial(name: str, engine: DemoEngine, field: str, count: int, limit_ns: int) -> Trial:
    run = partial(measure_kills, engine, field, count)
    goal = Goal(value=limit_ns)
    return Trial(name, (Contender("engine", run),), goal=goal, warm_up=False)


BENCHMARK = Benchmark("kill", "KILL with quotes resting, venue on loopback", prepare)
