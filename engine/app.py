"""Composition root: from a checked config to the exit status of a run."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import uvloop

from control.commands import new_command_id
from control.kill_source import KillSource
from control.latch import LatchFile, make_latch
from control.paths import control_paths
from control.people import find_who
from engine.background_writer import BackgroundWriter
from engine.composition import Arc, check_secrets, compile_strategies, compose
from engine.decisions import Decisions
from engine.exit_codes import ExitCode
from engine.kernel.kernels import CompiledStrategy
from engine.log_setup import CLOSE_TIMEOUT_S, log_in_background, log_into_ring, set_up_logging
from engine.runs.run_lock import AlreadyRunning, RunLock
from engine.runs.run_start import Inheritance, begin_run, look_back
from engine.settings.config_schema import EngineConfig
from engine.summary import (
    print_banner,
    print_loop,
    print_progress,
    print_relay,
    print_summary,
    print_venue,
)
from engine.supervisor import Supervisor

SIGNAL_EXIT_CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HANGUP,
}
KILL_SIGNALS = {
    signal.SIGQUIT: KillSource.KILL_TERMINAL,  # Ctrl-\
    signal.SIGUSR2: KillSource.KILL_SIGNAL,
}
START_LOOK_S = 0.05  # between two looks at how far the start is
LAST_WORDS_TIMEOUT_S = 0.5  # of a process that has to end now

_log = logging.getLogger("engine.app")


def run(config: EngineConfig, decisions: Decisions) -> int:
    """Runs the engine until it is stopped; its exit status.

    The command line has checked that ``decisions`` fit the mode. Errors of the config or of the
    venue's start are raised.
    """
    handler = set_up_logging(config.log)
    _kill_before_the_loop(config)
    lock = RunLock(config.engine.state_directory, config.engine.name)
    try:
        lock.acquire()
    except AlreadyRunning as error:
        _log.error("%s", error)
        return ExitCode.ALREADY_RUNNING
    try:
        check_secrets(config)
        inheritance = look_back(config, decisions.fresh_reason)
        strategies = compile_strategies(config, _note_compiled)
        arc = compose(config, strategies, inheritance.identity)
        begin_run(arc, inheritance)
        ring = log_into_ring(arc.memory)
        try:
            # The writers are there before the loop is pinned: they would inherit its core.
            with log_in_background(handler) as log, _print_in_background() as output:
                return uvloop.run(_serve(arc, decisions, inheritance, (output, log)))
        finally:
            logging.getLogger("engine").removeHandler(ring)
    finally:
        lock.release()


def _kill_before_the_loop(config: EngineConfig) -> None:
    """While strategies compile there is no loop: a KILL is a latch then, which the run finds."""
    latch = LatchFile(control_paths(config.engine.state_directory, config.engine.name).latch)

    def kill(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        where = KILL_SIGNALS[signal.Signals(number)].words
        reason = f"signal {name} before the engine was ready"
        latch.write(make_latch(new_command_id(), reason, where, time.time_ns(), find_who()))

    signal.signal(signal.SIGUSR1, lambda number, frame: None)  # a waking call comes too early
    for number in KILL_SIGNALS:
        signal.signal(number, kill)


def _note_compiled(strategy: CompiledStrategy) -> None:
    _log.info("%s on %s is ready", strategy.name, strategy.instrument.symbol)


@contextmanager
def _print_in_background() -> Iterator[BackgroundWriter]:
    sys.stdout.flush()
    writer = BackgroundWriter(sys.stdout.fileno())
    try:
        yield writer
    finally:
        writer.close(CLOSE_TIMEOUT_S)


async def _serve(
    arc: Arc,
    decisions: Decisions,
    inheritance: Inheritance,
    writers: tuple[BackgroundWriter, BackgroundWriter],
) -> ExitCode:
    output, _ = writers
    started_s = time.monotonic()

    def show_progress() -> None:
        print_progress(arc, time.monotonic() - started_s, output.write)

    supervisor = Supervisor(arc, show_progress)
    supervisor.take_up(inheritance, decisions.fresh_reason, decisions.resume_reason)
    supervisor.rearm_reason = decisions.rearm_reason
    _handle_signals(supervisor, writers)
    print_banner(arc, output.write)
    if decisions.is_live:
        _log.warning("LIVE: orders are real")
    code = await _run_supervised(supervisor, output)
    elapsed_s = time.monotonic() - started_s
    print_summary(arc, elapsed_s, supervisor.reason, supervisor.orders_left, output.write)
    if supervisor.venue_summary is not None:
        print_venue(arc, supervisor.venue_summary, output.write)
    return code


async def _run_supervised(supervisor: Supervisor, output: BackgroundWriter) -> ExitCode:
    task = asyncio.ensure_future(supervisor.run())
    if supervisor.arc.config.telemetry.relay:
        await _wait_until(task, lambda: supervisor.relay_ready is not None)
        print_relay(supervisor.relay_ready, output.write)
    if await _wait_until(task, lambda: supervisor.has_begun):
        print_loop(supervisor.loop_care, output.write)
    return await task


async def _wait_until(task: "asyncio.Task[ExitCode]", is_true: Callable[[], bool]) -> bool:
    """Whether it came true before the end of ``task``."""
    while not is_true() and not task.done():
        await asyncio.wait({task}, timeout=START_LOOK_S)
    return is_true()


def _handle_signals(supervisor: Supervisor, writers: Sequence[BackgroundWriter] = ()) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, supervisor.control.look)
    for number, source in KILL_SIGNALS.items():
        loop.add_signal_handler(number, supervisor.kill, f"signal {number.name}", source)

    def stop(number: signal.Signals) -> None:
        if not supervisor.is_stopping:
            supervisor.request_stop(f"signal {number.name}")
            return
        _log.critical("second %s: the stop is cut short, orders may be open", number.name)
        supervisor.abandon_children()
        for writer in writers:
            writer.flush(LAST_WORDS_TIMEOUT_S)
        os._exit(SIGNAL_EXIT_CODES[number])

    for number in SIGNAL_EXIT_CODES:
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # nohup: the end of the terminal is not to stop us
        loop.add_signal_handler(number, stop, number)
