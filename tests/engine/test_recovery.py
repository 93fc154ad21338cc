"""What a run leaves behind, and how the next one takes it over."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.composition import Arc, compile_strategies, compose
from engine.runs.recovery import Recovery, recover, take_over
from engine.runs.run_identity import claim_identity
from engine.runs.run_start import Inheritance, begin_run, look_back, outlives_process, snapshot_arc
from engine.runs.state_hash import hash_state
from engine.settings.config import EngineConfig
from engine.supervisor import Supervisor
from ext.dtypes import ORDER, POSITION
from ext.errors import ConfigError, RecordingError
from ext.tcp_sender import TcpSender
from ext.wire import OrderState, RecordKind
from journal.entries import Entry
from journal.order_ledger import OrderLedger
from journal.rebuild import rebuild
from journal.run_facts import decode_facts, read_facts
from journal.salvage import salvage
from journal.shared_reader import SharedReader
from journal.snapshot import (
    FillMark,
    Snapshot,
    newest_snapshot,
    read_snapshot,
    snapshot_path,
    write_snapshot,
)
from journal.writer import JournalWriter
from tests.engine.test_replay import NOW_NS, Answers, Run, drive, read_rings, run

__all__ = ["run"]  # the fixture


@pytest.fixture
def ledger(run: Run) -> OrderLedger:
    """The run of the replay's tests, rebuilt from its order stream."""
    ledger = OrderLedger(run.facts)
    for entry in run.entries:
        if entry.stream == "orders":
            ledger.apply(entry)
    return ledger


def test_the_order_stream_alone_gives_orders_and_positions(run: Run, ledger: OrderLedger) -> None:
    ours = run.arc.history.save()
    assert ledger.history.save() == ours
    assert ledger.history.next_number == run.arc.history.next_number
    ours_positions = run.arc.memory.region("positions_offset", POSITION, 2)
    counted_elsewhere = ("version", "last_reject", "reject_count", "signal_count")
    for name in POSITION.names or ():
        if name not in counted_elsewhere:
            assert (ledger.positions[name] == ours_positions[name]).all(), name
    assert ours_positions["fill_count"].sum() > 20


