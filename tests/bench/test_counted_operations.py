"""What is counted is work that was done right, on frames that each decoder reads."""

import pytest

from bench import counted_operations
from bench.arc import DECODERS
from bench.counted_operations import OPERATIONS, count_operations, run_checked
from bench.harness import BenchmarkError
from bench.rendered_frames import RENDERERS


def test_every_operation_does_its_work_again_and_again() -> None:
    for name, make in OPERATIONS.items():
        operation = make()
        assert operation.name == name
        for rounds in (1, 2, 1):
            run_checked(operation, rounds)


def test_every_step_of_the_arc_is_counted() -> None:
    steps = {"tick_to_order", "book_change", "risk_check", "fix_encode", "fix_decode"}
    assert OPERATIONS.keys() == steps | {"report_to_position"} | {
        f"decode.{venue}" for venue in RENDERERS
    }
    assert RENDERERS.keys() <= DECODERS.keys()


def test_work_that_is_refused_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RENDERERS, "coinbase_exchange", lambda frame, number: b"{}")
    decode = OPERATIONS["decode.coinbase_exchange"]()
    with pytest.raises(BenchmarkError, match=r"decode.coinbase_exchange: 0 of 500 operations"):
        run_checked(decode, 2)


def test_outside_of_valgrind_nothing_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Requests:
        def is_running_on_valgrind(self) -> int:
            return 0

    monkeypatch.setattr(counted_operations, "compile_library", lambda *names: "callgrind.so")
    monkeypatch.setattr("ctypes.CDLL", lambda path: Requests())
    with pytest.raises(BenchmarkError, match="use wow-bench gate"):
        count_operations([])
    monkeypatch.setattr("sys.argv", ["counted_operations"])
    assert counted_operations.main() == 1
    assert "under valgrind" in capsys.readouterr().err
