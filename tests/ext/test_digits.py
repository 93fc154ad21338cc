"""Numbers of up to fifteen characters, against ``decimal``; the portable way gives the same."""

import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ext.digits import number_size, uses_registers

ROOT = Path(__file__).resolve().parents[2]
WHOLES = st.one_of(st.integers(0, 300).map(str), st.integers(0, 10**16).map(str))
FRACTIONS = st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=12))
ENDS = st.sampled_from(['"', ",", "]", " ", "e5", ".", "x", "\x01", ""])


@given(WHOLES, FRACTIONS, ENDS, st.integers(0, 18))
@example("99999999999999", "", '"', 4)
@example("9", "99999999999999", '"', 17)
@example("0", "00000001", '"', 8)
@example("61700", "01000000", '"', 2)
@example("61700", "01000001", '"', 2)
@example("5", "0", '"', 0)
def test_a_number_is_exact_or_left_to_the_general_reader(
    whole: str, fraction: str, end: str, decimals: int
) -> None:
    number = f"{whole}.{fraction}" if fraction else whole
    size, units = number_size(f"{number}{end}".encode(), decimals)
    if size:
        assert size == len(number)
        assert Decimal(units).scaleb(-decimals) == Decimal(number)
        assert units < 10**18


@given(st.text('0123456789.eE+-" ,]', max_size=20), st.integers(0, 18))
def test_any_text(text: str, decimals: int) -> None:
    size, units = number_size(text.encode(), decimals)
    if size:
        assert Decimal(units).scaleb(-decimals) == Decimal(text[:size])
        assert not text[size : size + 1].isdigit()
        assert text[:size] == "0" or text[:2].startswith("0.") or text[0] != "0"


@pytest.mark.parametrize(
    "number", ["64000.02", "0.62911936", "12.00000001", "0.0", "1", "9999999", "54321.12345678"]
)
def test_usual_numbers_are_not_left_to_the_general_reader(number: str) -> None:
    assert number_size(f'{number}"'.encode(), 8)[0] == len(number)


@pytest.mark.parametrize(
    "text", ["", ".5", "01", "00.5", "1.", "1.x", "-1", "+1", "x", '"', "12345678901234567"]
)
def test_what_is_left_to_the_general_reader(text: str) -> None:
    assert number_size(f'{text}"'.encode(), 8)[0] == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not uses_registers(), reason="this build is the portable one")
def test_the_portable_build_reads_the_same(tmp_path: Path) -> None:
    """The tests of both readers pass for the build that uses words: it is what arm64 runs."""
    (tmp_path / "ext").mkdir()
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "setup.py", tmp_path)
    for name in ("__init__.py", "errors.py", "word.pxd"):
        shutil.copy(ROOT / "ext" / name, tmp_path / "ext")
    for name in ("digits", "cursor"):
        for ending in ("pyx", "pxd"):
            shutil.copy(ROOT / "ext" / f"{name}.{ending}", tmp_path / "ext")
        shutil.copy(ROOT / "tests" / "ext" / f"test_{name}.py", tmp_path / "tests")
    environment = dict(os.environ, WOW_BUILD="portable", PYTHONPATH=str(tmp_path))
    for command in (
        ["setup.py", "--quiet", "build_ext", "--inplace"],
        ["-c", "from ext.digits import uses_registers; assert not uses_registers()"],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
    ):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=250,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
