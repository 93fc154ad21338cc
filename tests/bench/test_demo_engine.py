"""A demo that does not get there is an error with its words, and nothing of it stays."""

import sys
from pathlib import Path

import pytest

from bench import demo_engine
from bench.demo_engine import book_count, start_demo
from bench.harness import BenchmarkError


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for ``wow-engine``: a script to be written by the test."""
    path = tmp_path / "wow-engine"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return path


def write(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)


def test_the_demo_has_two_books() -> None:
    assert book_count() == 2


def test_an_engine_that_ends_is_an_error_with_its_words(program: Path) -> None:
    write(program, "echo no venue; exit 2")
    with (
        start_demo(None) as engine,
        pytest.raises(BenchmarkError, match=r"had no 1 LIVE books after .*: no venue"),
    ):
        engine.wait_for_books(1)


def test_an_engine_without_books_is_given_up(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(program, "exec sleep 60")
    monkeypatch.setattr(demo_engine, "LIVE_TIMEOUT_S", 0.05)
    with start_demo(None) as engine, pytest.raises(BenchmarkError, match="had no 2 LIVE books"):
        engine.wait_for_books(2)


def test_an_engine_that_stops_badly_is_an_error(program: Path) -> None:
    write(program, "trap 'exit 3' INT; echo $WOW_KERNEL_CACHE; while :; do sleep 0.01; done")
    with start_demo(Path("/kept")) as engine:
        while "/kept" not in (engine._directory / "said.txt").read_text():
            pass
        assert engine.resident_bytes() > 100_000
        with pytest.raises(BenchmarkError, match="ended with status 3: /kept"):
            engine.stop()