def test_a_snapshot_and_the_records_behind_it_give_the_same(
    run: Run, ledger: OrderLedger, tmp_path: Path
) -> None:
    orders = [entry for entry in run.entries if entry.stream == "orders"]
    first = OrderLedger(run.facts)
    for entry in orders[: len(orders) // 2]:
        first.apply(entry)
    again = OrderLedger(run.facts, read_snapshot(write_snapshot(tmp_path, first.snapshot())))
    for entry in orders:
        again.apply(entry)
    assert again.snapshot() == ledger.snapshot()
    assert again.applied < ledger.applied, "what the snapshot holds is not applied again"


def test_a_request_out_of_its_turn_is_told(run: Run) -> None:
    requests = [each for each in run.entries if each.kind == RecordKind.RECORD_REQUEST]
    ledger = OrderLedger(run.facts)
    ledger.apply(requests[1])
    later = Entry(requests[0].stream, requests[0].record.copy(), requests[0].data)
    later.record["sequence"] = requests[1].last_sequence + 1
    with pytest.raises(RecordingError, match=r"order record \d+: request 1 .* out of order"):
        ledger.apply(later)


def test_the_pause_of_a_stop_asks_for_nobody(run: Run) -> None:
    arc = run.arc
    for reason, is_stop, left in (
        ("signal SIGTERM", True, ""),
        ("a report was odd", False, "a report was odd"),
        ("signal SIGTERM", True, "a report was odd"),
    ):
        arc.pipeline.pause(NOW_NS, reason, is_stop)
        ledger = OrderLedger(run.facts)
        for entry in read_rings(arc):
            if entry.stream == "orders":
                ledger.apply(entry)
        assert ledger.pause_reason == left
    arc.pipeline.resume(NOW_NS, "found out why")
    ledger = OrderLedger(run.facts)
    for entry in read_rings(arc):
        if entry.stream == "orders":
            ledger.apply(entry)
    assert ledger.pause_reason == ""


def end_of(run: Run) -> Snapshot:
    """The state that the run's order stream leaves."""
    ledger = OrderLedger(run.facts)
    for entry in read_rings(run.arc):
        if entry.stream == "orders":
            ledger.apply(entry)
    return ledger.snapshot()


def test_where_fills_were_agreed_on_goes_from_run_to_run(
    run: Run, next_arc: Callable[..., Arc]
) -> None:
    symbol, *others = (each.symbol for each in run.arc.instruments)
    begun = FillMark(since_ns=run.facts.start_time_ns)
    assert end_of(run).fill_marks[symbol] == begun, "nobody has agreed yet"
    run.arc.pipeline.note_agreed(NOW_NS, f'{{"{symbol}": 500}}')
    run.arc.pipeline.note_agreed(NOW_NS, f'{{"{symbol}": 700}}')
    left = end_of(run)
    assert left.fill_marks == {symbol: FillMark(700), **dict.fromkeys(others, begun)}
    # The next run ends before it has agreed on anything, and so does the one after it.
    arc = next_arc()
    for start_ns in (NOW_NS, NOW_NS + 1):
        left = snapshot_arc(arc, start_ns, left)
        assert left.fill_marks == {symbol: FillMark(700), **dict.fromkeys(others, begun)}


def test_a_mark_that_cannot_be_read_is_damage(run: Run) -> None:
    run.arc.pipeline.note_agreed(NOW_NS, "[]")
    with pytest.raises(RecordingError, match="trades agreed on"):
        end_of(run)


# Snapshots


@pytest.fixture
def snapshot(ledger: OrderLedger) -> Snapshot:
    return ledger.snapshot()


def test_every_byte_of_a_snapshot_counts(snapshot: Snapshot, tmp_path: Path) -> None:
    path = write_snapshot(tmp_path, snapshot)
    whole = path.read_bytes()
    chance = np.random.default_rng(7)
    for at in [*range(40), *chance.integers(0, len(whole), 60).tolist()]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(chance.integers(0, 8))
        path.write_bytes(damaged)
        with pytest.raises(RecordingError, match=path.name):
            read_snapshot(path)
    for size in (0, 5, 16, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(RecordingError, match=path.name):
            read_snapshot(path)


def test_an_older_snapshot_stands_in_for_a_damaged_one(snapshot: Snapshot, tmp_path: Path) -> None:
    write_snapshot(tmp_path, snapshot)
    newer = snapshot_path(tmp_path, snapshot.start_time_ns, snapshot.sequence + 9)
    newer.write_bytes(b"WOWSNP01 and then nothing")
    found, problems = newest_snapshot(tmp_path, snapshot.start_time_ns)
    assert found == snapshot
    assert len(problems) == 1
    assert newer.name in problems[0]


# Taking over


@pytest.fixture
def next_arc(
    load_demo: Callable[..., EngineConfig], tmp_path: Path
) -> Iterator[Callable[..., Arc]]:
    """``next_arc("section.key=value")``: the arc of the run after, before it begins."""
    arcs: list[Arc] = []

    def make(*overrides: str) -> Arc:
        state = f"engine.state_directory={tmp_path / 'next'}"
        config = load_demo("engine.name=next", state, *overrides)
        arcs.append(compose(config, compile_strategies(config, lambda _: None)))
        return arcs[-1]

    yield make
    for arc in arcs:
        if arc.orders is not None:
            arc.orders.store.close()


@pytest.fixture
def recovery(run: Run, snapshot: Snapshot) -> Recovery:
    return Recovery(run.facts, snapshot, 0, 0.0)


def test_the_next_run_goes_on_with_it(
    run: Run, recovery: Recovery, next_arc: Callable[..., Arc]
) -> None:
    arc = next_arc()
    take_over(recovery, arc)
    names = ("position_lots", "average_price_ticks", "realised_pnl", "open_buy_lots",
             "open_sell_lots", "working_count", "fill_count")  # fmt: skip
    before = run.arc.memory.region("positions_offset", POSITION, 2)
    after = arc.memory.region("positions_offset", POSITION, 2)
    for name in names:
        assert (after[name] == before[name]).all(), name
    assert arc.pipeline.orders.open_orders() == run.arc.pipeline.orders.open_orders()


def test_strategies_in_another_order_find_their_own(
    run: Run, recovery: Recovery, next_arc: Callable[..., Arc]
) -> None:
    arc = next_arc(
        "strategy.0.class=jerico_trend", "strategy.0.instrument=ETH-USD", "strategy.0.params={}",
        "strategy.1.class=jerico_maker", "strategy.1.instrument=BTC-USD", "strategy.1.params={}",
    )  # fmt: skip
    take_over(recovery, arc)
    before = run.arc.memory.region("positions_offset", POSITION, 2)
    after = arc.memory.region("positions_offset", POSITION, 2)
    assert after["position_lots"].tolist() == before["position_lots"].tolist()[::-1]
    assert after["strategy"].tolist() == [0, 1]
    for order in arc.pipeline.orders.open_orders():
        assert (order["strategy"], order["instrument"]) == (1, 0)


def test_what_is_held_must_be_in_the_config(
    recovery: Recovery, next_arc: Callable[..., Arc]
) -> None:
    arc = next_arc("strategy.0.enabled=false")
    with pytest.raises(ConfigError, match=r"left a position of .* jerico_maker on BTC-USD, which"):
        take_over(recovery, arc)


def test_what_is_held_must_have_the_same_steps(
    recovery: Recovery, next_arc: Callable[..., Arc]
) -> None:
    arc = next_arc("instrument.BTC-USD.tick=0.1")
    with pytest.raises(ConfigError, match=r"BTC-USD: .* with tick 0.01 .*; this config says 0.1"):
        take_over(recovery, arc)


def test_a_new_session_file_gets_the_journal_s_numbers(
    recovery: Recovery, next_arc: Callable[..., Arc]
) -> None:
    arc = next_arc()
    take_over(recovery, arc)
    assert arc.orders is not None
    assert arc.orders.store.next_outgoing == recovery.snapshot.next_outgoing > 50
    last, message = recovery.snapshot.messages[-1]
    assert arc.orders.store.load_outgoing(last) == message


# What the next run makes of it


def begin(arc: Arc, recovery: Recovery, reason: str, *, resume_reason: str = "") -> Supervisor:
    found = replace(
        recovery, snapshot=msgspec.structs.replace(recovery.snapshot, pause_reason=reason)
    )
    take_over(found, arc)
    supervisor = Supervisor(arc, lambda: None)
    supervisor.take_up(Inheritance(None, found), resume_reason=resume_reason)
    return supervisor


def test_open_orders_are_unknown_until_the_venue_has_told(
    recovery: Recovery, next_arc: Callable[..., Arc]
) -> None:
    arc = next_arc()
    begin(arc, recovery, "")
    states = {order["state"] for order in arc.pipeline.orders.open_orders()}
    assert states == {OrderState.UNKNOWN}
    assert not arc.pipeline.gate.is_paused


def test_a_pause_holds_until_a_person_lifts_it(
    recovery: Recovery, next_arc: Callable[..., Arc], caplog: pytest.LogCaptureFixture
) -> None:
    arc = next_arc()
    begin(arc, recovery, "a report was odd")
    assert arc.pipeline.gate.is_paused
    assert "PAUSED, no new orders: a report was odd" in caplog.text
    assert "--resume REASON lifts it" in caplog.text
    state = f"engine.state_directory={arc.config.engine.state_directory}-other"
    other = next_arc("engine.name=other", state)
    begin(other, recovery, "a report was odd", resume_reason="it was a test")
    assert not other.pipeline.gate.is_paused
    assert "the pause of the last run (a report was odd) was lifted: it was a test" in caplog.text


# Whole, through files


def test_from_a_dead_engine_s_memory_to_the_next_run(
    load_demo: Callable[..., EngineConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No relay ever ran: what the rings hold is all there is."""
    config = make_lasting(load_demo, tmp_path)
    assert outlives_process(config)
    first = start_run(config)
    trade(first)
    first.pipeline.pause(NOW_NS, "a report could not be read")
    left = first.pipeline.orders.open_orders()
    state = hash_state(first, with_market=False)
    end_process(first, monkeypatch)

    inheritance = look_back(config)
    assert inheritance.recovery is not None
    assert inheritance.recovery.snapshot.pause_reason == "a report could not be read"
    second = compose(config, compile_strategies(config, lambda _: None), inheritance.identity)
    begin_run(second, inheritance)
    assert second.pipeline.orders.open_orders() == left
    assert len(left) > 0
    assert second.identity.prefix == first.identity.prefix
    assert second.history.next_number > first.history.next_number + 1_000_000
    assert hash_state(second, with_market=False) != state, "its numbers begin elsewhere"
    entries = read_rings(second)
    assert decode_facts(entries[0]).snapshot.endswith("-000000000000000.snapshot")
    close(second)


def test_a_person_may_begin_afresh(
    load_demo: Callable[..., EngineConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_lasting(load_demo, tmp_path)
    first = start_run(config)
    trade(first)
    end_process(first, monkeypatch)
    inheritance = look_back(config, "moved to another account")
    assert inheritance.recovery is None
    assert inheritance.identity is not None
    assert inheritance.identity.first_number > first.history.next_number
    assert recover(tmp_path / "journal") is not None, "what is there stays there"


def test_a_journal_that_is_damaged_stops_the_start(
    load_demo: Callable[..., EngineConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_lasting(load_demo, tmp_path)
    first = start_run(config)
    trade(first)
    end_process(first, monkeypatch)
    salvage(config.shared_memory_path, tmp_path / "journal")
    (segment,) = (tmp_path / "journal").glob("*orders*.journal")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"cannot be rebuilt: .*{segment.name}.*--fresh REASON"):
        look_back(config)


def test_a_run_of_a_venue_of_its_own_leaves_nothing(
    load_demo: Callable[..., EngineConfig],
) -> None:
    assert not outlives_process(load_demo())
    assert look_back(load_demo()) == Inheritance(None, None)


def test_a_run_without_a_first_record_has_no_facts(run: Run) -> None:
    assert read_facts(iter(run.entries[3:4])) is None
    requests = (each for each in run.entries if each.kind == RecordKind.RECORD_REQUEST)
    with pytest.raises(RecordingError, match="requests before its first record"):
        read_facts(requests)


def test_rebuilding_needs_no_snapshot(
    load_demo: Callable[..., EngineConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_lasting(load_demo, tmp_path)
    first = start_run(config)
    trade(first)
    end_process(first, monkeypatch)
    journal = tmp_path / "journal"
    salvage(config.shared_memory_path, journal)
    start_time_ns = first.memory.counters()["start_time_ns"]
    ledger, _ = rebuild(journal, start_time_ns)
    assert ledger is not None
    write_snapshot(journal, ledger.snapshot())
    quick, _ = rebuild(journal, start_time_ns)
    slow, _ = rebuild(journal, start_time_ns, use_snapshots=False)
    assert quick is not None
    assert slow is not None
    assert (quick.applied, quick.snapshot()) == (0, slow.snapshot())
    orders = np.frombuffer(quick.snapshot().tables["orders"], ORDER)
    assert (orders["state"] == OrderState.FILLED).any() or (orders["state"] > 0).any()


def test_records_that_are_missing_behind_a_snapshot_are_told(
    load_demo: Callable[..., EngineConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_lasting(load_demo, tmp_path)
    first = start_run(config)
    trade(first)
    end_process(first, monkeypatch)
    journal = tmp_path / "journal"
    reader = SharedReader(config.shared_memory_path)
    writer = JournalWriter(journal, reader, segment_bytes=1)
    while writer.last_sequence < reader.written("orders"):
        limit = max(reader.written("orders") // 6, 1)
        writer.append(reader.slots_after("orders", writer.last_sequence, limit)[0], 1)
        if writer.last_sequence < reader.written("orders") // 2:
            ledger, _ = rebuild(journal, reader.start_time_ns)
            assert ledger is not None
            write_snapshot(journal, ledger.snapshot())
    writer.close()
    reader.close()
    segments = sorted(journal.glob("*orders*.journal"))
    assert len(segments) > 4
    quick, _ = rebuild(journal, reader.start_time_ns)
    slow, _ = rebuild(journal, reader.start_time_ns, use_snapshots=False)
    assert quick is not None
    assert slow is not None
    assert quick.snapshot() == slow.snapshot()
    assert 0 < quick.applied < slow.applied
    segments[1].unlink()  # in front of the snapshot: nothing of it is needed
    again, _ = rebuild(journal, reader.start_time_ns)
    assert again is not None
    assert again.snapshot() == slow.snapshot()
    segments[-2].unlink()
    with pytest.raises(RecordingError, match="are missing in front of byte"):
        rebuild(journal, reader.start_time_ns)


def make_lasting(load_demo: Callable[..., EngineConfig], directory: Path) -> EngineConfig:
    """The demo with a venue that outlives it: its runs go on from one another."""
    return load_demo(
        "simulator.start=false",
        "feed.url=ws://127.0.0.1:9",
        "order_entry.port=9",
        "reconciliation.rest_url=http://127.0.0.1:9",
        f"journal.path={directory / 'journal'}",
    )


def start_run(config: EngineConfig) -> Arc:
    arc = compose(
        config,
        compile_strategies(config, lambda _: None),
        claim_identity(config.engine.state_directory, config.engine.name),
    )
    assert arc.orders is not None
    arc.orders.store.is_active = True
    begin_run(arc, Inheritance(arc.identity, None))
    arc.memory.header_record()["wall_offset_ns"] = 0
    return arc


def trade(arc: Arc) -> None:
    assert arc.orders is not None
    assert isinstance(arc.orders.sender, TcpSender)
    ours, theirs = socket.socketpair()
    arc.orders.sender.attach(ours.fileno())
    drive(arc, Answers(arc), range(30))
    arc.orders.sender.detach()
    ours.close()
    theirs.close()


def end_process(arc: Arc, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a crash: the memory is there, its process is not."""
    close(arc)
    arc.memory.header_record()["process_id"] = 2**22 + 7


def close(arc: Arc) -> None:
    if arc.orders is not None:
        arc.orders.store.close()
