"""Reads a config: one TOML file, once, with overrides, every value checked, all problems told.

The schema is ``engine.settings.config_schema``; this is the order of the work: parse, override,
read each key, check the relations, fill in what depends on other values.
"""

import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from engine.instruments import Instrument, InstrumentLimits
from engine.risk_limits import convert_section
from engine.settings.config_checks import check_relations, default_channels, is_under_tls
from engine.settings.config_overrides import apply_overrides
from engine.settings.config_problems import Problems
from engine.settings.config_reader import read_sections
from engine.settings.config_schema import EngineConfig
from engine.settings.config_text import config_hash, describe_config
from ext.errors import ConfigError

__all__ = [
    "EngineConfig",
    "config_hash",
    "describe_config",
    "load_config",
    "make_instruments",
    "make_limits",
]

MAX_CONFIG_BYTES = 1024 * 1024  # a thousand times the demo's; more is not a config


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> EngineConfig:
    """The effective config of a file, each of ``overrides`` being ``section.key=value``.

    ConfigError names the file and every problem with its place, the value found and what is
    allowed. No secret is read here.
    """
    raw = _parse(path)
    places = apply_overrides(raw, overrides)
    problems = Problems(str(path), raw, places)
    sections = read_sections(raw, problems)
    check_relations(sections, problems)
    problems.raise_if_any()
    return _fill_in(EngineConfig(**sections))


def make_instruments(config: EngineConfig) -> tuple[Instrument, ...]:
    """The instruments in the order of the file; the position is the index in every table."""
    return tuple(
        Instrument(section.symbol, section.tick, section.lot, index)
        for index, section in enumerate(config.instruments)
    )


def make_limits(config: EngineConfig) -> tuple[InstrumentLimits, ...]:
    """The limits of each instrument in whole steps, in the same order."""
    return tuple(
        convert_section(instrument, section)
        for instrument, section in zip(make_instruments(config), config.instruments, strict=True)
    )


def _parse(path: str | Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes; is it a config?")
    try:
        return tomllib.loads(data.decode(), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _fill_in(config: EngineConfig) -> EngineConfig:
    replace = msgspec.structs.replace
    feed, simulator, journal = config.feed, config.simulator, config.journal
    if not feed.channels:
        feed = replace(feed, channels=default_channels(feed.venue))
    if not simulator.products:
        symbols = tuple(section.symbol for section in config.instruments)
        simulator = replace(simulator, products=symbols)
    order_entry = config.order_entry
    if order_entry is not None and order_entry.protocol == "fix":
        order_entry = replace(order_entry, tls=is_under_tls(order_entry, simulator))
    if not journal.path:
        journal = replace(journal, path=str(Path(config.engine.state_directory, "journal")))
    return replace(config, feed=feed, simulator=simulator, order_entry=order_entry, journal=journal)
