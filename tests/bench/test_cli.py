"""The command line says what it does, what is wrong, and writes what it measured."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from bench import cli
from bench.compare import Comparison
from bench.goal import Goal
from bench.harness import AbsentPeer, Benchmark, Contender, Size, Trial

MakeContender = Callable[..., Contender]


@pytest.fixture
def benchmarks(make_contender: MakeContender) -> dict[str, Benchmark]:
    """Two made-up benchmarks, ``good`` and ``bad``."""

    @contextmanager
    def good(size: Size) -> Iterator[Sequence[Trial]]:
        ours = make_contender("ours", [20_000], samples=[2_000, 3_000])
        theirs = make_contender("theirs", [10_000])
        yield [Trial("good.one", (ours, theirs), "theirs", goal=Goal(p50_ratio=1))]

    @contextmanager
    def bad(size: Size) -> Iterator[Sequence[Trial]]:
        yield [Trial("bad.one", (make_contender("ours", [1], expected_hash=1),))]

    @contextmanager
    def peer(size: Size) -> Iterator[Sequence[Trial]]:
        ours = make_contender("ours", [20_000])
        goal = Goal(ratio_to={"theirs": 3})
        theirs = make_contender("theirs", [10_000])._replace(package="theirs-package")
        gone = AbsentPeer("gone", "gone-package")
        yield [
            Trial("peer.reached", (ours, theirs, gone), goal=goal),
            Trial("peer.open", (ours, gone), goal=Goal(ratio_to={"gone": 3})),
            Trial("peer.nobody", (ours,)),
        ]

    return {
        "good": Benchmark("good", "does well", good),
        "peer": Benchmark("peer", "is compared", peer),
        "bad": Benchmark("bad", "does the wrong thing", bad),
    }


@pytest.fixture
def results(
    benchmarks: dict[str, Benchmark], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The command line with those benchmarks, and where the results page would go."""
    monkeypatch.setattr(cli, "BENCHMARKS", benchmarks)
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(cli, "PICTURE", tmp_path / "latency.svg")
    return tmp_path / "RESULTS.md"


def test_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "wire_to_wire" in shown
    assert "allocations" in shown


@pytest.mark.usefixtures("results")
def test_a_run_shows_machine_and_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "good", "--smoke"]) == 0
    shown = capsys.readouterr()
    for text in ("command: wow-bench run good --smoke", "good.one", "2.5 µs", "2.5x"):
        assert text in shown.out
    assert "good.one: round 1 of 2, ours" in shown.err


@pytest.mark.usefixtures("results")
def test_json_is_all_that_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "good", "--json", "--rounds", "3"]) == 0
    document = orjson.loads(capsys.readouterr().out)
    assert {"date", "command", "cpu", "cores", "kernel", "python", "libraries"} <= (
        document["machine"].keys()
    )
    [figure] = document["figures"]
    assert (figure["name"], figure["ratio"], figure["rounds"]) == ("good.one", 2.5, 3)


