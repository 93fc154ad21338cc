"""The reference reader of each venue."""

from collections.abc import Mapping

from engine.reference_binance import ReferenceBinanceSpot, ReferenceBinanceUsdm
from engine.reference_feed import (
    ReferenceCoinbaseAdvanced,
    ReferenceCoinbaseExchange,
    ReferenceFeed,
)
from ext.errors import UsageError

REFERENCE_FEEDS: dict[str, type[ReferenceFeed]] = {
    "coinbase_exchange": ReferenceCoinbaseExchange,
    "coinbase_advanced": ReferenceCoinbaseAdvanced,
    "binance_usdm": ReferenceBinanceUsdm,
    "binance_spot": ReferenceBinanceSpot,
}


def make_reference_feed(venue: str, steps: Mapping[str, tuple[str, str]]) -> ReferenceFeed:
    """The reference of a venue; UsageError for one without."""
    try:
        return REFERENCE_FEEDS[venue](steps)
    except KeyError:
        raise UsageError(f"venue was {venue!r}; use one of {', '.join(REFERENCE_FEEDS)}") from None
