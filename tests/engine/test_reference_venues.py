"""A reference for each venue that captures are read of."""

import pytest

from engine.reference_venues import REFERENCE_FEEDS, make_reference_feed
from ext.errors import UsageError
from feeds.recording_survey import VENUES


def test_every_venue_has_its_reference() -> None:
    assert REFERENCE_FEEDS.keys() == set(VENUES)
    for venue in VENUES:
        feed = make_reference_feed(venue, {"A": ("0.01", "1")})
        assert type(feed) is REFERENCE_FEEDS[venue]
        assert list(feed.instruments) == ["A"]


def test_unknown_venue() -> None:
    with pytest.raises(UsageError, match="venue was 'nobody'; use one of coinbase_exchange"):
        make_reference_feed("nobody", {})
