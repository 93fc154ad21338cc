"""REST in a world: the production reconciler asks the simulated venue's REST desk.

``WorldRest`` stands for ``gateways.rest_transport``: it signs, keeps the rates and repeats
questions as that does. Answers take their time, and may be lost.
"""

import contextlib
from collections.abc import Callable
from typing import TypeVar

from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.known_trades import KnownTrades
from engine.own_records import OwnRecords
from engine.reconciler import Reconciler
from engine.reconciliation import Difference
from engine.reconciliation_questions import VenueQuestions
from gateways.coinbase_rest import CoinbaseSigner, read_answer
from gateways.rest_request import RestAnswer, RestRateLimited, RestRequest, RestUnavailable
from gateways.rest_transport import ATTEMPTS, RATES, RETRY_S
from gateways.token_bucket import TokenBucket
from sim import rest_text
from sim.world.coroutine import Pause, WorldTask
from sim.world.network import Network
from sim.world.venue import Venue

NANOSECONDS_PER_SECOND = 1_000_000_000
INTERVAL_S = 3.0
TIMEOUT_NS = 2 * NANOSECONDS_PER_SECOND

Value = TypeVar("Value")


class WorldRest:
    """Implements ``engine.reconciliation_questions.Asks``."""

    def __init__(self, network: Network, venue: Venue) -> None:
        credentials = venue.credentials
        self._signer = CoinbaseSigner(credentials.key, credentials.secret, credentials.passphrase)
        self._network = network
        self._venue = venue
        self._buckets = {name: TokenBucket(*rate) for name, rate in RATES.items()}

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
        wait_ns = self._buckets[request.rate_class].reserve(clock.monotonic_ns())
        if wait_ns:
            await Pause(wait_ns)
        headers = self._signer.sign(request, f"{clock.wall_ns() // 1_000_000 / 1e3:.3f}")
        lower = {name.lower(): value for name, value in headers.items()}
        await Pause(network.draw_latency())
        if network.happens(network.plan.rest_loss_share):
            await self._time_out(request)
        network.trace.note(f"rest: {request.name}")
        asked = rest_text.RestRequest(request.method, request.target, lower, request.body)
        answer = self._venue.rest.handle(asked, clock.monotonic_ns(), clock.venue_ns())
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
    ) -> None:
        own = OwnRecords(arc.memory, arc.pipeline.orders, arc.instruments, len(arc.strategies))
        super().__init__(
            VenueQuestions(WorldRest(network, venue), own, arc.instruments, known),
            own,
            arc.pipeline,
            clock.now_ns,
            on_pause,
            interval_s=INTERVAL_S,
            transport=contextlib.nullcontext(),
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
