"""The people of a world: they pause and resume engine or strategy, flatten, kill and rearm."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from control.kill_source import KillSource
from sim.world.control import kill_from_outside
from sim.world.engine import BY_HAND
from sim.world.faults import SECOND_NS, FaultPlan

if TYPE_CHECKING:
    from sim.world.world import World


class People:
    """What they do, and what they believe: ``has_killed`` until a rearm was reported as done."""

    def __init__(self, world: "World", rng: random.Random) -> None:
        self.rng = rng
        self.has_killed = False
        """Somebody has killed, and nobody has rearmed since."""
        self.resumed: set[int] = set()
        """Strategies that somebody has resumed; whoever looks takes them out."""
        self.kills = self.rearms = 0
        self._world = world

    def kinds(self, plan: FaultPlan) -> tuple[tuple[float, str, Callable[[], None]], ...]:
        """What they do by themselves, and how often in a second."""
        return (
            (plan.pause_rate, "somebody pauses", self._pause),
            (plan.flatten_rate, "somebody flattens", self._flatten),
            (plan.strategy_pause_rate, "somebody pauses a strategy", self._pause_strategy),
            (plan.kill_rate, "somebody kills", self._kill),
        )

    def _pause(self) -> None:
        engine = self._world.engine
        if engine.is_dead or engine.is_paused:
            return
        engine.pause(f"{BY_HAND}: lunch")
        self._plan_resume()

    def _flatten(self) -> None:
        engine = self._world.engine
        if not engine.is_dead:
            engine.flatten()
            self._plan_resume()

    def _plan_resume(self) -> None:
        delay_ns = self.rng.randrange(SECOND_NS)
        self._world.schedule.after(delay_ns, "somebody resumes", self._resume)

    def _resume(self) -> None:
        engine = self._world.engine
        if engine.is_dead:
            return
        if engine.control.flatten.is_running and self._world.is_trading:
            self._plan_resume()  # not before it has ended
        else:
            engine.resume()

    def _pause_strategy(self) -> None:
        engine = self._world.engine
        if engine.is_dead:
            return
        number = self.rng.randrange(len(engine.arc.strategies))
        self._world.trace.note(engine.strategy_control.pause(str(number), f"{BY_HAND}: odd"))
        delay_ns = self.rng.randrange(SECOND_NS)
        name = "somebody resumes a strategy"
        self._world.schedule.after(delay_ns, name, lambda: self._resume_strategy(number))

    def _resume_strategy(self, number: int) -> None:
        engine = self._world.engine
        if not engine.is_dead:
            self._world.trace.note(engine.strategy_control.resume(str(number), f"{BY_HAND}: back"))
            self.resumed.add(number)

    def _kill(self) -> None:
        """From outside, by the word alone or with a waking call, or from inside; the engine may be
        dead already, or die before it has done anything about it."""
        self.kills += 1
        self.has_killed = True
        world, way = self._world, self.rng.choice(("word", "woken", "breaker", "crash"))
        engine = world.engine
        world.trace.note(f"kill: {way}")
        if way == "breaker" and not engine.is_dead:
            engine.control.switch.kill("a test", KillSource.KILL_BREAKER)
        else:
            kill_from_outside(engine.header, world.latch, world.clock.wall_ns(), self.kills)
        if way == "woken" and not engine.is_dead:
            engine.control.switch.look()
        if way == "crash" and world.plan.crash_rate > 0:
            world.crash()
        self._plan_rearm()

    def _plan_rearm(self) -> None:
        delay_ns = self.rng.randrange(2 * SECOND_NS)
        self._world.schedule.after(delay_ns, "somebody rearms", self._rearm)

    def _rearm(self) -> None:
        if not self._world.is_trading or not self.has_killed:
            return
        if not self._world.engine.is_dead:
            engine, kills = self._world.engine, self.kills
            seen_ns = engine.control.switch.killed_ns

            def note() -> None:
                self.rearms += 1
                self.has_killed = self.has_killed and self.kills != kills

            engine.control.spawn(lambda: engine.rearm(seen_ns, note))
        self._plan_rearm()
