"""The operations whose instructions are counted, and the program that callgrind runs for it.

Every operation runs once to warm up, then for n and for 2n rounds over the same data, each with a
dump of its own: the difference holds n rounds and nothing of what happens once. Latencies are
counted as in production; what they were decides no branch that weighs.
"""

import ctypes
import functools
import gc
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import orjson

from bench.arc import DECODERS, Arc, make_arc, make_table, set_every_limit
from bench.bench_book import Replay
from bench.bench_fix_decode import MESSAGES, make_report
from bench.bench_fix_encode import make_rows
from bench.compiler import compile_library
from bench.frames import PRODUCT, UNIT_LOTS, generate_frames
from bench.harness import BenchmarkError
from bench.loops import (
    hash_numbers,
    time_changes,
    time_decodes,
    time_encodes,
    time_frames,
    time_reports,
)
from bench.order_loops import apply_fills, check_intents
from bench.rendered_frames import BIDS_FIRST, RENDERERS
from ext.book import OrderBook
from ext.feed_decoder import PADDING
from ext.order_sender import CapturingSender, OrderSender
from ext.wire import Side

ROUNDS = 4  # n
FRAMES = 250
ORDERS = 1_000

START_TIME_NS = 1_767_623_400_000_000_000  # 2026-01-05 14:30 UTC
GAP_NS = 2_000_000
MID_TICKS = 6_400_000  # of the generated frames
PAUSE_NS = 3_600_000_000_000  # simulated, between two calls: no window of the gate reaches back


class Operation(NamedTuple):
    """One step of the arc.

    ``prepare`` takes a number of rounds, each of ``per_round`` operations, and returns what does
    them: a call without arguments that gives how many were done as they should.
    """

    name: str
    per_round: int
    prepare: Callable[[int], Callable[[], int]]


def count_operations(names: Sequence[str]) -> dict[str, int]:
    """Runs under callgrind: dumps ``<operation>:1`` for n rounds and ``<operation>:2`` for 2n.

    Returns how many operations stand in n rounds, by name.

    Raises:
        BenchmarkError: not under callgrind, or an operation did not do its work.
    """
    callgrind = ctypes.CDLL(str(compile_library("callgrind", "callgrind.c")))
    if not callgrind.is_running_on_valgrind():
        raise BenchmarkError("instructions are counted under valgrind; use wow-bench gate")
    counted = {}
    unknown = set(names) - OPERATIONS.keys()
    if unknown:
        raise BenchmarkError(f"there is no operation {', '.join(unknown)}; use {[*OPERATIONS]}")
    operations = [OPERATIONS[name]() for name in names or OPERATIONS]
    gc.disable()
    callgrind.start_instrumentation()
    for operation in operations:
        run_checked(operation, 1)
        for factor in (1, 2):
            rounds = factor * ROUNDS
            work = operation.prepare(rounds)
            callgrind.zero_counts()
            done = work()
            callgrind.dump_counts(f"{operation.name}:{factor}".encode())
            _check_done(operation, rounds, done)
        counted[operation.name] = operation.per_round * ROUNDS
    return counted


def run_checked(operation: Operation, rounds: int) -> None:
    """One call for a number of rounds; BenchmarkError unless all of its work was done."""
    _check_done(operation, rounds, operation.prepare(rounds)())


def _check_done(operation: Operation, rounds: int, done: int) -> None:
    wanted = rounds * operation.per_round
    if done != wanted:
        raise BenchmarkError(f"{operation.name}: {done} of {wanted} operations were done")


def _tick_to_order() -> Operation:
    """Frame to order, whole arc, and the report that the order was canceled."""
    arc, sender = _make_trading_arc()
    updates = generate_frames(FRAMES).frame_set().padded[1:]
    starts_ns = itertools.count(START_TIME_NS + PAUSE_NS, PAUSE_NS)

    def prepare(rounds: int) -> Callable[[], int]:
        payloads = updates * rounds
        samples = np.zeros(len(payloads), np.int64)
        start_ns = next(starts_ns)

        def work() -> int:
            before = sender.count
            time_frames(arc.pipeline, payloads, start_ns, GAP_NS, samples)
            return sender.count - before

        return work

    return Operation("tick_to_order", len(updates), prepare)


def _decode(venue: str) -> Operation:
    """A frame of 20 changes to ticks and lots."""
    decoder = DECODERS[venue](make_table([PRODUCT]))
    updates = generate_frames(FRAMES).updates
    frames = [RENDERERS[venue](frame, number) + PADDING for number, frame in enumerate(updates)]
    numbers = np.array(
        [number for frame in updates for number in _changes(frame, venue in BIDS_FIRST)], np.int64
    )

    def prepare(rounds: int) -> Callable[[], int]:
        payloads = frames * rounds
        samples = np.zeros(len(payloads), np.int64)
        right = hash_numbers(np.tile(numbers, rounds))

        def work() -> int:
            _, work_hash = time_decodes(decoder, payloads, samples)
            return len(payloads) if work_hash == right else 0

        return work

    return Operation(f"decode.{venue}", len(updates), prepare)


