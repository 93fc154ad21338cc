"""How a KILL reaches the venue by REST: its address and its keys, from the config.

The address of a simulated venue that the engine has started is in a file of the state directory,
so that ``wow-kill`` finds it without the engine.
"""

import contextlib

import msgspec

from control.paths import control_paths
from engine.settings.config_metadata import SIMULATOR
from engine.settings.config_schema import MODES_WITHOUT_ORDERS, EngineConfig
from ext.errors import ConfigError


class VenueAddress(msgspec.Struct):
    """Where a venue listens that the engine has started."""

    rest_url: str


def kill_address(config: EngineConfig) -> str:
    """The address, perhaps ``"simulator"``; empty: the config names none."""
    if config.kill.rest_url:
        return config.kill.rest_url
    return config.reconciliation.rest_url if config.reconciliation is not None else ""


def note_venue(config: EngineConfig, rest_url: str) -> None:
    """Keeps the address of the venue that was started."""
    path = control_paths(config.engine.state_directory, config.engine.name).venue
    with contextlib.suppress(OSError):  # a full disk keeps no demo from running
        path.write_bytes(msgspec.json.encode(VenueAddress(rest_url)) + b"\n")


def find_address(config: EngineConfig) -> str:
    """The address to connect to. ConfigError when there is none, with what to do, and in modes
    whose orders are at no venue: what stands there is of somebody else."""
    mode = config.engine.mode
    if mode in MODES_WITHOUT_ORDERS:
        raise ConfigError(
            f"[engine] mode is {mode}: none of its orders is at a venue, so nothing is cancelled"
            " there; the engine itself is stopped"
        )
    url = kill_address(config)
    if not url:
        raise ConfigError(
            "[kill] rest_url is not set, and there is no [reconciliation] rest_url: orders cannot"
            " be cancelled by REST; cancel them on the venue's own page"
        )
    if url != SIMULATOR:
        return url
    path = control_paths(config.engine.state_directory, config.engine.name).venue
    try:
        return msgspec.json.decode(path.read_bytes(), type=VenueAddress).rest_url
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"the engine has started no simulated venue here: {path} cannot be read ({error})"
        ) from None


def describe_key(config: EngineConfig) -> str:
    """Which key is used, in words that hold no secret."""
    return "the key of [kill]" if config.kill.key is not None else "the key of [order_entry]"
