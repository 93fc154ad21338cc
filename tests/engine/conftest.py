"""A config that is right, to be made wrong one line at a time."""

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.composition import Arc, compile_strategies, compose
from engine.settings.config import EngineConfig, load_config
from ext.bounds import Bound
from ext.errors import ConfigError
from ext.latency_histogram import bucket_index
from ext.shared_memory import SharedMemory
from ext.tcp_sender import TcpSender
from ext.wire import Step

DEMO = Path(__file__).parents[2] / "configs" / "demo.toml"

RIGHT_CONFIG = """
[engine]
name = "test"
mode = "simulated"

[simulator]
start = true

[feed]
venue = "coinbase_exchange"
url = "simulator"
key = "demo:key"
secret = "demo:secret"
passphrase = "demo:passphrase"

[order_entry]
port = "simulator"
key = "demo:key"
secret = "demo:secret"
passphrase = "demo:passphrase"

[risk]
max_orders_per_second = 50

[[instrument]]
symbol = "BTC-USD"
tick = 0.01
lot = "0.00000001"
[instrument.limits]
max_order_quantity = 0.05
max_order_notional = 5000
price_collar_percent = 1
max_position = 0.2

[[instrument]]
symbol = "ETH-USD"
tick = "0.01"
lot = 1e-8
[instrument.limits]
max_order_quantity = 1
max_order_notional = "5000"
price_collar_percent = 0.5
max_position = 4

[[strategy]]
class = "jerico_maker"
instrument = "BTC-USD"
params = {half_spread_ticks = 2, lean = 0.15, quantity = "0.01"}
"""


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Writes the right config with replacements: ``write_config({"old": "new"})``."""

    def write(changes: dict[str, str] | None = None, text: str = RIGHT_CONFIG) -> Path:
        for old, new in (changes or {}).items():
            assert text.count(old) >= 1, f"{old!r} is not in the config"
            text = text.replace(old, new, 1)
        path = tmp_path / "test.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def refusal() -> Callable[..., str]:
    """What ``load_config`` says against a file, which is named ``F`` in the text."""

    def refuse(path: Path, overrides: Sequence[str] = ()) -> str:
        with pytest.raises(ConfigError) as caught:
            load_config(path, overrides)
        return str(caught.value).replace(str(path), "F")

    return refuse


@pytest.fixture
def load_demo(tmp_path: Path) -> Callable[..., EngineConfig]:
    """The demo's config with its files in ``tmp_path``: ``load_demo("section.key=value")``."""

    def load(*overrides: str) -> EngineConfig:
        places = (
            f"engine.state_directory={tmp_path / 'state'}",
            f"telemetry.shared_memory_directory={tmp_path}",
            f"telemetry.publish=ipc://{tmp_path / 'p'}",
        )
        return load_config(DEMO, (*places, *overrides))

    return load


@pytest.fixture
def make_arc(load_demo: Callable[..., EngineConfig]) -> Iterator[Callable[..., Arc]]:
    """The demo's arc: ``make_arc("section.key=value", is_trading=True)``.

    What a trading one sends goes into a socket that nobody reads.
    """
    arcs: list[Arc] = []
    ours, theirs = socket.socketpair()

    def make(*overrides: str, is_trading: bool = False) -> Arc:
        config = load_demo(*overrides)
        strategies = compile_strategies(config, lambda _: None) if is_trading else ()
        arcs.append(compose(config, strategies))
        if is_trading and arcs[-1].orders is not None:
            arcs[-1].orders.store.is_active = True
            if isinstance(arcs[-1].orders.sender, TcpSender):
                arcs[-1].orders.sender.attach(ours.fileno())
        return arcs[-1]

    yield make
    for arc in arcs:
        if arc.orders is not None:
            arc.orders.store.close()
    ours.close()
    theirs.close()


@pytest.fixture
def kept_logging() -> Iterator[None]:
    """Puts the handlers and levels of the loggers back that ``set_up_logging`` changes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def snapshot() -> Callable[..., bytes]:
    """A snapshot frame of Coinbase Exchange: ``snapshot("BTC-USD", bid="1.00", ask="1.01")``."""

    def make(symbol: str, bid: str = "64999.99", ask: str = "65000.01") -> bytes:
        levels = f'"asks":[["{ask}","1.00000000"]],"bids":[["{bid}","1.00000000"]]'
        return f'{{"type":"snapshot","product_id":"{symbol}",{levels}}}'.encode()

    return make


@pytest.fixture
def feed_book(snapshot: Callable[..., bytes]) -> Callable[[Arc, int], None]:
    """A book of BTC-USD, on which the maker of an arc with ``is_trading`` quotes both sides."""

    def feed(arc: Arc, now_ns: int) -> None:
        arc.pipeline.subscribed(now_ns)
        arc.pipeline.receive(snapshot("BTC-USD"), now_ns)
        change = '["sell","65100.00","1.00000000"]],"time":"2026-08-09T12:00:00.000000Z"}'
        start = '{"type":"l2update","product_id":"BTC-USD","changes":['
        arc.pipeline.receive((start + change).encode(), now_ns)

    return feed


@pytest.fixture(scope="session")
def count_step() -> Callable[..., None]:
    """Counts durations as the compiled path does: ``count_step(memory, step, 1_500, ...)``."""

    def count(memory: SharedMemory, step: Step, *values_ns: int) -> None:
        cells = int(Step.STEP_COUNT) * int(Bound.HISTOGRAM_BUCKETS)
        counts = memory.region("histograms_offset", np.dtype("i8"), cells)
        for value_ns in values_ns:
            counts.reshape(int(Step.STEP_COUNT), -1)[step, bucket_index(value_ns)] += 1

    return count
