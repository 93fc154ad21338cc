"""Pinning to a core: the mask really changes, and nonsense is refused with the choices named."""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from ext.errors import ConfigError
from tuning.affinity import available_cores, format_cores, pin_to_core

Result = TypeVar("Result")


def in_a_thread(work: Callable[[], Result]) -> Result:
    """Runs work in a thread of its own, so that the mask of the tests stays as it is."""
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def test_the_mask_becomes_the_one_core() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)

    def work() -> tuple[int, set[int]]:
        return pin_to_core(core), os.sched_getaffinity(0)

    assert in_a_thread(work) == (core, {core})
    assert os.sched_getaffinity(0) == before


def test_threads_made_after_the_pin_inherit_it() -> None:
    core = max(os.sched_getaffinity(0))

    def work() -> set[int]:
        pin_to_core(core)
        return in_a_thread(lambda: os.sched_getaffinity(0))

    assert in_a_thread(work) == {core}


def test_available_cores_are_the_kernels() -> None:
    assert available_cores() == tuple(sorted(os.sched_getaffinity(0)))


def test_a_core_outside_the_mask_is_refused() -> None:
    before = os.sched_getaffinity(0)
    absent = max(before) + 1
    with pytest.raises(ConfigError) as caught:
        pin_to_core(absent)
    message = str(caught.value)
    assert f"core was {absent}" in message
    assert f"may use {format_cores(before)} " in message
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("nonsense", [-1, 10**9])
def test_numbers_that_are_no_core_are_refused(nonsense: int) -> None:
    with pytest.raises(ConfigError, match=rf"core was {nonsense}; this process may use"):
        pin_to_core(nonsense)


@pytest.mark.parametrize("nonsense", ["1", 1.0, None, True])
def test_what_is_not_a_whole_number_is_refused(nonsense: object) -> None:
    with pytest.raises(ConfigError, match="use a whole number out of"):
        pin_to_core(nonsense)  # type: ignore[arg-type]


def test_a_refusal_of_the_kernel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, mask: set[int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with pytest.raises(ConfigError, match="could not be taken: Operation not permitted"):
        pin_to_core(max(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("cores", "text"),
    [
        ([], ""),
        ([0], "0"),
        ([0, 1], "0-1"),
        ([3, 1, 2], "1-3"),
        ([0, 2, 4], "0,2,4"),
        ([0, 1, 2, 3, 8], "0-3,8"),
        ([5, 5], "5"),
    ],
)
def test_cores_are_written_as_ranges(cores: list[int], text: str) -> None:
    assert format_cores(cores) == text
