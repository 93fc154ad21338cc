"""Section of the config about positions taken together: docs/breakers.md, Portfolio."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct, field

from engine.settings.config_metadata import DECIMAL, about, whole

MAX_SAMPLES = 10_000


class GroupTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Products that lose together, as those of a sector."""

    name: Annotated[str, about("For the log.")]
    instruments: Annotated[
        tuple[str, ...], about("Symbols.", {"allowed": 'a list of symbols, as in ["BTC-USD"]'})
    ]
    max_exposure: Annotated[
        Decimal,
        about(
            "Long and short added up, open orders at their worst, at the mid, in quote currency.",
            DECIMAL,
        ),
    ]


class PortfolioSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of all positions together, looked at once a second: warned at 70 %, what adds to it
    is stopped from 90 % until it is below 80 % again. None without a value."""

    groups: Annotated[tuple[GroupTable, ...], about("")] = field(name="group", default=())
    max_heat: Annotated[
        Decimal | None,
        about(
            "What all positions lose at their stops, open orders at their worst; one without a stop"
            " counts whole. Quote currency.",
            DECIMAL,
        ),
    ] = None
    max_margin: Annotated[
        Decimal | None,
        about(
            "Of all positions at the mid, open orders at their worst, the margin_percent. Quote"
            " currency.",
            DECIMAL,
        ),
    ] = None
    margin_percent: Annotated[
        Decimal, about("Of a position's worth, what the venue asks as margin.", DECIMAL)
    ] = Decimal(100)
    max_correlated_exposure: Annotated[
        Decimal | None,
        about(
            "Of products whose returns move together: their positions with their signs, open orders"
            " at their worst, those that move against each other set off.",
            DECIMAL,
        ),
    ] = None
    min_correlation: Annotated[
        float,
        Meta(ge=0, le=1, description="From this on, up or down, products move together."),
    ] = 0.8
    correlation_interval_seconds: Annotated[
        int, whole(1, 86400, "Between two mids whose ratio is a return.")
    ] = 60
    correlation_samples: Annotated[
        int, whole(3, MAX_SAMPLES, "Returns in the window; with fewer, nobody says.")
    ] = 60
