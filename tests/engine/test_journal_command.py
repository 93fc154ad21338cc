"""``wow-engine journal`` as an operator types it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import cli
from engine.exit_codes import ExitCode
from journal.directory import segment_names
from journal.entries import ORDERS, STREAMS
from journal.shared_reader import SharedReader
from journal.writer import JournalWriter
from tests.engine_stand_in import EngineStandIn, wait_for
from tests.journal.journal_rig import play, write

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def engine(tmp_path: Path) -> EngineStandIn:
    return EngineStandIn(tmp_path / "demo.shm")


@pytest.fixture
def journal(engine: EngineStandIn, tmp_path: Path) -> Path:
    play(engine, 20)
    engine.fill()
    write(engine, tmp_path / "journal")
    return tmp_path / "journal"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> tuple[int, str, str]:
        status = cli.main(["journal", *map(str, words)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_cat_is_one_line_a_record(journal: Path, call: Call) -> None:
    status, out, err = call("cat", journal)
    assert (status, err) == (ExitCode.OK, "")
    lines = out.splitlines()
    assert len(lines) == 81
    assert [line.split()[3] for line in lines[:4]] == ["TRADE", "FRAME", "REPORT", "EXECUTION"]
    assert " BTC-USD jerico_maker execution=TRADE state=PARTIALLY_FILLED side=BUY" in lines[-1]
    assert "price=65123.45" in lines[-1]


def test_cat_with_filters_and_json(engine: EngineStandIn, journal: Path, call: Call) -> None:
    _, out, _ = call("cat", journal, "--json", "--kind=execution", "--instrument=ETH-USD")
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == 10
    assert {record["strategy"] for record in records} == {"jerico_trend"}
    _, out, _ = call("cat", journal, "--order=100")
    assert len(out.splitlines()) == 1
    first = engine.start_time_ns + 5 * 10**9
    _, out, _ = call("cat", journal, f"--from={first}", f"--to={first + 2 * 10**9}")
    assert len(out.splitlines()) == 8


def test_cat_of_a_dead_engines_rings(engine: EngineStandIn, journal: Path, call: Call) -> None:
    engine.kill()
    status, out, _ = call("cat", "--shared-memory", engine.path, "--kind=execution")
    assert (status, len(out.splitlines())) == (ExitCode.OK, 21)


def test_tail(journal: Path, call: Call) -> None:
    _, whole, _ = call("cat", journal)
    _, out, _ = call("tail", journal, "-n", "3")
    assert out.splitlines() == whole.splitlines()[-3:]
    _, out, _ = call("tail", journal, "-n", "2", "--kind=report", "--json")
    assert [json.loads(line)["kind"] for line in out.splitlines()] == ["REPORT", "REPORT"]
    assert call("tail", journal, "-n", "0")[1] == ""


def test_tail_follows_a_running_engine(engine: EngineStandIn, journal: Path) -> None:
    program = "import sys; from engine import cli; sys.exit(cli.main(sys.argv[1:]))"
    words = ["journal", "tail", str(journal), "-f", "-n", "1", "--kind=execution", "--json"]
    follower = subprocess.Popen(
        [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True
    )
    assert follower.stdout is not None
    assert json.loads(follower.stdout.readline())["order_number"] == 100
    reader = SharedReader(engine.path)
    writer = JournalWriter(journal, reader, ORDERS)
    writer.resume()
    for _ in range(3):
        engine.fill()
        writer.append(reader.slots_after(ORDERS, writer.last_sequence)[0], time.monotonic_ns())
        assert json.loads(follower.stdout.readline())["execution"] == "TRADE"
    writer.close()
    reader.close()
    follower.send_signal(2)
    follower.communicate(timeout=20)
    assert follower.returncode == ExitCode.OK


def test_verify_says_ok_of_each_segment(journal: Path, call: Call) -> None:
    status, out, _ = call("verify", journal)
    assert status == ExitCode.OK
    *lines, summary = out.splitlines()
    assert len(lines) == len(segment_names(journal))
    assert all(line.startswith(f"OK {journal}/") for line in lines)
    assert summary == f"{len(lines)} files, 81 records, none damaged"


def test_verify_names_file_and_byte(journal: Path, call: Call) -> None:
    path = segment_names(journal)[0].plain(journal)
    data = bytearray(path.read_bytes())
    data[-5] ^= 4
    path.write_bytes(data)
    status, out, _ = call("verify", journal)
    assert status == ExitCode.DIFFERENCES
    assert f"DAMAGED {path}: records of the block at byte " in out
    assert out.splitlines()[-1].endswith("1 damaged")
    status, _, err = call("cat", journal)
    assert status == ExitCode.CONFIG
    assert f"wow-engine: {path}: records of the block at byte " in err


def test_stats(engine: EngineStandIn, journal: Path, call: Call) -> None:
    status, out, _ = call("stats", journal)
    assert status == ExitCode.OK
    for words in (
        f"run {engine.start_time_ns}",
        "EXECUTION",
        "slots missing: 0",
        "quiet for 1.000 s",
    ):
        assert words in out
    _, out, _ = call("stats", journal, "--json")
    figures = json.loads(out)
    assert [stream["stream"] for stream in figures["streams"]] == list(STREAMS)
    assert figures["streams"][0]["kinds"]["EXECUTION"]["records"] == 21


def test_export(journal: Path, tmp_path: Path, call: Call) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "x.parquet"
    status, out, err = call("export", journal, file, "--kind=trade")
    assert (status, err) == (ExitCode.OK, "")
    assert out.startswith(f"{file}: 20 records of run ")
    assert parquet.read_metadata(file).num_rows == 20
    status, _, err = call("export", journal, file)
    assert (status, err) == (
        ExitCode.CONFIG,
        f"wow-engine: {file} is there already; use --force to replace it\n",
    )
    assert call("export", journal, file, "--force")[0] == ExitCode.OK
    assert parquet.read_metadata(file).num_rows == 81
    assert call("export", journal, tmp_path / "no" / "x")[0] == ExitCode.CONFIG


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cat"], "give the journal's directory, or --shared-memory FILE"),
        (["cat", "JOURNAL", "--kind=fill"], "--kind was 'fill'; use one of trade, book_state"),
        (["cat", "JOURNAL", "--run=7"], "--run was '7'; no run begins like that"),
        (["cat", "JOURNAL", "--from=noon"], "time was 'noon'; use 2026-11-20T13:00:00"),
        (["stats", "/nowhere"], "/nowhere: is no directory; [journal] path of the config"),
        (["verify", "/nowhere"], "/nowhere: is no directory"),
        (["cat", "--shared-memory=/nowhere"], "/nowhere: No such file"),
    ],
)
def test_what_cannot_be_is_explained(
    journal: Path, call: Call, words: list[str], message: str
) -> None:
    status, out, err = call(*(str(journal) if word == "JOURNAL" else word for word in words))
    assert (status, out) == (ExitCode.CONFIG, "")
    assert message in err


@pytest.mark.parametrize("words", [[], ["nonsense"], ["tail"], ["tail", "x", "-n", "many"]])
def test_a_wrong_command_line_ends_with_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["journal", *words])
    assert caught.value.code == 2


def test_other_runs_can_be_named(
    engine: EngineStandIn, journal: Path, tmp_path: Path, call: Call
) -> None:
    second = EngineStandIn(tmp_path / "second.shm")
    second.records(3)
    write(second, journal)
    wait_for(lambda: second.start_time_ns > engine.start_time_ns)
    assert len(call("cat", journal)[1].splitlines()) == 3
    assert len(call("cat", journal, "--run=-2")[1].splitlines()) == 81
    assert len(call("cat", journal, f"--run={engine.start_time_ns}")[1].splitlines()) == 81
    assert "84 records" in call("verify", journal)[1]
