"""What a strategy's floats may become: no number, endless, too large. The gate refuses it with a
reason, and nothing leaves."""

import json
import math
from decimal import Decimal
from typing import Any

import pytest

from engine.instruments import Instrument
from engine.kernel.kernels import compile_strategy
from engine.strategy import Int, Params, Record, State, Strategy, place
from ext.codecs.coinbase_exchange_feed import CoinbaseExchangeFeed
from ext.codecs.fix_order import FixOrderEncoder
from ext.dtypes import POSITION, RECORD
from ext.errors import ConfigError
from ext.instrument_table import InstrumentTable
from ext.kernels import StrategyTable
from ext.order_sender import CapturingSender
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.risk import RiskGate
from ext.session_store import SessionStore
from ext.shared_memory import SharedMemory
from ext.wire import RecordKind, Verdict

SYMBOL, TICK, LOT = "BTC-USD", "0.01", "0.001"
NOW_NS = 1_767_623_400_000_000_000
NOT_A_NUMBER, ENDLESS, BELOW_ALL, TOO_LARGE, TINY, NEGATIVE = range(6)


class Numbers(Strategy):
    """Computes ``case`` from the book, and orders at it or in it."""

    params = Params(case=Int(0, minimum=0, maximum=5), is_price=Int(0, minimum=0, maximum=1))
    state = State(calls=int)

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        state.calls += 1
        number = compute(state.params.case, 1.0 * book.bid_ticks[0])
        if state.params.is_price == 1:
            place(out, 1, math.floor(number), 1)
        else:
            place(out, 1, book.bid_ticks[0], math.floor(number))


def compute(case: int, price: float) -> float:
    """A float that no order may have; ``price`` keeps the compiler from knowing it."""
    endless = price * 1e308 * 10.0
    if case == NOT_A_NUMBER:
        return endless - endless
    if case == ENDLESS:
        return endless
    if case == BELOW_ALL:
        return -endless
    if case == TOO_LARGE:
        return price * 1e30
    if case == TINY:
        return price * 1e-300
    return -price


class InPython(Numbers):
    """The same without the compiler: a number that is none raises there."""

    compiled = False


@pytest.mark.parametrize("case", range(6))
@pytest.mark.parametrize(
    ("is_price", "reason"), [(1, Verdict.PRICE_INVALID), (0, Verdict.QUANTITY_INVALID)]
)
def test_no_number_is_refused_with_its_reason(case: int, is_price: int, reason: Verdict) -> None:
    decisions, sent, _ = run(Numbers, case=case, is_price=is_price)
    assert decisions == [reason]
    assert sent == b""


@pytest.mark.parametrize("case", [NOT_A_NUMBER, ENDLESS, BELOW_ALL, TOO_LARGE])
def test_in_python_the_call_is_ignored_and_counted(case: int) -> None:
    decisions, sent, failures = run(InPython, case=case, is_price=1)
    assert (decisions, sent, failures) == ([], b"", 1)


class Codes(Strategy):
    """Gives ``place`` one code with more than 32 bits."""

    params = Params(which=Int(0, minimum=0, maximum=3))
    state = State(calls=int)

    def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
        wide = (book.bid_ticks[0] // book.bid_ticks[0]) * 2**32
        price = book.bid_ticks[0]
        if state.params.which == 0:
            place(out, wide + 1, price, 1)
        elif state.params.which == 1:
            place(out, 1, price, 1, 0, wide)
        elif state.params.which == 2:
            place(out, 1, price, 1, 0, 1, wide)
        else:
            place(out, 1, price, 1, wide + 7)


class CodesInPython(Codes):
    """The same without the compiler."""

    compiled = False


@pytest.mark.parametrize("strategy", [Codes, CodesInPython])
@pytest.mark.parametrize("which", range(2))
def test_a_code_that_would_be_another_when_cut_is_refused(
    strategy: type[Strategy], which: int
) -> None:
    decisions, sent, _ = run(strategy, which=which)
    assert decisions == [Verdict.INTENT_INVALID]
    assert sent == b""


@pytest.mark.parametrize("strategy", [Codes, CodesInPython])
def test_post_only_is_not_lost(strategy: type[Strategy]) -> None:
    decisions, sent, _ = run(strategy, which=2)
    assert decisions == [Verdict.ACCEPTED]
    assert b"\x0118=A\x01" in sent


def test_a_reason_that_does_not_fit_is_no_reason() -> None:
    decisions, sent, _ = run(Codes, which=3)
    assert decisions == [Verdict.ACCEPTED]
    assert sent


def test_a_side_that_is_no_whole_number_is_not_compiled() -> None:
    class Half(Strategy):
        state = State(calls=int)

        def on_book(state: Record, book: Record, position: Record, out: Record) -> None:
            place(out, 1.5, book.bid_ticks[0], 1)  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match="side, time in force, post-only and reason are whole"):
        run(Half)


def run(strategy: type[Strategy], **parameters: int) -> tuple[list[int], bytes, int]:
    """One book through the arc: verdicts of the journal, what was sent, failed calls."""
    table = InstrumentTable()
    table.add(SYMBOL, TICK, LOT)
    memory = SharedMemory(None, [(SYMBOL, TICK, LOT)], ["numbers"], start_time_ns=NOW_NS)
    orders, gate = OrderTable(memory, table), RiskGate()
    largest = 2**63 - 1
    gate.set_engine_limits(500, 50, 10**12, 0)
    gate.set_instrument_limits(0, largest, largest, 500_000, largest)
    gate.add_strategy(0)
    compiled = compile_strategy(
        strategy, Instrument(SYMBOL, Decimal(TICK), Decimal(LOT)), parameters
    )
    strategies = StrategyTable()
    strategies.add(0, compiled.state, compiled.addresses, owner=compiled)
    store = SessionStore(None, "numbers")
    store.is_active = True
    sender = CapturingSender()
    encoder = FixOrderEncoder(table, orders, "FIXT.1.1", "us", "venue")
    decoder = CoinbaseExchangeFeed(table)
    pipeline = Pipeline(table, decoder, memory, strategies, orders, gate, encoder, sender, store)
    pipeline.subscribed(NOW_NS)
    book: dict[str, Any] = {"type": "snapshot", "product_id": SYMBOL}
    book |= {"bids": [["60000.00", "1"]], "asks": [["60000.10", "1"]]}
    assert pipeline.receive(json.dumps(book).encode(), NOW_NS) == 0
    ring = memory.region("ring_offset", RECORD, 64)
    found = ring[ring["kind"] == RecordKind.RECORD_DECISION]["code"].tolist()
    failures = 0 if compiled.is_compiled else int(compiled.state["failures"][0])
    assert memory.region("positions_offset", POSITION, 1)["reject_count"][0] == len(
        [each for each in found if each != Verdict.ACCEPTED]
    )
    return found, sender.take(), failures
