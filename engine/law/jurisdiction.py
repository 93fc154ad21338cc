"""May this config be traded live from where its operator is? One ruling for each instrument.

The answer comes from the jurisdiction table (``engine.law.jurisdiction_table``). It fails closed: a
site, venue or product that the table does not name is not permitted. Only live mode refuses; the
others warn. A person may override in writing, and that is journaled. None of it is legal advice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.law.jurisdiction_table import JurisdictionTable, Permission, TableEntry, load_table
from engine.settings.config_schema import EngineConfig
from ext.errors import ConfigError

# What the table calls the venue behind a feed's protocol, where that is another name.
VENUE_NAMES: Mapping[str, str] = {
    "coinbase_exchange": "coinbase",
    "coinbase_advanced": "coinbase",
}
DISCLAIMER = "not legal advice"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the table says of one instrument. ``entry`` None: nothing."""

    symbol: str
    venue: str
    product: str
    site: str
    permission: Permission
    entry: TableEntry | None

    @property
    def is_permitted(self) -> bool:
        """Whether it may be traded live without an override."""
        return self.permission is Permission.PERMITTED

    def describe(self) -> str:
        """One line for people: what, where, from where, verdict, and what the entry says."""
        line = f"{self.symbol} ({self.product}) at {self.venue} from {self.site}: "
        line += self.permission.words
        if self.entry is None:
            return line
        return f"{line}: {self.entry.describe()}"


def venue_of(config: EngineConfig) -> str:
    """The venue that orders of this config go to, as the table calls it."""
    return VENUE_NAMES.get(config.feed.venue, config.feed.venue)


def site_of(config: EngineConfig) -> str:
    """Where the operator is, as ``US-NY`` or ``BR``; "an unknown site" without ``[site]``."""
    site = config.site
    if not site.country:
        return "an unknown site"
    return f"{site.country}-{site.region}" if site.region else site.country


def table_of(config: EngineConfig) -> JurisdictionTable:
    """The table that the config names; ConfigError when it cannot be used."""
    return load_table(config.site.table)


def rule(config: EngineConfig) -> tuple[Ruling, ...]:
    """A ruling for each instrument, in their order; ConfigError when the table cannot be used."""
    table, venue, site = table_of(config), venue_of(config), config.site
    rulings = []
    for section in config.instruments:
        entry = table.find(venue, section.product, site.country, site.region)
        permission = Permission.UNKNOWN if entry is None else Permission(entry.verdict)
        rulings.append(
            Ruling(section.symbol, venue, section.product, site_of(config), permission, entry)
        )
    return tuple(rulings)


def is_overridden(config: EngineConfig) -> bool:
    """Whether a person has released in writing what the table does not permit."""
    return bool(config.site.country and config.site.override_reason)


def forbidden_instruments(config: EngineConfig) -> frozenset[int]:
    """Indexes of the instruments on which the gate of this run takes no risk: the belt under
    ``require_permission``, which has refused the start of a live run that has any."""
    if config.engine.mode != "live" or is_overridden(config):
        return frozenset()
    return frozenset(index for index, each in enumerate(rule(config)) if not each.is_permitted)


def require_permission(config: EngineConfig) -> None:
    """ConfigError when the config is for live orders that the table does not permit, and nobody
    has overridden it: says what, why, and how to correct or override it."""
    if config.engine.mode != "live":
        return
    refused = [ruling for ruling in rule(config) if not ruling.is_permitted]
    if not refused or is_overridden(config):
        return
    table = table_of(config)
    lines = [f"live orders are not permitted by the jurisdiction table ({DISCLAIMER}):"]
    lines += [ruling.describe() for ruling in refused]
    lines += [f"table: {table.path} of {table.date}", *_remedies(config, table, refused)]
    raise ConfigError("\n  ".join(lines))


def site_lines(config: EngineConfig) -> Iterator[str]:
    """What the banner says of the site, one line each; nothing where none is configured."""
    if not config.site.country:
        return
    table = table_of(config)
    refused = [ruling for ruling in rule(config) if not ruling.is_permitted]
    found = f"{len(refused)} not permitted" if refused else "all permitted"
    yield (
        f"site {site_of(config)}, venue {venue_of(config)}: {found} by the jurisdiction table of"
        f" {table.date}, {table.digest[:12]} ({DISCLAIMER})"
    )
    for ruling in refused:
        yield f"NOT PERMITTED {ruling.describe()}"
    if refused and is_overridden(config):
        yield f"OVERRIDDEN: {config.site.override_reason}"


def find_site_warnings(config: EngineConfig) -> Iterator[str]:
    """What live mode would refuse, told in the modes that send no real order; an override; and
    each entry that permits something and is not sure, in every mode."""
    if config.engine.mode == "simulated" and not config.site.country:
        return
    try:
        rulings = rule(config)
    except ConfigError as error:
        yield f"[site] table: {error}"
        return
    refused = [ruling for ruling in rulings if not ruling.is_permitted]
    if refused and is_overridden(config):
        yield f"[site] override_reason: the jurisdiction table is overridden for {_names(refused)}"
    elif refused and config.engine.mode != "live":
        yield f"[site]: live mode would refuse {refused[0].describe()}" + (
            f", and {len(refused) - 1} more" if refused[1:] else ""
        )
    if config.site.override_reason and not refused:
        yield "[site] override_reason: there is nothing to override; leave it empty"
    yield from _unsure_permissions(rulings)


def _unsure_permissions(rulings: tuple[Ruling, ...]) -> Iterator[str]:
    """One line for each entry, whatever the number of its instruments."""
    unsure: dict[TableEntry, list[Ruling]] = {}
    for ruling in rulings:
        if ruling.is_permitted and ruling.entry is not None and not ruling.entry.is_sure:
            unsure.setdefault(ruling.entry, []).append(ruling)
    for entry, permitted in unsure.items():
        yield (
            f"[site]: the jurisdiction table permits {_names(permitted)} by an entry that is not"
            f" sure, {entry.venue} {entry.product} {entry.site}: {entry.describe()}"
        )


def _remedies(
    config: EngineConfig, table: JurisdictionTable, refused: list[Ruling]
) -> Iterator[str]:
    if not config.site.country:
        yield 'say where you are: [site] country = "US", region = "NY"'
        if config.site.override_reason:
            yield "an override_reason needs a country: nobody can release an unknown site"
        return
    if any(ruling.venue not in table.venues for ruling in refused):
        yield f"venues of the table: {', '.join(table.venues)}"
    yield "correct: copy the table, change the entry, name the copy in [site] table"
    yield "override: write who released it and why into [site] override_reason; it is journaled"


def _names(rulings: list[Ruling]) -> str:
    return ", ".join(ruling.symbol for ruling in rulings)
