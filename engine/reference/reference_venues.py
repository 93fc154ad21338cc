"""The reference of each venue."""

from collections.abc import Mapping

from engine.reference.reference_binance import ReferenceBinanceSpot, ReferenceBinanceUsdm
from engine.reference.reference_feed import (
    BookTerms,
    ReferenceCoinbaseAdvanced,
    ReferenceCoinbaseExchange,
    ReferenceFeed,
)
from engine.reference.reference_gemini import ReferenceGemini
from engine.reference.reference_kraken import ReferenceKraken, ReferenceKrakenV1
from ext.errors import UsageError

REFERENCE_FEEDS: dict[str, type[ReferenceFeed]] = {
    "coinbase_exchange": ReferenceCoinbaseExchange,
    "coinbase_advanced": ReferenceCoinbaseAdvanced,
    "gemini": ReferenceGemini,
    "kraken": ReferenceKraken,
    "kraken_v1": ReferenceKrakenV1,
    "binance_usdm": ReferenceBinanceUsdm,
    "binance_spot": ReferenceBinanceSpot,
}


def make_reference_feed(
    venue: str,
    steps: Mapping[str, tuple[str, str]],
    terms: Mapping[str, BookTerms] | None = None,
) -> ReferenceFeed:
    """The reference of a venue; UsageError for one without.

    Args:
        venue: a key of ``REFERENCE_FEEDS``.
        steps: tick and lot text of each symbol.
        terms: depth and precisions by symbol, of venues whose books have any.
    """
    if venue not in REFERENCE_FEEDS:
        raise UsageError(f"venue was {venue!r}; use one of {', '.join(REFERENCE_FEEDS)}")
    feed = REFERENCE_FEEDS[venue](steps)
    feed.terms.update(terms or {})
    return feed
