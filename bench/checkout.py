"""Runs programs of one checkout with the code of that checkout alone.

The commands are installed from this one, editable: an import that another checkout cannot answer
would be answered by this one, unseen. So the libraries are named, and what ``site`` would add to
them is left out.
"""

import os
import site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.harness import BenchmarkError

MAX_SHOWN_CHARACTERS = 2000  # of what a failed program said


def run_python(
    root: Path,
    arguments: Sequence[str],
    *,
    timeout_seconds: float,
    before: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> str:
    """What Python said on stdout, with ``arguments`` in the checkout ``root``.

    ``before`` stands before the interpreter (a tool that runs it), ``settings`` are added to the
    environment.

    Raises:
        BenchmarkError: it failed, with the last of its words, or took too long.
    """
    libraries = os.pathsep.join((str(root), *site.getsitepackages()))
    # -S: without site; -P: without the folder of the program.
    command = [*before, sys.executable, "-S", "-P", *arguments]
    try:
        finished = subprocess.run(
            command,
            cwd=root,
            env={**os.environ, "PYTHONPATH": libraries, **(settings or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"not done after {timeout_seconds} s in {root}") from error
    if finished.returncode != 0:
        said = (finished.stderr or finished.stdout).strip()[-MAX_SHOWN_CHARACTERS:]
        raise BenchmarkError(f"failed in {root}:\n{said}")
    return finished.stdout
