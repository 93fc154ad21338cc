"""The command: arguments, the two lines on standard output, signals."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sim.cli import main

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    """The venue as the engine starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "sim.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ready_line_and_clean_end_on_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with start("--seed", "5", "--products", "ETH-USD", "--ledger", str(ledger)) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert ready["event"] == "ready"
    assert ready["feed_url"].startswith("ws://127.0.0.1:")
    assert ready["fix_port"] > 0
    assert ready["products"] == [{"symbol": "ETH-USD", "tick": "0.01", "lot": "0.00000001"}]
    summary = json.loads(out)
    assert summary["event"] == "summary"
    assert (summary["orders"], summary["fills"], summary["venue_seconds"]) == (0, 0, 0)
    assert ledger.read_bytes() == b""
    assert err == ""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--products", "DOGE-USD"], "use some of BTC-USD,ETH-USD"),
        (["--products", "BTC-USD,BTC-USD"], "each once"),
        (["--duration", "0"], "above 0"),
        (["--duration", "ten"], "is not a decimal"),
        (["--speed", "0"], "use max, or a number above 0"),
        (["--feed-port", "70000"], "use 0 to 65535"),
        (["--secret", "!"], "base64"),
        (["--taker-fee", "11"], "from 0 to 10"),
        (["--seed", "x"], "invalid int value"),
        (["--recording", "x", "--products", "BTC-USD"], "has its own products"),
        (["--certificate", "/nonexistent"], "'/nonexistent' cannot be used: [Errno 2] No such"),
        (["--certificate", __file__], "cannot be used: no private key and certificate"),
    ],
)
def test_bad_arguments_are_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert problem in capsys.readouterr().err


def test_unreadable_recording_is_told_in_one_line(tmp_path: Path) -> None:
    with start("--recording", str(tmp_path / "absent.txt")) as process:
        out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert out == ""
    assert err.startswith("wow-sim: ")
    assert "absent.txt" in err
    assert len(err.splitlines()) == 1
