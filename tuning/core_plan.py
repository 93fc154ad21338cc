"""Who runs on which core, decided from the config and from the cores that this process may use.

Too few cores, or one that is not ours, is a warning and never an error: an engine in a container of
one core runs as well, only slower.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tuning.affinity import format_cores


@dataclass(frozen=True, slots=True)
class CorePlan:
    """Cores of one engine.

    Attributes:
        engine: core of the loop's thread, its alone; None: not pinned.
        relay: core of the relay; None: where the kernel puts it.
        others: cores for every other thread of the engine and for its children, ascending.
        warnings: what was asked for and cannot be had, one line each.
    """

    engine: int | None
    relay: int | None
    others: tuple[int, ...]
    warnings: tuple[str, ...] = ()


def plan_cores(engine_core: int, relay_core: int, cores: Sequence[int]) -> CorePlan:
    """The plan for ``[loop] engine_core`` and ``[telemetry] relay_core`` (-1: not asked for).

    ``cores`` are those that this process may use, at least one.
    """
    warnings = []
    engine: int | None = None
    relay: int | None = None
    allowed = format_cores(cores)
    if engine_core >= 0 and engine_core not in cores:
        warnings.append(
            f"[loop] engine_core {engine_core} is not a core of this process; it may use {allowed}:"
            " the engine is not pinned"
        )
    elif engine_core >= 0 and len(cores) < 2:
        warnings.append(
            f"[loop] engine_core {engine_core} is the only core of this process, its other threads"
            " need one too: the engine is not pinned"
        )
    elif engine_core >= 0:
        engine = engine_core
    others = tuple(core for core in sorted(cores) if core != engine)
    if relay_core >= 0 and relay_core not in others:
        warnings.append(
            f"[telemetry] relay_core {relay_core} is not a core that the relay may use, as"
            f" {format_cores(others)}"
        )
    elif relay_core >= 0:
        relay = relay_core
    if relay is None and engine is not None:
        relay = others[-1]  # started again later, the relay would inherit the engine's core
    return CorePlan(engine, relay, others, tuple(warnings))