def _changes(frame: bytes, has_bids_first: bool) -> Iterator[int]:
    """Price, quantity and side of each change of a generated frame, as whole numbers."""
    changes = orjson.loads(frame)["changes"]
    if has_bids_first:
        changes.sort(key=lambda change: str(change[0]))  # "buy" before "sell"; stable
    for side, price, quantity in changes:
        yield int(Decimal(price).scaleb(2))
        yield int(Decimal(quantity).scaleb(8))
        yield Side.BUY if side == "buy" else Side.SELL


def _book_change() -> Operation:
    """One level change, then best bid and ask."""
    replay = Replay(generate_frames(FRAMES).frame_set())

    def prepare(rounds: int) -> Callable[[], int]:
        book = OrderBook()
        book.load(replay.snapshots[0])
        rows = np.ascontiguousarray(np.tile(replay.rows, (rounds, 1)))

        def work() -> int:
            time_changes([book], rows)
            return len(rows)

        return work

    return Operation("book_change", len(replay.rows), prepare)


def _risk_check() -> Operation:
    """One new order through every check of the gate with all limits set, and the note that it was
    sent."""
    arc, _ = _make_trading_arc()
    set_every_limit(arc.pipeline.gate, 0)
    orders = [
        (Side.BUY if number % 2 else Side.SELL, MID_TICKS, (1 + number) * UNIT_LOTS)
        for number in range(ORDERS)
    ]
    starts_ns = itertools.count(START_TIME_NS + PAUSE_NS, PAUSE_NS)

    def prepare(rounds: int) -> Callable[[], int]:
        intents = np.array(orders * rounds, np.int64)
        start_ns = next(starts_ns)
        return functools.partial(check_intents, arc.pipeline, intents, start_ns, GAP_NS)

    return Operation("risk_check", len(orders), prepare)


def _fix_encode() -> Operation:
    """Numbers to the bytes of a NewOrderSingle."""
    arc = make_arc("coinbase_exchange", [PRODUCT], OrderSender())
    first_rows = make_rows(ORDERS)

    def prepare(rounds: int) -> Callable[[], int]:
        rows = np.ascontiguousarray(np.tile(first_rows, (rounds, 1)))

        def work() -> int:
            time_encodes(arc.encoder, rows)
            return len(rows)

        return work

    return Operation("fix_encode", len(first_rows), prepare)


def _fix_decode() -> Operation:
    """Bytes of an ExecutionReport of 30 fields to numbers, framing and CheckSum included."""
    arc = make_arc("coinbase_exchange", [PRODUCT], OrderSender())
    messages = [make_report(arc, number) + PADDING for number in range(MESSAGES)]

    def prepare(rounds: int) -> Callable[[], int]:
        def work() -> int:
            time_reports(arc.decoder, messages, rounds)  # raises when one is not read
            return rounds * len(messages)

        return work

    return Operation("fix_decode", len(messages), prepare)


def _report_to_position() -> Operation:
    """A decoded fill to order, position and journal record."""
    arc, _ = _make_trading_arc(unit_lots=100 * ORDERS)  # more lots than there will be fills
    [order] = arc.orders.open_orders()
    number = int(str(order["order_number"]))

    def prepare(rounds: int) -> Callable[[], int]:
        return functools.partial(apply_fills, arc.pipeline, number, rounds * ORDERS, START_TIME_NS)

    return Operation("report_to_position", ORDERS, prepare)


def _make_trading_arc(unit_lots: int = UNIT_LOTS) -> tuple[Arc, CapturingSender]:
    """An arc with a live book that has sent one order."""
    frames = generate_frames(FRAMES).frame_set()
    sender = CapturingSender(1)
    arc = make_arc(frames.venue, frames.products, sender, unit_lots=unit_lots)
    arc.pipeline.receive(frames.payloads[0], START_TIME_NS)
    return arc, sender


OPERATIONS: dict[str, Callable[[], Operation]] = {
    "tick_to_order": _tick_to_order,
    **{f"decode.{venue}": functools.partial(_decode, venue) for venue in RENDERERS},
    "book_change": _book_change,
    "risk_check": _risk_check,
    "fix_encode": _fix_encode,
    "fix_decode": _fix_decode,
    "report_to_position": _report_to_position,
}
"""Every operation by name, made over data that is the same in each run."""


def main() -> int:
    """Entry point under callgrind; the arguments name operations, none means all of them."""
    try:
        counted = count_operations(sys.argv[1:])
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(orjson.dumps(counted).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
