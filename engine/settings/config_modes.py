"""Sections of the config about how orders are meant: on paper, or live as a canary."""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Struct

from engine.settings.config_metadata import about, whole

MAX_LATENCY_US = 10_000_000
MAX_FEE_PPM = 100_000


class PaperSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What paper mode assumes of the venue (docs/modes.md has the model); other modes do not read
    it."""

    order_latency_us: Annotated[
        int, whole(0, MAX_LATENCY_US, "From sending a new order or a replace to its arrival.")
    ] = 20_000
    cancel_latency_us: Annotated[
        int, whole(0, MAX_LATENCY_US, "From sending a cancel to its effect.")
    ] = 20_000
    report_latency_us: Annotated[
        int, whole(0, MAX_LATENCY_US, "From what happens at the venue to our knowing it.")
    ] = 10_000
    maker_fee_ppm: Annotated[
        int,
        whole(-MAX_FEE_PPM, MAX_FEE_PPM, "Of the notional of a resting fill; negative: a rebate."),
    ] = 4000
    taker_fee_ppm: Annotated[
        int, whole(-MAX_FEE_PPM, MAX_FEE_PPM, "Of the notional of a fill that takes.")
    ] = 6000
    queue: Annotated[
        Literal["conservative", "proportional"],
        about(
            "When less is shown at our price without a trade. conservative: it was behind us,"
            " unless less is left than was ahead; proportional: what is ahead shrinks with it."
        ),
    ] = "conservative"


class CanarySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A first live run with a part of everything: some products, and the limits scaled down."""

    symbols: Annotated[
        tuple[str, ...],
        about(
            "The only products that may be traded; empty: no canary.",
            {"allowed": 'a list of symbols of [[instrument]], as in ["BTC-USD"]'},
        ),
    ] = ()
    limit_percent: Annotated[
        Decimal,
        about(
            "Of the limits of quantity, notional, position, exposure, open orders; rounded down.",
            {"allowed": 'a decimal above 0, at most 100, as in "1"'},
        ),
    ] = Decimal(1)
