"""Brings one ring into its stream of the journal, and gives its slots back once they are safe."""

import logging

from journal.entries import ORDERS, Stream, entry_starts
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter
from monitor.status import RelayStatus

RETRY_NS = 1_000_000_000
# Share of a ring that may wait for the disk: then it is forced there, or given up.
WAITING_SHIFT = 2

logger = logging.getLogger("wow-relay")


class StreamJournal:
    """The way of one stream: ``write``, then ``acknowledge``. Slots are given back when the disk
    has them, so that a disk which fails costs nothing while the ring lasts.

    Order records then wait in the ring until the journal can be written again. Market data waits
    until a quarter of its ring does, and is then given up and counted.
    """

    def __init__(
        self,
        reader: SharedReader,
        writer: JournalWriter | None,
        stream: Stream,
        status: RelayStatus,
    ) -> None:
        """Continues where the last relay gave slots back; ``reader`` is attached.

        Without a ``writer`` the stream is not journaled: its slots are given back unread.
        """
        self._reader = reader
        self._writer = writer
        self._stream: Stream = stream
        self._status = status
        self._sequence = reader.acknowledged(stream)
        self._waiting_slots = reader.ring_slots(stream) >> WAITING_SHIFT
        self._retry_ns = 0
        self.error = ""
        if writer is not None:
            self._resume(writer)

    @property
    def synced_sequence(self) -> int:
        """Slots that are safe: on the disk, or lost for ever."""
        if self._writer is not None and self._writer.unsynced_since_ns:
            return self._writer.synced_sequence
        return self._sequence

    @property
    def waiting(self) -> int:
        """Slots of the ring that are not in the journal yet."""
        return self._reader.written(self._stream) - self._sequence

    def write(self, monotonic_ns: int, *, at_once: bool = False) -> int:
        """Writes one batch, and forces to the disk what is due; how many slots it took.

        While the journal cannot be written it is tried again every second, or ``at_once``.
        """
        writer = self._writer
        if writer is None:
            self._sequence = self._reader.written(self._stream)
            return 0
        if monotonic_ns < self._retry_ns and not at_once:
            return self._give_up()
        slots, lost = self._reader.slots_after(self._stream, self._sequence)
        if lost:
            self._status.lost_records += lost
            logger.warning("%d slots were overwritten before they could be taken", lost)
        try:
            if len(slots):
                written = writer.append(slots, monotonic_ns)
                self._status.journaled_records += len(
                    entry_starts(slots[len(slots) - written :])[0]
                )
            elif self.error:
                writer.begin(monotonic_ns)  # an engine that is refused writes nothing to try with
            self._sequence += len(slots) + lost
            is_much = self._sequence - writer.synced_sequence > self._waiting_slots
            writer.sync(monotonic_ns, at_once=at_once or is_much)
        except OSError as error:
            # What was acknowledged and not kept was lost before: it is not in the ring any more.
            self._sequence = max(writer.last_sequence, self._reader.acknowledged(self._stream))
            self._failed(error, writer, monotonic_ns)
            return 0
        self._status.journal_bytes[self._stream] = writer.written_bytes
        if self.error:
            logger.warning("the journal is written again: %s", writer.directory)
            self.error = ""
        return len(slots) + lost

    def acknowledge(self) -> None:
        """Gives back what is safe."""
        self._reader.acknowledge(self._stream, self.synced_sequence)

    def close(self) -> None:
        """Forces the rest to the disk; what that fails for stays in the ring."""
        try:
            if self._writer is not None:
                self._writer.close()
        except OSError as error:
            logger.error("the end of the journal may be missing: %s", error)

    def _resume(self, writer: JournalWriter) -> None:
        try:
            damage = writer.resume()
        except OSError as error:
            self._failed(error, writer, 0)
        else:
            if damage:
                logger.warning("%s; it is left alone, a new segment is begun", damage)

    def _give_up(self) -> int:
        excess = self.waiting - self._waiting_slots
        if self._stream == ORDERS or excess <= 0:
            return 0
        slots, lost = self._reader.slots_after(self._stream, self._sequence, excess)
        self._status.lost_records += lost
        self._status.unjournaled_records += len(entry_starts(slots)[0])
        self._sequence += len(slots) + lost
        return len(slots) + lost

    def _failed(self, error: OSError, writer: JournalWriter, monotonic_ns: int) -> None:
        self._retry_ns = monotonic_ns + RETRY_NS
        reason = f"{writer.directory}: {error.strerror or error}"
        if reason != self.error:
            logger.error(
                "cannot write the journal of the %s in %s; %s, trying again every second: "
                "free space or permissions?",
                self._stream,
                reason,
                "new orders are refused" if self._stream == ORDERS else "its frames may be lost",
            )
        self.error = reason
