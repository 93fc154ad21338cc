"""Care of the loop: its core, the collector, busy poll, and how long its cycles take."""

import asyncio
import logging
from collections.abc import Callable

from engine.collector import CollectorCare
from engine.placement import ThreadPlacement
from engine.settings.config_schema import LoopSection
from engine.warm.keep_warm import KeepWarm, Pulsing
from ext.busy_poll import BusyPoller
from ext.loop_meter import LoopMeter
from ext.loop_source import LoopSource
from ext.shared_memory import SharedMemory
from tuning.core_plan import CorePlan

MICROSECOND_NS = 1_000

_log = logging.getLogger("engine.loop")


def source_name(source: int) -> str:
    """A LoopSource as it is written in the log and the summary, e.g. ``market data``."""
    return LoopSource(source).name.removeprefix("LOOP_").lower().replace("_", " ")


class LoopCare:
    """Begins with the run and ends with it.

    With busy poll the loop never sleeps: between two turns the market data socket is read
    ``spin_count`` times and the order socket once. A turn that fails is counted in
    ``failed_turns``; the next one comes all the same. ``meter`` is for everybody who runs on the
    loop, see ``ext/loop_meter.pxd``.
    """

    def __init__(
        self,
        section: LoopSection,
        memory: SharedMemory,
        plan: CorePlan,
        poller: BusyPoller | None,
        poll_orders: Callable[[], None],
    ) -> None:
        self.failed_turns = 0
        self.meter = LoopMeter(memory, section.stall_threshold_us * MICROSECOND_NS)
        self.placement = ThreadPlacement(plan, memory)
        self.collector = CollectorCare(section.garbage_collection, memory)
        self._section = section
        self._memory = memory
        self._keep_warm: KeepWarm | None = None
        self._poller = poller
        self._poll_orders = poll_orders
        self._is_running = False

    def begin(self, warm_up: Callable[[], Pulsing | None] = lambda: None) -> None:
        """Takes the core, warms up on it, freezes what the start has allocated, starts polling.

        Children and pools are there by now: they would inherit the core. ``warm_up`` returns what
        can be pulsed to keep the arc warm; None: nothing.
        """
        self._is_running = True
        self.placement.take_core()
        warmed = warm_up()
        if warmed is not None and self._section.keep_warm_ms:
            interval_ms = self._section.keep_warm_ms
            self._keep_warm = KeepWarm(warmed, interval_ms, self._memory, self.meter)
        elif warmed is not None:
            warmed.close()
        self.collector.begin()
        if self._poller is not None:
            asyncio.get_running_loop().call_soon(self._turn)
        elif self._keep_warm is not None:
            self._keep_warm.begin()

    def check(self) -> None:
        """What may have gone wrong meanwhile; once a second, off the arc."""
        self.placement.check()
        self.collector.check()
        count, longest_ns, source = self.meter.take_stalls()
        if count:
            _log.warning(
                "the loop stalled %d times, up to %.1f ms, most of it in: %s",
                count,
                longest_ns / 1e6,
                source_name(source),
            )

    def end(self) -> None:
        """Lets the loop sleep again, the collector work, and the thread run where it likes."""
        if not self._is_running:
            return
        self._is_running = False
        if self._keep_warm is not None:
            self._keep_warm.end()
        self.check()
        self.meter.end_polling()
        if self.failed_turns > 1:
            _log.error("%d turns of the busy poll failed", self.failed_turns)
        self.collector.end()
        self.placement.release()

    def _turn(self) -> None:
        if not self._is_running or self._poller is None:
            return
        self.meter.begin_poll()
        try:
            self._poll_orders()
            if not self._poller.poll() and self._keep_warm is not None:
                self._keep_warm.poll()
        except Exception:
            self.failed_turns += 1
            if self.failed_turns == 1:
                _log.exception("a turn of the busy poll failed; further ones are counted")
        finally:
            self.meter.end_poll()
            asyncio.get_running_loop().call_soon(self._turn)
