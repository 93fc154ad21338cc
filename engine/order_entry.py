"""Order entry of a run: joins the compiled listener, the FIX session and its transport.

Reports that are next in sequence never come here; what the session releases or rejects does.
"""

import functools
import logging
from collections.abc import Callable
from typing import Protocol

from engine.composition import OrderParts
from engine.engine_clock import EngineClock
from engine.settings.config_schema import EngineConfig
from ext.errors import UsageError
from ext.fix_listener import FixListener
from ext.loop_meter import LoopMeter
from ext.pipeline import Pipeline
from ext.tls_channel import TlsChannel
from ext.wire import OrderState, SessionState, Side
from gateways.session import (
    ApplicationMessage,
    Disconnected,
    Fatal,
    LoggedOn,
    LoggedOut,
    LogonRefused,
    MessageRejected,
    NumbersReset,
    OrderNotRepeated,
    SessionEvent,
    StateChanged,
    Warned,
)
from gateways.transport import CANNOT_CONNECT, OrderTransport, connect_tcp, connect_tls


class SessionWatcher(Protocol):
    """``engine.reconcile.reconciler.Reconciler``: asks about UNKNOWN orders first."""

    @property
    def is_due(self) -> bool:
        """Whether our own questions have to wait."""

    def session_changed(self, is_active: bool) -> None:
        """The session is lost, or up again."""


ACKNOWLEDGE_TIMEOUT_NS = 5_000_000_000  # a request unanswered for longer: its order is Unknown
ASK_AGAIN_NS = 5_000_000_000  # between two questions for one Unknown order, until answered
MAX_SHOWN_BYTES = 200

# ``OrderTransport`` or what stands for it: a world without sockets has its own.
MakeTransport = Callable[..., OrderTransport]

_log = logging.getLogger("engine.orders")


