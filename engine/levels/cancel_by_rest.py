"""Cancels everything at the venue by REST, and asks until the venue itself says: nothing is open.

Used by a KILL of the engine and by ``wow-kill``, which needs no engine. A cancel that was answered
is no proof: an order may still have been on its way. So the venue's own list of open orders has to
be empty twice, ``CONFIRM_S`` apart.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

from gateways.coinbase_rest import cancel_all_orders, list_orders
from gateways.rest_request import RestAccessRefused, RestAnswer, RestError, RestRequest

CONFIRM_S = 0.1  # between two empty answers: longer than an order is on its way
FIRST_WAIT_S = 0.05  # doubles up to LAST_WAIT_S while orders are open or nobody answers
LAST_WAIT_S = 1.0

_Value = TypeVar("_Value")


class Asks(Protocol):
    """``gateways.rest_transport.RestTransport``, or what stands for it."""

    async def send(self, request: RestRequest[_Value]) -> RestAnswer[_Value]:
        """The answer; a RestError when there is none."""


@dataclass(frozen=True, slots=True)
class ZeroProof:
    """How far it came. Times are of the clock that was given, 0: it did not happen.

    ``open_orders`` is what the venue listed last (one page at most), -1: it has not answered.
    ``zero_ns`` is of the first empty answer, ``confirmed_ns`` of the second.
    """

    is_proven: bool
    open_orders: int
    cancelled: int
    rounds: int
    first_cancel_ns: int
    last_cancel_ns: int
    zero_ns: int
    confirmed_ns: int
    problem: str


@dataclass(slots=True)
class _State:
    open_orders: int = -1
    cancelled: int = 0
    rounds: int = 0
    first_cancel_ns: int = 0
    last_cancel_ns: int = 0
    zero_ns: int = 0
    problem: str = ""

    def proof(self, confirmed_ns: int) -> ZeroProof:
        return ZeroProof(is_proven=confirmed_ns > 0, confirmed_ns=confirmed_ns, **asdict(self))


async def cancel_until_zero(
    rest: Asks,
    now_ns: Callable[[], int],
    sleep: Callable[[float], Awaitable[None]],
    *,
    deadline_ns: int = 0,
    on_problem: Callable[[str], None] = lambda text: None,
) -> ZeroProof:
    """Cancels and asks until it is proven, or until ``deadline_ns`` (0: never gives up).

    ``on_problem`` gets each new thing that stands in the way, in words.
    """
    state, wait_s = _State(), FIRST_WAIT_S
    while True:
        state.rounds += 1
        try:
            await _cancel(rest, now_ns, state)
            is_empty = await _ask(rest, now_ns, state)
        except RestError as error:
            is_empty = False
            _tell(state, _explain(error), on_problem)
        if is_empty:
            await sleep(CONFIRM_S)
            try:
                if await _ask(rest, now_ns, state):
                    state.problem = ""
                    return state.proof(now_ns())
            except RestError as error:
                _tell(state, _explain(error), on_problem)
            wait_s = FIRST_WAIT_S
        if deadline_ns and now_ns() >= deadline_ns:
            return state.proof(0)
        await sleep(wait_s)
        wait_s = min(2 * wait_s, LAST_WAIT_S)


async def count_open_orders(rest: Asks) -> int:
    """How many orders the venue lists as living, one page at most. Raises a RestError."""
    answer = await rest.send(list_orders())
    return sum(order.is_living for order in answer.value)


async def _cancel(rest: Asks, now_ns: Callable[[], int], state: _State) -> None:
    answer = await rest.send(cancel_all_orders())
    state.cancelled += len(answer.value)
    state.last_cancel_ns = now_ns()
    state.first_cancel_ns = state.first_cancel_ns or state.last_cancel_ns


async def _ask(rest: Asks, now_ns: Callable[[], int], state: _State) -> bool:
    state.open_orders = await count_open_orders(rest)
    if state.open_orders:
        state.zero_ns = 0
        return False
    state.zero_ns = state.zero_ns or now_ns()
    return True


def _tell(state: _State, text: str, on_problem: Callable[[str], None]) -> None:
    if text != state.problem:
        state.problem = text
        on_problem(text)


def _explain(error: RestError) -> str:
    if isinstance(error, RestAccessRefused):
        return f"the venue refuses the key of the KILL: {error}"
    return str(error)
