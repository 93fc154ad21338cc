"""Reconciliation of a run: asks, compares, explains; what it cannot explain pauses the engine.

At the start nothing is traded before the first comparison has ended; later ones go on in the
background, every ``interval_seconds`` and as soon as the order session is up again. Rules of what
is believed stand in ``engine/reconcile/reconciliation.py``.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Hashable
from decimal import Decimal

from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.reconcile.known_trades import KnownTrades
from engine.reconcile.own_records import OwnRecords
from engine.reconcile.reconciliation import (
    Difference,
    OrderEnded,
    OrderFound,
    OrderGone,
    compare,
    compare_balances,
    has_late_fills,
)
from engine.reconcile.reconciliation_questions import Answers, VenueQuestions
from engine.reconcile.reconciliation_records import OurOrder
from engine.reconcile.reconciliation_reports import ReportEdge, make_reports
from engine.rest.rest_client import make_rest_client
from engine.rest.rest_parts import is_by_rest
from engine.rest.rest_poll import GONE_AFTER_NS, ORDER_LIFETIME_NS
from ext.errors import LogonRefused, UsageError
from ext.orders import ReportResult
from gateways.rest_request import RestAccessRefused, RestError
from gateways.rest_transport import RestRates

ASK_AGAIN_S = 0.5  # doubles up to ASK_AGAIN_LIMIT_S
ASK_AGAIN_LIMIT_S = 2.0
MAX_ROUNDS = 12  # of one comparison: then the records move too fast, the next one tries again
POLL_S = 0.02  # of somebody who waits for a comparison
BASELINE_DOUBT_NS = 2_000_000_000
"""So long after the balances began a fill of then is known."""
RETRY_S = 1.0  # of the first comparison, while the venue cannot be asked

_log = logging.getLogger("engine.reconciliation")


class Reconciler:
    """Compares the venue's record with ours, over and over. ``run`` it as a task.

    ``on_pause`` gets the text of what cannot be explained, with both sides' records.
    """

    def __init__(
        self,
        questions: VenueQuestions,
        own: OwnRecords,
        pipeline: ReportEdge,
        now_ns: Callable[[], int],
        on_pause: Callable[[str], None],
        *,
        interval_s: float,
        transport: contextlib.AbstractAsyncContextManager[object] | None = None,
        ask_again_s: float = ASK_AGAIN_S,
        order_lifetime_ns: int = 0,
    ) -> None:
        """``order_lifetime_ns``: how long an order may be under way; 0: until the order session
        that it was sent on has ended."""
        self.is_clean = False  # the last comparison ended with equal records
        self._problem = ""  # why it did not
        self._begun = self._ended = 0  # comparisons
        self._questions = questions
        self._own = own
        self._pipeline = pipeline
        self._now_ns = now_ns
        self._on_pause = on_pause
        self._interval_s = interval_s
        self._transport = transport or contextlib.nullcontext()
        self._ask_again_s = ask_again_s
        self._order_lifetime_ns = order_lifetime_ns
        self._baseline: dict[str, Decimal] = {}  # balances less all that we know of
        self._baseline_changes: dict[str, Decimal] = {}  # what we knew of then
        self._baseline_ns = 0  # when it was asked for; 0: it is beyond doubt
        self._told: set[Difference] = set()
        self._noted: dict[str, int] = {}  # trade ids that the journal has as agreed on
        self._has_compared = asyncio.Event()
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._is_due = True
        self._active_since_ns = 0  # of the order session; 0: it is down
        self._has_session_changed = False  # since the comparison in hand began

    @property
    def is_due(self) -> bool:
        """Whether a comparison is under way, or has to come before other questions."""
        return self._is_due and not self._is_stopping

    @property
    def has_compared(self) -> bool:
        """Whether the first comparison has ended: trading may begin."""
        return self._has_compared.is_set()

    def session_changed(self, is_active: bool) -> None:
        """The order session is lost, or up again: reports may have been missed."""
        self._is_due = self._has_session_changed = True
        self._active_since_ns = self._now_ns() if is_active else 0
        if is_active:
            self._wake.set()

    async def compare_now(self) -> str:
        """A comparison that begins after this call: what is not equal, empty: all is."""
        before = self._begun
        while self._ended <= before and not self._is_stopping:
            self._wake.set()
            await asyncio.sleep(POLL_S)
        if self._problem or not self.is_clean:
            return self._problem or "the venue's record and ours still move: ask again"
        return ""

    def forget_told(self) -> None:
        """What is not explained is told again, and pauses again, if it is still there."""
        self._told.clear()

    def stop(self) -> None:
        """Ends ``run``."""
        self._is_stopping = True
        self._wake.set()

    async def wait_first(self, stop: asyncio.Event) -> None:
        """Returns when the first comparison has ended, or ``stop`` is set."""
        waiters = {
            asyncio.ensure_future(self._has_compared.wait()),
            asyncio.ensure_future(stop.wait()),
        }
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()

    async def run(self) -> None:
        """Compares until stopped. LogonRefused when the venue refuses our key at the start."""
        async with self._transport:
            while not self._is_stopping:
                self._wake.clear()
                await self._compare_once()
                await self._sleep(self._interval_s if self._has_compared.is_set() else RETRY_S)

    async def _compare_once(self) -> None:
        self._has_session_changed = False
        self._begun += 1
        self._problem = ""
        try:
            self.is_clean = await self.reconcile()
        except RestAccessRefused as error:
            self._problem = str(error)
            if not self._has_compared.is_set():
                raise LogonRefused(f"reconciliation: {error}") from None
            self._on_pause(f"the venue refuses our questions: {error}")
            return
        except RestError as error:
            self._problem = str(error)
            rest = "" if self._has_compared.is_set() else "; nothing is traded before it answers"
            _log.error("the venue cannot be asked for its record: %s%s", error, rest)
            return
        finally:
            self._is_due = self._has_session_changed  # then it has missed what changed meanwhile
            self._ended = self._begun
        self._has_compared.set()

    async def reconcile(self) -> bool:
        """One comparison: whether the records are equal now. RestError: nobody could be asked."""
        counts: dict[Hashable, int] = {}
        delay_s = self._ask_again_s
        found: list[Difference] = []
        for _ in range(MAX_ROUNDS):
            answers = await self._questions.ask(self._now_ns())
            found = self._compare(answers)
            if not found and not answers.has_unasked:
                self._agree(answers)
                return True
            counts = {each.identity: counts.get(each.identity, 0) + 1 for each in found}
            believed = [
                each
                for each in found
                if counts[each.identity] >= each.answers_needed and not self._may_arrive(each)
            ]
            explained = [each for each in believed if each.is_explained]
            if explained:
                self._explain(explained)
                continue
            if believed:
                self._tell(believed)
                return False
            await self._sleep(delay_s, is_woken=False)
            if self._is_stopping:
                return False
            delay_s = min(2 * delay_s, ASK_AGAIN_LIMIT_S)
        _log.warning(
            "after %d rounds the records still move, compared again later; last: %s",
            MAX_ROUNDS,
            "; ".join(map(str, found)),
        )
        return False

    def _may_arrive(self, difference: Difference) -> bool:
        """Whether the venue may still get an order that it does not know. What was sent on a
        connection before this one cannot come any more: the venue has ended that one, for it holds
        one session of a key. What was sent on this one is for FIX to ask, in its order."""
        if not isinstance(difference, OrderGone):
            return False
        if self._order_lifetime_ns:
            return self._may_be_shown(difference.ours)
        sent_ns = difference.ours.unacknowledged_since_ns
        return sent_ns > 0 and not 0 < sent_ns < self._active_since_ns

    def _may_be_shown(self, ours: OurOrder) -> bool:
        """The same by REST, where there is no session: an order can come until its timestamp is
        too old, and one that was acknowledged may be shown a while later."""
        now_ns = self._now_ns()
        if ours.venue_order_id:
            return not ours.is_accepted and now_ns - ours.acknowledged_time_ns < GONE_AFTER_NS
        return now_ns - ours.sent_time_ns < self._order_lifetime_ns

    def _compare(self, answers: Answers) -> list[Difference]:
        found = compare(answers.ours, answers.theirs)
        if found or not answers.is_quiet or not self._baseline:
            return found
        if has_late_fills(answers.ours, answers.theirs):
            return found
        own = self._own.changes()
        changes = {
            currency: balance - self._baseline.get(currency, Decimal(0))
            for currency, balance in answers.balances.items()
        }
        differences = compare_balances(own.changes, changes, own.turnovers)
        return [] if self._is_baseline_wrong(answers, own.changes, differences) else differences

    def _is_baseline_wrong(
        self, answers: Answers, changes: dict[str, Decimal], differences: list[Difference]
    ) -> bool:
        """Whether balances differ because of where they began: by REST nobody tells of a fill that
        comes between the question for fills and the one for balances, so that the first balances
        may hold one more than we had counted. Then they begin anew."""
        age_ns = answers.theirs.asked_ns - self._baseline_ns
        if not self._baseline_ns or (not differences and age_ns < BASELINE_DOUBT_NS):
            return False
        if differences and changes != self._baseline_changes:
            self._baseline.clear()
            return True
        if not differences:
            self._baseline_ns = 0
        return False

    def _agree(self, answers: Answers) -> None:
        venue_orders = answers.theirs.orders
        self._questions.fills.agree(
            {order.venue_order_id for order in venue_orders}, self._now_ns()
        )
        self._note_agreed()
        if not self._baseline and answers.is_quiet:
            changes = self._own.changes().changes
            balances = answers.balances
            self._baseline_changes = changes
            self._baseline_ns = answers.theirs.asked_ns if self._order_lifetime_ns else 0
            self._baseline = {
                currency: balances.get(currency, Decimal(0)) - change
                for currency, change in changes.items()
            }
        living = sum(order.is_living for order in venue_orders)
        level = logging.DEBUG if self.is_clean else logging.INFO
        _log.log(level, "the venue's record and ours are equal: %d open orders", living)
        if self._told:
            _log.warning("what was not explained is gone; a paused engine stays paused")
            self._told.clear()

    def _note_agreed(self) -> None:
        marks = self._questions.fills.marks()
        if marks != self._noted:
            self._noted = marks
            self._pipeline.note_agreed(self._now_ns(), json.dumps(marks, sort_keys=True))

    def _explain(self, differences: list[Difference]) -> None:
        for difference in differences:
            _log.warning("found and explained: %s", difference)
            now_ns = self._now_ns()
            for fields in make_reports(difference, self._request_number(difference), now_ns):
                result = self._pipeline.apply_report(fields, now_ns)
                if result & ReportResult.REPORT_INCONSISTENT:
                    self._on_pause(f"does not fit what we know: {difference}")

    def _request_number(self, difference: Difference) -> int:
        if isinstance(difference, OrderEnded | OrderFound) and difference.theirs.client_order_id:
            return self._own.request_number(difference.theirs.client_order_id)
        return 0

    def _tell(self, differences: list[Difference]) -> None:
        self._problem = "not explained: " + "; ".join(map(str, differences))
        new = [difference for difference in differences if difference not in self._told]
        self._told.update(new)
        if new:
            text = "; ".join(str(difference) for difference in new)
            self._on_pause(f"the venue's record differs from ours: {text}")

    async def _sleep(self, seconds: float, *, is_woken: bool = True) -> None:
        if self._is_stopping:
            return
        if not is_woken:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)


def make_reconciler(
    arc: Arc,
    rest_url: str,
    clock: EngineClock,
    on_pause: Callable[[str], None],
    known: KnownTrades | None = None,
    rates: RestRates | None = None,
) -> Reconciler:
    """Joins the parts; the keys are those of [order_entry], ``rates`` those of orders by REST.

    ``known`` is what earlier runs have counted, None: this one goes on from none. ConfigError:
    ca_file is of no use.
    """
    section, order_entry = arc.config.reconciliation, arc.config.order_entry
    if section is None or order_entry is None:
        raise UsageError("reconciliation needs [reconciliation] and [order_entry]")
    transport = make_rest_client(
        "reconciliation",
        rest_url,
        (order_entry.key, order_entry.secret, order_entry.passphrase),
        ca_file=section.ca_file,
        timeout_ms=section.timeout_ms,
        rates=rates,
    )
    own = OwnRecords(arc.memory, arc.pipeline.orders, arc.instruments, len(arc.strategies))
    return Reconciler(
        VenueQuestions(transport, own, arc.instruments, known),
        own,
        arc.pipeline,
        clock.now_ns,
        on_pause,
        interval_s=section.interval_seconds,
        transport=transport,
        order_lifetime_ns=ORDER_LIFETIME_NS if is_by_rest(arc.config) else 0,
    )
