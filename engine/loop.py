"""Care of the loop: busy poll, garbage collection, and how long its turns take."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable

from engine.config_schema import LoopSection
from ext.busy_poll import BusyPoller
from ext.shared_memory import SharedMemory
from tuning.affinity import pin_to_core

_log = logging.getLogger("engine.loop")


class LoopCare:
    """Begins with the run and ends with it.

    With busy poll the loop never sleeps: between two turns the market data socket is read
    ``spin_count`` times and the order socket once. The longest turn is published; it is measured
    only then, because a sleeping loop cannot tell a long turn from a quiet market. A turn that
    fails is counted in ``failed_turns``; the next one comes all the same.
    """

    def __init__(
        self,
        section: LoopSection,
        memory: SharedMemory,
        poller: BusyPoller | None,
        poll_orders: Callable[[], None],
    ) -> None:
        self.failed_turns = 0
        self._section = section
        self._header = memory.header_record()
        self._poller = poller
        self._poll_orders = poll_orders
        self._is_running = False
        self._turn_ended_ns = 0

    def begin(self) -> None:
        """Pins the thread, freezes what the start has allocated, starts polling.

        The processes that the engine starts are there by now: they would inherit the core.
        """
        self._is_running = True
        if self._section.engine_core >= 0:
            pin_to_core(self._section.engine_core)
        if self._section.garbage_collection == "frozen":
            gc.collect()
            gc.freeze()
            gc.disable()
        if self._poller is not None:
            self._turn_ended_ns = time.monotonic_ns()
            asyncio.get_running_loop().call_soon(self._turn)

    def end(self) -> None:
        """Lets the loop sleep again and the collector work."""
        self._is_running = False
        if self.failed_turns > 1:
            _log.error("%d turns of the busy poll failed", self.failed_turns)
        if self._section.garbage_collection == "frozen":
            gc.enable()
            gc.unfreeze()

    def _turn(self) -> None:
        if not self._is_running or self._poller is None:
            return
        elapsed_ns = time.monotonic_ns() - self._turn_ended_ns
        header = self._header
        header["loop_cycles"] += 1
        if elapsed_ns > header["loop_max_cycle_ns"][0]:
            header["loop_max_cycle_ns"] = elapsed_ns
        try:
            self._poll_orders()
            self._poller.poll()
        except Exception:
            self.failed_turns += 1
            if self.failed_turns == 1:
                _log.exception("a turn of the busy poll failed; further ones are counted")
        finally:
            self._turn_ended_ns = time.monotonic_ns()
            asyncio.get_running_loop().call_soon(self._turn)
