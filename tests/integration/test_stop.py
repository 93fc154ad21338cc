"""Every way in which a run ends early: what is left behind, what it says, its exit status."""

# tidy-ok: covers the processes together

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from engine.exit_codes import ExitCode
from ext.wire import BookState

if TYPE_CHECKING:
    from tests.integration.commands import Engine, Venue

LONG = "simulator.duration_seconds=60"
IMPATIENT = "stop.cancel_timeout_ms=300"
ALONE = "telemetry.relay=false"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_everything_and_logs_out(
    start_engine: "Callable[..., Engine]", number: signal.Signals
) -> None:
    engine = start_engine(LONG)
    engine.wait_for_order()

    engine.send_signal(number)

    assert engine.wait(timeout=8) == ExitCode.OK, engine.everything
    assert f"signal {number.name}" in engine.summary
    assert "Nothing left behind: no open orders." in engine.summary
    assert engine.venue_count["open"] == 0
    assert engine.venue_count["fills"] == engine.figure("fills")
    assert "logged out" in engine.log
    assert "ERROR" not in engine.log


def test_the_second_signal_cuts_the_stop_short(start_engine: "Callable[..., Engine]") -> None:
    engine = start_engine(LONG, ALONE)
    engine.wait_for_order()
    venue = engine.child("wow-sim")
    os.kill(venue, signal.SIGSTOP)  # it will not confirm a cancel
    try:
        engine.send_signal(signal.SIGINT)
        engine.wait_for("stopping: signal SIGINT")
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(timeout=3) == ExitCode.TERMINATED, engine.everything
        os.kill(venue, signal.SIGCONT)
        engine.wait_for_end_of(venue)  # it was told to
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(venue, signal.SIGKILL)
    assert "orders may be open" in engine.log


def test_a_second_engine_of_the_name_is_refused(start_engine: "Callable[..., Engine]") -> None:
    first = start_engine(LONG, ALONE)
    first.wait_for("is LIVE", times=2)

    second = start_engine(LONG, directory=first.directory)

    assert second.wait() == ExitCode.ALREADY_RUNNING, second.everything
    assert "another engine (process" in second.log
    assert "stop it first" in second.log
    first.send_signal(signal.SIGINT)
    assert first.wait() == ExitCode.OK, first.everything


def test_a_refused_logon_says_why(
    start_engine: "Callable[..., Engine]", start_venue: "Callable[..., Venue]"
) -> None:
    ready = start_venue().ready

    engine = start_engine(
        *by_hand(ready["feed_url"], ready["fix_port"]),
        "order_entry.passphrase=demo:key",
    )

    assert engine.wait() == ExitCode.VENUE, engine.everything
    assert "refused the logon" in engine.summary
    assert "Password(554) is wrong" in engine.summary
    assert "demo-key" not in engine.everything
    assert "no answer to the logout" not in engine.log


def test_a_refused_subscription_says_why(
    start_engine: "Callable[..., Engine]", start_venue: "Callable[..., Venue]"
) -> None:
    ready = start_venue().ready

    engine = start_engine(
        *by_hand(ready["feed_url"], ready["fix_port"]),
        "feed.passphrase=demo:key",
    )

    assert engine.wait() == ExitCode.VENUE, engine.everything
    assert "refused the subscription" in engine.summary
    assert "invalid passphrase" in engine.summary
    assert "demo-key" not in engine.everything


def test_a_killed_venue_leaves_unknown_orders(start_engine: "Callable[..., Engine]") -> None:
    engine = start_engine(LONG, ALONE, IMPATIENT)
    engine.wait_for_order()

    os.kill(engine.child("wow-sim"), signal.SIGKILL)

    status = engine.wait()
    assert status == ExitCode.ORDERS_LEFT, engine.everything
    assert "LEFT BEHIND" in engine.summary
    assert "UNKNOWN, ClOrdID" in engine.summary
    assert "wow-sim ended without a summary" in engine.log
    for symbol in ("BTC-USD", "ETH-USD"):
        assert "STALE" in engine.row(symbol)


def test_a_venue_killed_without_our_orders_is_a_venue_failure(
    start_engine: "Callable[..., Engine]",
) -> None:
    engine = start_engine(
        LONG, ALONE, IMPATIENT, "instrument.BTC-USD.limits.max_order_quantity=0.00001"
    )
    engine.wait_for("is LIVE", times=2)
    assert engine.book_state() == BookState.LIVE

    os.kill(engine.child("wow-sim"), signal.SIGKILL)

    assert engine.wait() == ExitCode.VENUE, engine.everything
    assert "Nothing left behind" in engine.summary


def test_a_venue_that_is_not_there_is_tried_again(start_engine: "Callable[..., Engine]") -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refuses, and nobody else gets it
        port = closed.getsockname()[1]
        engine = start_engine(*by_hand(f"ws://127.0.0.1:{port}", port))
        engine.wait_for(f"cannot connect to 127.0.0.1:{port}", times=2)
        engine.send_signal(signal.SIGINT)

        assert engine.wait(timeout=8) == ExitCode.OK, engine.everything
    assert "signal SIGINT" in engine.summary
    assert engine.figure("frames") == 0
    assert engine.row("BTC-USD")[1] == "CONNECTING"
    assert "Traceback" not in engine.log


def by_hand(feed_url: str, port: int) -> tuple[str, ...]:
    """Settings for a venue that the engine does not start."""
    addresses = (f"feed.url={feed_url}", f"order_entry.port={port}")
    return (ALONE, "simulator.start=false", "reconciliation.enabled=false", *addresses)
