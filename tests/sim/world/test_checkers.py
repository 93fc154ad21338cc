"""Bugs planted into worlds: each is caught within a few seeds, by the checker it belongs to."""

# tidy-ok: covers end_checkers too: a planted bug is caught by whichever comes first

import dataclasses
import re
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from engine.composition import Arc
from engine.gate_setup import set_limits
from engine.runs.recovery import Recovery, take_over
from ext.dtypes import ORDER
from ext.safety_records import Breaker, KeptState
from ext.wire import RecordKind
from journal.entries import Entry
from sim.fix_text import FixReader, Garbled, encode
from sim.world.checkers import OPEN_STATES
from sim.world.engine import WorldEngine
from sim.world.engine_parts import draw_identity
from sim.world.order_stream import read_market, read_orders
from sim.world.world import World
from tests.sim.world.planted import (
    MANY_SEEDS,
    all_errors,
    all_who_catch,
    crash_soon,
    each_message,
    lose_last_kept,
    on_received,
    on_sent,
    play_until_caught,
    rewrite,
    transport_of,
)


def test_nothing_is_caught_where_nothing_is_planted() -> None:
    assert play_until_caught(lambda world: None) == ""


def test_a_fill_counted_twice() -> None:
    def plant(world: World) -> None:
        def change(data: bytes) -> bytes:
            if b"\x01150=F\x01" in data and world.engine.order_entry.is_active:
                listener = transport_of(world)._listener
                again = rewrite(data, t17="00000000-0000-4000-8000-00000000000b", t1003="9")
                world.schedule.after(0, "planted", lambda: listener.apply_message(again))
            return data

        on_received(world, change)

    # An order that is FILLED here and open there may be seen first.
    assert "FillsAreCountedOnce" in all_who_catch(plant)


def test_a_cancel_that_never_leaves() -> None:
    def plant(world: World) -> None:
        def change(message: bytes) -> bytes:
            return rewrite(message, new_type="0") if b"\x0135=F\x01" in message else message

        on_sent(world, lambda data: each_message(data, change))

    assert play_until_caught(plant) == "EverythingSettles"


def test_an_order_taken_for_cancelled() -> None:
    def plant(world: World) -> None:
        on_received(
            world,
            lambda data: (
                rewrite(data, t150="4", t39="4")
                if b"\x01150=0\x01" in data and b"\x0139=0\x01" in data
                else data
            ),
        )

    assert play_until_caught(plant) == "EveryOpenOrderIsKnown"


def test_a_lost_fill_that_nobody_is_told_of() -> None:
    def plant(world: World) -> None:
        def change(data: bytes) -> bytes:
            # The only fill of an order: no later report of it can show the difference.
            lots = re.search(rb"\x0132=([^\x01]*)\x01", data)
            is_only = lots is not None and b"\x0114=" + lots[1] + b"\x01" in data
            is_last = b"\x01151=0.00000000\x01" in data
            return rewrite(data, t150="4", t39="4", t14="0") if is_only and is_last else data

        reconciler = world.engine.reconciler  # else it finds the fill
        world.schedule.after(500_000_000, "planted", reconciler.abandon)
        on_received(world, change)

    # What goes on with a wrong position is mostly caught before the end.
    assert "VenueAgreesOnEveryOrder" in all_who_catch(plant)


def test_a_number_used_again() -> None:
    def plant(world: World) -> None:
        def reuse() -> None:
            if world.engine.store.is_active:
                world.engine.store.next_outgoing -= 1

        world.schedule.after(1_500_000_000, "planted", reuse)

    assert play_until_caught(plant) == "OutgoingNumbersAreLegal"


def test_a_request_sent_again_as_another() -> None:
    def plant(world: World) -> None:
        def change(data: bytes) -> bytes:
            if data.count(b"8=FIXT") != 1 or b"\x0135=D\x01" not in data:
                return data
            store = world.engine.store
            again = rewrite(data, t34=str(store.next_outgoing))
            store.next_outgoing += 1
            return data + again

        on_sent(world, change)

    assert play_until_caught(plant) == "ClientIdsAreUnique"


def test_a_frame_that_is_skipped() -> None:
    def plant(world: World) -> None:
        listener = world.engine.feed_transport._listener
        receive, count = listener.receive, [0]

        def skip(frame: bytes, receive_time_ns: int, *, is_last: bool) -> None:
            count[0] += b"l2update" in frame
            if count[0] % 20 or b"l2update" not in frame:
                receive(frame, receive_time_ns, is_last=is_last)

        listener.receive = skip  # type: ignore[method-assign]

    assert play_until_caught(plant) == "LiveBooksAreRight"


def test_a_position_of_the_wrong_sign() -> None:
    def plant(world: World) -> None:
        def turn() -> None:
            world.engine.positions["position_lots"] *= -1

        world.schedule.after(1_900_000_000, "planted", turn)

    # Position management may be the first to act on it.
    assert "PositionIsTheSumOfFills" in all_who_catch(plant)


