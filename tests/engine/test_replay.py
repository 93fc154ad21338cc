"""A run that is repeated from its records: same orders byte for byte, same state."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pytest

from engine.composition import Arc, compile_strategies
from engine.runs.replay import Replay, ReplayResult, group_entries, make_replay_arc
from engine.runs.run_start import Inheritance, begin_run
from engine.runs.state_hash import hash_state
from engine.settings.config import EngineConfig
from ext.bounds import Bound
from ext.dtypes import POSITION, RECORD
from ext.fix_listener import FixListener
from ext.tcp_sender import TcpSender
from ext.wire import Command, RecordKind, StaleReason, Verdict
from journal.entries import Entry, merge, split_slots
from journal.run_facts import RunFacts, decode_facts

NOW_NS = 1_767_623_400_000_000_000
STEP_NS = 40_000_000
ROUNDS = 120


class Run(NamedTuple):
    arc: Arc
    facts: RunFacts
    entries: list[Entry]
    state_hash: str


def read_rings(arc: Arc) -> list[Entry]:
    """Both rings merged; the run was short enough not to go round."""
    counters = arc.memory.counters()
    orders = arc.memory.region("ring_offset", RECORD, int(Bound.RING_SLOTS))
    market = arc.memory.region("market_ring_offset", RECORD, int(Bound.MARKET_RING_SLOTS))
    return list(
        merge(
            split_slots(orders[: counters["write_sequence"]]),
            split_slots(market[: counters["market_write_sequence"]]),
        )
    )


class Answers:
    """A venue of a sort: it acknowledges, fills and cancels what it was sent, by its bytes."""

    def __init__(self, arc: Arc) -> None:
        self.arc = arc
        self.listener = FixListener(
            arc.orders.store if arc.orders else None,  # type: ignore[arg-type]
            arc.pipeline,
            arc.decoder,
            lambda message: None,
            lambda reason, data: None,
            lambda message: None,
            lambda now_ns: None,
        )
        self.count = 0

    def report(self, now_ns: int, order: dict[str, object], kind: str, status: str,
               lots: int = 0) -> None:  # fmt: skip
        instrument = self.arc.instruments[int(str(order["instrument"]))]
        number = int(str(order["request_number"]))
        self.count += 1
        body = [
            ("35", "8"), ("34", str(self.count)), ("49", "Coinbase"),
            ("56", self.arc.sender_comp_id), ("37", f"v-{order['order_number']}"),
            ("17", f"e-{self.count}"),
            ("11", self.arc.pipeline.orders.client_order_id(number)),
            ("55", instrument.symbol), ("54", "1" if order["side"] == 1 else "2"),
            ("150", kind), ("39", status),
        ]  # fmt: skip
        if lots:
            body += [
                ("31", f"{int(str(order['price_ticks'])) * instrument.tick:f}"),
                ("32", f"{lots * instrument.lot:f}"),
                ("1003", str(self.count)),
            ]
        text = "".join(f"{tag}={value}\x01" for tag, value in body)
        head = f"8=FIXT.1.1\x019={len(text)}\x01{text}".encode()
        message = head + b"10=%03d\x01" % (sum(head) % 256)
        assert self.listener.apply_message(message, now_ns)


@pytest.fixture
def run(make_arc: Callable[..., Arc], load_demo: Callable[..., EngineConfig]) -> Run:
    """Two minutes of the maker's life: quotes, fills, a lost connection, silence, a stop."""
    arc = make_arc(is_trading=True)
    begin_run(arc, Inheritance(None, None))
    arc.memory.header_record()["wall_offset_ns"] = 0
    answers = Answers(arc)
    drive(arc, answers, range(ROUNDS))
    state_hash = hash_state(arc)
    arc.memory.write_blob(NOW_NS, RecordKind.RECORD_STATE_HASH, state_hash.encode())
    entries = read_rings(arc)
    facts = next(decode_facts(each) for each in entries if each.kind == RecordKind.RECORD_RUN)
    return Run(arc, facts, entries, state_hash)


