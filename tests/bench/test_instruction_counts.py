"""Dumps become instructions per operation, and these are judged; a slowed build is seen."""

import re
import shutil
from pathlib import Path

import pytest

from bench import instruction_counts
from bench.base_build import ROOT, compile_sources, take_over
from bench.harness import BenchmarkError
from bench.instruction_counts import (
    BASELINE,
    Change,
    CountingUnavailable,
    count_instructions,
    describe_toolchain,
    judge_counts,
    per_operation,
    read_baseline,
    read_dumps,
    write_baseline,
)

HAS_VALGRIND = bool(shutil.which("valgrind"))
DECODE = "decode.coinbase_exchange"
EXTRA_COST = """
cdef extern from *:
    \"\"\"
    static void spend(void) { for (volatile int turn = 0; turn < 200; turn++); }
    \"\"\"
    void spend() noexcept nogil
"""


def test_dumps_are_read_by_the_name_that_was_asked_for(tmp_path: Path) -> None:
    head = "# callgrind format\npart: 1\ndesc: Trigger: Client Request: decode.a:2\nevents: Ir\n"
    (tmp_path / "dump.1").write_text(f"{head}summary: 4200\nfn=(1)\ntotals: 4300\n")
    (tmp_path / "dump.2").write_text("desc: Trigger: Program termination\nsummary: 7\n")
    (tmp_path / "log").write_text(head)
    assert read_dumps(tmp_path) == {("decode.a", 2): 4200}


def test_what_happens_once_is_taken_off() -> None:
    dumps = {("a", 1): 1_000 + 50, ("a", 2): 2_000 + 50, ("b", 1): 7, ("b", 2): 9}
    assert per_operation({"a": 10, "b": 2}, dumps) == {"a": 100.0, "b": 1.0}


@pytest.mark.parametrize("dumps", [{}, {("a", 1): 5}, {("a", 1): 5, ("a", 2): 5}])
def test_a_count_that_is_none_is_an_error(dumps: dict[tuple[str, int], int]) -> None:
    with pytest.raises(BenchmarkError, match="a was not counted"):
        per_operation({"a": 1}, dumps)


@pytest.mark.parametrize(
    ("baseline", "counted", "change"),
    [
        (100.0, 103.0, Change.SAME),
        (100.0, 103.1, Change.MORE),
        (103.0, 100.0, Change.SAME),
        (103.1, 100.0, Change.FEWER),
        (None, 1.0, Change.NEW),
        (1.0, None, Change.GONE),
    ],
)
def test_three_percent_are_the_limit(
    baseline: float | None, counted: float | None, change: Change
) -> None:
    [row] = judge_counts(
        {} if baseline is None else {"a": baseline}, {} if counted is None else {"a": counted}
    )
    assert (row.name, row.change) == ("a", change)
    assert (row.ratio is None) == (change in (Change.NEW, Change.GONE))


def test_a_baseline_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruction_counts, "describe_toolchain", lambda: {"compiler": "cc 1"})
    path = tmp_path / "counts.json"
    write_baseline({"b": 2.5, "a": 1.0}, path)
    baseline = read_baseline(path)
    assert baseline.toolchain == {"compiler": "cc 1"}
    assert list(baseline.instructions.items()) == [("b", 2.5), ("a", 1.0)]
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize("content", [None, b"{", b'{"instructions": {}}', b'{"a": 1}'])
def test_a_baseline_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "counts.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"counts.json cannot be read .* --write-baseline"):
        read_baseline(path)


def test_the_committed_baseline_names_what_it_was_counted_with() -> None:
    baseline = read_baseline(BASELINE)
    assert baseline.toolchain.keys() >= {"compiler", "cython", "python", "libc", "processor"}
    assert all(count > 0 for count in baseline.instructions.values())


def test_the_toolchain_is_that_of_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruction_counts, "valgrind_version", lambda: "valgrind-1")
    (tmp_path / "ext").mkdir()
    (tmp_path / "ext" / "a.so").write_bytes(b"\0GCC: (Us 1-2) 12.2.0\0_cython_3_3_1.generator\0")
    (tmp_path / "ext" / "b.so").write_bytes(b"\0Debian clang version 14.0.6\0")
    found = describe_toolchain(tmp_path)
    assert found["compiler"] == "Debian clang version 14.0.6, GCC: (Us 1-2) 12.2.0"
    assert found["cython"] == "3.3.1"
    here = describe_toolchain()
    assert "unknown" not in here.values()
    assert "," not in here["compiler"], "one build, one compiler"


def test_without_valgrind_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CountingUnavailable, match="valgrind was not found; install it"):
        count_instructions()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not HAS_VALGRIND, reason="valgrind is not installed")
def test_a_slowed_build_is_refused_and_the_same_build_is_not(tmp_path: Path) -> None:
    counted = count_instructions([DECODE])
    again = count_instructions([DECODE])
    assert again[DECODE] == pytest.approx(counted[DECODE], rel=0.001)
    assert [row.change for row in judge_counts(counted, again)] == [Change.SAME]

    for package in ("bench", "engine", "ext", "feeds", "gateways", "monitor", "sim", "tuning"):
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy2(ROOT / "setup.py", tmp_path)
    take_over(ROOT, tmp_path)
    slow_down(tmp_path / "ext" / "codecs" / "coinbase_exchange_feed.pyx")
    compile_sources(tmp_path)
    slowed = count_instructions([DECODE], tmp_path)
    [row] = judge_counts(counted, slowed)
    assert row.change is Change.MORE
    assert row.ratio is not None
    assert row.ratio < 1.5, "some other work was counted"


def slow_down(path: Path) -> None:
    """Rewrites a decoder so that every frame costs some hundred instructions more."""
    source, done = re.subn(
        r"(cdef FeedStatus decode\([^:]*\) noexcept nogil:\n)",
        r"\1        spend()\n",
        path.read_text("utf-8"),
        count=1,
    )
    assert done == 1, f"{path.name} has no decode to slow down"
    path.write_text(re.sub(r'(?s)(""".*?"""\n)', rf"\1{EXTRA_COST}", source, count=1), "utf-8")
