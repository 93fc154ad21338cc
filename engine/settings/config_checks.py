"""What no single key can tell: relations between the sections of a config.

Each check gets the sections that could be read and says nothing when one that it needs could not:
that problem has been told already.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from engine.canary import check_canary
from engine.secrets import Secret
from engine.settings.config_breaker_checks import check_breakers, check_portfolio
from engine.settings.config_control import KillSection
from engine.settings.config_instrument_checks import check_instruments, check_strategies
from engine.settings.config_management_checks import check_management
from engine.settings.config_metadata import SIMULATOR
from engine.settings.config_order_checks import (
    check_one_address,
    check_order_keys,
    check_order_rate,
)
from engine.settings.config_problems import KeyPath, Problems, find_nearest
from engine.settings.config_records import TelemetrySection
from engine.settings.config_risk_checks import check_currencies, check_rates, check_trading_hours
from engine.settings.config_schema import (
    MODES_WITHOUT_ORDERS,
    EngineSection,
    LoopSection,
    SimulatorSection,
)
from engine.settings.config_trading import InstrumentSection, RiskSection, StrategySection
from engine.settings.config_venues import FeedSection, OrderEntrySection, ReconciliationSection

# What a venue's session subscribes to, the first of them being the default for the book; see
# https://docs.cdp.coinbase.com/exchange/websocket-feed/channels and
# https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
BOOK_CHANNELS: Mapping[str, tuple[str, ...]] = {
    "coinbase_exchange": ("level2", "level2_batch"),
    "coinbase_advanced": ("level2",),
}
OTHER_CHANNELS: Mapping[str, tuple[str, ...]] = {
    "coinbase_exchange": ("matches", "heartbeat"),
    "coinbase_advanced": ("market_trades", "heartbeats"),
}
SIGNED_CHANNELS: Mapping[str, tuple[str, ...]] = {
    "coinbase_exchange": ("level2",),
    "coinbase_advanced": (),
}
MAX_PORT = 65535
CREDENTIALS = ("key", "secret", "passphrase")


def check_relations(sections: Mapping[str, Any], problems: Problems) -> None:
    """Adds every problem between keys and sections; ``sections`` as ``read_sections`` gives it."""
    engine: EngineSection | None = sections.get("engine")
    simulator: SimulatorSection | None = sections.get("simulator")
    feed: FeedSection | None = sections.get("feed")
    order_entry: OrderEntrySection | None = sections.get("order_entry")
    instruments: tuple[InstrumentSection | None, ...] | None = sections.get("instruments")
    strategies: tuple[StrategySection | None, ...] | None = sections.get("strategies")
    has_orders = bool(engine and engine.mode not in MODES_WITHOUT_ORDERS)
    if engine and has_orders and "order_entry" in sections and not order_entry:
        problems.add(("order_entry",), f"is missing; {engine.mode} mode sends orders through it")
    if feed:
        _check_feed(feed, problems)
    risk: RiskSection | None = sections.get("risk")
    if risk:
        check_rates(risk, problems)
    if instruments is not None:
        check_instruments(instruments, problems)
    if instruments is not None and (canary := sections.get("canary")):
        check_canary(canary, instruments, problems)
    if strategies is not None:
        check_strategies(strategies, instruments, problems)
        check_management(strategies, instruments, problems)
    if instruments is not None:
        check_currencies(sections.get("currencies") or (), instruments, strategies, problems)
        if risk:
            check_trading_hours(risk, instruments, problems)
    if (portfolio := sections.get("portfolio")) and instruments is not None:
        check_portfolio(portfolio, instruments, problems)
    if breakers := sections.get("breakers"):
        check_breakers(breakers, strategies, problems)
    if engine and simulator:
        _check_simulator(engine, simulator, instruments, problems)
        if feed:
            _check_feed_address(engine, simulator, feed, problems)
        reconciliation: ReconciliationSection | None = sections.get("reconciliation")
        is_compared = bool(reconciliation and reconciliation.enabled and has_orders)
        if order_entry and order_entry.protocol == "fix":
            check_order_keys(order_entry, problems)
            if order_entry.port is not None:
                _check_order_address(engine, simulator, order_entry, problems)
        elif order_entry:
            check_order_keys(order_entry, problems)
            check_order_rate(sections.get("risk"), problems)
            if is_compared and reconciliation:
                check_one_address(order_entry, reconciliation, problems)
            if order_entry.rest_url:
                _check_rest_address(engine, simulator, "order_entry", order_entry, problems)
        if is_compared and reconciliation:
            _check_rest_address(engine, simulator, "reconciliation", reconciliation, problems)
        kill: KillSection | None = sections.get("kill")
        if kill and kill.rest_url and engine.mode != "shadow":
            _check_rest_address(engine, simulator, "kill", kill, problems)
    if (loop := sections.get("loop")) and (telemetry := sections.get("telemetry")):
        _check_cores(loop, telemetry, problems)
    if engine:
        kill = sections.get("kill")
        connections = {"feed": feed, "order_entry": order_entry, "kill": kill}
        _check_secrets(engine, connections, problems)
        if kill:
            _check_kill_keys(kill, problems)
        if telemetry := sections.get("telemetry"):
            _check_publish(engine, telemetry, problems)


def default_channels(venue: str) -> tuple[str, ...]:
    """The channels that the engine needs of a venue."""
    return (BOOK_CHANNELS[venue][0], *OTHER_CHANNELS[venue])


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine's own: 127.0.0.0/8, ::1 or localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def is_under_tls(order_entry: OrderEntrySection, simulator: SimulatorSection) -> bool:
    """Whether the order connection uses TLS: as told, or where it leaves this machine."""
    if order_entry.protocol == "rest":
        is_certified = order_entry.rest_url == SIMULATOR and bool(simulator.certificate)
        return is_certified or order_entry.rest_url.startswith("https://")
    if order_entry.tls is not None:
        return order_entry.tls
    if order_entry.port == SIMULATOR:
        return bool(simulator.certificate)
    return not is_loopback(order_entry.host)


def publish_host(endpoint: str) -> str | None:
    """The host of a tcp:// ZeroMQ endpoint; None for ipc://, which no network can reach."""
    if endpoint.startswith("ipc://"):
        return None
    return endpoint.removeprefix("tcp://").rpartition(":")[0].strip("[]")


