"""The relay's door for commands: a Unix socket that only the engine's own user may open.

    line in ─ who? ─ counts? ─ audit ─ mailbox ─ wake the engine ─ its answer ─ audit ─ line out

The file has mode 0600, and the kernel says who stands behind a connection: others are refused and
recorded. A command is on the disk of the audit log before the engine sees it; what cannot be
recorded is not done. KILL alone goes the other way round: the kill word is set first, because a
disk that hangs must not hold it up, and is recorded at once afterwards.
"""

import contextlib
import logging
import os
import signal
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from control.audit_log import AuditEntry, AuditError, AuditLog
from control.commands import (
    Answer,
    Command,
    CommandBook,
    CommandError,
    Verb,
    decode_command,
    encode_command,
)
from control.door import MAX_LINE_BYTES, short_path
from control.kill_source import KillSource
from control.latch import LatchFile, make_latch
from control.mailbox import Header, Mailbox, set_kill_word
from control.paths import ControlPaths
from control.people import Who, find_who
from ext.errors import ConfigError
from journal.names import ENGINE_STATES, name_of
from journal.processes import process_lives

MAX_CLIENTS = 16
CLIENT_TIMEOUT_NS = 90_000_000_000  # longer than any command lives
WHERE = "local socket"
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: SO_PEERCRED

logger = logging.getLogger("wow-relay")


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    who: Who
    since_ns: int
    data: bytes = b""


@dataclass(slots=True)
class _Waiting:
    """A command that is in the mailbox, or waits for it."""

    client: _Client
    command: Command
    number: int = 0


