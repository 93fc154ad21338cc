"""What people and watches do to a run: pause, resume, arm, KILL, rearm, FLATTEN, and who did it.

    live, not armed ─ arm ─► trading ─ pause, doubt ─► PAUSED ─ resume ─► trading
    anything ─ kill ─► KILLED ─ rearm ─► as before; a live engine has to be armed again
    anything ─ flatten ─► PAUSED, selling back what is held ─► PAUSED and flat

Commands come through the mailbox, audited by the relay before they are posted. Each is an input of
the journal, so that a replay does it too.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import msgspec

from control.audit_log import AuditEntry, AuditError, AuditLog
from control.commands import Answer, Command, CommandBook, CommandError, Verb, decode_command
from control.kill_source import KillSource
from control.latch import Latch, LatchFile, make_latch
from control.mailbox import Mailbox
from control.paths import control_paths
from control.people import find_who
from engine.composition import Arc
from engine.engine_clock import EngineClock
from engine.levels.flatten import Flatten
from engine.levels.kill_access import kill_address
from engine.levels.kill_switch import KillEdges, KillSwitch
from engine.levels.kill_transport import make_kill_transport
from engine.levels.strategy_control import StrategyControl
from engine.reconcile.reconciler import Reconciler
from engine.settings.config_metadata import SIMULATOR
from engine.settings.config_schema import MODES_WITHOUT_ORDERS
from ext.clock import read_monotonic_ns, read_wall_ns
from ext.wire import EngineState
from gateways.rest_transport import RestTransport

REARM_TIMEOUT_S = 8.0  # for a comparison with the venue; below a command's time to live
REARM_ATTEMPTS, REARM_WAIT_S = 20, 0.5  # of --rearm: reports settle first
UNARMED = "not armed: wow-ctl arm --reason TEXT"
SHOWN_LEVELS = (EngineState.ENGINE_PAUSED_STATE, EngineState.ENGINE_KILLED_STATE)
_SECOND_NS = 1_000_000_000

_log = logging.getLogger("engine.control")


class Host(Protocol):
    """``engine.supervisor.Supervisor``, as far as control needs it."""

    @property
    def is_stopping(self) -> bool:
        """Whether a stop was asked for."""

    @property
    def is_session_active(self) -> bool:
        """Whether orders can be sent."""

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs a task; whoever has it ends it."""

    reconciler: Reconciler | None
    """Compares with the venue; None: nobody does, or not yet."""


