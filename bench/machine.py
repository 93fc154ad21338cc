"""What a number was measured on: without it, it cannot be quoted."""

import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bench.compiler import FLAGS, compiler_command
from bench.harness import BenchmarkError
from bench.peer_process import peer_version
from tuning.affinity import available_cores, format_cores

LIBRARIES = (
    "Cython",
    "hftbacktest",
    "nautilus_trader",
    "numba",
    "numpy",
    "order-book",
    "orjson",
    "picows",
    "quickfix",
    "simplefix",
    "sortedcontainers",
    "TA-Lib",
    "talipp",
    "uvloop",
    "websockets",
)
_ROOT = Path(__file__).parents[1]


def describe_machine(command: Sequence[str]) -> dict[str, str]:
    """Name and value of each fact, in the order in which they are shown; ``command`` was typed."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": shlex.join(command),
        "revision": _first_line("git", "-C", str(_ROOT), "describe", "--always", "--dirty"),
        "cpu": _cpu_name(),
        "cores": f"{os.cpu_count()}, of which usable: {format_cores(available_cores())}",
        "load before": f"{load} (1, 5, 15 minutes)",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": f"{compiler_version()} {' '.join(FLAGS[:1])}",
        "libraries": ", ".join(_versions()),
    }


def _versions() -> list[str]:
    found = []
    for name in LIBRARIES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = peer_version(name) or "absent"
        found.append(f"{name} {version}")
    return found


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def compiler_version() -> str:
    """First line of what the C compiler says of itself; ``absent`` without one."""
    try:
        return _first_line(*compiler_command(), "--version")
    except BenchmarkError:
        return "absent"


def _first_line(*command: str) -> str:
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return finished.stdout.partition("\n")[0].strip()
