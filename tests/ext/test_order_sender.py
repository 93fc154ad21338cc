"""Order senders without a socket."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ext.errors import UsageError
from ext.order_sender import CapturingSender, OrderSender
from ext.wire import Side

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
Split = Callable[[bytes], list[dict[int, str]]]
PRICE = 50_000


def test_capturing_keeps_the_order(make_order_rig: MakeRig, fix_splitter: Split) -> None:
    sender = CapturingSender()
    rig = make_order_rig(sender=sender)
    rig.scripts[0].waiting += [rig.new(Side.BUY, PRICE, lots) for lots in (3, 1, 2)]
    rig.pipeline.call_timers(rig.now_ns)
    size = sender.size
    assert (sender.count, size > 0) == (3, True)
    taken = sender.take()
    assert len(taken) == size
    assert [message[38] for message in fix_splitter(taken)] == ["0.0003", "0.0001", "0.0002"]
    assert (sender.take(), sender.size, sender.count) == (b"", 0, 3)


def test_capturing_beyond_its_capacity_counts_only(make_order_rig: MakeRig) -> None:
    whole = CapturingSender()
    rig = make_order_rig(sender=whole)
    rig.place(Side.BUY, PRICE, 1)
    rig.scripts[0].waiting.append(rig.new(Side.BUY, PRICE, 1))
    rig.pipeline.call_timers(rig.now_ns + 1)
    size = whole.size

    for capacity, kept in ((2 * size, 2), (2 * size - 1, 1), (size - 1, 0)):
        sender = CapturingSender(capacity)
        rig = make_order_rig(sender=sender)
        rig.scripts[0].waiting += [rig.new(Side.BUY, PRICE, 1)] * 2
        rig.pipeline.call_timers(rig.now_ns)
        assert (sender.count, sender.size) == (2, kept * size)


def test_the_base_loses_everything(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(sender=OrderSender())
    rig.scripts[0].waiting.append(rig.new(Side.BUY, PRICE, 1))
    rig.pipeline.call_timers(rig.now_ns)
    assert rig.store.next_outgoing == 2, "the number is used: a resend or gap fill answers for it"


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_capacity_that_cannot_be(capacity: int) -> None:
    with pytest.raises(UsageError, match=f"capacity was {capacity}"):
        CapturingSender(capacity)
