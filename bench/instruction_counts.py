"""Instructions per operation, counted by callgrind, against those in the committed baseline.

Counts are exact for one toolchain: the same build repeats them to the instruction. Another
compiler, another Cython or another Python makes other code, so a baseline says what it was counted
with, and judges nothing else. The processor is out of it: valgrind shows every program the same
one, but for AVX2, and the strategy is compiled for no processor in particular.
"""

import platform
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from bench.checkout import run_python
from bench.compiler import compile_library
from bench.harness import BenchmarkError

BASELINE = Path(__file__).parent / "instruction_counts.json"
MAX_GROWTH = 1.03
TIMEOUT_SECONDS = 300  # twenty times what it takes

_ROOT = Path(__file__).parents[1]
_DRIVER = "bench.counted_operations"
_SETTINGS = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "WOW_KERNEL_CACHE": "off",  # else the strategy might be what another processor was given
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
}
_TRIGGER = re.compile(r"^desc: Trigger: Client Request: (?P<name>\S+):(?P<factor>[12])$", re.M)
_SUMMARY = re.compile(r"^summary: (?P<instructions>\d+)$", re.M)
_COMPILER = re.compile(rb"(?:GCC: \(|(?:[\w .]* )?clang version )[^\0\n]+")
_CYTHON = re.compile(rb"_cython_(\d+_\d+_\w+?)\.")


class CountingUnavailable(BenchmarkError):
    """Instructions cannot be counted here: what is missing."""


class Baseline(msgspec.Struct, forbid_unknown_fields=True):
    """The committed counts: instructions per operation, and what they were counted with."""

    toolchain: dict[str, str]
    instructions: dict[str, float]


class Change(Enum):
    """How a count stands to the baseline."""

    SAME = "same"
    FEWER = "fewer"
    MORE = "more"
    NEW = "not in the baseline"
    GONE = "no longer counted"


class Row(NamedTuple):
    """One operation; a count that is not there is None."""

    name: str
    baseline: float | None
    counted: float | None
    change: Change

    @property
    def ratio(self) -> float | None:
        """Counted ÷ baseline."""
        if self.baseline is None or self.counted is None:
            return None
        return self.counted / self.baseline


def count_instructions(names: Sequence[str] = (), root: Path = _ROOT) -> dict[str, float]:
    """Instructions per operation of the build in ``root``; ``names`` empty: of all operations.

    Raises:
        CountingUnavailable: valgrind, its header or a C compiler is missing.
        BenchmarkError: the run failed, with its words.
    """
    valgrind_version()
    try:
        compile_library("callgrind", "callgrind.c")
    except BenchmarkError as error:
        raise CountingUnavailable(f"callgrind's requests cannot be compiled: {error}") from error
    with tempfile.TemporaryDirectory(prefix="wow-bench-") as folder:
        callgrind = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={folder}/dump",
            f"--log-file={folder}/log",
        ]
        said = run_python(
            root,
            ["-m", _DRIVER, *names],
            timeout_seconds=TIMEOUT_SECONDS,
            before=callgrind,
            settings=_SETTINGS,
        )
        operations = orjson.loads(said.splitlines()[-1])
        return per_operation(operations, read_dumps(Path(folder)))


def read_dumps(folder: Path) -> dict[tuple[str, int], int]:
    """Instructions of each dump that callgrind was asked for, by operation and factor of n."""
    found = {}
    for path in folder.glob("dump.*"):
        head = path.read_text("utf-8")
        trigger, summary = _TRIGGER.search(head), _SUMMARY.search(head)
        if trigger and summary:
            found[trigger["name"], int(trigger["factor"])] = int(summary["instructions"])
    return found


def per_operation(
    operations: Mapping[str, int], dumps: Mapping[tuple[str, int], int]
) -> dict[str, float]:
    """2n rounds less n rounds: what is left is ``operations`` times one operation.

    Raises:
        BenchmarkError: a dump is missing, or more work took no more instructions.
    """
    counted = {}
    for name, count in operations.items():
        once, twice = dumps.get((name, 1)), dumps.get((name, 2))
        if once is None or twice is None or twice <= once:
            raise BenchmarkError(f"{name} was not counted: {once} and {twice} instructions")
        counted[name] = round((twice - once) / count, 1)
    return counted


def judge_counts(baseline: Mapping[str, float], counted: Mapping[str, float]) -> list[Row]:
    """Every operation of either; more than MAX_GROWTH, or gone, is what a gate refuses."""
    return [_judge(name, baseline.get(name), counted.get(name)) for name in {**baseline, **counted}]


def _judge(name: str, baseline: float | None, counted: float | None) -> Row:
    if counted is None:
        change = Change.GONE
    elif baseline is None:
        change = Change.NEW
    elif counted > baseline * MAX_GROWTH:
        change = Change.MORE
    else:
        change = Change.FEWER if counted * MAX_GROWTH < baseline else Change.SAME
    return Row(name, baseline, counted, change)


def read_baseline(path: Path = BASELINE) -> Baseline:
    """The committed counts; BenchmarkError when they are missing or cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline)
    except (OSError, msgspec.DecodeError) as error:
        raise BenchmarkError(
            f"{path.name} cannot be read ({error}); wow-bench gate --write-baseline makes it"
        ) from error


def write_baseline(counted: dict[str, float], path: Path = BASELINE) -> None:
    """Replaces the committed counts by these, of this toolchain."""
    baseline = Baseline(describe_toolchain(), counted)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(baseline), indent=2) + b"\n")


def describe_toolchain(root: Path = _ROOT) -> dict[str, str]:
    """What the counts depend on beside the source; compiler and Cython as the build has them."""
    return {
        "compiler": _find_in_build(root, _COMPILER),
        "compiler flags": sysconfig.get_config_var("CFLAGS") or "",
        "cython": _find_in_build(root, _CYTHON).replace("_", "."),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libc": " ".join(platform.libc_ver()),
        "numba": metadata.version("numba"),
        "llvmlite": metadata.version("llvmlite"),
        "valgrind": valgrind_version(),
        "processor": _processor(),
    }


def valgrind_version() -> str:
    """As valgrind says it; CountingUnavailable when there is none."""
    try:
        finished = subprocess.run(
            ["valgrind", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise CountingUnavailable(
            "valgrind was not found; install it (apt-get install valgrind)"
        ) from error
    return finished.stdout.strip()


def _find_in_build(root: Path, pattern: re.Pattern[bytes]) -> str:
    found = set()
    for package in ("ext", "bench"):
        for path in (root / package).rglob("*.so"):
            match = pattern.search(path.read_bytes())
            if match:
                found.add(match[match.lastindex or 0].decode())
    return ", ".join(sorted(found)) or "unknown"


def _processor() -> str:
    """What of it shows through valgrind: the C library picks its memory functions by it."""
    try:
        words = Path("/proc/cpuinfo").read_text("utf-8").split()
    except OSError:
        words = []
    return f"{platform.machine()} {'with' if 'avx2' in words else 'without'} AVX2"