def test_a_profit_that_is_off() -> None:
    def plant(world: World) -> None:
        def add() -> None:
            world.engine.positions["realised_pnl"][0] += 0.000_01

        world.schedule.after(1_900_000_000, "planted", add)

    assert play_until_caught(plant) == "ProfitIsThatOfTheFills"


WIDE_RISK = {
    "max_open_orders": 256,
    "prevent_self_match": False,
    "max_orders_per_second": 1024,
    "max_orders_per_ten_seconds": 0,
    "cancel_reserve_per_ten_seconds": 0,
}
WIDE_LIMITS: dict[str, Decimal | int | None] = {
    "max_order_quantity": Decimal(100),
    "max_order_notional": Decimal(1_000_000),
    "max_position": Decimal(100),
    "max_open_orders": 256,
    "max_open_notional": None,
}
RATES = ("max_orders_per_second", "max_orders_per_ten_seconds", "cancel_reserve_per_ten_seconds")


CURRENCY = ("max_open_notional", "max_gross_exposure", "max_net_exposure")


@pytest.mark.parametrize(
    ("objection", "risk", "limits", "currency"),
    [
        ("max_order_quantity", (), ("max_order_quantity", "max_order_notional"), ()),
        ("max_order_notional", (), ("max_order_notional",), ()),
        ("max_position", (), ("max_position",), ()),
        ("OpenLimitsHoldAtTheVenue", ("max_open_orders",), ("max_open_orders",), ()),
        ("OpenLimitsHoldAtTheVenue", (), ("max_open_notional",), ("max_open_notional",)),
        ("ExposureHoldsAtTheVenue", (), (), ("max_gross_exposure", "max_net_exposure")),
        ("NobodyTradesWithHimself", ("prevent_self_match",), (), ()),
        ("RatesHold", RATES, (), ()),
        ("HoursHold", (), ("trading_hours",), ()),
    ],
)
def test_a_limit_that_is_not_held(
    objection: str, risk: tuple[str, ...], limits: tuple[str, ...], currency: tuple[str, ...]
) -> None:
    """The gate has lost the limits of these names."""
    if objection.startswith("max_"):  # the others would hold those orders back
        limits, currency = (*limits, "max_position", "max_open_notional"), CURRENCY

    def plant(world: World) -> None:
        change, config = msgspec.structs.replace, world.setup.config
        wide_limits = {name: WIDE_LIMITS[name] for name in limits if name in WIDE_LIMITS}
        instruments = tuple(
            change(
                each,
                trading_hours=() if "trading_hours" in limits else each.trading_hours,
                limits=change(each.limits, **wide_limits),
            )
            for each in config.instruments
        )
        changed = change(
            config,
            risk=change(config.risk, **{name: WIDE_RISK[name] for name in risk}),
            instruments=instruments,
            currencies=tuple(change(each, **dict.fromkeys(currency)) for each in config.currencies),
        )
        set_limits(world.engine.pipeline.gate, changed)

    # Where nothing came near the limit, the replay, whose gate has it, differs first.
    # Most orders that are larger than one limit allows are larger than another one allows too.
    found = all_errors(plant, MANY_SEEDS)
    assert any(objection in f"{each.checker}: {each}" for each in found)


def test_new_risk_of_a_paused_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[WorldEngine] = []
    # PAUSED for everybody but the gate.
    monkeypatch.setattr(WorldEngine, "is_paused", property(lambda engine: engine in paused))

    def plant(world: World) -> None:
        engine = world.engine
        world.schedule.after(1_000_000_000, "planted", lambda: paused.append(engine))

    assert play_until_caught(plant) == "NothingNewWhilePaused"


def test_new_risk_while_the_journal_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.world.world.is_journal_behind", lambda engine: engine.store.is_active)
    assert play_until_caught(lambda world: None) == "NothingNewBehindTheJournal"


def test_a_client_id_of_the_run_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sim.world.engine_parts.draw_identity", lambda seed, run, left: draw_identity(seed, 0, None)
    )
    assert play_until_caught(crash_soon) == "ClientIdsAreUnique"


def test_an_order_forgotten_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(left: Recovery, arc: Arc) -> None:
        orders = np.frombuffer(left.snapshot.tables["orders"], ORDER).copy()
        orders[np.isin(orders["state"], list(OPEN_STATES))] = np.zeros((), ORDER)
        tables = {**left.snapshot.tables, "orders": orders.tobytes()}
        snapshot = msgspec.structs.replace(left.snapshot, tables=tables)
        take_over(dataclasses.replace(left, snapshot=snapshot), arc)

    def crash_where_orders_stay(world: World) -> None:
        section = world.setup.config.order_entry
        if section is not None and section.cancel_on_disconnect == "off":
            crash_soon(world)

    monkeypatch.setattr("sim.world.engine.take_over", forget)
    # One whose only order filled while nobody knew it is caught by its profit.
    assert "EveryOpenOrderIsKnown" in all_who_catch(crash_where_orders_stay)


