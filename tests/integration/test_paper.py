"""Paper mode as processes: real frames, no order connection, and what is left behind."""

# tidy-ok: covers the processes together

import base64
import json
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.cli import main
from engine.exit_codes import ExitCode
from ext.wire import OrderState
from journal.reader import run_starts

if TYPE_CHECKING:
    from tests.integration.commands import Engine, Venue

SECRETS = {
    "PAPER_KEY": "demo-key",
    "PAPER_SECRET": base64.b64encode(bytes(range(64))).decode(),
    "PAPER_PASSPHRASE": "demo-passphrase",
}
"""Those of the simulator, by reference: ``demo:`` ones are for simulated mode."""


class OrderHost:
    """Listens where [order_entry] leads to, and counts who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])

    @property
    def is_untouched(self) -> bool:
        try:
            self._socket.accept()
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def order_host() -> Iterator[OrderHost]:
    host = OrderHost()
    yield host
    host.close()


@pytest.fixture(scope="module")
def start_paper(
    start_venue: "Callable[..., Venue]",
    start_engine: "Callable[..., Engine]",
    order_host: OrderHost,
) -> "Iterator[Callable[..., Engine]]":
    """``start_paper(...)``: an engine on paper at a new venue; ``directory=`` goes on there."""
    patch = pytest.MonkeyPatch()
    for name, value in SECRETS.items():
        patch.setenv(name, value)

    def start(*overrides: str, directory: Path | None = None) -> "Engine":
        products = "--products=BTC-USD,ETH-USD"
        venue = start_venue("--duration=40", products, "--free-running", "--start-without-orders")
        names = {name.partition("_")[2].lower(): f"env:{name}" for name in SECRETS}
        return start_engine(
            "engine.mode=paper",
            "simulator.start=false",
            f"feed.url={venue.ready['feed_url']}",
            f"order_entry.port={order_host.port}",
            *(f"{s}.{name}={ref}" for s in ("feed", "order_entry") for name, ref in names.items()),
            "site.country=US",
            "site.region=NY",
            *overrides,
            directory=directory,
        )

    yield start
    patch.undo()


StartPaper = Callable[..., "Engine"]


def wait_for_fills(engine: "Engine", count: int) -> None:
    engine.wait_until(lambda: engine.memory.counters()["fills"] >= count, f"{count} fills")


@pytest.fixture(scope="module")
def ended(start_paper: StartPaper) -> "Engine":
    """A run that traded and was stopped in order."""
    engine = start_paper()
    wait_for_fills(engine, 10)
    engine.send_signal(signal.SIGINT)
    assert engine.wait() == ExitCode.OK, engine.everything
    return engine


def test_it_says_what_it_is_and_leaves_nothing_behind(ended: "Engine") -> None:
    assert "mode PAPER" in ended.output
    assert "PAPER: no order leaves this process" in ended.output
    assert "Nothing left behind: no open orders." in ended.summary
    assert "Look at:" not in ended.summary
    assert ended.figure("fills") >= 10


def test_nobody_came_to_the_order_host(ended: "Engine", order_host: OrderHost) -> None:
    assert order_host.is_untouched, "paper mode has connected to where orders go"
    assert "[order_entry]: paper mode sends nothing, so it is not used" in ended.log


def test_its_replay_is_the_run(ended: "Engine", capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(ended.journal)]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "every byte as recorded" in shown
    assert "as recorded" in shown.splitlines()[-1]


def test_its_trades_say_paper(ended: "Engine", capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trades", "--journal", str(ended.journal), "--format", "json"]) == ExitCode.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == ended.figure("fills")
    assert {row["mode"] for row in rows} == {"paper"}
    assert all(re.fullmatch(r"paper-\d+", row["venue_order_id"]) for row in rows)
    assert sum(float(row["fee"]) for row in rows) > 0


@pytest.mark.parametrize("mode", ["simulated", "shadow"])
def test_another_mode_does_not_go_on_there(
    ended: "Engine", start_engine: "Callable[..., Engine]", mode: str
) -> None:
    names = {name.partition("_")[2].lower(): f"env:{name}" for name in SECRETS}
    secrets = [f"{s}.{name}={ref}" for s in ("feed", "order_entry") for name, ref in names.items()]
    other = start_engine(
        f"engine.mode={mode}",
        "simulator.start=false",
        "feed.url=ws://127.0.0.1:1",
        "order_entry.port=1",
        "reconciliation.enabled=false",
        *(secrets if mode == "shadow" else []),
        directory=ended.directory,
    )
    assert other.wait() == ExitCode.CONFIG, other.everything
    assert "modes are never mixed" in other.log


@pytest.mark.slow
def test_a_killed_run_goes_on_with_its_positions(start_paper: StartPaper) -> None:
    first = start_paper()
    wait_for_fills(first, 5)
    first.wait_for_order(OrderState.NEW, OrderState.PARTIALLY_FILLED)
    relay = first.child("wow-relay")
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.wait_for_end_of(relay)

    second = start_paper(directory=first.directory)
    second.wait_for("is LIVE", times=2)  # then the shared memory is its own
    wait_for_fills(second, 3)
    second.send_signal(signal.SIGINT)
    assert second.wait() == ExitCode.OK, second.everything
    assert "took over from the last run" in second.log
    assert "paper orders of the last run ended with it" in second.log
    assert len(run_starts(second.journal)) == 2
    assert "Nothing left behind: no open orders." in second.summary
    assert main(["replay", str(second.journal)]) == ExitCode.OK
