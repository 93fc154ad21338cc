"""Compiled code that is kept on disk: found again, and never when anything has changed."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from llvmlite import binding

from engine.instruments import Instrument
from engine.kernel import kernel_cache
from engine.kernel.kernels import compile_strategy
from engine.kernel.strategy_loader import load_strategy

INSTRUMENT = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.001"))

STRATEGY = """
import math
from enum import IntEnum
import helpers
from helpers import shift
from engine.strategy import Params, State, Strategy, buy

LIMITS = (1, 2.5)

class Reason(IntEnum):
    UP = 1

def scale(value):
    return math.floor(value * LIMITS[1])

class Cached(Strategy):
    params = Params(step=2)
    state = State(value=float)

    def on_book(state, book, position, out):
        buy(out, scale(shift(1)), 1, Reason.UP)
"""
HELPERS = """
from engine.strategy import kernel_function

OFFSET = 10

@kernel_function
def shift(value):
    return value + OFFSET
"""
PROGRAM = """
import json, sys
from decimal import Decimal
from engine.kernel import kernels
from engine.strategy_testing import StrategyBench
from engine.kernel.strategy_loader import load_strategy

def refuse(*arguments):
    raise AssertionError("compiled")

if sys.argv[1] == "kept":
    kernels._check_compiles = refuse
bench = StrategyBench(load_strategy(sys.argv[2]), **json.loads(sys.argv[3]))
[intent] = bench.book([(1, 1)], [(2, 1)])
print(intent.price_ticks)
"""


@pytest.fixture
def said() -> list[str]:
    """Standard error of each run so far."""
    return []


@pytest.fixture
def write_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> Callable[[str, str, str], int]:
    """Runs the strategy in a process of its own and returns the price that it asks for."""
    root = Path(__file__).parents[2]
    monkeypatch.setenv("WOW_KERNEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", f"{root}:{tmp_path}")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def run(
        expectation: str,
        strategy: str = STRATEGY,
        helpers: str = HELPERS,
        reference: str = "strategy_under_test:Cached",
        **parameters: int,
    ) -> int:
        strategy = strategy.replace("import helpers\n", "")
        (tmp_path / "strategy_under_test.py").write_text(strategy)
        (tmp_path / "helpers.py").write_text(helpers)
        given = json.dumps(parameters)
        command = [sys.executable, "-c", PROGRAM, expectation, reference, given]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
        return int(done.stdout)

    return run


def test_second_start_compiles_nothing(
    write_and_run: Callable[..., int], tmp_path: Path, said: list[str]
) -> None:
    assert write_and_run("compiled") == 27
    assert write_and_run("kept") == 27
    for file in (tmp_path / "cache").rglob("*.nbc"):
        file.write_bytes(file.read_bytes()[:1000])
    assert write_and_run("kept") == 27, "a kept file that is cut short is not used"
    assert said[:2] == ["", ""]
    assert said[2].count("\n") == 1, "one line, no traceback"
    assert "cannot be used" in said[2]
    changed = HELPERS.replace("OFFSET = 10", "OFFSET = 20")
    assert write_and_run("compiled", helpers=changed) == 52


WITH_PARAMETERS = """
from engine.strategy import Array, Params, State, Strategy, buy

class Cached(Strategy):
    params = Params(step=2, length=4)
    state = State(values=Array(int, "length"))

    def on_book(state, book, position, out):
        buy(out, 1000 * len(state.values) + state.params.step, 1)
