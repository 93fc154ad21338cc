"""The command ``wow-engine verify``: table, JSON, exit statuses, bad arguments."""

from pathlib import Path

import orjson
import pytest

from engine.cli import main as engine_main
from engine.exit_codes import ExitCode
from engine.reference import verification, verify
from engine.reference.verification_report import Difference, VerificationReport

CAPTURE = b"""1.5: {"type":"snapshot","product_id":"BTC-USD","bids":[["10.00","1"]],"asks":[]}
1.6: {"type":"match","product_id":"BTC-USD","maker_order_id":"a","taker_order_id":"b",\
"side":"buy","size":"1","price":"10.01","trade_id":7,"sequence":1,"time":"2021-04-17T16:43:37Z"}
1.7: {"type":"l2update","product_id":"BTC-USD","changes":[["sell","10.02","3"]],\
"time":"2021-04-17T16:43:37Z"}
"""


@pytest.fixture
def capture(tmp_path: Path) -> str:
    path = tmp_path / "capture.txt"
    path.write_bytes(CAPTURE)
    return str(path)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "240")


@pytest.mark.usefixtures("wide")
def test_table_names_what_was_found(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([capture]) == ExitCode.OK
    output = capsys.readouterr().out
    for words in (
        "BTC-USD*",
        "10.00",
        "10.02",
        "none sent",
        "LIVE",
        "tick / lot taken from the finest decimals: BTC-USD 0.01 / 1",
        "3 frames of 1 connection(s)",
        "no difference: every level compared equals the reference",
    ):
        assert words in output


def test_json_holds_everything(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([capture, "--json", "--every", "2", "--products", "BTC-USD"]) == ExitCode.OK
    report = orjson.loads(capsys.readouterr().out)
    assert report["venue"] == "coinbase_exchange"
    assert (report["frames"], report["bad_frames"], report["first_difference"]) == (3, 0, None)
    assert report["totals"] == {
        "snapshots": 1,
        "changes": 1,
        "trades": 1,
        "gaps": 0,
        "checksums_good": 0,
        "checksums_bad": 0,
        "quotes_equal": 0,
        "quotes_different": 0,
        "crossed": 0,
        "differences": 0,
    }
    (row,) = report["instruments"]
    assert row["best_bid"] == "10.00"
    assert row["best_ask_quantity"] == "3"
    assert row["are_steps_inferred"] is True


@pytest.mark.usefixtures("wide")
def test_difference_is_explained_and_is_status_1(
    capture: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = verification.verify_recording

    def with_difference(*arguments: object, **options: object) -> VerificationReport:
        report = real(*arguments, **options)  # type: ignore[arg-type]
        report.add_difference(Difference("BTC-USD", "bid", "2", "1", "10.00", 3))
        return report

    monkeypatch.setattr(verify, "verify_recording", with_difference)
    assert verify.main([capture]) == 1
    output = capsys.readouterr().out
    assert "1 differences, the first in line 3: BTC-USD bid at 10.00: ours 2, reference 1" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{missing}"], "there is no such file"),
        (["{empty}"], "holds no lines"),
        (["{capture}", "--products", "XRP-USD"], "products were XRP-USD"),
    ],
)
def test_bad_input_is_status_2(
    capture: str, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    folder = Path(capture).parent
    (folder / "empty").touch()
    places = {"missing": folder / "missing", "empty": folder / "empty", "capture": capture}
    filled = [argument.format(**places) for argument in arguments]
    assert engine_main(["verify", *filled]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--every", "0"], ["--every", "x"], ["--venue", "bitmex"]])
def test_bad_arguments_are_status_2(capture: str, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        verify.main([capture, *arguments])
    assert caught.value.code == 2


def test_progress_is_shown_on_stderr_when_it_takes_long(
    capture: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "PROGRESS_INTERVAL_S", -1.0)
    Path(capture).write_bytes(CAPTURE * 64)
    assert verify.main([capture, "--json"]) == ExitCode.OK
    captured = capsys.readouterr()
    assert "verify: 64 of 192 frames (33 %)" in captured.err
    assert orjson.loads(captured.out)["frames"] == 192
