"""Hooks as plain Python behind the same C signature, for ``compiled = False``."""

import ctypes
import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from engine.strategy import HOOKS, Strategy
from ext.dtypes import BOOK_VIEW, INTENTS, POSITION

_log = logging.getLogger("engine.strategy")

_PROTOTYPE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)


class PythonHook:
    """A C callback and the address to call it at; keep it alive for as long as it is called."""

    def __init__(self, callback: Callable[..., None]) -> None:
        self._callback = _PROTOTYPE(callback)
        self.address = ctypes.cast(self._callback, ctypes.c_void_p).value or 0


@cache
def structure_of(dtype: np.dtype[Any]) -> Any:
    """The ctypes structure laid out like ``dtype``: its views read and write the same memory."""
    return np.ctypeslib.as_ctypes_type(dtype)


def python_hook(
    strategy: type[Strategy], hook: str, function: Callable[..., None], state: np.dtype[Any]
) -> PythonHook:
    """Wraps ``function``; a call that raises leaves no intent and is counted, the first logged."""
    event_dtype = HOOKS[hook].event
    view_state = structure_of(state).from_address
    view_event = structure_of(event_dtype).from_address if event_dtype is not None else None
    view_book = structure_of(BOOK_VIEW).from_address
    view_position = structure_of(POSITION).from_address
    view_intents = structure_of(INTENTS).from_address
    has_logged = False

    def call(state_at: int, event_at: int, book_at: int, position_at: int, out_at: int) -> None:
        nonlocal has_logged
        state_view = view_state(state_at)
        intents = view_intents(out_at)
        events = () if view_event is None else (view_event(event_at),)
        try:
            function(state_view, *events, view_book(book_at), view_position(position_at), intents)
        except Exception:
            intents.count = 0
            state_view.failures += 1
            if not has_logged:
                has_logged = True
                _log.exception(
                    "%s.%s raised; the call is ignored, later ones are only counted",
                    strategy.__name__,
                    hook,
                )

    return PythonHook(call)
