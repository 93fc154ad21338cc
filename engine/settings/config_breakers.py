"""Sections of the config about circuit breakers; what they do stands in docs/breakers.md."""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine.settings.config_metadata import DECIMAL, about, whole

MAX_WINDOW_EVENTS = 256  # as ext/breakers.pxd has it
MAX_SECONDS = 7 * 86400
MAX_WINDOW_MS = 3_600_000


class StrategyBreakersTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Breakers of one strategy; of what is not given, none."""

    daily_loss: Annotated[
        Decimal | None,
        about(
            "Realised and unrealised loss of a day, fees included, in quote currency: warned at"
            " 70 % of it, paused at 90 %, stopped until a person resumes at 100 %.",
            DECIMAL,
        ),
    ] = None
    drawdown: Annotated[
        Decimal | None,
        about("The same of the loss from the highest P&L so far, over days.", DECIMAL),
    ] = None
    losses_in_row: Annotated[
        int, whole(0, 1000, "So many losing round trips in a row pause it; 0: not counted.")
    ] = 0
    losses_cooldown_seconds: Annotated[
        int, whole(0, MAX_SECONDS, "Of that pause alone; 0: a person has to resume.")
    ] = 0
    count_losses: Annotated[
        Literal["round_trips", "reducing_fills"],
        about("A result is counted when the position is closed or turned, or at each reduction."),
    ] = "round_trips"
    max_fills: Annotated[
        int,
        whole(0, MAX_WINDOW_EVENTS, "So many fills within fills_window_ms pause it; 0: any."),
    ] = 0
    fills_window_ms: Annotated[int, whole(1, MAX_WINDOW_MS, "See max_fills.")] = 1000
    max_rejects: Annotated[
        int,
        whole(
            0,
            MAX_WINDOW_EVENTS,
            "So many orders refused by the venue within rejects_window_ms pause it; 0: any.",
        ),
    ] = 0
    rejects_window_ms: Annotated[int, whole(1, MAX_WINDOW_MS, "See max_rejects.")] = 10_000


class BreakersSection(StrategyBreakersTable, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Breakers of the whole engine: the limits of a strategy, over all of them, and its health."""

    max_rejects: Annotated[
        int,
        whole(
            0,
            MAX_WINDOW_EVENTS,
            "So many orders refused by the venue within rejects_window_ms pause it; 0: any.",
        ),
    ] = 50
    day_starts_at: Annotated[
        str,
        Meta(
            pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z",
            description="When a day begins, UTC.",
            extra={"allowed": '"HH:MM" from "00:00" to "23:59"'},
        ),
    ] = "00:00"
    consistent_marks: Annotated[
        int,
        whole(
            1,
            1000,
            "Book updates in a row that must say the same before an unrealised loss trips.",
        ),
    ] = 3
    max_errors: Annotated[
        int,
        whole(
            0,
            1_000_000,
            "Hooks that raised, bad frames, reports of unknown orders and failed sends within"
            " errors_window_seconds that pause; 0: any.",
        ),
    ] = 100
    errors_window_seconds: Annotated[int, whole(1, 3600, "See max_errors.")] = 60
    max_tick_to_order_us: Annotated[
        int, whole(0, 10_000_000, "p99 of a second from frame to order above it pauses; 0: any.")
    ] = 0
    max_acknowledge_ms: Annotated[
        int, whole(0, 60_000, "p99 of a second from order to first report; 0: any.")
    ] = 0
    max_clock_error_ms: Annotated[
        int,
        whole(
            0,
            60_000,
            "The kernel's own bound of the error of its clock, which grows while nothing sets it,"
            " or how far that clock was stepped away from ours; 0: any.",
        ),
    ] = 0
    max_outage_seconds: Annotated[
        int,
        whole(
            0,
            3600,
            "The order session down, or the book of a strategy not LIVE, for so long; 0: any.",
        ),
    ] = 60
    consistent_looks: Annotated[
        int, whole(1, 60, "Looks in a row, one a second, that must say the same: health.")
    ] = 3
    resume_after_seconds: Annotated[
        int,
        whole(
            0,
            MAX_SECONDS,
            "A pause of the engine's health ends when all was well for so long; 0: a person.",
        ),
    ] = 0
