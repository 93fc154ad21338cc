"""What happens at the venue behind the engine's back is found by REST, explained, or pauses it."""

# tidy-ok: covers the processes together

import base64
import hashlib
import hmac
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from engine.exit_codes import ExitCode
from ext.wire import EngineState, OrderState
from tests.integration.cable import Cable

if TYPE_CHECKING:
    from tests.integration.commands import Engine, Venue

SECRET = bytes(range(64))
PACE_S = 0.2  # the engine shares the key's rate


class RestClient:
    """Another program with the same key: signs by itself, on a plain HTTP client."""

    def __init__(self, url: str) -> None:
        self._http = HTTPConnection(url.removeprefix("http://"), timeout=5)

    def ask(self, method: str, target: str, body: dict[str, Any] | None = None) -> Any:
        """The content of the answer, which has to be a good one."""
        time.sleep(PACE_S)  # tidy-ok: keeps to the rate of the venue
        data = b"" if body is None else orjson.dumps(body)
        timestamp = f"{time.time():.3f}"
        text = f"{timestamp}{method}{target}".encode() + data
        headers = {
            "CB-ACCESS-KEY": "demo-key",
            "CB-ACCESS-PASSPHRASE": "demo-passphrase",
            "CB-ACCESS-TIMESTAMP": timestamp,
            "CB-ACCESS-SIGN": base64.b64encode(hmac.digest(SECRET, text, hashlib.sha256)).decode(),
        }
        self._http.request(method, target, data or None, headers)
        answer = self._http.getresponse()
        content = orjson.loads(answer.read())
        assert answer.status == 200, content
        return content

    def close(self) -> None:
        """Ends the connection."""
        self._http.close()

    def place(self, price: str, side: str = "buy") -> str:
        """A resting order of 0.01 BTC; its id at the venue."""
        order = {"product_id": "BTC-USD", "side": side, "price": price, "size": "0.01",
                 "client_oid": str(uuid.uuid4()), "post_only": True}  # fmt: skip
        return str(self.ask("POST", "/orders", order)["id"])

    def position_lots(self) -> int:
        """What all fills of BTC-USD make, in lots."""
        fills = self.ask("GET", "/fills?product_id=BTC-USD&limit=1000")
        signs = {"buy": 1, "sell": -1}
        total = sum(signs[fill["side"]] * Decimal(fill["size"]) for fill in fills)
        return int(total * 10**8)

    def fills(self) -> int:
        """How many fills of BTC-USD the venue lists."""
        return len(self.ask("GET", "/fills?product_id=BTC-USD&limit=1000"))


class Scene:
    """A free-running venue, a cable to its FIX door, another client, and engines on demand."""

    def __init__(self, venue: "Venue", start_engine: "Callable[..., Engine]") -> None:
        self.ready = venue.ready
        self.venue = venue
        self.cable = Cable(self.ready["fix_port"])
        self.rest = RestClient(self.ready["rest_url"])
        self._start_engine = start_engine

    def start(
        self, *overrides: str, is_journaled: bool = False, directory: Path | None = None
    ) -> "Engine":
        """The demo's engine at this venue; it compares every second."""
        return self._start_engine(
            f"telemetry.relay={str(is_journaled).lower()}",
            "simulator.start=false",
            f"feed.url={self.ready['feed_url']}",
            f"order_entry.port={self.cable.port}",
            "order_entry.cancel_on_disconnect=off",
            f"reconciliation.rest_url={self.ready['rest_url']}",
            "reconciliation.interval_seconds=1",
            *overrides,
            directory=directory,
        )


@pytest.fixture
def scene(
    start_venue: "Callable[..., Venue]", start_engine: "Callable[..., Engine]"
) -> Iterator[Scene]:
    made = Scene(start_venue("--duration=60", "--free-running"), start_engine)
    yield made
    made.rest.close()
    made.cable.stop()
    made.venue.stop_all()


def is_paused(engine: "Engine") -> bool:
    return engine.memory.word("engine_state") == EngineState.ENGINE_PAUSED_STATE


