"""Every section and key of the config: type, default, range and meaning, in one place.

``engine.config`` reads a TOML file into these and ``docs/config.md`` is made from them. Prices
and quantities are decimals, exact as written, with or without quotes.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from engine.secrets import REFERENCE_FORMS, Secret
from ext.bounds import Bound

MIBIBYTE = 1024 * 1024
DAY_SECONDS = 86400
ENGINE_NAME_BYTES = 31  # SharedHeader.engine_name, less its NUL
SYMBOL_CHARACTERS = Bound.SYMBOL_BYTES - 1  # the kernel's tables end a symbol with a NUL
MAX_KEEP_DAYS = 36_500
MAX_CORE = 1023  # cpu_set_t holds 1024 cores

SIMULATOR = "simulator"  # of urls and [order_entry] port: known when wow-sim is up

_DECIMAL = {"allowed": 'a decimal above 0, as in "0.01"'}
_REFERENCE = {"allowed": REFERENCE_FORMS}
_PATH = {"allowed": "a path as text"}


def _whole(minimum: int, maximum: int, description: str) -> Meta:
    return Meta(ge=int(minimum), le=int(maximum), description=description)


def _about(description: str, allowed: dict[str, str] | None = None) -> Meta:
    return Meta(description=description, extra=allowed)


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
        Literal["simulated", "shadow", "live"],
        _about(
            "simulated: every endpoint is a loopback address (checked); shadow: real market data,"
            " decides and sends nothing; live: real orders, needs `--live` on the command line too."
        ),
    ]
    state_directory: Annotated[
        str,
        Meta(
            min_length=1,
            description="Lock, numbers and sent messages of the order session, journal.",
            extra=_PATH,
        ),
    ] = "var"


class SimulatorSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The venue on loopback that the engine starts as a process of its own (`wow-sim`)."""

    start: Annotated[bool, _about("Start it; simulated mode only.")] = False
    seed: Annotated[int, _whole(0, 2**63 - 1, "Of all randomness: equal seeds, equal runs.")] = 1
    duration_seconds: Annotated[
        float,
        Meta(ge=1, le=DAY_SECONDS, description="Of venue time; then the venue closes the feed."),
    ] = 20.0
    speed: Annotated[
        Annotated[float, Meta(gt=0)] | Literal["max"],
        _about(
            "Venue seconds per second, or as fast as both sides can.",
            {"allowed": 'a number above 0, or "max"'},
        ),
    ] = 1.0
    recording: Annotated[
        str, _about("A recorded session to play; empty: generated flow.", _PATH)
    ] = ""
    products: Annotated[
        tuple[str, ...],
        _about(
            "Symbols that the venue lists; empty: those of [[instrument]].",
            {"allowed": 'a list of symbols, as in ["BTC-USD"]'},
        ),
    ] = ()
    lockstep: Annotated[
        bool,
        _about(
            "The venue waits until the engine has answered every frame, so that a run can be"
            " repeated exactly; off for measuring latency."
        ),
    ] = True
    certificate: Annotated[
        str,
        _about("PEM file with key and certificate: both doors under TLS; empty: plain.", _PATH),
    ] = ""


class FeedSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The market data connection."""

    venue: Annotated[
        Literal["coinbase_exchange", "coinbase_advanced"], _about("Which protocol it speaks.")
    ]
    url: Annotated[
        str,
        _about(
            "WebSocket address. `wss://` unless it is a loopback address.",
            {"allowed": 'an address as in "wss://host", or "simulator"'},
        ),
    ]
    ca_file: Annotated[
        str, _about("PEM certificates trusted instead of the system's; `wss://` only.", _PATH)
    ] = ""
    channels: Annotated[
        tuple[str, ...],
        _about(
            "Empty: level2, matches and heartbeat of coinbase_exchange; level2, market_trades and"
            " heartbeats of coinbase_advanced.",
            {"allowed": 'a list of channels, as in ["level2", "matches"]'},
        ),
    ] = ()
    key: Annotated[Secret | None, _about("API key; coinbase_exchange needs it.", _REFERENCE)] = None
    secret: Annotated[Secret | None, _about("Signing secret, base64.", _REFERENCE)] = None
    passphrase: Annotated[Secret | None, _about("Passphrase of the API key.", _REFERENCE)] = None
    silence_limit_ms: Annotated[
        int, _whole(1000, 120_000, "No frame for longer: every book is STALE and we reconnect.")
    ] = 5000
    reconnect_initial_ms: Annotated[
        int, _whole(100, 60_000, "Wait before the first reconnect; doubles with each failure.")
    ] = 500
    reconnect_maximum_ms: Annotated[int, _whole(100, 600_000, "The longest such wait.")] = 30_000
    max_frame_bytes: Annotated[
        int,
        _whole(MIBIBYTE, 256 * MIBIBYTE, "A larger frame closes the connection; snapshots: 5 MB."),
    ] = 16 * MIBIBYTE
    conflate: Annotated[
        bool,
        _about(
            "Several frames in one read: all are applied, strategies decide on books at the last"
            " one; trades and bars are never left out."
        ),
    ] = False


class OrderEntrySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order connection; shadow mode does not use it and may leave it out."""

    protocol: Annotated[Literal["fix"], _about("FIX 5.0 SP2 over FIXT.1.1.")] = "fix"
    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="The name or address that its certificate must hold under TLS.",
            extra={"allowed": "a host name or address as text"},
        ),
    ] = "127.0.0.1"
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | Literal["simulator"],
        _about("TCP port.", {"allowed": 'a whole number from 1 to 65535, or "simulator"'}),
    ]
    tls: Annotated[
        bool | None,
        _about(
            "Absent: true, but for a loopback host, which may be a tunnel or a plain simulator.",
            {"allowed": "true or false"},
        ),
    ] = None
    ca_file: Annotated[
        str, _about("PEM certificates trusted instead of the system's; under TLS only.", _PATH)
    ] = ""
    target_comp_id: Annotated[
        str,
        Meta(
            pattern=r"^[!-~]{1,32}\Z",
            description="TargetCompID(56); SenderCompID(49) is the key.",
            extra={"allowed": "1 to 32 printable ASCII characters without spaces"},
        ),
    ] = "Coinbase"
    heartbeat_seconds: Annotated[int, _whole(1, 30, "HeartBtInt(108).")] = 10
    cancel_on_disconnect: Annotated[
        Literal["session", "profile", "off"],
        _about(
            "CancelOrdersOnDisconnect(8013): the orders of this session, or all of the profile"
            " (orders placed elsewhere too)."
        ),
    ] = "session"
    logon_timeout_ms: Annotated[
        int, _whole(500, 60_000, "No answer to the logon for longer: disconnect and retry.")
    ] = 10_000
    sending_time_limit_ms: Annotated[
        int, _whole(0, 600_000, "Largest difference of SendingTime(52) to our clock; 0: off.")
    ] = 120_000
    resend_age_limit_ms: Annotated[
        int, _whole(0, 600_000, "Older orders are gap filled on a resend request, not repeated.")
    ] = 5000
    key: Annotated[Secret, _about("API key.", _REFERENCE)]
    secret: Annotated[Secret, _about("Signing secret, base64.", _REFERENCE)]
    passphrase: Annotated[Secret, _about("Passphrase of the API key.", _REFERENCE)]


class ReconciliationSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Compares the venue's orders, fills and balances with ours, by REST, with the keys of
    [order_entry]; without this section nobody does."""

    enabled: Annotated[bool, _about("Nothing is traded before the first comparison.")] = True
    rest_url: Annotated[
        str,
        _about(
            "REST address of the venue. `https://` unless it is a loopback address.",
            {"allowed": 'an address as in "https://host", or "simulator"'},
        ),
    ]
    ca_file: Annotated[
        str, _about("PEM certificates trusted instead of the system's; `https://` only.", _PATH)
    ] = ""
    interval_seconds: Annotated[
        int, _whole(1, 3600, "Between two comparisons; another one when the session is up again.")
    ] = 10
    timeout_ms: Annotated[
        int, _whole(100, 60_000, "For the answer to one question; it is asked three times.")
    ] = 5000


class LoopSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the hot thread waits and where it runs."""

    busy_poll: Annotated[
        bool, _about("Never sleep: lowest latency, and the core is taken whole.")
    ] = False
    spin_count: Annotated[
        int, _whole(0, 100_000, "Reads of the sockets between two turns of the loop.")
    ] = 200
    engine_core: Annotated[
        int,
        _whole(
            -1,
            MAX_CORE,
            "Core to pin the hot thread to, every other thread kept off it; -1: not pinned.",
        ),
    ] = -1
    garbage_collection: Annotated[
        Literal["frozen", "on"], _about("frozen: collected once after warm-up, then off.")
    ] = "frozen"
    warm_up: Annotated[
        bool,
        _about("Drive made frames and orders through a copy of the arc first; nothing is sent."),
    ] = True
    keep_warm_ms: Annotated[
        int,
        _whole(
            0,
            10_000,
            "Without an order for so long: one more through the copy, caches stay warm; 0: off.",
        ),
    ] = 0
    stall_threshold_us: Annotated[
        int,
        _whole(10, 10_000_000, "A cycle of the loop that is longer is counted and told: a stall."),
    ] = 5000


class RiskSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the whole engine; those of one product stand in [[instrument]] limits."""

    max_orders_per_second: Annotated[
        int, _whole(1, Bound.MAX_RATE_WINDOW, "New, cancel and replace requests together.")
    ] = 50
    cancel_reserve: Annotated[
        int, _whole(0, Bound.MAX_RATE_WINDOW - 1, "Of these, how many only a cancel may use.")
    ] = 10
    stale_after_ms: Annotated[
        int, _whole(10, 60_000, "Last frame of the product older than this: no new risk on it.")
    ] = 2000
    max_feed_delay_ms: Annotated[
        int,
        _whole(
            0,
            60_000,
            "Received later after the venue's own time than this, as when a backlog is read: no"
            " new risk; 0: not checked (the simulated venue has a time of its own).",
        ),
    ] = 0
    duplicate_window_ms: Annotated[
        int, _whole(0, 1000, "The same order again within it is rejected; 0: off.")
    ] = 100


class LimitsTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one instrument; each must be given."""

    max_order_quantity: Annotated[
        Decimal, _about("Of one order, in base currency; whole lots.", _DECIMAL)
    ]
    max_order_notional: Annotated[Decimal, _about("Of one order, in quote currency.", _DECIMAL)]
    price_collar_percent: Annotated[
        Decimal,
        _about("Largest distance of an order's price from the mid; 4 decimals.", _DECIMAL),
    ]
    max_position: Annotated[
        Decimal,
        _about("Long or short with all open orders filled, base currency; whole lots.", _DECIMAL),
    ]


class InstrumentSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One product; at least one, each with its own limits."""

    symbol: Annotated[
        str,
        Meta(
            pattern=r"^[!-~]+\Z",
            max_length=SYMBOL_CHARACTERS,
            description="The venue's product id.",
            extra={"allowed": f"1 to {SYMBOL_CHARACTERS} ASCII characters without spaces"},
        ),
    ]
    tick: Annotated[Decimal, _about("Price step, in quote currency.", _DECIMAL)]
    lot: Annotated[Decimal, _about("Quantity step, in base currency.", _DECIMAL)]
    limits: Annotated[LimitsTable, _about("")]


class StrategySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One strategy on one instrument."""

    class_name: Annotated[
        str,
        Meta(
            min_length=1,
            description="A shipped one, `package.module:Class` or `/path/file.py:Class`.",
            extra={"allowed": 'text as in "jerico_trend" or "module:Class"'},
        ),
    ] = field(name="class")
    instrument: Annotated[str, _about("Symbol of one of the [[instrument]].")]
    params: Annotated[
        dict[str, bool | int | float | str],
        _about(
            "Overrides of the strategy's own params; docs/strategies.md.",
            {"allowed": "a table of numbers, texts, true or false"},
        ),
    ] = {}
    enabled: Annotated[bool, _about("false: not loaded.")] = True


class TelemetrySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the engine shows and to whom."""

    shared_memory_directory: Annotated[
        str, Meta(min_length=1, description="Holds `wow-<name>.shm`.", extra=_PATH)
    ] = "/dev/shm"
    relay: Annotated[bool, _about("Start wow-relay: journal, ZeroMQ, /metrics and /healthz.")] = (
        True
    )
    publish: Annotated[
        str,
        Meta(
            pattern=(
                r"^(ipc://.{1,107}|tcp://[^/:]+:[0-9]{1,5}|tcp://\[[0-9A-Fa-f:]+\]:[0-9]{1,5})\Z"
            ),
            description="ZeroMQ endpoint for wow-monitor; port 0: any free one, printed.",
            extra={"allowed": '"ipc://PATH" (at most 107 bytes) or "tcp://HOST:PORT"'},
        ),
    ] = "tcp://127.0.0.1:0"
    http_port: Annotated[
        int, _whole(0, 65535, "Of /metrics and /healthz on 127.0.0.1; 0: any free one.")
    ] = 0
    step_timing_interval: Annotated[
        int, _whole(0, 1_000_000, "The steps of one frame in so many are timed; 0: no latency is.")
    ] = 8
    relay_core: Annotated[
        int,
        _whole(-1, MAX_CORE, "Core of wow-relay; -1: one beside a pinned engine's, else any."),
    ] = -1


class JournalSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The engine's records on disk, written by the relay: docs/journal-format.md."""

    path: Annotated[
        str, _about("Its directory; empty: `journal` in the state directory.", _PATH)
    ] = ""
    sync_ms_orders: Annotated[
        int,
        _whole(1, 60_000, "Longest wait of an order record for the disk: what power loss costs."),
    ] = 100
    sync_ms_market: Annotated[int, _whole(1, 60_000, "The same of market data.")] = 1000
    segment_mib: Annotated[
        int, _whole(1, 4096, "A file of this size is complete: the next is begun.")
    ] = 256
    segment_minutes: Annotated[int, _whole(1, 7 * 24 * 60, "The same of a file of this age.")] = 60
    keep_days_orders: Annotated[
        int,
        _whole(
            0,
            MAX_KEEP_DAYS,
            "Older files of the order stream are deleted, but never those of the newest run;"
            " 0: none.",
        ),
    ] = 0
    keep_days_market: Annotated[
        int, _whole(0, MAX_KEEP_DAYS, "The same of market data, the newest run too; 0: none.")
    ] = 7
    market_data: Annotated[
        bool, _about("Journal frames and trades; without them a run cannot be replayed.")
    ] = True
    compress: Annotated[bool, _about("Compress complete files, in a process of low priority.")] = (
        True
    )


class StopSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long an orderly stop may take."""

    cancel_timeout_ms: Annotated[
        int, _whole(100, 60_000, "For the venue to confirm that our open orders are cancelled.")
    ] = 5000
    logout_timeout_ms: Annotated[
        int, _whole(100, 60_000, "For the venue to answer our logout.")
    ] = 2000


class LogSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The text log; it never gets a secret."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], _about("Lowest level that is written.")
    ] = "info"
    file: Annotated[str, _about("Appended to; empty: standard error.", _PATH)] = ""


class EngineConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole config after all checks; values that depend on others are filled in."""

    engine: EngineSection
    simulator: SimulatorSection = SimulatorSection()
    feed: FeedSection
    order_entry: OrderEntrySection | None = None
    reconciliation: ReconciliationSection | None = None
    loop: LoopSection = LoopSection()
    risk: RiskSection = RiskSection()
    instruments: tuple[InstrumentSection, ...] = field(name="instrument")
    strategies: tuple[StrategySection, ...] = field(name="strategy", default=())
    telemetry: TelemetrySection = TelemetrySection()
    journal: JournalSection = JournalSection()
    stop: StopSection = StopSection()
    log: LogSection = LogSection()

    @property
    def shared_memory_path(self) -> Path:
        """The file of the shared memory, in `[telemetry] shared_memory_directory`."""
        return Path(self.telemetry.shared_memory_directory, f"wow-{self.engine.name}.shm")

    @property
    def enabled_strategies(self) -> tuple[StrategySection, ...]:
        """The strategies to load, in the order of the file."""
        return tuple(strategy for strategy in self.strategies if strategy.enabled)
