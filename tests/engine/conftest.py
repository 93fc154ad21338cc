"""A config that is right, to be made wrong one line at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.config import load_config
from ext.errors import ConfigError

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
limits = {max_order_quantity = 1, max_order_notional = "5000", price_collar_percent = 0.5, max_position = 4}

[[strategy]]
class = "jerico_maker"
instrument = "BTC-USD"
params = {half_spread_ticks = 2, lean = 0.15, quantity = "0.01"}
"""  # noqa: E501


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
