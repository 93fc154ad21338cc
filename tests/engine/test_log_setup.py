"""Where log records go, and that the ring gets the engine's."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.composition import Arc
from engine.log_setup import log_in_background, log_into_ring, set_up_logging
from engine.settings.config_records import LogSection
from ext.dtypes import RECORD
from ext.errors import ConfigError
from ext.wire import RecordKind

pytestmark = pytest.mark.usefixtures("kept_logging")


def test_a_file_gets_what_is_at_least_of_the_level(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "engine.log"
    set_up_logging(LogSection(level="warning", file=str(path)))
    logging.getLogger("engine.test").info("not this")
    logging.getLogger("engine.test").warning("but %s", "this")
    (line,) = path.read_text().splitlines()
    assert line.endswith("WARNING engine.test      but this")


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_text("before\n")
    set_up_logging(LogSection(file=str(path)))
    logging.getLogger("engine.test").info("after")
    assert path.read_text().startswith("before\n")
    assert "after" in path.read_text()


def test_without_a_file_it_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogSection())
    logging.getLogger("engine.test").info("hello")
    captured = capsys.readouterr()
    assert "hello" in captured.err
    assert captured.out == ""


def test_a_file_that_cannot_be_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"\[log\] file .* cannot be written: "):
        set_up_logging(LogSection(file=str(tmp_path / "file" / "below")))


def test_in_the_background_it_is_the_same_text_in_the_same_place(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    direct = set_up_logging(LogSection(file=str(path)))
    log = logging.getLogger("engine.test")
    log.info("before")
    with log_in_background(direct) as writer:
        assert direct not in logging.getLogger().handlers
        log.info("within")
        assert writer.flush(10)
    log.info("after")
    lines = path.read_text().splitlines()
    assert [line.split()[-1] for line in lines] == ["before", "within", "after"]
    assert len({line[24:-6] for line in lines[:2]}) == 1
    assert logging.getLogger().handlers == [direct]


def test_a_log_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.log_setup.CLOSE_TIMEOUT_S", 0.02)
    reader, descriptor = os.pipe()
    with os.fdopen(descriptor, "w") as stream:
        direct = set_up_logging(LogSection())
        direct.setStream(stream)
        with log_in_background(direct):
            logging.getLogger("engine.test").error("x" * 1_000_000)
        assert direct not in logging.getLogger().handlers
        os.close(reader)


@pytest.mark.parametrize("name", ["numba.core", "asyncio", "picows.feed", "feed"])
def test_chatty_libraries_are_quiet_even_in_debug(name: str, tmp_path: Path) -> None:
    set_up_logging(LogSection(level="debug", file=str(tmp_path / "engine.log")))
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger(name).isEnabledFor(logging.WARNING)


def test_the_ring_gets_the_text_and_the_level(
    make_arc: Callable[..., Arc], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "engine")  # the handler itself leaves debug out
    arc = make_arc()
    handler = log_into_ring(arc.memory)
    try:
        logging.getLogger("engine.test").error("an order is %s", "lost")
        logging.getLogger("engine.test").debug("not this")
        logging.getLogger("elsewhere").error("nor this")
    finally:
        logging.getLogger("engine").removeHandler(handler)
    assert int(arc.memory.header_record()["write_sequence"][0]) == 1
    record = arc.memory.region("ring_offset", RECORD, 1)[0]
    assert record["kind"] == RecordKind.RECORD_TEXT
    assert b"an order is lost" in record.tobytes()


@pytest.mark.parametrize("length", [0, 1, 10_000])
def test_the_ring_takes_a_text_of_any_length(make_arc: Callable[..., Arc], length: int) -> None:
    arc = make_arc()
    handler = log_into_ring(arc.memory)
    try:
        logging.getLogger("engine.test").error("é" * length)
    finally:
        logging.getLogger("engine").removeHandler(handler)
    assert int(arc.memory.header_record()["write_sequence"][0]) == 1
