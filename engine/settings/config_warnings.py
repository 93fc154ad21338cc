"""What can be used as written but is worth a look before the start."""

import os
from collections.abc import Iterator
from pathlib import Path

from engine.law.jurisdiction import find_site_warnings
from engine.levels.kill_access import kill_address
from engine.secrets import Secret
from engine.settings.config_checks import CREDENTIALS, is_loopback, publish_host
from engine.settings.config_schema import MODES_WITHOUT_ORDERS, EngineConfig
from engine.tls_context import make_client_context
from ext.errors import ConfigError
from ext.signing import sign_coinbase_exchange
from tuning.core_plan import plan_cores


def find_warnings(config: EngineConfig) -> list[str]:
    """One line for each doubtful setting, and for what this machine lacks."""
    settings = [*_setting_warnings(config), *find_site_warnings(config)]
    return [*settings, *_machine_warnings(config), *_secret_warnings(config)]


def require_arming(config: EngineConfig, *, is_live: bool) -> None:
    """ConfigError unless the mode of the file and ``--live`` of the command line agree."""
    mode = config.engine.mode
    if mode == "live" and not is_live:
        raise ConfigError('[engine] mode is "live"; add --live to send real orders')
    if mode != "live" and is_live:
        raise ConfigError(f'--live was given, but [engine] mode is "{mode}"; use one or the other')


def require_recording(config: EngineConfig) -> None:
    """ConfigError when the simulator is to play a recording that is not there."""
    recording = config.simulator.recording
    if config.simulator.start and recording and not Path(recording).is_file():
        raise ConfigError(
            f'[simulator] recording was "{recording}", which is not a file here'
            f" ({Path.cwd()}); name one, or leave it empty for generated flow"
        )


def _setting_warnings(config: EngineConfig) -> Iterator[str]:
    is_live = config.engine.mode == "live"
    if not config.enabled_strategies:
        yield "[[strategy]]: none is enabled, so no order will be sent"
    for section in config.instruments:
        if section.limits.max_order_quantity > section.limits.max_position:
            yield (
                f"[[instrument]] {section.symbol} limits: max_order_quantity is above max_position,"
                " so the largest order can never be placed"
            )
    if not any(channel.startswith("heartbeat") for channel in config.feed.channels):
        yield "[feed] channels: without heartbeats a quiet market looks like a dead connection"
    if len(config.feed.channels) < 3 and not {"matches", "market_trades"} & set(
        config.feed.channels
    ):
        yield "[feed] channels: without trades no bar is built and on_trade is never called"
    if config.order_entry and config.engine.mode in MODES_WITHOUT_ORDERS:
        yield f"[order_entry]: {config.engine.mode} mode sends nothing, so it is not used"
    if config.canary.symbols and not is_live:
        yield "[canary]: only live mode scales limits, so it is not used"
    if is_live and config.order_entry and config.order_entry.protocol == "rest":
        yield "[order_entry] protocol is rest: an engine that dies leaves its orders open"
    if is_live and config.order_entry and config.order_entry.cancel_on_disconnect == "off":
        yield "[order_entry] cancel_on_disconnect is off: a lost connection leaves orders open"
    reconciliation = config.reconciliation
    if is_live and (reconciliation is None or not reconciliation.enabled):
        yield "[reconciliation]: nobody compares the venue's orders, fills and balances with ours"
    if is_live and config.kill.key is None:
        yield "[kill]: a KILL has no key of its own, it shares that of [order_entry]"
    if is_live and not kill_address(config):
        yield "[kill] rest_url: a KILL has the order session alone, and wow-kill has nothing"
    if is_live and not config.telemetry.relay:
        yield "[telemetry] relay is false: nobody can arm a live engine, or command it"
    if config.loop.busy_poll and config.loop.engine_core < 0:
        yield "[loop] busy_poll without engine_core: the spinning thread may be moved about"
    if config.loop.keep_warm_ms and not config.loop.warm_up:
        yield "[loop] keep_warm_ms without warm_up: there is nothing to keep warm"
    host = publish_host(config.telemetry.publish)
    if config.telemetry.relay and host is not None and not is_loopback(host):
        yield "[telemetry] publish: positions and orders leave this machine in clear text"


def _machine_warnings(config: EngineConfig) -> Iterator[str]:
    plan = plan_cores(
        config.loop.engine_core, config.telemetry.relay_core, sorted(os.sched_getaffinity(0))
    )
    yield from plan.warnings
    directory = config.telemetry.shared_memory_directory
    if not os.access(directory, os.W_OK):
        yield f"[telemetry] shared_memory_directory {directory} cannot be written to"
    try:
        require_recording(config)
    except ConfigError as error:
        yield str(error)
    connections = (
        ("feed", config.feed),
        ("order_entry", config.order_entry),
        ("kill", config.kill),
    )
    for section, connection in connections:
        if connection is None or not connection.ca_file:
            continue
        try:
            make_client_context(connection.ca_file, section)
        except ConfigError as error:
            yield str(error)


def _secret_warnings(config: EngineConfig) -> Iterator[str]:
    connections = (
        ("feed", config.feed),
        ("order_entry", config.order_entry),
        ("kill", config.kill),
    )
    for section, connection in connections:
        for name in CREDENTIALS:
            secret: Secret | None = getattr(connection, name, None)
            if secret is None:
                continue
            try:
                value = secret.reveal()
                if name == "secret":
                    sign_coinbase_exchange(value, b"")
            except ConfigError as error:
                yield f"[{section}] {name}: {error}"
