"""Worlds whose orders go by REST: bugs planted into them are caught, and seeds that found some."""

# tidy-ok: covers rest_checkers, rest_door, rest_transport and order_leg, which make one world

import re
from collections.abc import Callable
from typing import Any

import pytest

from engine.rest.rest_poll import OrderPoll
from ext.safety_records import Breaker
from ext.wire import ExecutionType
from gateways.coinbase_rest import CoinbaseSigner
from gateways.rest_order_session import RequestLost
from gateways.rest_request import RestRequest
from sim.credentials import DEMO_KEY, DEMO_PASSPHRASE, DEMO_SECRET
from sim.http_text import HttpRequestReader
from sim.world import rest_door
from sim.world.checkers import TrippedBreakersAreKept
from sim.world.faults import SECOND_NS
from sim.world.order_leg import RestLeg
from sim.world.world import World
from tests.sim.world.planted import all_who_catch, play_until_caught


def entry_of(world: World) -> Any:
    """The order entry of the engine, insides included."""
    assert isinstance(world.engine.order_leg, RestLeg)
    return world.engine.order_leg.entry


def sender_of(world: World) -> Any:
    return world.engine.arc.sender


def transport_of(world: World) -> Any:
    return world.engine.order_transport


@pytest.mark.slow
def test_nothing_is_caught_where_nothing_is_planted() -> None:
    assert play_until_caught(lambda world: None, "rest") == ""


def test_a_lost_answer_taken_for_a_refusal() -> None:
    def plant(world: World) -> None:
        def refuse(sequence: int, text: str, now_ns: int) -> None:
            world.engine.pipeline.reject_request(sequence, 0, now_ns)

        entry_of(world)._lose = refuse

    caught = play_until_caught(plant, "rest", fail_after_share=0.3)
    assert caught == "EveryOpenOrderIsKnown"


