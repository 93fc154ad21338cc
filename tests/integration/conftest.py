"""Starts the installed commands, each in a directory of its own, and ends what is left of them."""

# tidy-ok: covers the processes together

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.commands import REPOSITORY, Command, Engine, Venue
from tests.integration.made_venue import MadeVenue

DEMO = REPOSITORY / "configs" / "demo.toml"
IPC_PATH_BYTES = 100  # of the 107 that a Unix socket has
MADE_CONFIG = """
[engine]
name = "test"
mode = "simulated"

[feed]
venue = "coinbase_exchange"
url = "{feed_url}"
channels = ["level2", "matches"]
key = "demo:key"
secret = "demo:secret"
passphrase = "demo:passphrase"
silence_limit_ms = 60_000
reconnect_initial_ms = 100

[order_entry]
port = {order_port}
key = "demo:key"
secret = "demo:secret"
passphrase = "demo:passphrase"

[risk]
stale_after_ms = 60_000

[[instrument]]
symbol = "BTC-USD"
tick = 0.01
lot = 0.00000001
[instrument.limits]
max_order_quantity = 0.05
max_order_notional = 5000
price_collar_percent = 1
max_position = 0.2

[[strategy]]
class = "jerico_maker"
instrument = "BTC-USD"
"""


@pytest.fixture(scope="module")
def commands() -> Iterator[list[Command]]:
    """Everything started; none of it outlives the module."""
    started: list[Command] = []
    yield started
    for command in started:
        command.stop_all()


@pytest.fixture(scope="module")
def start_engine(
    commands: list[Command], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Engine]:
    """``start_engine("section.key=value", ..., config=, directory=, pipe=)``"""

    def start(
        *overrides: str,
        config: Path = DEMO,
        directory: Path | None = None,
        pipe: int | None = None,
    ) -> Engine:
        directory = directory or tmp_path_factory.mktemp("e")
        publish = f"ipc://{directory / 'p'}"
        assert len(publish) <= IPC_PATH_BYTES, publish
        settings = (
            f"engine.name={Engine.name}",
            f"engine.state_directory={directory / 'state'}",
            f"telemetry.shared_memory_directory={directory}",
            f"telemetry.publish={publish}",
            *overrides,
        )
        arguments = ["wow-engine", f"--config={config}"]
        for setting in settings:
            arguments += ["--set", setting]
        runs = sum(path.is_dir() for path in directory.glob("run*"))
        engine = Engine(directory, directory / f"run{runs}", arguments, pipe)
        commands.append(engine)
        return engine

    return start


@pytest.fixture(scope="module")
def start_command(
    commands: list[Command], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Command]:
    """``start_command("wow-monitor", "--once", ...)``"""

    def start(*arguments: str) -> Command:
        command = Command(tmp_path_factory.mktemp("c"), list(arguments))
        commands.append(command)
        return command

    return start


@pytest.fixture(scope="module")
def start_venue(
    commands: list[Command], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Venue]:
    """``start_venue("--duration=5", ...)``: wow-sim on free ports."""

    def start(*arguments: str) -> Venue:
        venue = Venue(tmp_path_factory.mktemp("v"), ["wow-sim", *arguments])
        commands.append(venue)
        return venue

    return start


@pytest.fixture(scope="module")
def make_venue() -> Iterator[Callable[[], MadeVenue]]:
    """Venues made by hand, listening; they stop with the module."""
    made: list[MadeVenue] = []

    def make() -> MadeVenue:
        made.append(MadeVenue())
        made[-1].start()
        return made[-1]

    yield make
    for venue in made:
        venue.stop()


@pytest.fixture(scope="module")
def start_at(
    start_engine: Callable[..., Engine], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Engine]:
    """``start_at(venue)``: an engine without relay, for one product and one strategy."""

    def start(venue: MadeVenue, pipe: int | None = None) -> Engine:
        config = tmp_path_factory.mktemp("m") / "made.toml"
        addresses = {"feed_url": venue.feed_url, "order_port": venue.order_port}
        config.write_text(MADE_CONFIG.format(**addresses))
        settings = ("stop.cancel_timeout_ms=1000", "telemetry.relay=false")
        return start_engine(*settings, config=config, pipe=pipe)

    return start


@pytest.fixture
def made_venue(make_venue: Callable[[], MadeVenue]) -> MadeVenue:
    """A venue made by hand, listening."""
    return make_venue()


@pytest.fixture
def quoting(start_at: Callable[..., Engine], made_venue: MadeVenue) -> Engine:
    """An engine with a LIVE book and two confirmed quotes at the venue made by hand."""
    engine = start_at(made_venue)
    engine.wait_for_quotes()
    return engine
