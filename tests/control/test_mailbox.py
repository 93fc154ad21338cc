"""Kill word and mailbox over the header of a shared memory."""

from pathlib import Path

import numpy as np
import pytest

from control.kill_source import KillSource, source_words
from control.mailbox import (
    ANSWER_BYTES,
    KILL_REASON_BYTES,
    Header,
    Mailbox,
    open_header,
    read_kill_word,
    set_kill_word,
)
from ext.dtypes import SHARED_HEADER
from ext.errors import ConfigError
from ext.shared_memory import SharedMemory


@pytest.fixture
def header() -> Header:
    return np.zeros(1, SHARED_HEADER)


def test_the_first_reason_of_a_kill_stays(header: Header) -> None:
    assert read_kill_word(header) == (0, "", 0)
    assert set_kill_word(header, KillSource.KILL_COMMAND, "drill", 5)
    assert not set_kill_word(header, KillSource.KILL_CONTROL, "other", 6)
    assert read_kill_word(header) == (KillSource.KILL_COMMAND, "drill", 6), "the newest time"


def test_a_long_reason_is_cut_between_characters(header: Header) -> None:
    set_kill_word(header, 1, "é" * 200, 5)
    reason = read_kill_word(header)[1]
    assert reason == "é" * (KILL_REASON_BYTES // 2)


def test_a_command_goes_there_and_its_answer_back(header: Header) -> None:
    relay, engine = Mailbox(header), Mailbox(header)
    assert engine.take(0) is None
    first = relay.post(b"pause")
    assert relay.answer_to(first) is None
    assert engine.take(0) == (first, b"pause")
    assert engine.take(first) is None
    engine.answer(first, b"done")
    assert relay.answer_to(first) == b"done"
    second = relay.post(b"resume")
    assert relay.answer_to(second) is None
    assert engine.take(first) == (second, b"resume")


def test_a_relay_that_starts_anew_goes_on_with_the_numbers(header: Header) -> None:
    Mailbox(header).post(b"a")
    assert Mailbox(header).post(b"b") == 2


def test_an_answer_that_does_not_fit_is_cut(header: Header) -> None:
    mailbox = Mailbox(header)
    mailbox.answer(1, b"x" * 5000)
    assert mailbox.answer_to(1) == b"x" * ANSWER_BYTES


def test_another_process_writes_into_the_same_memory(tmp_path: Path) -> None:
    path = tmp_path / "wow-x.shm"
    memory = SharedMemory(str(path), [], [], engine_name="x")
    set_kill_word(open_header(path), KillSource.KILL_COMMAND, "drill", 7)
    assert read_kill_word(memory.header_record()) == (KillSource.KILL_COMMAND, "drill", 7)


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"x" * 8192])
def test_what_is_no_memory_of_ours_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "wow-x.shm"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"wow-x\.shm"):
        open_header(path)


def test_an_absent_memory_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        open_header(tmp_path / "wow-x.shm")


def test_a_source_of_a_later_version_has_words_too() -> None:
    assert source_words(4) == "wow-kill"
    assert source_words(99) == "source 99"
    assert all(source.words for source in KillSource)
