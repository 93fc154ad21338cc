"""Every benchmark runs at its small size, so that none can rot."""

import math
from pathlib import Path

import pytest

from bench.harness import Figure, Size, run_benchmark
from bench.suite import BENCHMARKS
from bench.wire_tls import find_missing

# Tests of their own.
SLOW = {"wire_to_wire", "wire_to_wire_tls", "allocations", "first_order", "start", "memory", "kill"}


def run_small(name: str) -> list[Figure]:
    figures = list(run_benchmark(BENCHMARKS[name], Size.SMOKE, 1))
    assert figures
    for figure in figures:
        assert figure.trial.name.startswith(name)
        for outcome in figure.outcomes:
            assert math.isfinite(outcome.value)
            assert outcome.operations > 0
        if figure.trial.baseline:
            assert figure.ratio is not None
            assert figure.ratio > 0
    return figures


@pytest.mark.parametrize("name", sorted(BENCHMARKS.keys() - SLOW))
def test_runs_small(name: str) -> None:
    run_small(name)


def test_nothing_is_allocated_over_ten_thousand_frames_with_orders() -> None:
    [figure] = run_small("allocations")
    assert figure.outcomes[0].value == 0
    assert figure.outcomes[0].work_hash == 10_001, "an order for each frame and the snapshot"


@pytest.mark.slow
def test_wire_to_wire_runs_small() -> None:
    figures = run_small("wire_to_wire")
    assert [figure.trial.name for figure in figures] == [
        "wire_to_wire.busy",
        "wire_to_wire.blocking",
        "wire_to_wire.websocket_order",
        "wire_to_wire.rest_order",
    ]
    for figure in figures:
        ours, c_program, *python = figure.outcomes
        assert {ours.work_hash, *(each.work_hash for each in python)} == {ours.work_hash}
        assert ours.work_hash != c_program.work_hash, "it knows nothing of prices"


@pytest.mark.slow
def test_first_order_runs_small() -> None:
    [figure] = run_small("first_order")
    assert [outcome.operations for outcome in figure.outcomes] == [1, 1, 1]


@pytest.mark.slow
def test_wire_to_wire_under_tls_runs_small() -> None:
    if missing := find_missing():
        pytest.skip(missing)
    figures = run_small("wire_to_wire_tls")
    assert [figure.trial.name for figure in figures] == [
        "wire_to_wire_tls.busy",
        "wire_to_wire_tls.blocking",
    ]
    for figure in figures:
        ours, c_program, ours_plain, c_plain = figure.outcomes
        assert ours.work_hash == ours_plain.work_hash != c_program.work_hash == c_plain.work_hash


def test_without_openssl_in_c_it_is_left_out_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(run_benchmark(BENCHMARKS["wire_to_wire_tls"], Size.SMOKE, 1)) == []
    assert "wire_to_wire_tls is left out: the openssl command is missing" in caplog.text


@pytest.mark.slow
def test_a_kill_is_measured_to_the_last_cancel_and_to_zero() -> None:
    last_cancel, zero = run_small("kill")
    assert 10_000 < last_cancel.outcomes[0].value < zero.outcomes[0].value


@pytest.mark.slow
@pytest.mark.timeout(180)  # a cold start compiles for seconds, and a busy machine is no defect
@pytest.mark.parametrize("name", ["start", "memory"])
def test_the_demo_starts_and_is_measured(name: str) -> None:
    [figure] = run_small(name)
    assert {outcome.work_hash for outcome in figure.outcomes} == {2}, "both books LIVE"
    assert all(outcome.value > 10 for outcome in figure.outcomes)
