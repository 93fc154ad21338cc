"""Charges the steps of a coroutine to the part of the engine that it belongs to.

Cheaper than asyncio's debug mode, which times every callback of the loop: two reads of the clock a
step of the coroutines that are measured, nothing for the rest.
"""

from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, TypeVar

from ext.loop_meter import LoopMeter
from ext.loop_source import LoopSource

Result = TypeVar("Result")


class MeasuredCoroutine(Coroutine[Any, Any, Result]):
    """Runs ``coroutine``; each step, from one await to the next, is time of ``source``."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, Result], meter: LoopMeter, source: LoopSource
    ) -> None:
        self._coroutine = coroutine
        self._meter = meter
        self._source = int(source)

    def send(self, value: Any) -> Any:
        """The next step."""
        before = self._meter.enter(self._source)
        try:
            return self._coroutine.send(value)
        finally:
            self._meter.leave(before)

    def throw(
        self,
        kind: Any,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> Any:
        """The next step, which begins with an error such as a cancellation."""
        before = self._meter.enter(self._source)
        try:
            return self._coroutine.throw(kind)
        finally:
            self._meter.leave(before)

    def close(self) -> None:
        """Ends a coroutine that was never run to its end."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Result]:
        return self._coroutine.__await__()
