"""Peers in an interpreter of their own: absent, answering, and ending."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import bench_book, peer_process
from bench.bench_book import PEERS, make_trial
from bench.frames import generate_frames
from bench.harness import BenchmarkError, run_trial
from bench.peer_process import open_peers, peer_version

ECHO = """
import sys
import numpy as np
assert sys.argv[1] != "broken", "an import fails"
for line in sys.stdin:
    source, target = line.rstrip("\\n").split("\\t")
    with np.load(source) as arrays:
        assert len(arrays["snapshot"]), "I cannot do without a snapshot"
        np.save(target, arrays["changes"][:, 1:3])
    print(7, flush=True)
"""
ROWS = np.array([(0, 100, 5, 1), (0, 103, 4, -1)], np.int64)


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own interpreter in the place of the peers', and a peer that is simple."""
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o700)
    (tmp_path / "echo.py").write_text(ECHO)
    for package in ("echo", "broken", "hftbacktest"):
        described = tmp_path / "lib" / "python3" / "site-packages" / f"{package}-1.2.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text(f"Name: {package}\nVersion: 1.2\n")
    monkeypatch.setattr(peer_process, "PEERS", tmp_path)
    monkeypatch.setattr(peer_process, "SCRIPT", tmp_path / "echo.py")


@pytest.mark.usefixtures("beside")
def test_a_peer_answers_again_and_again() -> None:
    with open_peers("echo") as peers:
        for rows in (ROWS, ROWS[:1]):
            total_ns, best = peers["echo"].replay(ROWS, rows)
            assert total_ns == 7
            assert best.tolist() == rows[:, 1:3].tolist()


@pytest.mark.usefixtures("beside")
def test_a_peer_that_is_not_installed_is_absent() -> None:
    with open_peers("absent", "echo") as peers:
        assert list(peers) == ["echo"]
    assert peer_version("echo") == "1.2"
    assert peer_version("absent") is None


@pytest.mark.usefixtures("beside")
def test_a_peer_that_is_broken_is_an_error_and_not_absent() -> None:
    with (
        open_peers("broken") as peers,
        pytest.raises(BenchmarkError, match=r"broken ended: [^$]*an import fails"),
    ):
        peers["broken"].replay(ROWS, ROWS)


@pytest.mark.usefixtures("beside")
def test_a_peer_that_ends_is_an_error_with_its_words() -> None:
    with (
        open_peers("echo") as peers,
        pytest.raises(BenchmarkError, match=r"echo ended: [^$]*cannot do without a snapshot"),
    ):
        peers["echo"].replay(ROWS[:0], ROWS)


@pytest.mark.usefixtures("beside")
def test_a_peer_that_is_wrong_ends_the_benchmark() -> None:
    frames = generate_frames(5).frame_set()
    with (
        open_peers("hftbacktest") as peers,
        pytest.raises(BenchmarkError, match=r"hftbacktest: .* did other work"),
    ):
        run_trial(make_trial(frames, peers), 1)


def test_without_an_environment_of_theirs_all_are_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_process, "PEERS", tmp_path)
    with open_peers(*PEERS) as peers:
        assert peers == {}
        trial = make_trial(generate_frames(5).frame_set(), peers)
    assert [absent.package for absent in trial.absent] == list(PEERS)
    assert run_trial(trial, 1).outcomes[-1].name == "SortedDict"


def test_the_script_imports_nothing_of_ours() -> None:
    source = Path(bench_book.__file__).with_name("peer_books.py").read_text()
    assert os.linesep.join(["import sys", "import time"]) in source
    for package in ("bench", "engine", "ext", "feeds", "monitor", "sim"):
        assert f"from {package}" not in source
        assert f"import {package}" not in source
