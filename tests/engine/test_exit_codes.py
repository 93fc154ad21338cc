"""Exit statuses: numbers that scripts rely on."""

import pytest

from engine.exit_codes import ExitCode, exit_code_of
from ext import errors


def test_the_numbers_never_change() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "DIFFERENCES": 1,
        "CONFIG": 2,
        "VENUE": 3,
        "ORDERS_LEFT": 4,
        "INTERNAL": 5,
        "ALREADY_RUNNING": 6,
        "HANGUP": 129,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
    assert all(code.meaning.endswith(".") for code in ExitCode)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), ExitCode.CONFIG),
        (errors.UsageError("x"), ExitCode.CONFIG),
        (errors.InstrumentError("x"), ExitCode.CONFIG),
        (errors.RecordingError("x"), ExitCode.CONFIG),
        (errors.LogonRefused("x"), ExitCode.VENUE),
        (errors.FeedError("x"), ExitCode.VENUE),
        (errors.InvariantBroken("x"), ExitCode.INTERNAL),
        (errors.WowError("x"), ExitCode.INTERNAL),
        (ValueError("x"), ExitCode.INTERNAL),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
)
def test_every_error_has_its_status(error: BaseException, code: ExitCode) -> None:
    assert exit_code_of(error) is code
