"""The venue's words in whole steps, and what is refused."""

from decimal import Decimal

import pytest

from engine.reconcile.reconciliation_records import read_fill, read_order
from ext.errors import InstrumentError
from ext.wire import Side
from gateways.coinbase_rest import VenueFill, VenueOrder
from tests.engine.reconciliation_rig import BTC

INSTRUMENTS = {"BTC-USD": BTC}


def fill(**changes: object) -> VenueFill:
    fields = {
        "trade_id": 7, "order_id": "v-1", "product_id": "BTC-USD", "side": "sell",
        "price": Decimal("65000.10"), "size": Decimal("0.01"), "fee": Decimal("0.3250005"),
        "liquidity": "M", "created_at": "2026-01-05T14:30:00.000001Z",
    }  # fmt: skip
    return VenueFill(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_fill_in_whole_steps() -> None:
    read = read_fill(fill(), INSTRUMENTS)
    assert (read.side, read.price_ticks, read.quantity_lots) == (Side.SELL, 6_500_010, 1_000_000)
    assert (read.fee_nano, read.is_maker) == (325_000_500, True)
    assert read.time_ns == 1_767_623_400_000_001_000


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-05T14:30:00"])
def test_a_time_that_cannot_be_read_is_none(text: str) -> None:
    assert read_fill(fill(created_at=text), INSTRUMENTS).time_ns == 0


def test_a_market_order_has_no_price() -> None:
    order = VenueOrder(
        id="v-1", product_id="BTC-USD", side="buy", status="done", done_reason="filled",
        size=Decimal(1), price=None, filled_size=Decimal(1),
    )  # fmt: skip
    read = read_order(order, INSTRUMENTS)
    assert (read.price_ticks, read.filled_lots, read.is_living) == (0, 10**8, False)
    assert "BTC-USD BUY 1.00000000 at 0.00, filled 1.00000000, done filled" in str(read)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"product_id": "DOGE-USD"}, "trade 7 is for DOGE-USD"),
        ({"side": "long"}, "trade 7 has side 'long'"),
        ({"size": Decimal("0.000000001")}, "not a whole number of lots"),
        ({"price": Decimal("0.001")}, "not a whole number of ticks"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], text: str) -> None:
    with pytest.raises(InstrumentError, match=text):
        read_fill(fill(**changes), INSTRUMENTS)