def _check_feed(feed: FeedSection, problems: Problems) -> None:
    if feed.reconnect_maximum_ms < feed.reconnect_initial_ms:
        problems.add_value(
            ("feed", "reconnect_maximum_ms"),
            feed.reconnect_maximum_ms,
            f"at least reconnect_initial_ms, which is {feed.reconnect_initial_ms}",
        )
    channels = feed.channels or default_channels(feed.venue)
    books, others = BOOK_CHANNELS[feed.venue], OTHER_CHANNELS[feed.venue]
    for channel in channels:
        if channel not in books + others:
            nearest = find_nearest(channel, books + others)
            hint = f"did you mean {nearest}?" if nearest else f"use {', '.join(books + others)}"
            problems.add(("feed", "channels"), f"names {channel}; {feed.venue}: {hint}")
    if sum(channel in books for channel in channels) != 1:
        problems.add_value(
            ("feed", "channels"), channels, f"exactly one of {', '.join(books)} for the book"
        )
    given = [name for name in CREDENTIALS if getattr(feed, name)]
    signed = [channel for channel in channels if channel in SIGNED_CHANNELS[feed.venue]]
    if given or signed:
        reason = f"{feed.venue} signs {signed[0]}" if signed else f"it goes with {given[0]}"
        for name in CREDENTIALS:
            if name not in given:
                problems.add(("feed", name), f"is missing; {reason}")


def _check_simulator(
    engine: EngineSection,
    simulator: SimulatorSection,
    instruments: tuple[InstrumentSection | None, ...] | None,
    problems: Problems,
) -> None:
    if simulator.start and engine.mode != "simulated":
        problems.add_value(
            ("simulator", "start"), True, f"false, because [engine] mode is {engine.mode}"
        )
    symbols = [section.symbol for section in instruments or () if section]
    missing = [symbol for symbol in symbols if symbol not in simulator.products]
    if simulator.start and simulator.products and missing:
        problems.add(
            ("simulator", "products"),
            f"lacks {', '.join(missing)}; name every [[instrument]], or none for all of them",
        )


def _check_feed_address(
    engine: EngineSection, simulator: SimulatorSection, feed: FeedSection, problems: Problems
) -> None:
    path = ("feed", "url")
    if feed.url == SIMULATOR or simulator.start:
        _check_simulator_name(path, feed.url, engine, simulator, problems)
        return
    try:
        address = urlsplit(feed.url)
        host, is_whole = address.hostname, address.port != 0
    except ValueError:
        host, is_whole = None, False
    if not host or not is_whole or address.scheme not in ("ws", "wss"):
        problems.add_value(path, feed.url, 'an address as in "wss://host:port", or "simulator"')
    elif address.username is not None:
        problems.add(path, "holds a user name; use key, secret and passphrase by reference")
    elif engine.mode == "simulated" and not is_loopback(host):
        problems.add_value(path, feed.url, "a loopback address in simulated mode, as 127.0.0.1")
    elif address.scheme == "ws" and not is_loopback(host):
        problems.add_value(path, feed.url, "wss://, or the passphrase travels in clear text")
    elif feed.ca_file and address.scheme == "ws":
        problems.add_value(("feed", "ca_file"), feed.ca_file, "a wss:// url, or no ca_file")


