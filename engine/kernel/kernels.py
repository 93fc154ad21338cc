"""Turns a strategy class into what the compiled arc calls: addresses of C functions.

Every hook gets the signature ``void (state*, event*, book*, position*, out*)``; ``event`` is not
read by ``on_book``. A hook that raises leaves no intent and one more in ``failure_count``: half
of a decision is never sent.
"""

import hashlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba import types

from engine.instruments import Instrument
from engine.kernel.kernel_cache import (
    entry_file,
    forget,
    is_cached,
    kernel_key,
    make_entry,
    reached_functions,
)
from engine.kernel.kernel_errors import explain_compile_error
from engine.kernel.kernel_function import ERROR_MODEL, kernel_function
from engine.kernel.python_hooks import python_hook
from engine.kernel.strategy_parameters import Number, bind_parameters
from engine.strategy import HOOKS, Strategy
from ext.dtypes import BOOK_VIEW, INTENTS, POSITION, TIMER
from ext.errors import ConfigError

_log = logging.getLogger("engine.strategy")

_NANOSECONDS_PER_MILLISECOND = 1_000_000
_LOG_AGAIN_FACTOR = 10

# The same strategy on several instruments is compiled once.
_compiled: dict[tuple[object, ...], Any] = {}


@dataclass(slots=True)
class CompiledStrategy:
    """One strategy on one instrument, ready to be called.

    Attributes:
        name: for logs, the monitor and the journal.
        state: its state record, in an array of length 1; the hooks read and write it in place.
        parameters: what the hooks read as ``state.params``.
        addresses: of the C function of every hook that the strategy defines.
        bar_interval_ns, timer_interval_ns: 0 when the strategy has no such hook.
        is_compiled: False for plain Python, which is slow.
        persistent: offset and size of the part of the state that outlives the process.
        source_digest: of the source that was loaded, see ``strategy_digest``.
    """

    name: str
    instrument: Instrument
    state: np.ndarray[Any, Any]
    parameters: dict[str, Number]
    addresses: dict[str, int]
    bar_interval_ns: int
    timer_interval_ns: int
    is_compiled: bool
    persistent: tuple[int, int]
    source_digest: str
    # The addresses are valid for as long as these objects live.
    _owners: tuple[object, ...] = field(repr=False)
    _initial_state: np.ndarray[Any, Any] = field(repr=False)

    @property
    def state_address(self) -> int:
        """Where the state record lies, for the first argument of the hooks."""
        return int(self.state.ctypes.data)

    @property
    def failure_count(self) -> int:
        """How many calls raised and were ignored since the start."""
        return int(self.state["failures"][0])

    def reset(self) -> None:
        """Back to the state before the first call, as after a warm-up."""
        self.state[:] = self._initial_state


class FailureLog:
    """Logs that hooks raise: a compiled hook cannot say so itself.

    ``poll`` about once a second. The first failure of a strategy is an error in the log, then each
    tenfold of the last count, so that a hook that always raises does not fill the log.
    """

    def __init__(self, strategies: Sequence[CompiledStrategy]) -> None:
        self._strategies = strategies
        # A plain-Python hook has told of its first failure by itself.
        self._logged = [0 if strategy.is_compiled else 1 for strategy in strategies]

    def poll(self) -> int:
        """Logs what is new; returns the failures of all strategies since the start."""
        total = 0
        for index, strategy in enumerate(self._strategies):
            count = strategy.failure_count
            total += count
            if count >= max(1, _LOG_AGAIN_FACTOR * self._logged[index]):
                _log_failures(strategy, count)
                self._logged[index] = count
        return total


def _log_failures(strategy: CompiledStrategy, count: int) -> None:
    hint = "; compiled = False in the class shows where" if strategy.is_compiled else ""
    _log.error(
        "%s on %s raised in %d call%s, which left no intent%s",
        strategy.name,
        strategy.instrument.symbol,
        count,
        "" if count == 1 else "s",
        hint,
    )


def strategy_digest(strategy: CompiledStrategy | type[Strategy]) -> str:
    """SHA-256 in hex of the files that a strategy's code stands in, wherever they lie.

    Of a compiled strategy, as they were when it was loaded. Covers the class, its bases and every
    function that its hooks reach, the engine's own helpers included; libraries are not covered.
    """
    if isinstance(strategy, CompiledStrategy):
        return strategy.source_digest
    contents = {hashlib.sha256(file.read_bytes()).digest() for file in _source_files(strategy)}
    return hashlib.sha256(b"".join(sorted(contents))).hexdigest()


def _source_files(strategy: type[Strategy]) -> set[Path]:
    bases = [base for base in strategy.__mro__ if issubclass(base, Strategy)]
    modules = [sys.modules.get(base.__module__) for base in bases if base is not Strategy]
    files = [getattr(module, "__file__", None) for module in modules]
    for hook in strategy.hooks().values():
        files += [function.__code__.co_filename for function in reached_functions(hook)]
    paths = {Path(file) for file in files if file}
    return {path for path in paths if path.is_file()}


