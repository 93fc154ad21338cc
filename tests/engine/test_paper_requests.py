"""What the encoder writes is what the paper venue reads, field by field."""

import random

import pytest

from engine.paper.paper_order import PaperRequest
from engine.paper.paper_requests import read_requests
from ext.codecs.fix_order import FixOrderEncoder
from ext.errors import UsageError
from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import IntentKind, Side, TimeInForce
from gateways.fix_dialect import FIXT_BEGIN_STRING
from tests.engine.paper_rig import INSTRUMENTS

NOW_NS = 1_767_623_400_000_000_000


@pytest.fixture
def tables() -> tuple[OrderTable, FixOrderEncoder]:
    table = InstrumentTable()
    names = [(each.symbol, f"{each.tick:f}", f"{each.lot:f}") for each in INSTRUMENTS]
    for name in names:
        table.add(*name)
    orders = OrderTable(SharedMemory(None, names, []), table)
    return orders, FixOrderEncoder(table, orders, FIXT_BEGIN_STRING, "A", "B", "N")


@pytest.mark.parametrize("seed", range(30))
def test_every_request_comes_back(tables: tuple[OrderTable, FixOrderEncoder], seed: int) -> None:
    orders, encoder = tables
    rng = random.Random(seed)
    data, expected = b"", []
    for number in range(1, 9):
        kind = rng.choice(list(IntentKind))
        is_new = kind == IntentKind.NEW_ORDER
        side, instrument = rng.choice(list(Side)), rng.randrange(len(INSTRUMENTS))
        original = 0 if is_new else rng.randrange(100, 10_000)
        price, lots = rng.randrange(1, 10**9), rng.randrange(1, 10**9)
        time_in_force = rng.choice(list(TimeInForce)) if is_new else TimeInForce.GOOD_TILL_CANCEL
        post_only = is_new and time_in_force == TimeInForce.GOOD_TILL_CANCEL and rng.random() < 0.5
        data += encoder.encode_request(
            kind,
            instrument,
            side,
            price,
            lots,
            number,
            number,
            NOW_NS,
            original,
            time_in_force,
            post_only,
        )
        request = PaperRequest(kind, instrument, number, original, side)
        if kind != IntentKind.CANCEL_ORDER:
            request = PaperRequest(
                kind,
                instrument,
                number,
                original,
                side,
                price,
                lots,
                time_in_force if is_new else request.time_in_force,
                post_only,
            )
        expected.append(request)
    assert list(read_requests(data, orders, INSTRUMENTS)) == expected


@pytest.mark.parametrize("data", [b"8=FIXT.1.1\x019=5\x01", b"garbage"])
def test_bytes_without_an_end(tables: tuple[OrderTable, FixOrderEncoder], data: bytes) -> None:
    with pytest.raises(UsageError, match="order bytes without an end"):
        list(read_requests(data, tables[0], INSTRUMENTS))


def test_a_message_that_is_none_of_ours(tables: tuple[OrderTable, FixOrderEncoder]) -> None:
    orders, encoder = tables
    good = encoder.encode_request(1, 0, 1, 100, 100, 1, 1, NOW_NS)
    for bad in (good.replace(b"\x0135=D", b"\x0135=H"), good.replace(b"BTC-USD", b"BTC-EUR")):
        with pytest.raises(UsageError, match="nobody here writes"):
            list(read_requests(bad, orders, INSTRUMENTS))