def test_goals_are_judged_and_falling_short_is_an_exit_status(
    results: Path,
    benchmarks: dict[str, Benchmark],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delitem(benchmarks, "bad")
    assert cli.main(["goals", "--smoke"]) == 1
    shown = capsys.readouterr()
    rows = [line.split("│")[1:-1] for line in shown.out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["good.one", "p50 ≤ 1x of theirs", "2.5x", "falls short"],
        ["peer.reached", "p50 ≤ 3x of theirs", "2x", "holds"],
        ["peer.open", "p50 ≤ 3x of gone", "nothing", "open: peer absent"],
    ]
    assert "short of the goal: good.one" in shown.err
    assert "not installed: gone-package; use make peers" in shown.err

    monkeypatch.delitem(benchmarks, "good")
    assert cli.main(["goals", "--json", "--rounds", "1"]) == 0
    figures = orjson.loads(capsys.readouterr().out)["figures"]
    assert [(each["name"], each["holds"]) for each in figures] == [
        ("peer.reached", True),
        ("peer.open", None),
    ]


def test_wrong_work_is_said_beside_a_goal_that_is_missed(
    results: Path,
    benchmarks: dict[str, Benchmark],
    make_contender: MakeContender,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextmanager
    def wrong(size: Size) -> Iterator[Sequence[Trial]]:
        ours = make_contender("ours", [1], expected_hash=1)
        yield [Trial("bad.one", (ours,), goal=Goal(value=1))]

    monkeypatch.setitem(benchmarks, "bad", Benchmark("bad", "", wrong))
    assert cli.main(["goals", "--smoke"]) == 1
    said = capsys.readouterr().err
    assert "short of the goal: good.one" in said
    assert "bad.one: ours did the wrong work" in said


@pytest.mark.usefixtures("results")
def test_peers_are_the_figures_with_somebody_elses_code(
    capsys: pytest.CaptureFixture[str], journal: list[str]
) -> None:
    assert cli.main(["peers", "--smoke"]) == 0
    shown = capsys.readouterr()
    assert "peer.reached" in shown.out
    assert "peer.open" in shown.out
    assert "peer.nobody" not in shown.out
    assert "good.one" not in shown.out
    assert "not installed: gone-package; use make peers" in shown.err


def test_wrong_work_is_an_exit_status_and_the_rest_is_still_shown(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--rounds", "1", "--write-results"]) == 1
    shown = capsys.readouterr()
    assert "bad.one: ours did the wrong work" in shown.err
    assert "good.one" in shown.out
    assert not results.exists(), "numbers beside wrong work are not kept"


def test_the_picture_is_written_with_the_results(
    results: Path, benchmarks: dict[str, Benchmark], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(benchmarks, "bad")
    picture = results.parent / "latency.svg"
    assert cli.main(["run", "--write-results", "--rounds", "1"]) == 0
    assert not picture.exists(), "none of its figures was measured"
    monkeypatch.setattr("bench.picture.PANELS", ("good.one",))
    assert cli.main(["run", "--write-results", "--rounds", "1"]) == 0
    shown = picture.read_text("utf-8")
    assert "good.one" in shown
    assert "UTC, " in shown, "machine and date stand below"


def test_the_results_page_holds_machine_command_and_tables(
    results: Path, benchmarks: dict[str, Benchmark], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(benchmarks, "bad")
    assert cli.main(["run", "--write-results", "--rounds", "2"]) == 0
    page = results.read_text("utf-8")
    for text in (
        "- command: wow-bench run --write-results --rounds 2",
        "- cpu: ",
        "- date: ",
        "## good",
        "**good.one** (20 samples in 2 rounds; goal: p50 ≤ 1x, falls short)",
        "| ours | 2.5 µs | 2 µs | 3 µs | 3 µs | 3 µs | 3 µs |  |",
        "| theirs | 1 µs |  |  |  |  |  | 2.5x |",
    ):
        assert text in page


def test_a_comparison_is_shown_and_is_json(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def fake_compare(
        base: Path, names: Sequence[str], size: Size, rounds: int, show: object
    ) -> tuple[list[Comparison], list[str]]:
        asked.append((base, list(names), size, rounds))
        return [Comparison("good.one", "ns", (30.0,), (20.0,), True)], ["bad"]

    monkeypatch.setattr(cli, "build_base", lambda commit, show: results.parent / commit)
    monkeypatch.setattr(cli, "resolve_commit", lambda revision: f"commit of {revision}")
    monkeypatch.setattr(cli, "compare", fake_compare)
    assert cli.main(["compare", "HEAD~1", "good", "bad", "--rounds", "7"]) == 0
    shown = capsys.readouterr()
    assert "base: commit of HEAD~1" in shown.out
    assert "1.5x" in shown.out
    assert "not in the base: bad" in shown.err
    assert cli.main(["compare", "HEAD~1", "--smoke", "--json"]) == 0
    document = orjson.loads(capsys.readouterr().out)
    assert document["comparisons"][0]["ratio"] == 1.5
    assert document["missing"] == ["bad"]
    base = results.parent / "commit of HEAD~1"
    assert asked == [(base, ["good", "bad"], Size.REAL, 7), (base, [], Size.SMOKE, 2)]


@pytest.mark.usefixtures("results")
def test_a_base_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "no-such-revision"]) == 1
    assert "wow-bench: git knows no revision 'no-such-revision'" in capsys.readouterr().err


@pytest.mark.parametrize(("passes", "status"), [(True, 0), (False, 1)])
def test_the_gate_is_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, passes: bool, status: int
) -> None:
    monkeypatch.setattr(cli, "run_gate", lambda console, show: passes)
    assert cli.main(["gate"]) == status


def test_a_baseline_is_written_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[dict[str, float]] = []
    monkeypatch.setattr(cli, "run_gate", lambda console, show: True)
    monkeypatch.setattr(cli, "count_instructions", lambda: {"decode": 1234.5})
    monkeypatch.setattr(cli, "write_baseline", written.append)
    cli.main(["gate"])
    assert not written
    assert cli.main(["gate", "--write-baseline"]) == 0
    assert written == [{"decode": 1234.5}]
    assert "decode: 1,234.5 instructions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "godo"], "there is no benchmark 'godo'; did you mean good?"),
        (["run", "zzz"], "there is no benchmark 'zzz'; use good, peer, bad"),
        (["run", "--rounds", "0"], "--rounds was 0; use a whole number from 1 to 1000"),
        (["run", "good", "--write-results"], "leave out names and --smoke"),
        (["run", "--smoke", "--write-results"], "leave out names and --smoke"),
    ],
)
@pytest.mark.usefixtures("results")
def test_what_cannot_be_done_is_said(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err
