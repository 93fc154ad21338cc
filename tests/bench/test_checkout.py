"""A program sees the code of its checkout, the libraries, and nothing of this one."""

from pathlib import Path

import pytest

from bench.base_build import ROOT
from bench.checkout import run_python
from bench.harness import BenchmarkError

PRINT_FILE = "import {0}, sys; sys.stdout.write({0}.__file__)"


def make_checkout(folder: Path) -> Path:
    (folder / "bench").mkdir()
    (folder / "bench" / "__init__.py").touch()
    return folder


def run(root: Path, code: str) -> str:
    return run_python(root, ["-c", code], timeout_seconds=30)


def test_code_is_of_the_checkout(tmp_path: Path) -> None:
    root = make_checkout(tmp_path)
    assert run(root, PRINT_FILE.format("bench")) == str(root / "bench" / "__init__.py")
    assert run(ROOT, PRINT_FILE.format("bench.goal")) == str(ROOT / "bench" / "goal.py")
    assert Path(run(root, PRINT_FILE.format("numpy"))).exists()
    assert run(root, "import os, sys; sys.stdout.write(os.getcwd())") == str(root)


@pytest.mark.parametrize("module", ["bench.goal", "ext", "engine"])
def test_what_it_does_not_have_is_not_taken_from_here(tmp_path: Path, module: str) -> None:
    with pytest.raises(BenchmarkError, match=r"(?s)failed in .*ModuleNotFoundError"):
        run(make_checkout(tmp_path), PRINT_FILE.format(module))


def test_a_tool_may_run_it_with_settings(tmp_path: Path) -> None:
    code = "import os, sys; sys.stdout.write(os.environ['COLOUR'])"
    said = run_python(
        tmp_path,
        ["-c", code],
        timeout_seconds=30,
        before=["env", "-u", "HOME"],
        settings={"COLOUR": "blue"},
    )
    assert said == "blue"


def test_failures_and_long_runs_are_said(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"failed in .*:\nno such thing"):
        run(tmp_path, "raise SystemExit('no such thing')")
    wait = "import threading; threading.Event().wait(20)"
    with pytest.raises(BenchmarkError, match=r"not done after 0.2 s in"):
        run_python(tmp_path, ["-c", wait], timeout_seconds=0.2)
