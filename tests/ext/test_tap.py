"""What comes in and goes out, as it stands in the rings: enough to repeat the run from it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ext.bounds import Bound
from ext.dtypes import BLOB, EXECUTION_REPORT, RECORD, REQUEST_TERMS
from ext.errors import UsageError
from ext.order_sender import OrderSender
from ext.orders import ReportResult
from ext.shared_memory import PRIVATE_MARKET_SLOTS, SharedMemory
from ext.wire import (
    Command,
    ExecutionType,
    IntentKind,
    OrderState,
    RecordKind,
    ReportFormat,
    Side,
    StaleReason,
    Verdict,
)

if TYPE_CHECKING:
    from tests.ext.conftest import OrderRig

MakeRig = Callable[..., "OrderRig"]
Entry = tuple[np.void, bytes]

PRICE = 50_000
BLOBS = {
    RecordKind.RECORD_FRAME,
    RecordKind.RECORD_READ_END,
    RecordKind.RECORD_REQUEST,
    RecordKind.RECORD_REPORT,
    RecordKind.RECORD_COMMAND,
    RecordKind.RECORD_STRATEGY_STATE,
}
HEAD_BYTES = BLOB.itemsize - Bound.BLOB_PAYLOAD_BYTES


def read_ring(rig: "OrderRig", *, is_market: bool = False, first: int = 0) -> list[Entry]:
    """The records of a ring from slot number ``first`` on: blobs with their bytes."""
    name, slots = (
        ("market_ring_offset", rig.options.market_ring_slots)
        if is_market
        else ("ring_offset", int(Bound.RING_SLOTS))
    )
    ring = rig.memory.region(name, RECORD, slots)
    written = rig.counters()["market_write_sequence" if is_market else "write_sequence"]
    entries: list[Entry] = []
    at = first
    while at < written:
        head = ring[at % slots]
        assert head["sequence"] == at + 1
        if head["kind"] not in BLOBS:
            entries.append((head.copy(), b""))
            at += 1
            continue
        blob = head.reshape(1).view(BLOB)[0].copy()
        size = int(blob["byte_count"])
        count = -(-(HEAD_BYTES + size) // BLOB.itemsize)
        held = b"".join(ring[(at + each) % slots].tobytes() for each in range(count))
        entries.append((blob, held[HEAD_BYTES : HEAD_BYTES + size]))
        at += count
    return entries


def of_kind(entries: list[Entry], kind: RecordKind) -> list[Entry]:
    return [entry for entry in entries if entry[0]["kind"] == kind]


@pytest.fixture
def rig(make_order_rig: MakeRig) -> "OrderRig":
    rig = make_order_rig(is_recording=True)
    rig.set_book(PRICE - 5, PRICE + 5)
    return rig


def test_a_request_stands_in_front_of_what_is_told_of_it(rig: "OrderRig") -> None:
    rig.now_ns += 7
    rig.scripts[0].waiting.append(rig.new(Side.SELL, PRICE, 3, post_only=1, reason=9))
    rig.pipeline.call_timers(rig.now_ns)
    message = rig.sender.take()  # type: ignore[attr-defined]
    kinds = [int(head["kind"]) for head, _ in read_ring(rig)]
    assert kinds[-4:] == [
        RecordKind.RECORD_TIMER,
        RecordKind.RECORD_DECISION,
        RecordKind.RECORD_REQUEST,
        RecordKind.RECORD_ORDER_SENT,
    ]
    ((head, data),) = of_kind(read_ring(rig), RecordKind.RECORD_REQUEST)
    terms = np.frombuffer(data, REQUEST_TERMS, 1)[0]
    assert data[REQUEST_TERMS.itemsize :] == message
    assert (head["detail"], head["reference"]) == (IntentKind.NEW_ORDER, 1)
    assert (head["time_ns"], head["strategy"], head["instrument"]) == (rig.now_ns, 0, 0)
    assert (terms["request_number"], terms["order_number"]) == (1, 1)
    intent = terms["intent"]
    assert (intent["side"], intent["price_ticks"], intent["quantity_lots"]) == (-1, PRICE, 3)
    assert (intent["post_only"], intent["reason"]) == (1, 9)


def test_a_frame_comes_after_the_order_records_before_it(rig: "OrderRig") -> None:
    before = rig.counters()["write_sequence"]
    rig.now_ns += 5
    rig.frame('{"type":"subscriptions"}')
    head, data = read_ring(rig, is_market=True)[-1]
    assert data == b'{"type":"subscriptions"}'
    assert (head["kind"], head["time_ns"]) == (RecordKind.RECORD_FRAME, rig.now_ns)
    assert head["after_sequence"] == before


def test_a_frame_s_own_records_come_after_it(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_recording=True, events={"on_book": None})
    rig.scripts[0].waiting.append(rig.new(Side.BUY, PRICE, 1))
    rig.set_book(PRICE - 5, PRICE + 5)
    (decision, _), *_ = of_kind(read_ring(rig), RecordKind.RECORD_DECISION)
    frame, _ = of_kind(read_ring(rig, is_market=True), RecordKind.RECORD_FRAME)[-1]
    assert decision["code"] == Verdict.ACCEPTED
    assert frame["after_sequence"] < decision["sequence"]


@pytest.mark.parametrize("size", [1, 71, 72, 73, 199, 200, 201, 5_000])
def test_bytes_of_any_length_come_back(rig: "OrderRig", size: int) -> None:
    payload = bytes(33 + index % 90 for index in range(size))
    rig.pipeline.receive(payload, rig.now_ns)
    rig.pipeline.receive(b"behind it", rig.now_ns)
    assert [data for _, data in read_ring(rig, is_market=True)][-2:] == [payload, b"behind it"]


def test_bytes_go_on_at_the_start_of_the_ring(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_recording=True, market_ring_slots=16)
    starts, payloads = [], []
    for number in range(40):
        starts.append(rig.counters()["market_write_sequence"])
        payloads.append(bytes([65 + number]) * (number * 37 % 700))
        rig.pipeline.receive(payloads[-1], rig.now_ns)
        ((_, data),) = read_ring(rig, is_market=True, first=starts[-1])
        assert data == payloads[-1], number
    assert starts[-1] > 5 * 16


def test_a_full_market_ring_drops_frames_and_nothing_else(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_recording=True, market_ring_slots=16)
    header = rig.memory.header_record()
    header["reader_attached"] = 1
    rig.set_book(PRICE - 5, PRICE + 5)
    for _ in range(40):
        rig.frame('{"type":"subscriptions"}')
    assert header["market_write_sequence"] <= 16
    assert header["dropped_market_records"] >= 24
    assert rig.place(Side.BUY, PRICE, 1) == 1, "orders are none of its business"
    header["market_read_sequence"] = header["market_write_sequence"]
    dropped = int(header["dropped_market_records"][0])
    rig.frame('{"type":"subscriptions"}')
    assert header["dropped_market_records"] == dropped


def test_a_frame_larger_than_the_ring_is_dropped(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_recording=True, market_ring_slots=16)
    written = rig.counters()["market_write_sequence"]
    rig.pipeline.receive(b"x" * 128 * 16, rig.now_ns)
    assert rig.counters()["market_write_sequence"] == written
    assert rig.counters()["dropped_market_records"] == 1


def test_a_report_is_kept_as_it_came(rig: "OrderRig") -> None:
    number = rig.place(Side.BUY, PRICE, 2)
    rig.report(number, "0", "0")
    ((head, data),) = of_kind(read_ring(rig), RecordKind.RECORD_REPORT)
    assert (head["code"], data[:9]) == (ReportFormat.REPORT_FIX, b"8=FIXT.1.")
    assert b"\x01150=0\x01" in data


def fill(number: int, trade_id: int, lots: int = 1) -> dict[str, object]:
    return {
        "execution_type": ExecutionType.EXEC_TRADE,
        "order_state": OrderState.PARTIALLY_FILLED,
        "request_number": number,
        "instrument": 0,
        "side": Side.BUY,
        "last_price_ticks": PRICE,
        "last_quantity_lots": lots,
        "trade_id": trade_id,
        "venue_order_id": b"v-1",
    }


def test_a_report_made_here_is_kept_by_its_fields(rig: "OrderRig") -> None:
    number = rig.place(Side.BUY, PRICE, 2)
    result = rig.pipeline.apply_report(fill(number, 77), rig.now_ns)
    assert result & ReportResult.REPORT_FILL
    assert rig.position()["position_lots"] == 1
    ((head, data),) = of_kind(read_ring(rig), RecordKind.RECORD_REPORT)
    report = np.frombuffer(data, EXECUTION_REPORT, 1)[0]
    assert head["code"] == ReportFormat.REPORT_FIELDS
    assert (report["trade_id"], report["last_price_ticks"]) == (77, PRICE)
    assert report["cumulative_lots"] == report["leaves_lots"] == -1, "not said"


def test_a_fill_told_by_both_ways_counts_once(rig: "OrderRig") -> None:
    number = rig.place(Side.BUY, PRICE, 2)
    rig.report(number, "F", "1", t31=rig.price(PRICE), t32=rig.quantity(1), t1003="77")
    assert rig.position()["position_lots"] == 1
    assert rig.pipeline.apply_report(fill(number, 77), rig.now_ns) & ReportResult.REPORT_DUPLICATE
    assert rig.pipeline.apply_report(fill(number, 78), rig.now_ns) & ReportResult.REPORT_FILL
    rig.report(number, "F", "2", t31=rig.price(PRICE), t32=rig.quantity(1), t1003="78")
    assert rig.position()["position_lots"] == 2
    assert rig.counters()["duplicate_fills"] == 2


def test_a_trade_of_two_orders_of_ours_counts_for_both(rig: "OrderRig") -> None:
    first, second = rig.place(Side.BUY, PRICE, 2), rig.place(Side.BUY, PRICE - 1, 2)
    for number in (first, second):
        assert rig.pipeline.apply_report(fill(number, 77), rig.now_ns) & ReportResult.REPORT_FILL


def test_fields_that_a_report_has_not_are_named(rig: "OrderRig") -> None:
    with pytest.raises(UsageError, match="a report has no price; use execution_type"):
        rig.pipeline.apply_report({"execution_type": 6, "price": 1}, rig.now_ns)
    with pytest.raises(UsageError, match="needs execution_type"):
        rig.pipeline.apply_report({"side": 1}, rig.now_ns)


def test_what_the_engine_does_to_the_arc_is_kept(rig: "OrderRig") -> None:
    first = rig.counters()["write_sequence"]
    pipeline, now_ns = rig.pipeline, rig.now_ns
    rig.place(Side.BUY, PRICE, 1)
    pipeline.mark_unknown(now_ns)
    pipeline.expire_pending(now_ns, 0)
    pipeline.expire_pending(now_ns + 10**10, 1)
    pipeline.forget_sequences(now_ns)
    pipeline.mark_stale(0, StaleReason.SILENCE, now_ns)
    pipeline.connection_lost(now_ns)
    pipeline.subscribed(now_ns)
    pipeline.cancel_all(now_ns)
    pipeline.pause(now_ns, "a person has to look")
    pipeline.resume(now_ns, "looked")
    commands = of_kind(read_ring(rig, first=first), RecordKind.RECORD_COMMAND)
    assert [Command(head["code"]) for head, _ in commands] == [
        Command.COMMAND_MARK_UNKNOWN,
        Command.COMMAND_FORGET_SEQUENCES,
        Command.COMMAND_MARK_STALE,
        Command.COMMAND_CONNECTION_LOST,
        Command.COMMAND_SUBSCRIBED,
        Command.COMMAND_CANCEL_ALL,
        Command.COMMAND_PAUSE,
        Command.COMMAND_RESUME,
    ], "an expiry that expires nothing is not worth a record"
    assert [data for _, data in commands[-2:]] == [b"a person has to look", b"looked"]
    assert (commands[2][0]["detail"], commands[2][0]["reference"]) == (0, StaleReason.SILENCE)
    assert not rig.gate.is_paused


def test_a_lost_send_is_kept_behind_its_request(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_recording=True, sender=OrderSender())
    rig.set_book(PRICE - 5, PRICE + 5)
    rig.scripts[0].waiting.append(rig.new(Side.BUY, PRICE, 1))
    rig.pipeline.call_timers(rig.now_ns)
    entries = read_ring(rig)
    ((command, _),) = of_kind(entries, RecordKind.RECORD_COMMAND)
    assert (command["code"], command["reference"]) == (Command.COMMAND_SEND_FAILED, 1)


def test_the_words_of_the_session_are_told_when_they_change(rig: "OrderRig") -> None:
    def words() -> list[tuple[int, int]]:
        found = of_kind(read_ring(rig), RecordKind.RECORD_SESSION_WORDS)
        return [(int(head["order_number"]), int(head["code"])) for head, _ in found]

    assert words() == [(1, 1)]
    rig.place(Side.BUY, PRICE, 1)
    rig.frame('{"type":"subscriptions"}')
    assert words() == [(1, 1)], "what requests use up is known"
    rig.store.next_outgoing = 9
    rig.frame('{"type":"subscriptions"}')
    rig.store.is_active = False
    rig.frame('{"type":"subscriptions"}')
    assert words() == [(1, 1), (9, 1), (9, 0)]


def test_new_risk_waits_for_the_journal_and_cancels_do_not(rig: "OrderRig") -> None:
    header = rig.memory.header_record()
    number = rig.place(Side.BUY, PRICE, 1)
    rig.report(number, "0", "0")
    header["journal_failing"] = 1
    assert not rig.submit(rig.new(Side.BUY, PRICE - 1, 1))
    assert rig.position()["last_reject"] == Verdict.JOURNAL_BEHIND
    assert rig.submit(rig.cancel(number))
    header["journal_failing"] = 0
    assert rig.submit(rig.new(Side.BUY, PRICE - 2, 1)), "and goes on when it is there again"


def test_new_risk_waits_while_the_order_ring_is_nearly_full(rig: "OrderRig") -> None:
    header = rig.memory.header_record()
    header["reader_attached"] = 1
    limit = Bound.RING_SLOTS - Bound.RING_RESERVE
    header["read_sequence"] = int(header["write_sequence"][0]) - limit
    assert not rig.submit(rig.new(Side.BUY, PRICE, 1))
    assert rig.position()["last_reject"] == Verdict.JOURNAL_BEHIND
    header["read_sequence"] = int(header["write_sequence"][0]) - limit + 1
    assert rig.submit(rig.new(Side.BUY, PRICE - 1, 1))


def test_what_a_strategy_keeps_is_told_when_it_changes(rig: "OrderRig") -> None:
    def states() -> list[bytes]:
        return [data for _, data in of_kind(read_ring(rig), RecordKind.RECORD_STRATEGY_STATE)]

    rig.submit()
    assert states() == []
    rig.states[0][0] = 42
    rig.submit()
    rig.submit()
    assert states() == [(42).to_bytes(8, "little")]


def test_reads_that_were_decided_on_are_marked(make_order_rig: MakeRig) -> None:
    rig = make_order_rig(is_recording=True, is_conflating=True)
    rig.set_book(PRICE - 5, PRICE + 5)
    rig.pipeline.decide(rig.now_ns)
    kinds = [int(head["kind"]) for head, _ in read_ring(rig, is_market=True)]
    assert kinds[-2:] == [RecordKind.RECORD_FRAME, RecordKind.RECORD_READ_END]


def test_nothing_is_kept_where_nobody_wants_it(make_order_rig: MakeRig) -> None:
    rig = make_order_rig()
    rig.set_book(PRICE - 5, PRICE + 5)
    rig.place(Side.BUY, PRICE, 1)
    assert rig.counters()["market_write_sequence"] == 0
    assert not of_kind(read_ring(rig), RecordKind.RECORD_REQUEST)


def test_frames_of_another_shape_are_counted(rig: "OrderRig") -> None:
    """The decoder still reads them, slower: the venue has changed something."""
    symbol = rig.options.instruments[0][0]
    change = f'["buy","{rig.price(PRICE - 5)}","{rig.quantity(7)}"]'
    usual = (
        f'{{"type":"l2update","product_id":"{symbol}","changes":[{change}],'
        '"time":"2026-01-05T14:30:00.000001Z"}'
    )
    other = (
        f'{{"product_id":"{symbol}","type":"l2update","changes":[{change}],'
        '"time":"2026-01-05T14:30:00.000001Z"}'
    )
    rig.frame(usual)
    assert rig.counters()["general_frames"] == 0
    rig.frame(other)
    assert rig.counters()["general_frames"] == 1
    assert rig.counters()["bad_frames"] == 0


def test_a_blob_written_from_python(rig: "OrderRig") -> None:
    first = rig.counters()["write_sequence"]
    assert rig.memory.write_blob(5, RecordKind.RECORD_COMMAND, b"by hand" * 40, code=9, strategy=0)
    ((head, data),) = read_ring(rig, first=first)
    assert (data, head["code"], head["strategy"]) == (b"by hand" * 40, 9, 0)


def test_the_market_ring_is_a_power_of_two() -> None:
    with pytest.raises(UsageError, match="market_ring_slots was 100; use a power of two"):
        SharedMemory(None, [], [], market_ring_slots=100)
    assert PRIVATE_MARKET_SLOTS & (PRIVATE_MARKET_SLOTS - 1) == 0
