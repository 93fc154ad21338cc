"""Each venue that can be verified has its reference, and a survey that knows its captures."""

import pytest

from engine.reference.reference_feed import BookTerms
from engine.reference.reference_venues import REFERENCE_FEEDS, make_reference_feed
from ext.errors import UsageError
from feeds.recording_survey import VENUES

STEPS = {"BTC/USD": ("0.1", "0.00000001")}


def test_every_venue_of_the_survey_has_a_reference() -> None:
    assert set(REFERENCE_FEEDS) == set(VENUES)
    for venue in VENUES:
        assert list(make_reference_feed(venue, STEPS).instruments) == ["BTC/USD"]


def test_terms_reach_the_reference() -> None:
    terms = {"BTC/USD": BookTerms(depth=25, price_precision=2)}
    assert make_reference_feed("kraken", STEPS, terms).terms == terms


def test_unknown_venue() -> None:
    with pytest.raises(UsageError, match="venue was 'bitmex'; use one of coinbase_exchange"):
        make_reference_feed("bitmex", STEPS)
