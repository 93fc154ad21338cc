"""Composition root: from a checked config to the exit status of a run."""

import asyncio
import logging
import os
import signal
import time

import uvloop

from engine.composition import Arc, compile_strategies, compose
from engine.config_schema import EngineConfig
from engine.exit_codes import ExitCode
from engine.kernels import CompiledStrategy
from engine.log_setup import log_into_ring, set_up_logging
from engine.run_lock import AlreadyRunning, RunLock
from engine.summary import (
    print_banner,
    print_progress,
    print_relay,
    print_summary,
    print_venue,
)
from engine.supervisor import Supervisor

SIGNAL_EXIT_CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
}

_log = logging.getLogger("engine.app")


def run(config: EngineConfig, is_live: bool) -> int:
    """Runs the engine until it is stopped; its exit status.

    ``is_live`` is whether ``--live`` was given; the command line has checked that it fits the
    mode. Errors of the config or of the venue's start are raised.
    """
    set_up_logging(config.log)
    lock = RunLock(config.engine.state_directory, config.engine.name)
    try:
        lock.acquire()
    except AlreadyRunning as error:
        _log.error("%s", error)
        return ExitCode.ALREADY_RUNNING
    try:
        arc = compose(config, compile_strategies(config, _note_compiled))
        ring = log_into_ring(arc.memory)
        try:
            return uvloop.run(_serve(arc, is_live))
        finally:
            logging.getLogger("engine").removeHandler(ring)
    finally:
        lock.release()


def _note_compiled(strategy: CompiledStrategy) -> None:
    _log.info("%s on %s is ready", strategy.name, strategy.instrument.symbol)


async def _serve(arc: Arc, is_live: bool) -> ExitCode:
    started_s = time.monotonic()
    supervisor = Supervisor(arc, lambda: print_progress(arc, time.monotonic() - started_s))
    _handle_signals(supervisor)
    print_banner(arc)
    if is_live:
        _log.warning("LIVE: orders are real")
    code = await _run_supervised(supervisor)
    print_summary(arc, time.monotonic() - started_s, supervisor.reason, supervisor.orders_left)
    if supervisor.venue_summary is not None:
        print_venue(arc, supervisor.venue_summary)
    return code


async def _run_supervised(supervisor: Supervisor) -> ExitCode:
    task = asyncio.ensure_future(supervisor.run())
    while not task.done() and supervisor.relay_ready is None:
        await asyncio.wait({task}, timeout=0.05)
        if not supervisor.arc.config.telemetry.relay:
            break
    print_relay(supervisor.relay_ready)
    return await task


def _handle_signals(supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        if not supervisor.is_stopping:
            supervisor.request_stop(f"signal {number.name}")
            return
        _log.critical("second %s: the stop is cut short, orders may be open", number.name)
        os._exit(SIGNAL_EXIT_CODES[number])

    for number in SIGNAL_EXIT_CODES:
        loop.add_signal_handler(number, stop, number)