def compile_strategy(
    strategy: type[Strategy],
    instrument: Instrument,
    overrides: Mapping[str, object] | None = None,
    *,
    name: str = "",
    bounds_check: bool = False,
) -> CompiledStrategy:
    """Binds the parameters and compiles every hook, about half a second each.

    ``bounds_check`` makes an index out of range raise, for tests; without it a hook that reads
    ``book.bid_ticks[10]`` reads what lies behind.

    Raises:
        ConfigError: a parameter that cannot be used, or a hook that does not compile: which hook,
            in which file and line, and why.
    """
    parameters = bind_parameters(
        strategy.params, overrides or {}, instrument, strategy.display_name()
    )
    complaint = strategy.check_parameters(parameters)
    if complaint:
        raise ConfigError(f"parameters of {strategy.display_name()}: {complaint}")
    hooks = strategy.hooks()
    if not hooks:
        raise ConfigError(f"{strategy.__name__} has no hook; define {', '.join(HOOKS)}")
    state = strategy.state.bind(strategy.params, parameters)
    entries: dict[str, Any] = {}
    for hook, function in hooks.items():
        if not strategy.compiled:
            entries[hook] = python_hook(strategy, hook, function, state.dtype)
            continue
        key = (function, hook, state.dtype, bounds_check)
        if key not in _compiled:
            _compiled[key] = _compile_hook(strategy, hook, function, state.dtype, bounds_check)
        entries[hook] = _compiled[key]
    return CompiledStrategy(
        name=name or strategy.display_name(),
        instrument=instrument,
        state=state,
        parameters=parameters,
        addresses={hook: entry.address for hook, entry in entries.items()},
        bar_interval_ns=strategy.bar_interval_ms * _NANOSECONDS_PER_MILLISECOND,
        timer_interval_ns=strategy.timer_interval_ms * _NANOSECONDS_PER_MILLISECOND,
        is_compiled=strategy.compiled,
        persistent=strategy.state.persistent_range(state.dtype),
        source_digest=strategy_digest(strategy),
        _owners=tuple(entries.values()),
        _initial_state=state.copy(),
    )


def _compile_hook(
    strategy: type[Strategy],
    hook: str,
    function: Callable[..., None],
    state: np.dtype[Any],
    bounds_check: bool,
) -> Any:
    dtypes = {"state": state, "book": BOOK_VIEW, "position": POSITION, "out": INTENTS}
    records = {name: numba.from_dtype(dtype) for name, dtype in dtypes.items()}
    event = HOOKS[hook].event
    if event is not None:
        records[HOOKS[hook].arguments[1]] = numba.from_dtype(event)
    _register_helpers(function)
    file = entry_file(kernel_key(function, hook, [*records.values()], bounds_check))
    user: Any = numba.njit(boundscheck=bounds_check, error_model=ERROR_MODEL)(function)
    if not is_cached(file):
        _check_compiles(strategy, hook, user, records)
    if event is None:
        user = numba.njit(error_model=ERROR_MODEL)(_with_event(user))
        event = TIMER
    pointer: Any = types.CPointer
    arguments = (state, event, BOOK_VIEW, POSITION, INTENTS)
    signature = types.void(*[pointer(numba.from_dtype(dtype)) for dtype in arguments])
    if file is not None:
        try:
            return numba.cfunc(signature, cache=True)(make_entry(user, file))
        except Exception as error:  # a kept file that cannot be read must not stop the engine
            _log.warning(
                "compiled code in %s cannot be used (%s); compiling anew",
                file.parent,
                type(error).__name__,
            )
            _log.debug("why it cannot be used", exc_info=True)
            forget(file)
    return numba.cfunc(signature)(make_entry(user, None))


def _check_compiles(
    strategy: type[Strategy], hook: str, user: Any, records: dict[str, Any]
) -> None:
    arguments = tuple(records[argument] for argument in HOOKS[hook].arguments)
    try:
        user.compile(arguments)
    except Exception as error:  # Numba lets errors of many types through
        _log.debug("Numba's own message for %s.%s", strategy.__name__, hook, exc_info=error)
        raise ConfigError(explain_compile_error(strategy, hook, error, records)) from None
    if user.overloads[arguments].signature.return_type != types.none:
        raise ConfigError(f"{strategy.__name__}.{hook} must not return or yield anything")


def _with_event(user: Any) -> Callable[..., None]:
    def call(state: Any, event: Any, book: Any, position: Any, out: Any) -> None:
        user(state, book, position, out)

    return call


def _register_helpers(function: Callable[..., Any]) -> None:
    """Plain functions of the strategy's own file, and those that they call in turn."""
    waiting = [function]
    seen = {function}
    while waiting:
        current = waiting.pop()
        for name in current.__code__.co_names:
            found = current.__globals__.get(name)
            if not isinstance(found, FunctionType) or found in seen:
                continue
            if found.__module__ == function.__module__:
                kernel_function(found)
                seen.add(found)
                waiting.append(found)
