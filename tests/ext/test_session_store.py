"""Numbers and sent messages of a FIX session: what survives, and what is refused."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ext.bounds import Bound
from ext.errors import ConfigError, UsageError
from ext.session_store import MAGIC, SessionStore

NAME = "US:VENUE"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "session.store"


def test_new_store_starts_at_one(path: Path) -> None:
    for store in (SessionStore(None, NAME), SessionStore(str(path), NAME)):
        assert (store.next_outgoing, store.next_incoming) == (1, 1)
        assert not store.is_active
        assert store.created_time_ns == store.last_sent_ns == store.last_received_ns == 0
        assert store.load_outgoing(1) is None
    assert SessionStore(None, NAME).path == ""
    assert store.path == str(path)
    assert path.read_bytes().startswith(MAGIC)
    assert path.stat().st_mode & 0o777 == 0o600


def test_numbers_and_messages_survive(path: Path) -> None:
    store = SessionStore(str(path), NAME)
    store.reset(123)
    store.next_outgoing = 17
    store.next_incoming = 23
    store.save_outgoing(16, b"8=FIXT.1.1|sixteen\x01\0behind a zero", 5)
    store.is_active = True
    store.last_sent_ns = store.last_received_ns = 5
    again = SessionStore(str(path), NAME)
    assert (again.next_outgoing, again.next_incoming, again.created_time_ns) == (17, 23, 123)
    assert again.load_outgoing(16) == b"8=FIXT.1.1|sixteen\x01\0behind a zero"
    assert not again.is_active, "a new process is not logged on"
    assert again.last_sent_ns == again.last_received_ns == 0, "its monotonic clock is another one"


def test_store_outlives_a_killed_process(path: Path) -> None:
    """No flush, no close: what was stored before the kill is there."""
    code = (
        "import os, signal, sys\n"
        "from ext.session_store import SessionStore\n"
        "store = SessionStore(sys.argv[1], sys.argv[2])\n"
        "store.save_outgoing(1, b'the order', 5)\n"
        "store.next_outgoing = 2; store.next_incoming = 9\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, "-c", code, str(path), NAME], env=environment, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    store = SessionStore(str(path), NAME)
    assert (store.next_outgoing, store.next_incoming) == (2, 9)
    assert store.load_outgoing(1) == b"the order"


def test_reset_forgets_messages(path: Path) -> None:
    store = SessionStore(str(path), NAME)
    store.save_outgoing(1, b"one", 5)
    store.next_outgoing = 2
    store.reset(99)
    assert (store.next_outgoing, store.next_incoming, store.created_time_ns) == (1, 1, 99)
    assert store.load_outgoing(1) is None


def test_close_ends_the_activity(path: Path) -> None:
    for store in (SessionStore(None, NAME), SessionStore(str(path), NAME)):
        store.is_active = True
        store.close()
        assert not store.is_active


def test_store_of_another_session(path: Path) -> None:
    SessionStore(str(path), NAME)
    with pytest.raises(ConfigError, match=r"belongs to session 'US:VENUE', not 'US:OTHER'; use"):
        SessionStore(str(path), "US:OTHER")
    with pytest.raises(ConfigError, match="belongs to session"):
        SessionStore(str(path), NAME + "X")
    assert SessionStore(str(path), NAME).next_outgoing == 1


def test_file_that_is_no_store(path: Path) -> None:
    SessionStore(str(path), NAME)
    content = bytearray(path.read_bytes())
    content[:8] = b"NOTASTOR"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="remove the file"):
        SessionStore(str(path), NAME)


@pytest.mark.parametrize("change", [-1, 1, -1000])
def test_file_of_another_size(path: Path, change: int) -> None:
    SessionStore(str(path), NAME)
    size = path.stat().st_size
    os.truncate(path, size + change)
    with pytest.raises(ConfigError, match=f"had {size + change} bytes, not {size}; it is of"):
        SessionStore(str(path), NAME)
    assert path.stat().st_size == size + change, "a refused file is left alone"


def test_files_that_cannot_be_opened_are_named(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"could not be opened: .*; check \[engine\]") as caught:
        SessionStore(str(path), NAME)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["", "n" * 120, "é" * 60])
def test_session_names_out_of_range(name: str, path: Path) -> None:
    with pytest.raises(ConfigError, match="bytes; use 1 to 119"):
        SessionStore(str(path), name)
    assert not path.exists()


def test_longest_session_name(path: Path) -> None:
    SessionStore(str(path), "n" * 119).next_outgoing = 5
    assert SessionStore(str(path), "n" * 119).next_outgoing == 5
    with pytest.raises(ConfigError, match="belongs to session"):
        SessionStore(str(path), "n" * 118)


def test_newest_messages_are_kept() -> None:
    store = SessionStore(None, NAME)
    total = Bound.OUTGOING_SLOTS + 3
    for sequence in range(1, total + 1):
        store.save_outgoing(sequence, b"%d" % sequence, 5)
    for sequence in range(1, 4):
        assert store.load_outgoing(sequence) is None
    for sequence in range(4, total + 1):
        assert store.load_outgoing(sequence) == b"%d" % sequence


@pytest.mark.parametrize("size", [0, 1, Bound.OUTGOING_SLOT_BYTES])
def test_messages_up_to_a_slot(size: int) -> None:
    store = SessionStore(None, NAME)
    store.save_outgoing(7, b"m" * size, 5)
    assert store.load_outgoing(7) == b"m" * size


def test_oversized_message_is_not_kept() -> None:
    """Nor is the older one of its slot, whose number it took."""
    store = SessionStore(None, NAME)
    for sequence in (1, 2, 3):
        store.save_outgoing(sequence, b"%d" % sequence, 5)
    store.save_outgoing(2 + Bound.OUTGOING_SLOTS, b"m" * (Bound.OUTGOING_SLOT_BYTES + 1), 5)
    assert store.load_outgoing(2 + Bound.OUTGOING_SLOTS) is None
    assert store.load_outgoing(2) is None
    assert (store.load_outgoing(1), store.load_outgoing(3)) == (b"1", b"3")


@pytest.mark.parametrize("sequence", [0, -1, -(2**62)])
def test_numbers_start_at_one(sequence: int) -> None:
    store = SessionStore(None, NAME)
    with pytest.raises(UsageError, match="FIX numbers start at 1"):
        store.next_outgoing = sequence
    with pytest.raises(UsageError, match="FIX numbers start at 1"):
        store.next_incoming = sequence
    with pytest.raises(UsageError, match="FIX numbers start at 1"):
        store.save_outgoing(sequence, b"", 5)
    assert store.load_outgoing(sequence) is None
    assert (store.next_outgoing, store.next_incoming) == (1, 1)
