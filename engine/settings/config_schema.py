"""The whole config: every section and key with type, default, range and meaning.

``engine.settings.config`` reads a TOML file into these and ``docs/config.md`` is made from them.
Prices and quantities are decimals, exact as written, with or without quotes.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from engine.settings.config_breakers import BreakersSection
from engine.settings.config_control import FlattenSection, KillSection
from engine.settings.config_metadata import PATH, about, whole
from engine.settings.config_modes import CanarySection, PaperSection
from engine.settings.config_portfolio import PortfolioSection
from engine.settings.config_records import MAX_CORE, JournalSection, LogSection, TelemetrySection
from engine.settings.config_site import SiteSection
from engine.settings.config_trading import (
    CurrencySection,
    InstrumentSection,
    RiskSection,
    StrategySection,
)
from engine.settings.config_venues import FeedSection, OrderEntrySection, ReconciliationSection

DAY_SECONDS = 86400
MODES_WITHOUT_ORDERS = ("shadow", "paper")  # none leaves the process: no order connection
ENGINE_NAME_BYTES = 31  # SharedHeader.engine_name, less its NUL


class EngineSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who this engine is and what it may do."""

    name: Annotated[
        str,
        Meta(
            pattern=rf"^[a-z0-9][a-z0-9_-]{{0,{ENGINE_NAME_BYTES - 1}}}\Z",
            description="Names the shared memory, the lock and every published message.",
            extra={
                "allowed": f"1 to {ENGINE_NAME_BYTES} of the characters a-z 0-9 _ -,"
                " the first one a letter or digit"
            },
        ),
    ]
    mode: Annotated[
        Literal["simulated", "shadow", "paper", "live"],
        about(
            "simulated: every endpoint is a loopback address (checked); shadow: real market data,"
            " decides and sends nothing; paper: the same, and orders are filled in this process;"
            " live: real orders, needs `--live` on the command line too."
        ),
    ]
    state_directory: Annotated[
        str,
        Meta(
            min_length=1,
            description="Lock, numbers and sent messages of the order session, journal.",
            extra=PATH,
        ),
    ] = "var"


class SimulatorSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The venue on loopback that the engine starts as a process of its own (`wow-sim`)."""

    start: Annotated[bool, about("Start it; simulated mode only.")] = False
    seed: Annotated[int, whole(0, 2**63 - 1, "Of all randomness: equal seeds, equal runs.")] = 1
    duration_seconds: Annotated[
        float,
        Meta(ge=1, le=DAY_SECONDS, description="Of venue time; then the venue closes the feed."),
    ] = 20.0
    speed: Annotated[
        Annotated[float, Meta(gt=0)] | Literal["max"],
        about(
            "Venue seconds per second, or as fast as both sides can.",
            {"allowed": 'a number above 0, or "max"'},
        ),
    ] = 1.0
    recording: Annotated[str, about("A recorded session to play; empty: generated flow.", PATH)] = (
        ""
    )
    products: Annotated[
        tuple[str, ...],
        about(
            "Symbols that the venue lists; empty: those of [[instrument]].",
            {"allowed": 'a list of symbols, as in ["BTC-USD"]'},
        ),
    ] = ()
    lockstep: Annotated[
        bool,
        about(
            "The venue waits until the engine has answered every frame, so that a run can be"
            " repeated exactly; off for measuring latency."
        ),
    ] = True
    certificate: Annotated[
        str,
        about("PEM file with key and certificate: both doors under TLS; empty: plain.", PATH),
    ] = ""


class LoopSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the hot thread waits and where it runs."""

    busy_poll: Annotated[
        bool, about("Never sleep: lowest latency, and the core is taken whole.")
    ] = False
    spin_count: Annotated[
        int, whole(0, 100_000, "Reads of the sockets between two turns of the loop.")
    ] = 200
    engine_core: Annotated[
        int,
        whole(
            -1,
            MAX_CORE,
            "Core to pin the hot thread to, every other thread kept off it; -1: not pinned.",
        ),
    ] = -1
    garbage_collection: Annotated[
        Literal["frozen", "on"], about("frozen: collected once after warm-up, then off.")
    ] = "frozen"
    warm_up: Annotated[
        bool,
        about("Drive made frames and orders through a copy of the arc first; nothing is sent."),
    ] = True
    keep_warm_ms: Annotated[
        int,
        whole(
            0,
            10_000,
            "Without an order for so long: one more through the copy, caches stay warm; 0: off.",
        ),
    ] = 0
    stall_threshold_us: Annotated[
        int,
        whole(10, 10_000_000, "A cycle of the loop that is longer is counted and told: a stall."),
    ] = 5000


class StopSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long an orderly stop may take."""

    cancel_timeout_ms: Annotated[
        int, whole(100, 60_000, "For the venue to confirm that our open orders are cancelled.")
    ] = 5000
    logout_timeout_ms: Annotated[int, whole(100, 60_000, "For the venue to answer our logout.")] = (
        2000
    )


class EngineConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole config after all checks; values that depend on others are filled in."""

    engine: EngineSection
    site: SiteSection = SiteSection()
    paper: PaperSection = PaperSection()
    canary: CanarySection = CanarySection()
    simulator: SimulatorSection = SimulatorSection()
    feed: FeedSection
    order_entry: OrderEntrySection | None = None
    reconciliation: ReconciliationSection | None = None
    loop: LoopSection = LoopSection()
    risk: RiskSection = RiskSection()
    currencies: tuple[CurrencySection, ...] = field(name="currency", default=())
    breakers: BreakersSection = BreakersSection()
    portfolio: PortfolioSection = PortfolioSection()
    instruments: tuple[InstrumentSection, ...] = field(name="instrument")
    strategies: tuple[StrategySection, ...] = field(name="strategy", default=())
    telemetry: TelemetrySection = TelemetrySection()
    journal: JournalSection = JournalSection()
    stop: StopSection = StopSection()
    kill: KillSection = KillSection()
    flatten: FlattenSection = FlattenSection()
    log: LogSection = LogSection()

    @property
    def shared_memory_path(self) -> Path:
        """The file of the shared memory, in `[telemetry] shared_memory_directory`."""
        return Path(self.telemetry.shared_memory_directory, f"wow-{self.engine.name}.shm")

    @property
    def enabled_strategies(self) -> tuple[StrategySection, ...]:
        """The strategies to load, in the order of the file."""
        return tuple(strategy for strategy in self.strategies if strategy.enabled)