"""


@pytest.mark.slow
def test_parameters_are_read_and_their_layout_is_compiled_in(
    write_and_run: Callable[..., int],
) -> None:
    assert write_and_run("compiled", WITH_PARAMETERS) == 4002
    assert write_and_run("kept", WITH_PARAMETERS, step=7) == 4007, "a value is not in the code"
    assert write_and_run("compiled", WITH_PARAMETERS, length=5) == 5002, "a length is"
    assert write_and_run("kept", WITH_PARAMETERS, length=5, step=9) == 5009
    assert write_and_run("kept", WITH_PARAMETERS) == 4002, "both are kept"


def test_a_file_and_a_module_are_kept_apart(
    write_and_run: Callable[..., int], tmp_path: Path, said: list[str]
) -> None:
    file = f"{tmp_path}/strategy_under_test.py:Cached"
    assert write_and_run("compiled", reference=file) == 27
    assert write_and_run("compiled") == 27, "as a module"
    assert write_and_run("kept", reference=file) == 27
    assert write_and_run("kept") == 27
    assert said == [""] * 4


@pytest.fixture
def key_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.syspath_prepend(tmp_path)

    def key(strategy: str = STRATEGY, helpers: str = HELPERS, *context: object) -> str:
        for name in ("strategy_under_test", "helpers"):
            sys.modules.pop(name, None)
        strategy = strategy.replace("import helpers\n", "")
        (tmp_path / "strategy_under_test.py").write_text(strategy)
        (tmp_path / "helpers.py").write_text(helpers)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        strategy_class = load_strategy(f"{tmp_path}/strategy_under_test.py:Cached")
        return kernel_cache.kernel_key(strategy_class.hooks()["on_book"], *context)

    return key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMITS = (1, 2.5)", "LIMITS = (1, 3.5)"),
        ("UP = 1", "UP = 2"),
        ("scale(shift(1))", "scale(shift(2))"),
        ("math.floor", "math.ceil"),
        ("OFFSET = 10", "OFFSET = 11"),
        ("value + OFFSET", "value - OFFSET"),
    ],
)
def test_every_change_makes_another_key(key_of: Callable[..., str], old: str, new: str) -> None:
    before = key_of()
    assert len(before) == 32
    assert key_of() == before
    assert key_of(STRATEGY.replace(old, new), HELPERS.replace(old, new)) != before


@pytest.mark.parametrize("value", ["OFFSET = 10", "UP = 1", "LIMITS = (1, 2.5)"])
def test_a_value_that_only_the_environment_changed_makes_another_key(
    key_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    name = value.partition(" ")[0]
    changing = f"{name} = (0, int(__import__('os').environ['OFFSET']))"
    if name != "LIMITS":
        changing += "[1]"
    texts = [text.replace(value, changing) for text in (STRATEGY, HELPERS)]
    monkeypatch.setenv("OFFSET", "1")
    before = key_of(*texts)
    assert before
    assert key_of(*texts) == before
    monkeypatch.setenv("OFFSET", "2")
    assert key_of(*texts) != before


def test_layout_and_settings_make_another_key(
    key_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of(STRATEGY, HELPERS, "layout")
    assert key_of(STRATEGY, HELPERS, "another layout") != before
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert key_of(STRATEGY, HELPERS, "layout") != before


@pytest.mark.parametrize("changed", ["numba", "llvmlite", "numpy"])
def test_another_version_makes_another_key(
    key_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    before = key_of()
    versions = {"numba": "1", "llvmlite": "2", "numpy": "3"}
    monkeypatch.setattr(kernel_cache, "version", versions.__getitem__)
    now = key_of()
    assert now not in {"", before}
    versions[changed] += ".1"
    assert key_of() not in {"", now}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("get_host_cpu_name", "znver9"),
        ("get_host_cpu_features", SimpleNamespace(flatten=lambda: "+avx9")),
    ],
)
def test_another_processor_makes_another_key(
    key_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = key_of()
    monkeypatch.setattr(binding, name, lambda: value)
    assert key_of() not in {"", before}


def test_another_python_makes_another_key(
    key_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of()
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    assert key_of() not in {"", before}


@pytest.mark.parametrize("value", ["[1, 2]", "object()", "type('X', (), {'y': 1})"])
def test_a_global_that_is_not_understood_means_no_cache(
    key_of: Callable[..., str], value: str
) -> None:
    assert key_of(STRATEGY.replace("(1, 2.5)", value)) == ""


def test_a_module_of_ones_own_means_no_cache(key_of: Callable[..., str]) -> None:
    """Its names are looked up when the hook is compiled, so the key cannot know their values."""
    strategy = STRATEGY.replace("import helpers", "import helpers as own")
    assert key_of(strategy.replace("LIMITS[1]", "own.OFFSET")) == ""


def test_no_cache_without_a_key_or_when_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WOW_KERNEL_CACHE", str(tmp_path))
    assert kernel_cache.entry_file("") is None
    assert kernel_cache.entry_file("key") == tmp_path / "key" / "kernel_entry.py"
    monkeypatch.setenv("WOW_KERNEL_CACHE", "off")
    assert kernel_cache.entry_file("key") is None


def test_a_directory_that_cannot_be_written_means_no_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WOW_KERNEL_CACHE", str(tmp_path / "file"))
    assert kernel_cache.entry_file("key") is None
    assert compile_strategy(load_strategy("jerico_trend"), INSTRUMENT).addresses


def test_the_oldest_hook_makes_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WOW_KERNEL_CACHE", str(tmp_path))
    monkeypatch.setattr(kernel_cache, "MAX_CACHED_HOOKS", 3)
    for time, key in enumerate("abcd"):
        assert kernel_cache.entry_file(key)
        os.utime(tmp_path / key, (time, time))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c", "d"]