def test_a_record_that_is_missing_in_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_one(engine: WorldEngine) -> list[Entry]:
        entries = read_orders(engine)
        reports = [each for each in entries if each.kind == RecordKind.RECORD_REPORT]
        return [each for each in entries if not reports or each is not reports[-1]]

    monkeypatch.setattr("sim.world.end_checkers.read_orders", lose_one)
    assert play_until_caught(lambda world: None) == "StreamTellsTheState"


def test_a_frame_that_is_missing_in_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_one(engine: WorldEngine) -> list[Entry]:
        entries = read_market(engine)
        frames = [each for each in entries if b"l2update" in each.data]
        return [each for each in entries if not frames or each is not frames[-1]]

    monkeypatch.setattr("sim.world.order_stream.read_market", lose_one)
    assert play_until_caught(lambda world: None) == "ReplayIsTheRun"


def test_a_book_that_is_not_the_venues() -> None:
    def plant(world: World) -> None:
        def act() -> None:
            crowd = world.venue.market._crowds["BTC-USD"]
            crowd.act()
            crowd.engine.take_changes()

        world.schedule.after(8_500_000_000, "planted", act)

    assert play_until_caught(plant) == "BooksEqualTheVenues"


def test_risk_that_is_taken_after_a_kill() -> None:
    def plant(world: World) -> None:
        def change(data: bytes) -> bytes:
            # A cancel of the KILL becomes the replace of that order.
            if world.before.is_killed and b"\x0135=F\x01" in data:
                [found] = FixReader().feed(data[: data.index(b"\x0110=") + 8])
                assert not isinstance(found, Garbled)
                fields = [each for each in found.fields if each[0] not in (8, 9, 35, 10)]
                return encode(found.get(8) or "", "G", fields)
            return data

        on_sent(world, change)

    assert play_until_caught(plant, kill_rate=3.0) == "NothingNewAfterKill"


def test_a_kill_word_that_somebody_clears() -> None:
    def plant(world: World) -> None:
        def clear() -> None:
            world.engine.header["kill_word"] = 0
            world.schedule.after(300_000_000, "planted", clear)

        world.schedule.after(300_000_000, "planted", clear)

    assert play_until_caught(plant, kill_rate=1.0) == "NoLatchIsLost"


def test_a_latch_that_no_restart_finds() -> None:
    def plant(world: World) -> None:
        if world.run_count > 1:  # the file and the journal are both forgotten
            engine = world.engine
            engine.pipeline.rearm(engine.clock.now_ns(), "planted")
            engine.control.switch.latch = None
            world.latch.latch = None

    assert play_until_caught(plant, kill_rate=1.0, crash_rate=1.0) == "NoLatchIsLost"


def test_fills_of_orders_that_a_loss_of_power_took_are_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def plant(world: World) -> None:
        world.engine.reconciler._questions._known = None

    monkeypatch.setattr("sim.world.world.POWER_LOSS_SHARE", 1.0)
    assert play_until_caught(plant, crash_rate=3.0) == "PositionsEqualTheVenues"


def test_a_record_that_the_journal_lacks_is_missed() -> None:
    def plant(world: World) -> None:
        whole = world.disk.read_bytes
        world.disk.read_bytes = lambda engine: whole(engine)[:-128]  # type: ignore[method-assign]

    assert play_until_caught(plant) == "JournalIsTheStream"


def test_a_torn_tail_that_stays_in_the_journal_is_found() -> None:
    """The writer of the next run goes on behind the whole blocks, not behind the file's end."""

    def plant(world: World) -> None:
        world.disk.salvage = lambda engine: ""  # type: ignore[method-assign]

    assert play_until_caught(plant, crash_rate=2.0) == "JournalIsTheStream"


def pause_soon(world: World) -> None:
    """Somebody pauses every strategy of the first engine, which then crashes."""
    engine = world.engine
    if engine.run > 0:
        return

    def pause() -> None:
        for index in range(len(engine.arc.strategies)):
            cause = int(Breaker.BREAKER_OPERATOR)
            engine.pipeline.pause_strategy(index, cause, engine.clock.now_ns(), "planted")

    world.schedule.after(1_000_000_000, "planted", pause)
    crash_soon(world)


def test_what_is_stopped_stays_so_over_a_restart() -> None:
    assert play_until_caught(pause_soon) == ""


def test_a_stop_forgotten_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(left: Recovery, arc: Arc) -> None:
        snapshot = msgspec.structs.replace(left.snapshot, breakers=[])
        take_over(dataclasses.replace(left, snapshot=snapshot), arc)

    monkeypatch.setattr("sim.world.engine.take_over", forget)
    assert play_until_caught(pause_soon) == "TrippedBreakersAreKept"


def test_new_risk_of_a_stopped_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    # Stopped for everybody but the arc.
    monkeypatch.setattr(WorldEngine, "stopped_until_ns", lambda engine: {0: 0, 1: 0, 2: 0})
    assert play_until_caught(lambda world: None) == "NothingNewOfTheStopped"


def test_a_breaker_that_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    lose = lose_last_kept(KeptState.KEPT_BREAKERS)
    monkeypatch.setattr("sim.world.end_checkers.read_orders", lose)
    assert play_until_caught(lambda world: None) == "StreamTellsTheState"