class Control:
    """The control of one run, on the engine's loop."""

    def __init__(self, arc: Arc, clock: EngineClock, host: Host) -> None:
        paths = control_paths(arc.config.engine.state_directory, arc.config.engine.name)
        self.pause_reason = ""
        self.breaker_reason = ""
        """Why the engine's own breakers have stopped it."""
        self.is_armed = arc.config.engine.mode != "live"
        self.audit_log = AuditLog(paths.audit, paths.audit_head)
        self._arc = arc
        self._clock = clock
        self._host = host
        self._header = arc.memory.header_record()
        self._mailbox = Mailbox(self._header)
        self._taken = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: RestTransport | None = None
        self._commands = CommandBook()
        self._relay_word = 0
        self._relay_seen_ns = 0
        self._is_relay_told = False
        edges = KillEdges(
            now_ns=clock.now_ns,
            monotonic_ns=read_monotonic_ns,
            latch=LatchFile(paths.latch),
            audit=self.audit_log.append,
            in_background=self._in_background,
            spawn=self.spawn,
            sleep=asyncio.sleep,
            is_session_active=lambda: host.is_session_active,
        )
        self.switch = KillSwitch(arc, edges)
        self.switch.on_killed = self._on_killed
        self.flatten = Flatten(arc, clock)
        self._strategies = StrategyControl(arc, clock)

    def spawn(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs a task until the run ends."""
        task = self._host.spawn(make())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def connect(self, venue_url: str) -> None:
        """By what a KILL cancels and proves beside the order session; ``venue_url`` is that of a
        simulated venue."""
        if self._arc.config.engine.mode in MODES_WITHOUT_ORDERS:
            self.switch.is_virtual = True
            return
        url = kill_address(self._arc.config)
        if url == SIMULATOR:
            url = venue_url
        if not url or self._arc.orders is None:
            self.switch.has_no_rest = True
            return
        self._transport = make_kill_transport(self._arc.config, url)
        self.switch.rest = await self._transport.__aenter__()

    async def close(self) -> None:
        """The end of the run: what is under way ends where it is."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._transport is not None:
            await self._transport.__aexit__(None, None, None)

    def begin(self, left_kill_reason: str) -> None:
        """The levels that the last run ended with; a live engine waits to be armed."""
        latch = LatchFile(self._paths().latch).read()
        if latch is None and left_kill_reason:
            latch = _read_latch(left_kill_reason)
        if latch is not None:
            _log.critical("this run begins KILLED: %s", latch.text)
            self.switch.take_over(latch)
        if not self.is_armed:
            self._arc.pipeline.disarm(self._clock.now_ns(), UNARMED)
            _log.warning("LIVE and %s", UNARMED)

    def pause(self, reason: str) -> None:
        """No new risk until a person has looked; cancels stay allowed."""
        self.pause_reason = self.pause_reason or reason
        self._arc.pipeline.pause(self._clock.now_ns(), reason)
        _log.error("PAUSED, no new orders: %s", reason)
        self.show()

    def show(self) -> None:
        """Publishes the level and why; the gravest comes first."""
        memory = self._arc.memory
        state = int(self._header["engine_state"][0])
        if self._host.is_stopping:
            return
        if self.switch.is_killed:
            self.switch.show()
            return
        if self._arc.pipeline.gate.is_paused or self._is_stopped_by_breaker:
            reason = self.pause_reason or self.breaker_reason
            reason = reason or ("" if self.is_armed else UNARMED)
            memory.set_state(EngineState.ENGINE_PAUSED_STATE, reason or "paused")
        elif state in SHOWN_LEVELS:
            memory.set_state(EngineState.ENGINE_RUNNING, "running")

    @property
    def _is_stopped_by_breaker(self) -> bool:
        return bool(self._arc.pipeline.breakers.is_engine_stopped)

    def show_breakers(self, reason: str) -> None:
        """Why the engine's own breakers have stopped it; empty: they let it go on."""
        self.breaker_reason = reason
        self.show()

    def kill_by_breaker(self, reason: str, source: str, inputs: str) -> None:
        """``inputs`` are a JSON object: what the breaker has seen."""
        seen = {"source": source, **json.loads(inputs)}
        self.switch.kill(reason, KillSource.KILL_BREAKER, seen)

    def look(self) -> None:
        """What others have written into the shared memory: the kill word, a command."""
        self.switch.look()
        found = self._mailbox.take(self._taken)
        if found is None:
            return
        self._taken, data = found
        try:
            command = decode_command(data)
        except CommandError as error:
            answer = Answer(id="unknown", code="refused", text=str(error))
            self._mailbox.answer(self._taken, msgspec.json.encode(answer))
            return
        refusal = self._commands.judge(command, read_wall_ns())
        if refusal is not None:
            self._mailbox.answer(self._taken, msgspec.json.encode(refusal))
            return
        self._commands.remember(command.id, None)
        number = self._taken
        self.spawn(lambda: self._serve(number, command))

    def look_slowly(self, monotonic_ns: int) -> None:
        """Once a second: a latch without a word, a relay that does not live."""
        self.switch.look_at_latch()
        self.switch.cancel_again()
        self._watch_relay(monotonic_ns)

    async def _serve(self, number: int, command: Command) -> None:
        try:
            answer = await self._do(command)
        except CommandError as error:
            answer = _refuse(command, str(error))
        except Exception as error:  # a command that fails is answered, and the engine goes on
            _log.exception("%s failed", command.verb.value)
            answer = Answer(id=command.id, code="failed", text=f"{command.verb.value}: {error!r}")
        self._commands.remember(command.id, answer)
        _log.warning(
            "wow-ctl %s by %s (%s): %s: %s",
            command.verb.value,
            _name(command),
            command.reason or "no reason given",
            answer.code,
            answer.text,
        )
        self._mailbox.answer(number, msgspec.json.encode(answer))

    async def _do(self, command: Command) -> Answer:
        if self._host.is_stopping:
            return _refuse(command, "the engine is stopping")
        self._arc.pipeline.note_command(self._clock.now_ns(), msgspec.json.encode(command).decode())
        match command.verb:
            case Verb.PAUSE:
                return self._pause(command)
            case Verb.RESUME:
                return self._resume(command)
            case Verb.CANCEL_ALL:
                return self._cancel_all(command)
            case Verb.ARM:
                return self._arm(command)
            case Verb.REARM:
                return await self._rearm(command)
            case Verb.FLATTEN:
                return await self._flatten(command)
            case Verb.KILL:
                self.switch.kill(command.reason, KillSource.KILL_CONTROL, None, command.who)
                return _done(command, "KILLED")
            case _:
                return _refuse(command, f"{command.verb.value} is not for the engine")

    def _pause(self, command: Command) -> Answer:
        if command.strategy:
            reason = f"{command.reason or 'no reason given'} (wow-ctl, {_name(command)})"
            return _done(command, self._strategies.pause(command.strategy, reason))
        if self.pause_reason:
            return _done(command, f"was PAUSED already: {self.pause_reason}")
        self.pause(f"{command.reason or 'no reason given'} (wow-ctl, {_name(command)})")
        return _done(command, "PAUSED: no new orders; cancels go, what rests stays")

    def _resume(self, command: Command) -> Answer:
        if self.switch.is_killed:
            return _refuse(command, "KILLED: wow-ctl rearm --reason TEXT comes first")
        if command.strategy:
            return self._resume_strategy(command)
        if not self.pause_reason and not self._is_stopped_by_breaker:
            text = "is not paused" if self.is_armed else f"is not paused, but {UNARMED}"
            return _done(command, text)
        if self._header["dropped_order_records"][0]:
            return _refuse(command, "the journal has a hole: only a restart mends that")
        if self.flatten.is_running:
            return _refuse(command, "a FLATTEN is under way: wait for its end")
        if not command.reason.strip():
            return _refuse(command, "a resume needs a reason: --reason TEXT")
        was = self.pause_reason or self.breaker_reason
        self.pause_reason = self.breaker_reason = ""
        if self._host.reconciler is not None:
            self._host.reconciler.forget_told()
        self._lift(f"{command.reason} (wow-ctl, {_name(command)})")
        rest = "" if self.is_armed else f"; {UNARMED}"
        return _done(command, f"resumed; it was paused for: {was}{rest}")

    def _resume_strategy(self, command: Command) -> Answer:
        if not command.reason.strip():
            return _refuse(command, "a resume needs a reason: --reason TEXT")
        reason = f"{command.reason} (wow-ctl, {_name(command)})"
        answer = self._strategies.resume(command.strategy, reason)
        if self._arc.pipeline.gate.is_paused or self._is_stopped_by_breaker:
            answer += "; the engine itself is PAUSED still"
        return _done(command, answer)

    def _arm(self, command: Command) -> Answer:
        if self.switch.is_killed:
            return _refuse(command, "KILLED: wow-ctl rearm --reason TEXT comes first")
        if self.is_armed:
            return _done(command, "was armed already")
        if not command.reason.strip():
            return _refuse(command, "arming needs a reason: --reason TEXT")
        if self._is_stopped_by_breaker:
            return _refuse(
                command, f"a breaker has stopped it ({self.breaker_reason}): resume first"
            )
        self.is_armed = True
        if self.pause_reason:
            return _done(command, f"armed, and still PAUSED: {self.pause_reason}")
        self._lift(f"armed: {command.reason} (wow-ctl, {_name(command)})")
        return _done(command, "armed: orders are real from now on")

    def _lift(self, reason: str) -> None:
        """New risk again, or only the memory of the pause while the engine is not armed."""
        self._arc.pipeline.resume(self._clock.now_ns(), reason)
        if not self.is_armed:
            self._arc.pipeline.disarm(self._clock.now_ns(), UNARMED)
        self.show()

    def _cancel_all(self, command: Command) -> Answer:
        open_orders = len(self._arc.pipeline.orders.open_orders())
        if not self._host.is_session_active:
            text = f"the order session is down, {open_orders} orders are open or unknown: wow-kill"
            return _refuse(command, f"{text} cancels by REST")
        count = self._arc.pipeline.cancel_all(self._clock.now_ns())
        text = f"{count} cancels sent of {open_orders} open orders; strategies trade on"
        return Answer(id=command.id, code="done", text=text, facts={"cancels_sent": str(count)})

    async def _rearm(self, command: Command) -> Answer:
        problem = await self.rearm(command.reason, _name(command), command.seen_kill_time_ns)
        if problem:
            return _refuse(command, problem)
        level = "PAUSED" if self.pause_reason else "not armed" if not self.is_armed else "trading"
        return _done(command, f"rearmed: the latch is gone, the engine is {level}")

    async def rearm(self, reason: str, who: str, seen_ns: int) -> str:
        """Lifts the KILL that was the newest at ``seen_ns``; empty when it did, else why not. A
        live engine is not armed afterwards."""
        problem = await self.switch.rearm(reason, who, seen_ns, self._compare)
        if not problem:
            if self._arc.config.engine.mode == "live" and self.is_armed:
                self.is_armed = False
                self._arc.pipeline.disarm(self._clock.now_ns(), UNARMED)
            self._in_background(
                lambda: self._audit(AuditEntry(what="rearmed", where="engine", why=reason))
            )
            self.show()
        return problem

    async def rearm_at_start(self, reason: str) -> None:
        """``--rearm REASON``: tries until it is allowed, or has been refused for a while."""
        if not self.switch.is_killed:
            _log.info("--rearm: the engine was not KILLED")
            return
        who, problem, seen_ns = find_who(), "", self.switch.killed_ns
        for _ in range(REARM_ATTEMPTS):
            problem = await self.rearm(reason, f"{who.user or who.uid}, at the start", seen_ns)
            if not problem:
                return
            await asyncio.sleep(REARM_WAIT_S)
        _log.critical("--rearm was refused, the engine stays KILLED: %s", problem)

    async def _compare(self) -> str:
        if self._host.reconciler is None:
            return "there is no [reconciliation] to compare the records by: set it"
        try:
            async with asyncio.timeout(REARM_TIMEOUT_S):
                return await self._host.reconciler.compare_now()
        except TimeoutError:
            return "the comparison with the venue has not ended yet: ask again"

    async def _flatten(self, command: Command) -> Answer:
        if self.switch.is_killed:
            text = "KILLED: nothing but cancels leaves; rearm first, or close the position yourself"
            return _refuse(command, text)
        if self.flatten.is_running:
            return _done(command, "was under way already: wow-ctl status shows what is left")
        if not self.pause_reason:
            self.pause(f"FLATTEN: {command.reason or 'no reason given'} ({_name(command)})")
        left = self.flatten.begin()
        if not left:
            return _done(command, "PAUSED; nothing was held")
        self.spawn(self._run_flatten)
        text = f"PAUSED, FLATTEN has begun: {left}; wow-ctl status shows what is left"
        return _done(command, text)

    async def _run_flatten(self) -> None:
        text = await self.flatten.run(
            asyncio.sleep, lambda: self.switch.is_killed or self._host.is_stopping
        )
        _log.warning("FLATTEN: %s", text)
        said = msgspec.json.encode({"what": "flatten ended", "how": text}).decode()
        self._arc.pipeline.note_command(self._clock.now_ns(), said)
        if not self.switch.is_killed and not self._host.is_stopping:
            self.pause_reason = f"FLATTEN: {text}"
            self.show()
        self._in_background(
            lambda: self._audit(AuditEntry(what="flatten ended", where="engine", after=text))
        )

    def _on_killed(self) -> None:
        """A live engine has to be armed again after a KILL."""
        if self._arc.config.engine.mode == "live":
            self.is_armed = False

    def _watch_relay(self, monotonic_ns: int) -> None:
        section, word = self._arc.config.kill, int(self._header["relay_heartbeat_ns"][0])
        if not self._arc.config.telemetry.relay or section.on_dead_relay == "off":
            return
        if word != self._relay_word or not self._relay_seen_ns:
            self._relay_word, self._relay_seen_ns = word, monotonic_ns
            self._is_relay_told = False
            return
        away_s = (monotonic_ns - self._relay_seen_ns) / _SECOND_NS
        if away_s < section.dead_relay_seconds or self._is_relay_told or self._host.is_stopping:
            return
        self._is_relay_told = True
        reason = f"the relay has not lived for {away_s:.0f} s: nobody journals or commands"
        if section.on_dead_relay == "kill":
            inputs = {"away_seconds": f"{away_s:.3f}", "limit": section.dead_relay_seconds}
            self.switch.kill(reason, KillSource.KILL_RELAY, inputs)
        else:
            self.pause(reason)

    def _audit(self, entry: AuditEntry) -> None:
        try:
            self.audit_log.append(entry)
        except AuditError as error:
            _log.error("%s", error)

    def _in_background(self, work: Callable[[], None]) -> Awaitable[None] | None:
        try:
            return asyncio.get_running_loop().run_in_executor(None, work)
        except RuntimeError:  # no loop: tests, and the end of the process
            work()
            return None

    def _paths(self) -> Any:
        return control_paths(self._arc.config.engine.state_directory, self._arc.config.engine.name)


def _read_latch(text: str) -> Latch:
    """The latch as the journal kept it."""
    try:
        return msgspec.json.decode(text, type=Latch)
    except msgspec.MsgspecError:
        return make_latch("journal", text, "the journal of the last run", 0)


def _name(command: Command) -> str:
    return command.who.user or str(command.who.uid) if command.who is not None else "unknown"


def _done(command: Command, text: str) -> Answer:
    return Answer(id=command.id, code="done", text=text)


def _refuse(command: Command, text: str) -> Answer:
    return Answer(id=command.id, code="refused", text=text)
