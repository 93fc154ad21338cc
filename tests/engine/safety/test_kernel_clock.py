"""The kernel's own word on its clock."""

import ctypes

import pytest

from engine.safety import kernel_clock


def test_the_kernel_says_something() -> None:
    assert kernel_clock.read_clock_error_ns() >= -1


def test_the_structure_is_as_large_as_the_kernel_s() -> None:
    assert ctypes.sizeof(kernel_clock._Timex) >= 208, "struct timex on 64 bits"
    assert kernel_clock._Timex.maximum_error.offset == 24


@pytest.mark.parametrize(("answer", "expected"), [(0, 16_000_000_000), (-1, -1)])
def test_its_answer_in_nanoseconds(
    monkeypatch: pytest.MonkeyPatch, answer: int, expected: int
) -> None:
    class Library:
        @staticmethod
        def adjtimex(pointer: object) -> int:
            pointer._obj.maximum_error = 16_000_000  # type: ignore[attr-defined]
            return answer

    monkeypatch.setattr(ctypes, "CDLL", lambda *names, **others: Library)
    assert kernel_clock.read_clock_error_ns() == expected
