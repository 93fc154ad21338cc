"""Where the threads of the engine run: the loop's alone on its core, every other one elsewhere.

The order is that of the calls. ``prepare`` before children are started: they inherit the cores of
the thread that makes them. ``take_core`` when they are there. ``check`` once a second.
"""

import asyncio
import logging
import os
import threading

from ext.errors import ConfigError
from ext.shared_memory import SharedMemory
from tuning.affinity import format_cores, pin_to_core
from tuning.core_plan import CorePlan
from tuning.threads import list_threads, move_thread, read_thread

_log = logging.getLogger("engine.placement")


class ThreadPlacement:
    """Pins the thread that calls it as ``plan`` says, and watches that it stays alone."""

    def __init__(self, plan: CorePlan, memory: SharedMemory) -> None:
        self._plan = plan
        self._header = memory.header_record()
        self._core: int | None = None
        self._hot_thread = 0
        self._away: list[int] = []  # threads that were seen elsewhere, the longest ago first
        self._told: set[int] = set()  # threads that were seen on the core and told of
        self._is_moved = False  # the engine's own thread was found elsewhere

    @property
    def relay_core(self) -> int | None:
        """Core of the relay; None: where the kernel puts it."""
        return self._plan.relay

    async def prepare(self) -> None:
        """Leaves the engine's core until ``take_core``: what is made meanwhile inherits the others.

        That is also where the loop's pool is made now: libuv starts its threads with the first name
        that is looked up, and made by the pinned thread they would be born on its core.
        """
        for warning in self._plan.warnings:
            _log.warning("%s", warning)
        if self._plan.engine is not None:
            move_thread(0, self._plan.others)
            await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 0)

    def take_core(self) -> None:
        """Pins the calling thread, moves every other one away, and reads back what holds.

        A core that cannot be had is a warning: the engine runs unpinned.
        """
        core = self._plan.engine
        if core is None:
            return
        move_thread(0, (*self._plan.others, core))
        try:
            self._core = pin_to_core(core)
        except ConfigError as error:
            _log.warning("the engine is not pinned: %s", error)
            return
        self._hot_thread = threading.get_native_id()
        for thread_id in self._others():
            move_thread(thread_id, self._plan.others)
        self._header["engine_core"] = core
        self.check()

    def check(self) -> None:
        """Looks at every thread that is new, and at one of the others: tens of microseconds.

        One that may run on the engine's core is told of, once, and moved away.
        """
        if self._core is None:
            return
        present = self._others()
        away = [thread_id for thread_id in self._away if thread_id in present]
        self._away = away[1:]
        for thread_id in present.difference(self._away):
            if self._is_away(thread_id) or self._move_away(thread_id):
                self._away.append(thread_id)
        self._header["threads_on_core"] = len(present) - len(self._away)
        if os.sched_getaffinity(0) != {self._core} and not self._is_moved:
            self._is_moved = True
            allowed = format_cores(os.sched_getaffinity(0))
            _log.warning("the engine may run on %s, not on core %d alone", allowed, self._core)

    def release(self) -> None:
        """Gives the thread all its cores back."""
        if self._core is not None:
            move_thread(0, (*self._plan.others, self._core))
            self._core = None

    def describe(self) -> str:
        """For the banner: what the kernel says, not what was asked for."""
        if self._core is None:
            return f"cores {format_cores(os.sched_getaffinity(0))}, not pinned"
        hot = read_thread(self._hot_thread)
        found = [place for place in map(read_thread, self._others()) if place is not None]
        away = [place.cores for place in found if self._core not in place.cores]
        if hot is None or hot.cores != {self._core} or hot.last_core != self._core:
            return f"core {self._core} asked for, but the kernel shows {hot}"
        text = f"core {self._core} to itself"
        if len(away) < len(found):
            text = f"core {self._core} SHARED with {len(found) - len(away)} threads of ours"
        elsewhere = format_cores(frozenset[int]().union(*away))
        return f"{text}; {len(away)} threads beside it, on {elsewhere or '-'} (as /proc shows)"

    def _others(self) -> set[int]:
        return list_threads() - {self._hot_thread}

    def _is_away(self, thread_id: int) -> bool:
        place = read_thread(thread_id)
        return place is None or self._core not in place.cores

    def _move_away(self, thread_id: int) -> bool:
        if thread_id not in self._told:
            self._told.add(thread_id)
            _log.warning(
                "thread %d may run on core %s, the engine's; moving it away", thread_id, self._core
            )
        return move_thread(thread_id, self._plan.others) and self._is_away(thread_id)
