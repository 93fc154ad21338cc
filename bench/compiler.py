"""Compiles the C side of the benchmarks from our own source, when it is newer than its result."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.harness import BenchmarkError

SOURCES = Path(__file__).parent / "c"
OUTPUT = Path(__file__).parents[1] / "build" / "bench"
# As the kernel: setup.py compiles it with the same optimisation.
FLAGS = ("-O3", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
MAX_SHOWN_CHARACTERS = 2000  # of what the compiler said


def compile_program(
    name: str,
    *sources: str,
    output: Path = OUTPUT,
    flags: Sequence[str] = (),
    libraries: Sequence[str] = (),
) -> Path:
    """The program ``name`` made of ``sources`` (file names in ``bench/c``) and ``libraries``.

    Raises:
        BenchmarkError: there is no C compiler, or it refused the source (with its words).
    """
    return _compile(output / name, sources, flags, libraries)


def compile_library(name: str, *sources: str, output: Path = OUTPUT) -> Path:
    """The shared library ``name``.so made of ``sources``; raises as ``compile_program``."""
    return _compile(output / f"{name}.so", sources, ("-shared", "-fPIC"))


def compiler_command() -> list[str]:
    """The C compiler: ``CC`` from the environment, or ``cc``; BenchmarkError when there is none."""
    command = shlex.split(os.environ.get("CC") or "cc")
    if not command or shutil.which(command[0]) is None:
        raise BenchmarkError(
            f"no C compiler: {' '.join(command) or 'CC'} was not found;"
            " install one (apt-get install gcc libc6-dev) or set CC"
        )
    return command


def _compile(
    target: Path, sources: Sequence[str], flags: Sequence[str], libraries: Sequence[str] = ()
) -> Path:
    files = [SOURCES / source for source in sources]
    newest = max(path.stat().st_mtime_ns for path in (*files, *SOURCES.glob("*.h")))
    if target.exists() and target.stat().st_mtime_ns > newest:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Another process may compile or run the same file: it appears under its name when complete.
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    command = [*compiler_command(), *FLAGS, *flags, *map(str, files), "-o", str(fresh)]
    command += [f"-l{library}" for library in libraries]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise BenchmarkError(
            f"{shlex.join(command)} failed:\n{finished.stderr[:MAX_SHOWN_CHARACTERS]}"
        )
    fresh.replace(target)
    return target