class OrderEntry:
    """The order session of a run.

    ``on_fatal`` gets the reason when the session cannot go on without a person, ``on_pause`` when
    the state of an order is in doubt.
    """

    def __init__(
        self,
        config: EngineConfig,
        host: str,
        port: int,
        parts: OrderParts,
        pipeline: Pipeline,
        clock: EngineClock,
        *,
        on_fatal: Callable[[str], None],
        on_pause: Callable[[str], None],
        on_notices: Callable[[int], None],
        meter: LoopMeter | None = None,
        make_transport: MakeTransport | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._parts = parts
        self._on_fatal = on_fatal
        self._on_pause = on_pause
        self._on_notices = on_notices
        self._meter = meter
        self._header = pipeline.memory.header_record()
        self._target = f"{host}:{port}"
        self._asked_ns: dict[int, int] = {}  # when each Unknown order was asked for, by its number
        self._listener: FixListener | None = None
        self.watcher: SessionWatcher | None = None
        self._channel = parts.sender if isinstance(parts.sender, TlsChannel) else None
        parts.session.is_risk_allowed = self._is_risk_allowed
        self.transport = (make_transport or OrderTransport)(
            parts.session,
            self._make_listener,
            parts.sender,
            host,
            port,
            on_event=self._take_event,
            connect=functools.partial(connect_tls, self._channel) if self._channel else connect_tcp,
        )

    @property
    def is_active(self) -> bool:
        """Whether orders can be sent now: the word that the compiled path goes by."""
        return self._parts.store.is_active

    def check_pending(self, now_ns: int) -> None:
        """Requests unanswered for too long: their orders are Unknown. Asks for all that are."""
        count = self._pipeline.expire_pending(now_ns, ACKNOWLEDGE_TIMEOUT_NS)
        if count:
            seconds = ACKNOWLEDGE_TIMEOUT_NS / 1e9
            _log.error("%d orders are Unknown: no answer for %.0f s", count, seconds)
        self._ask_for_unknown(now_ns)

    def _is_risk_allowed(self) -> bool:
        # Whose order a message repeats is not known there: none is while anyone is stopped.
        pipeline = self._pipeline
        is_stopped = pipeline.gate.is_paused or pipeline.breakers.is_any_stopped
        return not is_stopped and not pipeline.is_killed

    def _make_listener(
        self, on_message: Callable[[bytes], None], on_garbled: Callable[[str, bytes], None]
    ) -> FixListener:
        self._listener = FixListener(
            self._parts.store,
            self._pipeline,
            self._parts.decoder,
            on_message,
            on_garbled,
            self._refuse_report,
            self._on_notices,
            self._meter,
            channel=self._channel,
        )
        return self._listener

    def _refuse_report(self, message: bytes) -> None:
        shown = message[:MAX_SHOWN_BYTES].replace(b"\x01", b"|").decode("utf-8", "replace")
        self._on_pause(f"a report could not be read: {shown}")

    def _take_event(self, event: SessionEvent) -> None:
        match event:
            case StateChanged(new=new):
                self._header["order_session_state"] = new
                self._pipeline.memory.write_session(self._clock.now_ns(), 1, new)
                if new == SessionState.SESSION_ACTIVE:
                    if self.watcher is not None:
                        self.watcher.session_changed(True)
                    self._ask_for_unknown(self._clock.now_ns())
            case LoggedOn(heartbeat_s=heartbeat_s):
                how = f" over {self._channel.version}" if self._channel is not None else ""
                _log.info("logged on to %s%s, heartbeat %d s", self._target, how, heartbeat_s)
            case Disconnected(text=text):
                self._lose_connection(text)
            case ApplicationMessage(message=message):
                if self._listener is not None and not self._listener.apply_message(message):
                    self._refuse_report(message)
            case MessageRejected():
                self._reject(event)
            case NumbersReset():
                self._pipeline.forget_sequences(self._clock.now_ns())
            case OrderNotRepeated(sequence=sequence):
                # Too old, or new risk while the engine is paused.
                _log.warning("message %d was not repeated: its request is dead", sequence)
                self._pipeline.reject_request(sequence, 0, self._clock.now_ns())
            case LogonRefused(text=text, is_retryable=is_retryable):
                _log.error("%s refused the logon: %s", self._target, text)
                if not is_retryable:
                    self._on_fatal(f"{self._target} refused the logon: {text}")
            case Fatal(text=text):
                self._on_fatal(f"order session: {text}")
            case LoggedOut(text=text):
                _log.info("logged out%s", f": {text}" if text else "")
            case Warned(text=text):
                _log.warning("%s", text)

    def _lose_connection(self, text: str) -> None:
        if self.watcher is not None:
            self.watcher.session_changed(False)
        now_ns = self._clock.now_ns()
        count = self._pipeline.mark_unknown(now_ns)
        self._asked_ns.clear()  # what was asked on that connection is not answered any more
        _log.log(
            logging.WARNING if count or text.startswith(CANNOT_CONNECT) else logging.INFO,
            "order session disconnected: %s%s",
            text or "closed",
            f"; {count} orders are Unknown" if count else "",
        )

    def _reject(self, event: MessageRejected) -> None:
        _log.error(
            "message %d (%s) rejected, reason %d: %s",
            event.reference_sequence,
            event.message_type,
            event.reason_code,
            event.text,
        )
        self._pipeline.reject_request(
            event.reference_sequence, max(event.reason_code, 0), self._clock.now_ns()
        )

    def _ask_for_unknown(self, now_ns: int) -> None:
        """OrderStatusRequest(H) for every Unknown order; the report decides its state.

        Each is asked for again every ``ASK_AGAIN_NS``, because a question can be lost as well.
        """
        unknown = {
            int(str(order["order_number"])): order
            for order in self._pipeline.orders.open_orders()
            if order["state"] == OrderState.UNKNOWN
        }
        self._asked_ns = {
            number: asked_ns for number, asked_ns in self._asked_ns.items() if number in unknown
        }
        if not self.is_active or (self.watcher is not None and self.watcher.is_due):
            return
        for number, order in unknown.items():
            asked_ns = self._asked_ns.get(number)
            if asked_ns is None or now_ns - asked_ns >= ASK_AGAIN_NS:
                self._asked_ns[number] = now_ns
                self._ask_for(order)

    def _ask_for(self, order: dict[str, object]) -> None:
        symbol = self._pipeline.table.symbol(int(str(order["instrument"])))
        side = b"1" if order["side"] == Side.BUY else b"2"
        client_order_id = self._pipeline.orders.client_order_id(int(str(order["accepted_number"])))
        fields = [(11, client_order_id.encode()), (55, symbol.encode()), (54, side)]
        venue_order_id = order["venue_order_id"]
        if isinstance(venue_order_id, bytes) and venue_order_id:
            fields.append((37, venue_order_id))
        _log.warning("asking for order %s (%s)", order["order_number"], client_order_id)
        try:
            self.transport.send_application("H", fields)
        except UsageError as error:
            _log.warning("order %s was not asked for: %s", order["order_number"], error)
