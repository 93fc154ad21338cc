"""The measuring program leaves the peers out, and says what went wrong."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from bench import measure_ours
from bench.harness import Benchmark, Contender, Size, Trial

MakeContender = Callable[..., Contender]


@pytest.fixture
def benchmark(
    make_contender: MakeContender, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Benchmark]:
    """One good benchmark with a peer, and one bad one."""

    @contextmanager
    def good(size: Size) -> Iterator[Sequence[Trial]]:
        ours = make_contender("ours", [size.pick(smoke=20, real=30)], samples=[1, 3])
        yield [Trial("good.one", (ours, make_contender("theirs", [10])), "theirs")]

    @contextmanager
    def bad(size: Size) -> Iterator[Sequence[Trial]]:
        yield [Trial("bad.one", (make_contender("ours", [1], expected_hash=1),))]

    made = {"good": Benchmark("good", "", good), "bad": Benchmark("bad", "", bad)}
    monkeypatch.setattr(measure_ours, "BENCHMARKS", made)
    return made


@pytest.mark.usefixtures("benchmark")
def test_ours_alone_runs(
    journal: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["measure_ours", "2", "smoke", "good"])
    assert measure_ours.main() == 0
    assert journal == ["ours"] * 3
    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "good.one",
            "unit": "ns",
            "value": 2.0,
            "work_hash": f"{7:016x}",
            "p50": 1,
            "p99": 3,
        }
    ]


def test_an_interrupted_round_does_not_count(
    make_contender: MakeContender,
    benchmark: dict[str, Benchmark],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextmanager
    def noisy(size: Size) -> Iterator[Sequence[Trial]]:
        yield [Trial("noisy", (make_contender("ours", [1, 90, 20, 80]),))]

    monkeypatch.setitem(benchmark, "noisy", Benchmark("noisy", "", noisy))
    monkeypatch.setattr("sys.argv", ["measure_ours", "3", "real", "noisy"])
    assert measure_ours.main() == 0
    assert json.loads(capsys.readouterr().out)[0]["value"] == 2.0


@pytest.mark.usefixtures("benchmark")
def test_names_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["measure_ours"])
    assert measure_ours.main() == 0
    assert json.loads(capsys.readouterr().out) == ["good", "bad"]


@pytest.mark.usefixtures("benchmark")
def test_wrong_work_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["measure_ours", "1", "real", "bad"])
    assert measure_ours.main() == 1
    said = capsys.readouterr()
    assert "did the wrong work" in said.err
    assert not said.out
