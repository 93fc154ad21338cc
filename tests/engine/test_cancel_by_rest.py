"""Cancel everything, and believe the venue's own list alone."""

from typing import Any

import pytest

from engine.levels.cancel_by_rest import CONFIRM_S, ZeroProof, cancel_until_zero, count_open_orders
from gateways.coinbase_rest import VenueOrder
from gateways.rest_request import (
    RestAccessRefused,
    RestAnswer,
    RestError,
    RestOutcomeUnknown,
    RestRequest,
    RestUnavailable,
)


class Venue:
    """Lists what is open; ``late`` arrive behind the first list, ``errors`` come first."""

    def __init__(self, *open_orders: str) -> None:
        self.open = list(open_orders)
        self.late: list[str] = []
        self.stubborn = 0
        self.errors: list[RestError] = []
        self.asked: list[str] = []
        self.now_ns = 1_000

    def clock(self) -> int:
        self.now_ns += 1_000_000
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)

    async def send(self, request: RestRequest[Any]) -> RestAnswer[Any]:
        self.asked.append(request.method)
        if self.errors:
            raise self.errors.pop(0)
        if request.method == "DELETE":
            if self.stubborn:
                self.stubborn -= 1
                return RestAnswer([])
            gone, self.open = self.open, []
            return RestAnswer(gone)
        listed = [VenueOrder(id=each, product_id="X", side="buy", status="open")
                  for each in self.open]  # fmt: skip
        self.open, self.late = self.open + self.late, []
        return RestAnswer(listed)

    async def empty(self, deadline_ns: int = 0) -> tuple[ZeroProof, list[str]]:
        told: list[str] = []
        proof = await cancel_until_zero(
            self, self.clock, self.sleep, deadline_ns=deadline_ns, on_problem=told.append
        )
        return proof, told


async def test_two_empty_lists_prove_it() -> None:
    venue = Venue("a", "b")
    proof, told = await venue.empty()
    assert proof.is_proven
    assert (proof.open_orders, proof.cancelled, proof.rounds, proof.problem) == (0, 2, 1, "")
    assert venue.asked == ["DELETE", "GET", "GET"]
    assert proof.confirmed_ns - proof.zero_ns >= CONFIRM_S * 1e9
    assert 0 < proof.first_cancel_ns <= proof.last_cancel_ns < proof.zero_ns
    assert told == []


async def test_an_order_that_was_on_its_way_is_no_zero() -> None:
    venue = Venue("a")
    venue.late = ["late"]
    proof, _ = await venue.empty()
    assert proof.is_proven
    assert proof.cancelled == 2
    assert venue.asked == ["DELETE", "GET", "GET", "DELETE", "GET", "GET"]


async def test_what_is_not_cancelled_is_cancelled_again() -> None:
    venue = Venue("a")
    venue.stubborn = 3
    proof, _ = await venue.empty()
    assert (proof.is_proven, proof.cancelled, proof.rounds) == (True, 1, 4)


async def test_a_venue_that_does_not_answer_is_asked_again() -> None:
    venue = Venue("a")
    lost = [RestOutcomeUnknown("no answer"), RestUnavailable("nobody"), RestUnavailable("nobody")]
    venue.errors = list(lost)
    proof, told = await venue.empty()
    assert proof.is_proven
    assert told == ["no answer", "nobody"], "each thing once"


async def test_an_error_between_the_two_lists_is_no_proof() -> None:
    venue = Venue()
    send, count = venue.send, 0

    async def fail(request: RestRequest[Any]) -> RestAnswer[Any]:
        nonlocal count
        count += 1
        if count == 3:
            raise RestUnavailable("gone")
        return await send(request)

    venue.send = fail  # type: ignore[method-assign]
    proof, told = await venue.empty()
    assert proof.is_proven
    assert told == ["gone"]
    assert count == 6


@pytest.mark.parametrize("is_refused", [True, False])
async def test_it_gives_up_at_its_deadline_and_says_how_far_it_came(is_refused: bool) -> None:
    venue = Venue("a", "b")
    if is_refused:
        venue.errors = [RestAccessRefused("Invalid API Key", 401)] * 99
    venue.stubborn = 99
    proof, told = await venue.empty(deadline_ns=int(3e9))
    assert not proof.is_proven
    assert proof.confirmed_ns == 0
    assert proof.open_orders == (-1 if is_refused else 2)
    assert ("refuses the key of the KILL" in " ".join(told)) == is_refused


async def test_only_living_orders_count() -> None:
    venue = Venue("a")
    assert await count_open_orders(venue) == 1
