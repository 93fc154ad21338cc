"""Coroutines on the schedule of a world: what a loop does for production code, in virtual time.

A coroutine that runs here may await ``Pause`` alone, by itself or through others.
"""

from collections.abc import Callable, Coroutine, Generator
from typing import Any

from sim.world.schedule import Event, Schedule

BEGIN_NS = 1_000_000
"""A task is begun by the loop, a while after whoever made it."""


class Pause:
    """Await it: goes on after so long."""

    def __init__(self, delay_ns: int) -> None:
        self.delay_ns = delay_ns

    def __await__(self) -> Generator["Pause", None, None]:
        yield self


class WorldTask:
    """What ``begin`` makes is stepped by the schedule until it ends or is stopped."""

    def __init__(
        self,
        schedule: Schedule,
        begin: Callable[[], Coroutine[Any, Any, None]],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._schedule = schedule
        self._begin = begin
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._on_error = on_error
        self._event: Event | None = None
        self._is_over = False
        self._plan(BEGIN_NS)

    def wake(self) -> None:
        """Goes on now rather than at the end of its pause."""
        if self._event is not None and not self._is_over:
            self._event.cancel()
            self._plan(0)

    def stop(self) -> None:
        """Ends it where it stands, as the death of its process does."""
        self._is_over = True
        if self._event is not None:
            self._event.cancel()
        if self._coroutine is not None:
            self._coroutine.close()

    def _plan(self, delay_ns: int) -> None:
        self._event = self._schedule.after(delay_ns, ".task", self._step)

    def _step(self) -> None:
        self._event = None
        if self._is_over:
            return
        if self._coroutine is None:
            self._coroutine = self._begin()
        try:
            pause = self._coroutine.send(None)
        except StopIteration:
            self._is_over = True
        except Exception as error:  # whatever ends a task is for whoever started it
            self._is_over = True
            self._on_error(error)
        else:
            self._plan(pause.delay_ns)