class ControlDoor:
    """Listens until ``close``; ``poll`` does what is due and never waits.

    ``header`` is the engine's, writable. Raises ConfigError when the socket cannot be made.
    """

    def __init__(
        self,
        paths: ControlPaths,
        header: Header,
        *,
        clock: Callable[[], int] = time.time_ns,
        allowed_uids: frozenset[int] | None = None,
    ) -> None:
        self._paths = paths
        self._header = header
        self._clock = clock
        self._audit = AuditLog(paths.audit, paths.audit_head, clock=clock)
        self._latch = LatchFile(paths.latch)
        self._mailbox = Mailbox(header)
        self._allowed = frozenset({0, os.getuid()}) if allowed_uids is None else allowed_uids
        self._book = CommandBook()
        self._clients: list[_Client] = []
        self._queue: deque[_Waiting] = deque()
        self._listener = self._listen()

    def filenos(self) -> list[int]:
        """What to wait for."""
        return [self._listener.fileno(), *(each.connection.fileno() for each in self._clients)]

    def poll(self) -> None:
        """Takes what came, and passes on what was answered."""
        now_ns = self._clock()
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            self._admit(connection, now_ns)
        for client in list(self._clients):
            self._read(client, now_ns)
        self._serve(now_ns)

    def close(self) -> None:
        """Hangs up; the next relay makes its own socket."""
        for client in list(self._clients):
            self._drop(client)
        self._listener.close()
        self._paths.socket.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        path = self._paths.socket
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # of a relay that died: the rings are ours, so is this
            with short_path(path) as short:
                before = os.umask(0o177)
                try:
                    listener.bind(short)
                finally:
                    os.umask(before)
            listener.listen(MAX_CLIENTS)
        except OSError as error:
            listener.close()
            raise ConfigError(f"the control socket {path}: {error.strerror}") from error
        return listener

    def _admit(self, connection: socket.socket, now_ns: int) -> None:
        connection.setblocking(False)
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        client = _Client(connection, find_who(uid, pid), now_ns)
        if uid not in self._allowed:
            text = f"user {client.who.user or uid} may not command this engine"
            self._record(client, "refused", why=text)
            self._reply(client, Answer(id="none", code="refused", text=text))
        elif len(self._clients) >= MAX_CLIENTS:
            text = f"{MAX_CLIENTS} others are waiting: try again, or use wow-kill"
            self._reply(client, Answer(id="none", code="refused", text=text))
        else:
            self._clients.append(client)

    def _read(self, client: _Client, now_ns: int) -> None:
        try:
            piece = client.connection.recv(MAX_LINE_BYTES)
        except BlockingIOError:
            if now_ns - client.since_ns > CLIENT_TIMEOUT_NS:
                self._drop(client)
            return
        except OSError:
            piece = b""
        client.data += piece
        line, is_whole, _ = client.data.partition(b"\n")
        if is_whole and not any(each.client is client for each in self._queue):
            client.data = b""
            self._take(client, line, now_ns)
        elif not piece:
            self._drop(client)  # what it asked for goes on; its answer is in the audit log
        elif len(client.data) > MAX_LINE_BYTES:
            text = f"a message above {MAX_LINE_BYTES} bytes"
            self._reply(client, Answer(id="none", code="refused", text=text))

    def _take(self, client: _Client, line: bytes, now_ns: int) -> None:
        try:
            command = decode_command(line)
            command = msgspec.structs.replace(command, who=client.who)
            encode_command(command)
        except CommandError as error:
            self._record(client, "refused", why=str(error))
            self._reply(client, Answer(id="none", code="refused", text=str(error)))
            return
        refusal = self._book.judge(command, now_ns)
        if refusal is not None:
            self._record(client, f"{command.verb.value} {refusal.code}", command, refusal.text)
            self._reply(client, refusal)
        elif command.verb is Verb.KILL:
            self._kill(client, command, now_ns)
        else:
            self._accept(client, command)

    def _accept(self, client: _Client, command: Command) -> None:
        try:
            self._audit.append(self._entry(client, command.verb.value, command, command.reason))
        except AuditError as error:
            text = f"{command.verb.value} was not done: {error}"
            self._reply(client, Answer(id=command.id, code="refused", text=text))
            return
        self._book.remember(command.id, None)
        self._queue.append(_Waiting(client, command))

    def _kill(self, client: _Client, command: Command, now_ns: int) -> None:
        reason = command.reason or "no reason given"
        set_kill_word(self._header, int(KillSource.KILL_CONTROL), reason, now_ns)
        self._wake()
        latch = make_latch(command.id, reason, "wow-ctl", now_ns, client.who)
        said = ["kill word set"]
        try:
            self._latch.write(latch)
            self._latch.sync()
            said.append("latched on the disk")
        except OSError as error:
            said.append(f"NOT latched ({error.strerror})")
        set_kill_word(self._header, int(KillSource.KILL_CONTROL), reason, now_ns)  # see wow-kill
        is_recorded = self._record(client, command.verb.value, command, reason)
        said.append("recorded" if is_recorded else "NOT in the audit log")
        answer = Answer(id=command.id, code="done", text=", ".join(said))
        self._book.remember(command.id, answer)
        self._reply(client, answer)

    def _serve(self, now_ns: int) -> None:
        """The first of the queue is in the mailbox, or goes there; its answer goes out."""
        while self._queue:
            waiting = self._queue[0]
            command = waiting.command
            if not waiting.number:
                waiting.number = self._mailbox.post(encode_command(command))
                self._wake()
                return
            data = self._mailbox.answer_to(waiting.number)
            if data is None and now_ns < command.expires_ns:
                return
            answer = _read_answer(command, data)
            self._queue.popleft()
            self._book.remember(command.id, answer)
            what = f"{command.verb.value} {answer.code}"
            self._record(waiting.client, what, command, answer.text)
            self._reply(waiting.client, answer)

    def _wake(self) -> None:
        pid = int(self._header["process_id"][0])
        if process_lives(pid, int(self._header["start_time_ns"][0])):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGUSR1)

    def _record(
        self, client: _Client, what: str, command: Command | None = None, why: str = ""
    ) -> bool:
        try:
            self._audit.append(self._entry(client, what, command, why))
        except AuditError as error:
            logger.error("%s", error)
            return False
        return True

    def _entry(self, client: _Client, what: str, command: Command | None, why: str) -> AuditEntry:
        state = name_of(ENGINE_STATES, int(self._header["engine_state"][0]))
        is_answer = command is not None and what != command.verb.value
        return AuditEntry(
            what=what,
            where=WHERE,
            why=why,
            before="" if is_answer else state,
            after=state if is_answer else "",
            command_id=command.id if command is not None else "",
            who=client.who,
        )

    def _reply(self, client: _Client, answer: Answer) -> None:
        with contextlib.suppress(OSError):  # it has hung up: the audit log has the answer
            client.connection.send(msgspec.json.encode(answer) + b"\n")
        self._drop(client)

    def _drop(self, client: _Client) -> None:
        client.connection.close()
        if client in self._clients:
            self._clients.remove(client)


def _read_answer(command: Command, data: bytes | None) -> Answer:
    if data is None:
        text = (
            f"the engine has not answered {command.verb.value} within {command.ttl_ms / 1e3:g} s:"
            " it hangs or is busy, and does not do it later; wow-kill works without it"
        )
        return Answer(id=command.id, code="unanswered", text=text)
    try:
        return msgspec.json.decode(data, type=Answer)
    except msgspec.MsgspecError as error:
        return Answer(id=command.id, code="failed", text=f"an answer that is none: {error}")