def _check_order_address(
    engine: EngineSection,
    simulator: SimulatorSection,
    order_entry: OrderEntrySection,
    problems: Problems,
) -> None:
    if order_entry.port == SIMULATOR or simulator.start:
        path = ("order_entry", "port")
        _check_simulator_name(path, order_entry.port, engine, simulator, problems)
    is_plain = not is_under_tls(order_entry, simulator)
    if not is_loopback(order_entry.host) and engine.mode == "simulated":
        allowed = "a loopback address in simulated mode, as 127.0.0.1"
        problems.add_value(("order_entry", "host"), order_entry.host, allowed)
    elif not is_loopback(order_entry.host) and is_plain:
        reason = f"{order_entry.host} is no loopback address and the logon holds the passphrase"
        problems.add_value(("order_entry", "tls"), False, f"true: {reason}")
    elif order_entry.port == SIMULATOR and is_plain == bool(simulator.certificate):
        allowed = "true or absent" if is_plain else "false or absent"
        has_one = "has a" if simulator.certificate else "has no"
        reason = f"because [simulator] {has_one} certificate"
        problems.add_value(("order_entry", "tls"), order_entry.tls, f"{allowed}, {reason}")
    if order_entry.ca_file and is_plain:
        problems.add(("order_entry", "ca_file"), "is for TLS; use tls = true, or no ca_file")


def _check_rest_address(
    engine: EngineSection,
    simulator: SimulatorSection,
    name: str,
    section: OrderEntrySection | ReconciliationSection | KillSection,
    problems: Problems,
) -> None:
    path, url = (name, "rest_url"), section.rest_url
    if url == SIMULATOR or simulator.start:
        _check_simulator_name(path, url, engine, simulator, problems)
        is_plain = not simulator.certificate
    else:
        address = _split_url(url)
        host, is_plain = address.hostname if address else None, url.startswith("http://")
        if address is None or not host or address.scheme not in ("http", "https"):
            problems.add_value(path, url, 'an address as in "https://host", or "simulator"')
        elif address.username is not None or address.query or address.path.strip("/"):
            problems.add(path, "holds more than scheme, host and port")
        elif engine.mode == "simulated" and not is_loopback(host):
            problems.add_value(path, url, "a loopback address in simulated mode, as 127.0.0.1")
        elif is_plain and not is_loopback(host):
            problems.add_value(path, url, "https://, or the passphrase travels in clear text")
    if section.ca_file and is_plain:
        problems.add((name, "ca_file"), "is for https:// alone; use no ca_file")


def _check_kill_keys(kill: KillSection, problems: Problems) -> None:
    given = [name for name in CREDENTIALS if getattr(kill, name)]
    for name in CREDENTIALS:
        if given and name not in given:
            problems.add(("kill", name), f"is missing; it goes with {given[0]}")


def _split_url(url: str) -> SplitResult | None:
    try:
        address = urlsplit(url)
        return address if address.port != 0 else None
    except ValueError:
        return None


def _check_simulator_name(
    path: KeyPath,
    value: object,
    engine: EngineSection,
    simulator: SimulatorSection,
    problems: Problems,
) -> None:
    if engine.mode != "simulated":
        problems.add_value(path, value, f"the venue's own, because [engine] mode is {engine.mode}")
    elif not simulator.start:
        problems.add_value(path, value, "a loopback one, or set [simulator] start = true")
    elif value != SIMULATOR:
        problems.add_value(path, value, '"simulator", because [simulator] start is true')


def _check_cores(loop: LoopSection, telemetry: TelemetrySection, problems: Problems) -> None:
    if telemetry.relay_core >= 0 and telemetry.relay_core == loop.engine_core:
        problems.add_value(
            ("telemetry", "relay_core"),
            telemetry.relay_core,
            "another one than [loop] engine_core, which the engine needs for itself",
        )


def _check_secrets(
    engine: EngineSection,
    connections: Mapping[str, FeedSection | OrderEntrySection | KillSection | None],
    problems: Problems,
) -> None:
    """The demo's secrets in simulated mode and only there: a loopback address may be a tunnel."""
    is_demo = engine.mode == "simulated"
    allowed = (
        "demo:key, demo:secret or demo:passphrase" if is_demo else "env:, file: or credential:"
    )
    for section, connection in connections.items():
        for name in CREDENTIALS:
            secret: Secret | None = getattr(connection, name, None)
            if secret and secret.is_demo != is_demo:
                reason = f"because [engine] mode is {engine.mode}"
                problems.add_value((section, name), secret, f"{allowed}, {reason}")


def _check_publish(engine: EngineSection, telemetry: TelemetrySection, problems: Problems) -> None:
    host = publish_host(telemetry.publish)
    if host is not None and int(telemetry.publish.rpartition(":")[2]) > MAX_PORT:
        problems.add_value(
            ("telemetry", "publish"), telemetry.publish, f"a port from 0 to {MAX_PORT}"
        )
    if engine.mode == "simulated" and host is not None and not is_loopback(host):
        problems.add_value(
            ("telemetry", "publish"),
            telemetry.publish,
            "a loopback address in simulated mode, as tcp://127.0.0.1:0",
        )
