"""Section of the config about position management; what it does: docs/position-management.md."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from engine.settings.config_metadata import DECIMAL, about, whole

MAX_TARGETS = 4  # as ext/position_guard.pxd has it
MAX_SECONDS = 30 * 86400
DISTANCE_PATTERN = r"^([0-9]{1,9}(?:\.[0-9]{1,9})?) (ticks|%|atr|r)\Z"
DISTANCE = {"allowed": 'a number and its unit, as in "150 ticks", "0.8 %", "2 atr" or "1.5 r"'}


class ManagementTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the engine manages a strategy's position. Distances: ticks; % of the entry price; atr,
    multiples of the average true range; r, multiples of the distance of the first stop."""

    stop_loss: Annotated[str | None, about("From the average entry price; not in r.", DISTANCE)] = (
        None
    )
    trailing_stop: Annotated[
        str | None, about("Behind the best price that the position could be closed at.", DISTANCE)
    ] = None
    break_even_after: Annotated[
        str | None, about("This far in profit, the stop goes to the entry price.", DISTANCE)
    ] = None
    take_profit: Annotated[
        tuple[str, ...],
        about(
            f"From the entry price, nearest first, at most {MAX_TARGETS}.",
            {"allowed": 'a list of distances, as in ["1 r", "2.5 r"]'},
        ),
    ] = ()
    take_profit_percent: Annotated[
        tuple[int, ...],
        about(
            "Of the largest position, what each of them closes; empty: equal parts.",
            {"allowed": "a list of whole numbers above 0, together at most 100"},
        ),
    ] = ()
    max_hold_seconds: Annotated[
        int, whole(0, MAX_SECONDS, "Closed after so long; 0: never for that.")
    ] = 0
    max_entries: Annotated[
        int, whole(0, 1000, "Orders that open or enlarge one position, open ones too; 0: any.")
    ] = 0
    min_reward_to_risk: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description=(
                "An entry whose targets are, on average, less than so many times as far as its stop"
                " is refused; 0: not asked."
            ),
        ),
    ] = 0.0
    exit_slippage_percent: Annotated[
        Decimal | None,
        about(
            "How far from the mid an exit order may go; not given: the instrument's collar.",
            DECIMAL,
        ),
    ] = None
    range_bar_seconds: Annotated[
        int, whole(1, 86400, "Bars of the average true range, of the mid.")
    ] = 60
    range_period: Annotated[int, whole(1, 1000, "So many bars in it.")] = 14
