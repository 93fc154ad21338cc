"""What our client says at its end is judged."""

import orjson
import pytest

from bench.bench_wire_to_wire import check_engine, hash_orders
from bench.harness import BenchmarkError

GOOD = {
    "problems": [],
    "frames": 51,
    "orders_sent": 51,
    "rejected": 0,
    "reports": 50,
    "unknown_reports": 0,
    "stale_count": 0,
}


def said(**changed: object) -> bytes:
    return b"a line before\n" + orjson.dumps(GOOD | changed) + b"\n"


def test_an_order_for_every_frame_is_right() -> None:
    check_engine("ours", said())
    check_engine("ours", said(reports=51))


@pytest.mark.parametrize(
    "changed",
    [
        {"orders_sent": 50},
        {"rejected": 1},
        {"reports": 49},
        {"reports": 52},
        {"unknown_reports": 1},
        {"stale_count": 1},
        {"problems": ["garbled"]},
    ],
)
def test_anything_else_is_not(changed: dict[str, object]) -> None:
    with pytest.raises(BenchmarkError, match="ours did not do its work"):
        check_engine("ours", said(**changed))


def test_the_hash_tells_orders_apart() -> None:
    orders = [("64000.01", "0.5"), ("64000.02", "0.5")]
    assert hash_orders(orders) != hash_orders(orders[::-1])
    assert hash_orders([]) == 14695981039346656037  # FNV-1a of nothing
