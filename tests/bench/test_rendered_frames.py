"""A generated frame in the words of each venue: its decoder reads the same changes."""

import orjson
import pytest

from bench.arc import DECODERS, make_table
from bench.frames import PRODUCT, generate_frames
from bench.rendered_frames import BIDS_FIRST, RENDERERS, render_binance_set
from ext.pipeline import Pipeline
from ext.wire import BookState, FeedStatus, Side


@pytest.mark.parametrize("venue", RENDERERS)
def test_a_rendered_frame_is_read_whole(venue: str) -> None:
    [frame] = generate_frames(1).updates
    decoder = DECODERS[venue](make_table([PRODUCT]))
    assert decoder.decode_bytes(RENDERERS[venue](frame, 0)) == FeedStatus.FEED_OK
    changes = orjson.loads(frame)["changes"]
    if venue in BIDS_FIRST:
        changes = [each for side in ("buy", "sell") for each in changes if each[0] == side]
    assert decoder.deltas() == [
        (int(price.replace(".", "")), int(lots.replace(".", "")), sign)
        for side, price, lots in changes
        for sign in [Side.BUY if side == "buy" else Side.SELL]
    ]


def test_a_rendered_capture_is_a_live_book_after_every_update() -> None:
    frames = render_binance_set(generate_frames(20))
    table = make_table([PRODUCT])
    pipeline = Pipeline(table, DECODERS["binance_usdm"](table), step_interval=0)
    pipeline.subscribed(0)
    pipeline.receive(frames.payloads[0], 1)
    for payload in frames.updates:
        assert pipeline.receive(payload, 2) == FeedStatus.FEED_OK
        assert pipeline.book(0).state == BookState.LIVE
