"""The C function around a hook: pointers in, records on, and no half decision out.

``engine.kernel.kernel_cache`` runs this text once for each hook, with ``user`` bound to the hook:
Numba keeps compiled code by file, so every hook needs its text in a file of its own.
"""

from typing import Any

from numba.np.numpy_support import carray

user: Any = None


def entry(state: Any, event: Any, book: Any, position: Any, out: Any) -> None:
    """``void (state*, event*, book*, position*, out*)``."""
    state_record = carray(state, 1)[0]
    intents = carray(out, 1)[0]
    try:
        user(
            state_record,
            carray(event, 1)[0],
            carray(book, 1)[0],
            carray(position, 1)[0],
            intents,
        )
    except Exception:
        intents.count = 0
        state_record.failures += 1
