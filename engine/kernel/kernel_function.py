"""Functions that run inside compiled hooks and, unchanged, as plain Python.

A function marked here stays an ordinary Python function; Numba compiles it when a compiled hook
calls it. Indicator updates and the order helpers are such functions, so a strategy with
``compiled = False`` and a unit test call exactly the code that trades.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeVar
from weakref import WeakSet

from numba.extending import register_jitable

Function = TypeVar("Function", bound=Callable[..., Any])

# Division by zero gives inf or NaN, as in NumPy: a raise would need the interpreter.
ERROR_MODEL: Literal["numpy"] = "numpy"

_registered: WeakSet[Callable[..., Any]] = WeakSet()


def kernel_function(function: Function) -> Function:
    """Lets compiled hooks call ``function``; returns it unchanged. Marking twice is harmless.

    Functions in a strategy's own file need no mark; those that several files share do.
    """
    if function not in _registered:
        register_jitable(error_model=ERROR_MODEL)(function)
        _registered.add(function)
    return function