def make_frames(turn: int, now_ns: int) -> list[bytes]:
    """A snapshot around a moving mid, an update, and something that is not market data."""
    mid = 6_500_000 + (turn * 37) % 400
    levels = (
        f'"asks":[["{(mid + 5) / 100:.2f}","1.5"],["{(mid + 9) / 100:.2f}","2"]],'
        f'"bids":[["{(mid - 5) / 100:.2f}","1.25"],["{(mid - 9) / 100:.2f}","3"]]'
    )
    time_text = datetime.fromtimestamp(now_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    change = f'["buy","{(mid - 7) / 100:.2f}","0.{turn + 1:03d}"]'
    return [
        f'{{"type":"snapshot","product_id":"BTC-USD",{levels}}}'.encode(),
        f'{{"type":"l2update","product_id":"BTC-USD","changes":[{change}],'
        f'"time":"{time_text}"}}'.encode(),
        b'{"type":"subscriptions","channels":[]}',
    ]


def command(arc: Arc, turn: int, now_ns: int) -> None:
    """What people do: killed from outside, rearmed, flattened, resumed."""
    pipeline = arc.pipeline
    if turn == 80:
        arc.memory.header_record()["kill_word"] = 4  # the arc sees it before anybody tells it
    elif turn == 84:
        pipeline.kill(now_ns, 4, "drill")
        pipeline.cancel_all(now_ns)
    elif turn == 86:
        pipeline.rearm(now_ns, "looked")
        pipeline.note_command(now_ns, "{}")
    elif turn == 95:
        pipeline.pause(now_ns, "flatten")
        lots = int(arc.memory.region("positions_offset", POSITION, 1)["position_lots"][0])
        best = pipeline.book(0).best_bid() if lots > 0 else pipeline.book(0).best_ask()
        assert best is not None
        pipeline.cancel_all(now_ns)
        pipeline.flatten(0, best[0], min(abs(lots), 100), now_ns + 1)
    elif turn == 97:
        pipeline.resume(now_ns, "enough")
    elif turn == 104:
        pipeline.disarm(now_ns, "not armed")
    elif turn == 106:
        pipeline.resume(now_ns, "armed")


def drive(arc: Arc, answers: Answers, rounds: range) -> None:
    pipeline = arc.pipeline
    assert arc.orders is not None
    for turn in rounds:
        now_ns = NOW_NS + turn * STEP_NS
        command(arc, turn, now_ns)
        for frame in make_frames(turn, now_ns):
            pipeline.receive(frame, now_ns)
        for order in pipeline.orders.open_orders():
            if order["acknowledged_time_ns"] == 0:
                answers.report(now_ns + 1_000, order, "0", "0")
            elif turn % 5 == 2:
                answers.report(now_ns + 2_000, order, "F", "1", lots=1_000 + turn)
            elif turn % 7 == 3:
                answers.report(now_ns + 3_000, order, "4", "4")
        pipeline.call_timers(now_ns + 4_000)
        if turn == 40:
            pipeline.mark_unknown(now_ns + 5_000)
            arc.orders.store.is_active = False
        if turn == 43:
            arc.orders.store.is_active = True
            arc.orders.store.next_outgoing += 3
        if turn == 60:
            pipeline.mark_stale(-1, StaleReason.SILENCE, now_ns + 6_000)
        if turn == 70 and isinstance(arc.orders.sender, TcpSender):
            descriptor = arc.orders.sender.descriptor
            arc.orders.sender.detach()
            for frame in make_frames(turn + 1, now_ns):
                pipeline.receive(frame, now_ns + 7_000)
            pipeline.cancel_all(now_ns + 8_000)
            arc.orders.sender.attach(descriptor)
            arc.orders.store.is_active = True
        pipeline.expire_pending(now_ns + 9_000, 50 * STEP_NS)


def repeat(run: Run, load_demo: Callable[..., EngineConfig], entries: list[Entry] | None = None,
           *overrides: str) -> tuple[ReplayResult, Arc]:  # fmt: skip
    config = load_demo(*overrides)
    compiled = compile_strategies(config, lambda _: None)
    for strategy in compiled:
        strategy.reset()
    arc, sender, store = make_replay_arc(config, compiled, run.facts)
    given = run.entries if entries is None else entries
    return Replay(arc, sender, store).run(iter(given)), arc


@pytest.fixture
def again(
    run: Run, load_demo: Callable[..., EngineConfig]
) -> Callable[..., tuple[ReplayResult, Arc]]:
    return lambda *arguments: repeat(run, load_demo, *arguments)


def test_a_run_repeated_is_the_run(
    again: Callable[..., tuple[ReplayResult, Arc]], run: Run
) -> None:
    result, _ = again()
    assert result.difference is None
    assert result.state_hash == result.recorded_hash == run.state_hash
    assert result.hashes_checked == 1
    assert result.frames == 3 * ROUNDS + 3
    assert result.requests > 40, "it has traded"
    assert result.reports > 50
    assert run.arc.pipeline.counters()["failed_sends"] == 1, "and a send has failed on its way"


def test_a_kill_from_outside_is_repeated_where_the_arc_saw_it(
    again: Callable[..., tuple[ReplayResult, Arc]], run: Run
) -> None:
    kills = [
        each for each in run.entries
        if each.kind == RecordKind.RECORD_COMMAND
        and int(each.record["code"]) == Command.COMMAND_KILL
    ]  # fmt: skip
    assert [bool(each.data) for each in kills] == [False, True], "seen first, then told"
    decisions = [each for each in run.entries if each.kind == RecordKind.RECORD_DECISION]
    verdicts = [int(each.record["code"]) for each in decisions]
    assert verdicts.count(Verdict.ENGINE_KILLED) > 0
    without = [each for each in run.entries if each is not kills[0]]
    result, _ = again(without)
    assert result.difference is not None, "a replay that does not know of it would trade"


def test_a_flatten_is_repeated_without_its_code(run: Run) -> None:
    kinds = [
        int(each.record["code"]) for each in run.entries if each.kind == RecordKind.RECORD_COMMAND
    ]
    assert Command.COMMAND_FLATTEN in kinds


def test_other_frames_are_noticed(again: Callable[..., tuple[ReplayResult, Arc]], run: Run) -> None:
    changed = [replace(each, data=each.data.replace(b'"1.25"', b'"9.25"')) for each in run.entries]
    result, _ = again(changed)
    assert result.difference is not None


def test_a_request_that_was_not_sent_is_noticed(
    again: Callable[..., tuple[ReplayResult, Arc]], run: Run
) -> None:
    requests = [at for at, each in enumerate(run.entries) if each.kind == RecordKind.RECORD_REQUEST]
    entries = [each for at, each in enumerate(run.entries) if at != requests[5]]
    result, _ = again(entries)
    assert result.difference is not None
    assert result.difference.what == "requests"
    assert len(result.difference.repeated) > len(result.difference.recorded)


def test_another_state_at_the_end_is_noticed(
    again: Callable[..., tuple[ReplayResult, Arc]], run: Run
) -> None:
    reports = [at for at, each in enumerate(run.entries) if each.kind == RecordKind.RECORD_REPORT]
    entries = [each for at, each in enumerate(run.entries) if at != reports[-1]]
    result, _ = again(entries)
    assert result.difference is not None


def test_other_parameters_are_noticed(run: Run, load_demo: Callable[..., EngineConfig]) -> None:
    result, _ = repeat(run, load_demo, None, 'strategy.0.params={quantity="0.02"}')
    assert result.difference is not None
    assert result.difference.what == "requests"


def test_a_run_cut_in_the_middle_of_an_input_is_no_difference(
    again: Callable[..., tuple[ReplayResult, Arc]], run: Run
) -> None:
    """The order had left and the engine died before its frame was recorded."""
    entries = cut_in_a_frame(run.entries)
    result, _ = again(entries)
    assert result.difference is None
    assert result.has_cut_end


def cut_in_a_frame(entries: list[Entry]) -> list[Entry]:
    groups = list(group_entries(iter(entries)))
    at = max(
        index
        for index, (cause, effects) in enumerate(groups)
        if cause is not None
        and cause.kind == RecordKind.RECORD_FRAME
        and any(each.kind == RecordKind.RECORD_REQUEST for each in effects)
    )
    kept: list[Entry] = []
    for cause, effects in groups[:at]:
        kept += ([cause] if cause is not None else []) + effects
    return kept + groups[at][1]


def test_from_the_middle_of_a_run_on_the_state_is_the_same(
    run: Run, load_demo: Callable[..., EngineConfig], make_arc: Callable[..., Arc]
) -> None:
    """Rebuilt from the records up to some point and gone on from there: the same end."""
    groups = list(group_entries(iter(run.entries)))
    for cut in (1, len(groups) // 3, len(groups) - 2):
        config = load_demo()
        compiled = compile_strategies(config, lambda _: None)
        for strategy in compiled:
            strategy.reset()
        arc, sender, store = make_replay_arc(config, compiled, run.facts)
        first = Replay(arc, sender, store)
        for cause, effects in groups[:cut]:
            assert first.step(cause, effects)
        second = Replay(arc, sender, store)
        for cause, effects in groups[cut:]:
            assert second.step(cause, effects)
        assert hash_state(arc) == run.state_hash


def test_groups_are_inputs_with_what_came_of_them(run: Run) -> None:
    groups = list(group_entries(iter(run.entries)))
    assert groups[0][0] is None
    assert groups[0][1][0].kind == RecordKind.RECORD_RUN
    flat: Iterator[Entry] = (
        each
        for cause, effects in groups
        for each in ([cause] if cause is not None else []) + effects
    )
    assert [each.sequence for each in flat] == [each.sequence for each in run.entries]


def test_the_hash_sees_every_part_of_the_state(run: Run) -> None:
    seen = {run.state_hash, hash_state(run.arc, with_market=False)}
    header = run.arc.memory.header_record()
    header["frames"] += 1
    assert hash_state(run.arc) == run.state_hash, "a counter decides nothing"
    strategy = run.arc.strategies[0]
    strategy.state.view(np.uint8)[0] ^= 1
    seen.add(hash_state(run.arc))
    assert hash_state(run.arc, with_market=False) in seen, "it does not outlive the process"
    strategy.state.view(np.uint8)[0] ^= 1
    run.arc.pipeline.book(0).change([(1, 6_400_000, 5)])
    seen.add(hash_state(run.arc))
    assert len(seen) == 4