@pytest.mark.slow
def test_a_fill_that_is_told_twice_counts_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The id of the trade is lost, and what was counted is forgotten."""
    take_fills, numbers = OrderPoll._take_fills, iter(range(1, 1_000_000))

    def take(self: OrderPoll, fills: Any) -> None:
        self._counted.clear()
        take_fills(self, fills)

    def plant(world: World) -> None:
        poll = entry_of(world)._poll
        apply = poll._apply

        def number(fields: dict[str, object], what: str) -> None:
            if fields["execution_type"] == ExecutionType.EXEC_TRADE:
                fields = {**fields, "trade_id": 0, "execution_id_low": next(numbers)}
            apply(fields, what)

        poll._apply = number

    monkeypatch.setattr(OrderPoll, "_take_fills", take)
    assert "FillsAreCountedOnce" in all_who_catch(plant, "rest")


def resend(world: World, change: Callable[[bytes], bytes]) -> None:
    """A new order whose answer is lost is sent again on a free connection, changed."""
    transport, entry = transport_of(world), entry_of(world)
    pass_on, take_event = transport._pass_on, entry._take_event
    sent: dict[int, bytes] = {}

    def note(wire: Any, data: bytes) -> None:
        sent[world.engine.store.next_outgoing - 1] = data
        pass_on(wire, data)

    def take(event: object) -> None:
        take_event(event)
        if isinstance(event, RequestLost) and b"POST" in sent.get(event.sequence, b""):
            again = sign_again(change(sent[event.sequence]))
            wires = transport._wires.values()
            free = [each for each in wires if not sender_of(world).sequence(each.index)]
            for wire in free[:1]:
                pass_on(wire, again)

    transport._pass_on = note
    transport._on_event = take


def sign_again(data: bytes) -> bytes:
    """The request with a signature that is right."""
    [request] = HttpRequestReader().feed(data)
    signer = CoinbaseSigner(DEMO_KEY, DEMO_SECRET, DEMO_PASSPHRASE)
    told = RestRequest(request.method, request.target, lambda body: body, request.body)
    headers = signer.sign(told, request.headers["cb-access-timestamp"])
    signature = headers["CB-ACCESS-SIGN"].encode()
    return re.sub(rb"CB-ACCESS-SIGN: [^\r]*", b"CB-ACCESS-SIGN: " + signature, data)


@pytest.mark.slow
def test_an_order_sent_again_under_a_new_client_id() -> None:
    def plant(world: World) -> None:
        resend(world, lambda data: re.sub(rb'("client_oid":".{34})..', rb"\1ff", data))

    assert "EveryOpenOrderIsKnown" in all_who_catch(plant, "rest", fail_after_share=0.3)


def test_an_order_sent_again_under_its_client_id() -> None:
    caught = play_until_caught(
        lambda world: resend(world, lambda data: data), "rest", fail_after_share=0.3
    )
    assert caught == "ClientIdsAreUnique"


def test_a_second_request_before_the_first_was_answered() -> None:
    def plant(world: World) -> None:
        def free() -> None:
            for index in transport_of(world)._wires:
                sender_of(world).release(index)
            world.schedule.after(1_000_000, ".planted", free)

        world.schedule.after(SECOND_NS, ".planted", free)

    assert play_until_caught(plant, "rest", latency_ns=20_000_000) == "OneRequestIsUnderWay"


def test_an_order_that_waits_for_as_long_as_it_takes() -> None:
    def plant(world: World) -> None:
        entry_of(world)._session._withdraw = lambda wall_ns: None

    caught = all_who_catch(plant, "rest", late_answer_share=0.5, fail_after_share=0.3)
    assert "NoOldOrderLeaves" in caught


@pytest.mark.slow
def test_an_order_that_waits_through_a_pause() -> None:
    def plant(world: World) -> None:
        entry_of(world)._session.is_risk_allowed = lambda: True

    caught = all_who_catch(plant, "rest", late_answer_share=0.5, pause_rate=3.0)
    assert "NothingNewWhilePaused" in caught


@pytest.mark.slow
def test_an_order_that_waits_through_a_kill() -> None:
    def plant(world: World) -> None:
        pipeline = world.engine.pipeline
        entry_of(world)._session.is_risk_allowed = lambda: not pipeline.gate.is_paused

    caught = all_who_catch(plant, "rest", late_answer_share=0.8, kill_rate=3.0)
    assert "NothingNewAfterKill" in caught


@pytest.mark.slow
def test_an_order_that_waits_while_its_strategy_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def plant(world: World) -> None:
        engine = world.engine
        pipeline, count = engine.pipeline, len(engine.arc.strategies)
        entry_of(world)._session.is_risk_allowed = lambda: (
            not pipeline.gate.is_paused and not pipeline.is_killed
        )

        def stop() -> None:
            for index in range(count):
                cause = int(Breaker.BREAKER_OPERATOR)
                pipeline.pause_strategy(index, cause, engine.clock.now_ns(), "planted")
            world.schedule.after(100_000_000, "planted", resume)

        def resume() -> None:
            for index in range(count):
                pipeline.resume_strategy(index, engine.clock.now_ns(), "planted")
            world.schedule.after(300_000_000, "planted", stop)

        world.schedule.after(SECOND_NS, "planted", stop)

    monkeypatch.setattr(TrippedBreakersAreKept, "check", lambda *_: None)
    caught = all_who_catch(plant, "rest", late_answer_share=0.8)
    assert "NothingNewOfTheStopped" in caught


def test_an_order_that_waits_while_the_venue_wants_a_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def plant(world: World) -> None:
        pipeline = world.engine.pipeline
        entry_of(world)._session.is_risk_allowed = lambda: (
            not pipeline.gate.is_paused and not pipeline.is_killed
        )

    refusals = [each for each in rest_door.NOT_CARRIED_OUT if each[0] == 429]
    monkeypatch.setattr(rest_door, "NOT_CARRIED_OUT", refusals)
    caught = all_who_catch(plant, "rest", late_answer_share=0.5, fail_before_share=0.5)
    assert "NothingNewWithoutASession" in caught


def test_an_order_that_its_own_cancel_overtakes() -> None:
    def plant(world: World) -> None:
        transport = transport_of(world)
        pass_on = transport._pass_on

        def hold_back(wire: Any, data: bytes) -> None:
            delay_ns = 400_000_000 if data.startswith(b"POST") else 0
            world.schedule.after(delay_ns, "planted", lambda: pass_on(wire, data))

        transport._pass_on = hold_back

    assert "NoOrderLeavesBehindItsCancel" in all_who_catch(plant, "rest")


def test_an_order_believed_gone_that_is_still_on_its_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OrderPoll, "_is_gone", lambda *_, **__: True)
    faults = {"stall_share": 0.05, "stall_ns": 7 * SECOND_NS}
    assert "EveryOpenOrderIsKnown" in all_who_catch(lambda world: None, "rest", **faults)


def test_an_answer_taken_for_that_of_another_request() -> None:
    def plant(world: World) -> None:
        sender, session = sender_of(world), entry_of(world)._session

        class Shifted:
            def sequence(self, index: int) -> int:
                sequence: int = sender.sequence(index)
                return sequence - 1 if sequence > 1 else sequence

            def __getattr__(self, name: str) -> object:
                return getattr(sender, name)

        session._sender = Shifted()

    assert play_until_caught(plant, "rest") == "APauseHasACause"
