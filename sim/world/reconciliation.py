"""REST in a world: the production reconciler asks the simulated venue's REST desk.

``WorldRest`` stands for ``gateways.rest_transport``: it signs, keeps the rates and repeats
questions as that does. Answers take their time, and may be lost.
"""

import contextlib
from collections.abc import Callable
from typing import TypeVar

from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.reconcile.known_trades import KnownTrades
from engine.reconcile.own_records import OwnRecords
from engine.reconcile.reconciler import Reconciler
from engine.reconcile.reconciliation import Difference
from engine.reconcile.reconciliation_questions import VenueQuestions
from engine.rest.rest_parts import is_by_rest
from engine.rest.rest_poll import ORDER_LIFETIME_NS
from gateways.coinbase_rest import CoinbaseSigner, read_answer
from gateways.rest_request import RestAnswer, RestRateLimited, RestRequest, RestUnavailable
from gateways.rest_transport import ATTEMPTS, RETRY_S, RestRates
from sim import rest_text
from sim.world.coroutine import Pause, WorldTask
from sim.world.network import Network
from sim.world.venue import Venue

NANOSECONDS_PER_SECOND = 1_000_000_000
INTERVAL_S = 3.0
TIMEOUT_NS = 2 * NANOSECONDS_PER_SECOND

Value = TypeVar("Value")


class WorldRest:
    """Implements ``engine.reconcile.reconciliation_questions.Asks``; ``rates`` are shared by all
    who ask with them, None: its own."""

    def __init__(self, network: Network, venue: Venue, rates: RestRates | None = None) -> None:
        credentials = venue.credentials
        self._signer = CoinbaseSigner(credentials.key, credentials.secret, credentials.passphrase)
        self._network = network
        self._venue = venue
        self.rates = rates or RestRates(network.clock)

    async def send(self, request: RestRequest[Value]) -> RestAnswer[Value]:
        """The answer; a RestError when there is none."""
        delay_s = RETRY_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._send_once(request)
            except (RestUnavailable, RestRateLimited):
                if attempt == ATTEMPTS:
                    raise
            await Pause(int(delay_s * NANOSECONDS_PER_SECOND))
            delay_s *= 2
        raise RestUnavailable(request.name)

    async def _send_once(self, request: RestRequest[Value]) -> RestAnswer[Value]:
        network, clock = self._network, self._network.clock
        wait_ns = round(self.rates.reserve_s(request.rate_class) * NANOSECONDS_PER_SECOND)
        if wait_ns:
            await Pause(wait_ns)
        headers = self._signer.sign(request, f"{clock.wall_ns() // 1_000_000 / 1e3:.3f}")
        lower = {name.lower(): value for name, value in headers.items()}
        await Pause(network.draw_latency())
        if network.happens(network.plan.rest_loss_share):
            await self._time_out(request)
        network.trace.note(f"rest: {request.name}")
        if request.is_question and network.happens(network.plan.fail_before_share):
            raise RestUnavailable(f"{request.name} got 503", 503)
        asked = rest_text.RestRequest(request.method, request.target, lower, request.body)
        answer = self._venue.ask(asked, clock.monotonic_ns(), clock.venue_ns())
        await Pause(network.draw_latency())
        if network.happens(network.plan.rest_loss_share):
            await self._time_out(request)
        value = read_answer(request, answer.status, answer.body)
        return RestAnswer(value, answer.headers.get("CB-AFTER", ""))

    async def _time_out(self, request: RestRequest[Value]) -> None:
        await Pause(TIMEOUT_NS)
        self._network.trace.note(f"rest: {request.name} is not answered")
        raise RestUnavailable(f"{request.name}: no answer in time")


class WorldReconciler(Reconciler):
    """The reconciler of an engine, which sleeps in the time of its world."""

    def __init__(
        self,
        arc: Arc,
        clock: EngineClock,
        network: Network,
        venue: Venue,
        on_pause: Callable[[str], None],
        on_error: Callable[[Exception], None],
        known: KnownTrades | None,
        rates: RestRates | None,
    ) -> None:
        own = OwnRecords(arc.memory, arc.pipeline.orders, arc.instruments, len(arc.strategies))
        super().__init__(
            VenueQuestions(WorldRest(network, venue, rates), own, arc.instruments, known),
            own,
            arc.pipeline,
            clock.now_ns,
            on_pause,
            interval_s=INTERVAL_S,
            transport=contextlib.nullcontext(),
            order_lifetime_ns=ORDER_LIFETIME_NS if is_by_rest(arc.config) else 0,
        )
        self.has_explained = False
        self._is_asleep = False
        self._task = WorldTask(network.schedule, self.run, on_error)

    def session_changed(self, is_active: bool) -> None:
        """The order session is lost, or up again: reports may have been missed."""
        super().session_changed(is_active)
        if is_active and self._is_asleep:
            self._task.wake()

    @property
    def is_at_rest(self) -> bool:
        """Whether it sleeps until the next comparison is due."""
        return self._is_asleep

    def abandon(self) -> None:
        """The process is dead."""
        self._task.stop()

    def _explain(self, differences: list[Difference]) -> None:
        self.has_explained = True
        super()._explain(differences)

    async def _sleep(self, seconds: float, *, is_woken: bool = True) -> None:
        if is_woken and self._wake.is_set():
            return
        self._is_asleep = is_woken
        await Pause(int(seconds * NANOSECONDS_PER_SECOND))
        self._is_asleep = False
