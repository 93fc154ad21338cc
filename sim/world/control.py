"""Control in a world: the production KILL of an engine, and a person who pauses, kills and rearms.

The latch is on a disk that outlives the engine, and what was not synced does not outlive the power.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from control.audit_log import AuditEntry
from control.kill_source import KillSource
from control.latch import Latch, make_latch
from control.mailbox import set_kill_word
from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.levels.flatten import Flatten
from engine.levels.kill_switch import KillEdges, KillSwitch
from sim.world.coroutine import Pause, WorldTask
from sim.world.network import Network
from sim.world.reconciliation import WorldRest
from sim.world.venue import Venue

DISK_NS = 2_000_000
"""What waits for a disk is done so much later."""


class WorldLatch:
    """The file of a latch; one for all runs of a world."""

    def __init__(self) -> None:
        self.latch: Latch | None = None
        self._is_synced = False

    def write(self, latch: Latch) -> bool:
        """Puts it there unless there is one."""
        if self.latch is not None:
            return False
        self.latch, self._is_synced = latch, False
        return True

    def sync(self) -> None:
        """It outlives the power from here on."""
        self._is_synced = True

    def read(self) -> Latch | None:
        """What is there."""
        return self.latch

    def remove(self, kill_id: str) -> bool:
        """Takes the latch of that KILL away."""
        if self.latch is not None and self.latch.id != kill_id:
            return False
        self.latch = None
        return True

    def lose_power(self) -> None:
        """What was not synced is gone."""
        if not self._is_synced:
            self.latch = None

    @property
    def is_safe(self) -> bool:
        """Whether there is one that outlives the power."""
        return self.latch is not None and self._is_synced


class WorldControl:
    """The switch of one run, and what dies with its process."""

    def __init__(
        self,
        arc: Arc,
        clock: EngineClock,
        network: Network,
        venue: Venue,
        latch: WorldLatch,
        is_session_active: Callable[[], bool],
        on_error: Callable[[Exception], None],
    ) -> None:
        self.audited: list[AuditEntry] = []
        self._network = network
        self._on_error = on_error
        self._tasks: list[WorldTask] = []
        self._is_dead = False
        edges = KillEdges(
            now_ns=clock.now_ns,
            monotonic_ns=network.clock.monotonic_ns,
            latch=latch,
            audit=self.audited.append,
            in_background=self._later,
            spawn=self.spawn,
            sleep=_sleep,
            is_session_active=is_session_active,
        )
        self.switch = KillSwitch(arc, edges)
        self.switch.rest = WorldRest(network, venue)
        self.flatten = Flatten(arc, clock)

    def begin(self, latch: Latch | None, left_kill_reason: str) -> None:
        """KILLED already, by the file or by what the order stream told."""
        if latch is None and left_kill_reason:
            latch = make_latch("left", left_kill_reason, "the journal", 0)
        if latch is not None:
            self.switch.take_over(latch)

    def begin_flatten(self, is_stopping: Callable[[], bool]) -> None:
        """What ``engine.levels.control`` does when somebody asks for a FLATTEN while PAUSED."""
        if not self.flatten.is_running and self.flatten.begin():
            self.spawn(lambda: self._flatten(is_stopping))

    async def _flatten(self, is_stopping: Callable[[], bool]) -> None:
        text = await self.flatten.run(_sleep, lambda: self.switch.is_killed or is_stopping())
        self._network.trace.note(f"FLATTEN: {text}")

    def spawn(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A task that dies with the process."""
        self._tasks.append(WorldTask(self._network.schedule, make, self._on_error))

    def abandon(self) -> None:
        """The process is dead."""
        self._is_dead = True
        for task in self._tasks:
            task.stop()

    def _later(self, work: Callable[[], None]) -> None:
        def act() -> None:
            if not self._is_dead:
                work()

        self._network.schedule.after(DISK_NS, ".disk", act)


def kill_from_outside(header: Any, latch: WorldLatch, now_ns: int, number: int) -> None:
    """What ``wow-kill`` does to an engine that need not even look: word and latch."""
    set_kill_word(header, int(KillSource.KILL_COMMAND), "from outside", now_ns)
    latch.write(make_latch(f"kill-{number}", "from outside", "wow-kill", now_ns))
    latch.sync()


async def _sleep(seconds: float) -> None:
    await Pause(int(seconds * 1_000_000_000))