def finish(engine: "Engine", code: ExitCode = ExitCode.OK) -> None:
    engine.send_signal(signal.SIGINT)
    assert engine.wait(timeout=15) == code, engine.everything
    assert "Traceback" not in engine.log


@pytest.mark.slow
def test_fills_while_the_order_session_was_cut_are_found_and_counted(scene: Scene) -> None:
    engine = scene.start()
    engine.wait_for_order(OrderState.NEW)
    scene.cable.cut()
    engine.wait_for("orders are Unknown")
    engine.wait_until(lambda: not scene.rest.ask("GET", "/orders"), "fills of all our orders")
    missed = scene.rest.fills()
    assert missed > 0
    scene.cable.mend()

    engine.wait_for("found and explained: fills that we missed")
    engine.wait_until(lambda: not is_unknown(engine), "the end of Unknown")

    assert not is_paused(engine), engine.everything
    assert "Ours: order" in engine.log
    assert "Venue: trade" in engine.log
    engine.wait_for_order()  # it trades on
    finish(engine)
    assert engine.figure("fills") == scene.rest.fills() >= missed
    assert "Nothing left behind" in engine.summary


@pytest.mark.slow
def test_fills_while_the_engine_was_dead_are_found_and_counted(scene: Scene) -> None:
    killed = scene.start(is_journaled=True)
    killed.wait_for_order(OrderState.NEW)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    known = scene.rest.fills()
    scene.venue.wait_until(lambda: not scene.rest.ask("GET", "/orders"), "fills of what it left")
    assert scene.rest.fills() > known

    engine = scene.start(is_journaled=True, directory=killed.directory)
    engine.wait_for("found and explained: fills that we missed")
    engine.wait_for_order(OrderState.NEW)

    assert not is_paused(engine), engine.everything
    finish(engine)
    position = engine.memory.position(0)
    assert position is not None
    assert int(position["position_lots"]) == scene.rest.position_lots()
    assert "Nothing left behind" in engine.summary


def is_unknown(engine: "Engine") -> bool:
    return any(int(order["state"]) == OrderState.UNKNOWN for order in engine.open_orders())


@pytest.mark.slow
def test_orders_cancelled_while_the_session_was_cut_end(scene: Scene) -> None:
    engine = scene.start()
    engine.wait_for_order(OrderState.NEW)
    scene.cable.cut()
    engine.wait_for("orders are Unknown")
    scene.rest.ask("DELETE", "/orders")

    engine.wait_for("found and explained: an order")  # before the session is up again
    scene.cable.mend()
    engine.wait_for_order(OrderState.NEW)

    assert not is_paused(engine), engine.everything
    finish(engine)
    assert engine.figure("fills") == scene.rest.fills()


@pytest.mark.slow
def test_an_order_that_is_not_ours_pauses_the_engine(scene: Scene) -> None:
    engine = scene.start()
    engine.wait_for_order(OrderState.NEW)

    name = scene.rest.place("1000.00")
    engine.wait_for("PAUSED, no new orders: the venue's record differs from ours")

    text = f"an open order that is not ours. Ours: nothing. Venue: order {name}"
    assert text in engine.log
    assert "BTC-USD BUY 0.01000000 at 1000.00, filled 0.00000000, open" in engine.log
    engine.wait_until(lambda: is_paused(engine), "the pause")
    finish(engine)
    assert [order["id"] for order in scene.rest.ask("GET", "/orders")] == [name]


@pytest.mark.slow
def test_nothing_is_traded_beside_an_order_that_was_there_before(scene: Scene) -> None:
    name = scene.rest.place("1000.00")
    engine = scene.start()

    engine.wait_for("PAUSED, no new orders: the venue's record differs from ours")
    engine.wait_for("book BTC-USD is LIVE")

    assert name in engine.log
    finish(engine)
    assert engine.figure("orders") == 0
    assert scene.rest.fills() == 0


@pytest.mark.slow
def test_nothing_is_traded_before_the_venue_has_answered(scene: Scene) -> None:
    engine = scene.start("reconciliation.rest_url=http://127.0.0.1:9")
    engine.wait_for("nothing is traded before it answers", times=2)
    assert engine.open_orders() == []
    finish(engine)
    assert engine.figure("frames") == 0
