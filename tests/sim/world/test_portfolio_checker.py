"""Bugs planted into the limits of the portfolio: each is caught by its checker."""

import re

import pytest

from engine.safety.portfolio import PortfolioWatch
from sim.world.observations import SLOTS
from sim.world.world import World
from tests.sim.world.planted import (
    MANY_SEEDS,
    all_errors,
    each_message,
    on_sent,
    play_until_caught,
    rewrite,
)


def test_orders_that_the_portfolio_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def hold(watch: PortfolioWatch, index: int) -> tuple[int, int]:
        lots = int(watch._positions[index]["position_lots"])
        return lots, lots

    monkeypatch.setattr(PortfolioWatch, "_reach", hold)
    assert play_until_caught(lambda world: None) == "PortfolioStopsWhoAdds"


@pytest.mark.parametrize("kind", ["exposure", "margin", "heat"])
def test_a_limit_that_stops_nobody(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    whole = PortfolioWatch.uses

    def lose(watch: PortfolioWatch) -> list[object]:
        return [use for use in whole(watch) if not use.what.startswith(kind)]

    monkeypatch.setattr(PortfolioWatch, "uses", lose)
    found = all_errors(lambda world: None, MANY_SEEDS)
    assert "PortfolioStopsWhoAdds" in (each.checker for each in found)


def test_somebody_who_is_stopped_and_turns_his_position() -> None:
    """His own orders may reduce, and are twice as large on the wire."""

    def plant(world: World) -> None:
        def double(message: bytes) -> bytes:
            client_id = re.search(rb"\x0111=([^\x01]*)\x01", message)
            lots = re.search(rb"\x0138=([^\x01]*)\x01", message)
            if b"\x0135=D\x01" not in message or client_id is None or lots is None:
                return message
            number = world.engine.pipeline.orders.request_number(client_id[1].decode())
            order = world.engine.orders[number % SLOTS]
            is_his = order["reason"] >= 0 and int(order["strategy"]) in world.before.may_reduce
            return rewrite(message, t38=f"{2 * float(lots[1]):.8f}") if is_his else message

        on_sent(world, lambda data: each_message(data, double))

    found = all_errors(plant, MANY_SEEDS)
    assert "ExitsOnlyReduce" in (each.checker for each in found)
