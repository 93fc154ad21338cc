"""Order entry of a run by REST: joins the compiled sender, the connections, and the questions.

There is no logon, and nothing comes by itself. The session counts as ACTIVE while a connection is
up and the venue answers our questions: without answers nobody tells of fills, so nothing is placed
then, and every open order is Unknown. Nothing is cancelled by the venue when we are gone.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.measured import MeasuredCoroutine
from engine.order_entry import SessionWatcher
from engine.reconcile.own_records import OwnRecords
from engine.reconcile.reconciliation_questions import Asks
from engine.rest.rest_client import make_rest_client
from engine.rest.rest_parts import RestOrderParts, split_address
from engine.rest.rest_poll import OrderPoll
from engine.rest.rest_reports import make_answer_report
from engine.settings.config_venues import OrderEntrySection
from ext.errors import UsageError
from ext.loop_meter import LoopMeter
from ext.loop_source import LoopSource
from ext.orders import ReportResult
from ext.wire import SessionState
from gateways.coinbase_rest import list_orders
from gateways.rest_answers import (
    AnswerLost,
    CancelRefused,
    OrderTaken,
    RequestRefused,
    Trouble,
)
from gateways.rest_order_session import (
    ClockDiffers,
    ConnectionEnded,
    NeverSent,
    RequestAnswered,
    RequestLost,
    RestOrderEvent,
    RestOrderSession,
)
from gateways.rest_order_transport import RestOrderTransport
from gateways.rest_request import RateClass, RestAccessRefused, RestError
from gateways.rest_transport import RestRates, RestTransport

MILLISECOND_NS = 1_000_000
BLIND_AFTER_NS = 5_000_000_000
"""Without an answer to our questions for so long, or four polls, nothing is placed."""
BLIND_AFTER_POLLS = 4
RATE_PAUSE_NS = 1_000_000_000
"""After a refusal for our rate nothing is sent for so long: the venue would refuse it too."""
PENDING_MARGIN_NS = 1_000_000_000
MAX_KEPT_BYTES = 4096
"""Of an answer, in the journal."""

# ``RestOrderTransport`` or what stands for it: a world without sockets has its own.
MakeTransport = Callable[..., RestOrderTransport]

_log = logging.getLogger("engine.orders")


class Questions(Asks, contextlib.AbstractAsyncContextManager[object], Protocol):
    """``gateways.rest_transport.RestTransport``."""

    @property
    def rates(self) -> RestRates:
        """What may be asked of the venue with our key, by whomever."""


class RestOrderEntry:
    """The order connections of a run; the same edge as ``engine.order_entry.OrderEntry``.

    ``on_fatal`` gets the reason when the venue refuses our key at the start, ``on_pause`` when it
    does later, or when the state of an order is in doubt.
    """

    def __init__(
        self,
        arc: Arc,
        url: str,
        clock: EngineClock,
        *,
        on_fatal: Callable[[str], None],
        on_pause: Callable[[str], None],
        meter: LoopMeter | None = None,
        questions: Questions | None = None,
        make_transport: MakeTransport | None = None,
    ) -> None:
        """``questions`` and ``make_transport`` stand for those over sockets; the rates of the
        venue are ``rates`` of the first."""
        parts, section = arc.orders, arc.config.order_entry
        if not isinstance(parts, RestOrderParts) or section is None:
            raise UsageError("this arc has no orders by REST")
        self.watcher: SessionWatcher | None = None
        self._pipeline = arc.pipeline
        self._header = arc.memory.header_record()
        self._parts = parts
        self._section = section
        self._clock = clock
        self._on_fatal = on_fatal
        self._on_pause = on_pause
        self._meter = meter
        self._answer_timeout_ns = section.answer_timeout_ms * MILLISECOND_NS
        self._poll_ns = section.poll_ms * MILLISECOND_NS
        host, port = split_address(url)
        self._target = f"{host}:{port}"
        self._session = RestOrderSession(
            parts.sender,
            section.connections,
            parts.host,
            answer_timeout_ns=self._answer_timeout_ns,
        )
        self._session.is_risk_allowed = self._is_risk_allowed
        self.transport = (make_transport or RestOrderTransport)(
            self._session,
            parts.senders,
            host,
            port,
            on_event=self._take_event,
            on_turn=self._turn,
            clock=clock,  # not the host's: what waits has the engine's time in it
            meter=meter,
        )
        self._questions = questions or _make_questions(section, url)
        self.rates = self._questions.rates
        self._poll = OrderPoll(
            self._questions,
            OwnRecords(arc.memory, arc.pipeline.orders, arc.instruments, len(arc.strategies)),
            arc.pipeline,
            {instrument.symbol: instrument for instrument in arc.instruments},
            clock.now_ns,
            on_pause,
        )
        self._is_up = False
        self._has_access = False  # the venue has answered a signed question
        self._is_blind = False
        self._answered_ns = 0  # when the last round of questions had its answers
        self._silent_until_ns = 0
        self._charged = 0  # requests of orders that were counted against the venue's rate
        self._is_clock_told = False
        self._is_failure_told = False

    @property
    def is_active(self) -> bool:
        """Whether orders can be sent now: the word that the compiled path goes by."""
        return self._parts.store.is_active

    def begin(self) -> None:
        """What comes before the first connection."""
        now_ns = self._clock.now_ns()
        self._parts.store.reset(now_ns)
        self._pipeline.forget_sequences(now_ns)
        _log.warning(
            "orders go to %s by REST, on %d connections: the venue cancels nothing when we are"
            " gone, and fills are heard of when they are asked for, each %d ms",
            self._target,
            self._section.connections,
            self._section.poll_ms,
        )
        self._tell_state(SessionState.SESSION_CONNECTING)

    async def run(self) -> None:
        """Sends, asks and reports until the transport is stopped."""
        self.begin()
        async with self._questions:
            asking = self.keep_asking()
            if self._meter is not None:
                asking = MeasuredCoroutine(asking, self._meter, LoopSource.LOOP_ORDER_SESSION)
            task = asyncio.get_running_loop().create_task(asking)
            task.add_done_callback(lambda _: self.transport.stop())
            try:
                await self.transport.run()
            finally:
                task.cancel()
                results = await asyncio.gather(task, return_exceptions=True)
        self._set_up(False)
        self._tell_state(SessionState.SESSION_DISCONNECTED)
        if isinstance(results[0], Exception):
            raise results[0]

    def check_pending(self, now_ns: int) -> None:
        """Orders that stay pending although the venue is asked: they are Unknown."""
        limit_ns = self._answer_timeout_ns + 2 * self._poll_ns + PENDING_MARGIN_NS
        count = self._pipeline.expire_pending(now_ns, limit_ns)
        if count:
            _log.error("%d orders are Unknown: pending for %.1f s", count, limit_ns / 1e9)

    def _is_risk_allowed(self) -> bool:
        # Whose order waits is not known there: none leaves while anyone is stopped.
        pipeline = self._pipeline
        is_stopped = pipeline.gate.is_paused or pipeline.breakers.is_any_stopped
        return self.is_active and not is_stopped and not pipeline.is_killed

    # Questions

    async def keep_asking(self) -> None:
        """Asks the venue what became of orders, until it is cancelled or our key is refused."""
        while True:
            try:
                if not self._has_access:
                    await self._questions.send(list_orders())
                    self._answered_ns = self._clock.now_ns()
                    self._has_access = True
                await self._poll.ask()
                self._answered_ns = self._clock.now_ns()
                self._is_failure_told = False
            except RestAccessRefused as error:
                if not self._has_access:
                    self._on_fatal(f"{self._target} refuses our key: {error}")
                    return
                if not self._is_failure_told:
                    self._on_pause(f"the venue refuses our questions: {error}")
                self._is_failure_told = True
            except RestError as error:
                if not self._is_failure_told:
                    _log.error("the venue does not tell what became of orders: %s", error)
                self._is_failure_told = True
            await self._sleep(self._section.poll_ms / 1e3)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    # State

    def _turn(self) -> None:
        now_ns = self._clock.now_ns()
        sent = self._parts.sender.sent_count
        if sent > self._charged:
            self.rates.charge(RateClass.PRIVATE, sent - self._charged)
            self._charged = sent
        limit_ns = max(BLIND_AFTER_NS, BLIND_AFTER_POLLS * self._poll_ns)
        is_blind = self._has_access and now_ns - self._answered_ns > limit_ns
        if is_blind and not self._is_blind:
            self._go_blind(now_ns)
        self._is_blind = is_blind
        self._set_up(self._has_access and not is_blind and self._session.open_count > 0)
        self._parts.store.is_active = self._is_up and now_ns >= self._silent_until_ns

    def _set_up(self, is_up: bool) -> None:
        if is_up == self._is_up:
            return
        self._is_up = self._parts.store.is_active = is_up
        if is_up:
            _log.info("orders can be sent to %s", self._target)
        else:
            _log.warning("no orders can be sent to %s", self._target)
        self._tell_state(SessionState.SESSION_ACTIVE if is_up else SessionState.SESSION_CONNECTING)
        if self.watcher is not None:
            self.watcher.session_changed(is_up)

    def _go_blind(self, now_ns: int) -> None:
        count = self._pipeline.mark_unknown(now_ns)
        seconds = (now_ns - self._answered_ns) / 1e9
        _log.error("no answer to our questions for %.1f s: %d orders are Unknown", seconds, count)

    def _tell_state(self, state: SessionState) -> None:
        self._header["order_session_state"] = state
        self._pipeline.memory.write_session(self._clock.now_ns(), 1, state)

    # Answers

    def _take_event(self, event: RestOrderEvent) -> None:
        now_ns = self._clock.now_ns()
        match event:
            case RequestAnswered():
                self._take_answer(event, now_ns)
            case RequestLost(sequence=sequence, text=text):
                self._lose(sequence, text, now_ns)
            case NeverSent(sequence=sequence, text=text):
                _log.warning("request %d never left: %s", sequence, text)
                self._pipeline.reject_request(sequence, 0, now_ns)
            case ConnectionEnded(index=index, text=text, is_orderly=is_orderly):
                level = logging.INFO if is_orderly else logging.WARNING
                _log.log(level, "order connection %d ended: %s", index, text)
            case ClockDiffers(distance_s=distance_s):
                if not self._is_clock_told:
                    _log.error("our clock is %.1f s ahead of the venue's", distance_s)
                self._is_clock_told = True

    def _take_answer(self, event: RequestAnswered, now_ns: int) -> None:
        outcome, orders = event.outcome, self._pipeline.orders
        number = orders.requests.of_sequence(event.sequence)
        if isinstance(outcome, AnswerLost):
            self._lose(event.sequence, outcome.text, now_ns)
            return
        if isinstance(outcome, OrderTaken) and outcome.client_order_id:
            told = orders.request_number(outcome.client_order_id)
            if told != number:
                self._on_pause(
                    f"the answer to request {number} shows {outcome.client_order_id}: answers and"
                    " requests have come apart"
                )
                self._lose(event.sequence, "another order was shown", now_ns)
                return
        if isinstance(outcome, RequestRefused | CancelRefused):
            self._take_refusal(outcome, number, now_ns)
        fields = make_answer_report(outcome, number, now_ns)
        result = self._pipeline.apply_report(fields, now_ns, event.answer[:MAX_KEPT_BYTES])
        if result & ReportResult.REPORT_INCONSISTENT:
            self._on_pause(f"does not fit what we know: the answer to request {number}")

    def _take_refusal(
        self, outcome: RequestRefused | CancelRefused, number: int, now_ns: int
    ) -> None:
        _log.warning("request %d was refused with %d: %s", number, outcome.status, outcome.text)
        match outcome.trouble:
            case Trouble.RATE:
                self._silent_until_ns = now_ns + RATE_PAUSE_NS
                self._parts.store.is_active = False
            case Trouble.ACCESS:
                self._on_pause(f"the venue refuses our key: {outcome.text}")
            case Trouble.CLOCK:
                self._on_pause(f"the venue refuses the time of our orders: {outcome.text}")
            case Trouble.NONE:
                pass

    def _lose(self, sequence: int, text: str, now_ns: int) -> None:
        if self._pipeline.lose_answer(sequence, now_ns):
            _log.error("the answer to request %d is lost, its order is Unknown: %s", sequence, text)


def _make_questions(section: OrderEntrySection, url: str) -> RestTransport:
    return make_rest_client(
        "order_entry",
        url,
        (section.key, section.secret, section.passphrase),
        ca_file=section.ca_file,
        timeout_ms=section.answer_timeout_ms,
    )
