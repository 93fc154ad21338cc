"""Another revision of the project, built beside this one: what a change is compared with.

Builds are kept under ``build/base`` by commit, and made again when the tools have changed. What the
two revisions have in common is taken over from this checkout's build, which is up to date: only
what differs is compiled.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from bench.checkout import run_python
from bench.harness import BenchmarkError
from bench.machine import compiler_version

ROOT = Path(__file__).parents[1]
BUILD_TIMEOUT_SECONDS = 900  # ten times what a whole build takes

_CACHE = Path("build", "base")
_MARK = ".built"
_COMPILED_PACKAGES = ("bench", "ext")
_SOURCES = ("*.pyx", "*.pxd")
_BUILT_FOLDERS = ("cython", "temp.*", "lib.*")  # C files, objects, extensions
# How everything is compiled; the tools are those of this interpreter in both builds.
_BUILD_FILE = "setup.py"
# Nothing that is measured depends on these.
_WITHOUT_EFFECT = (":(exclude)docs", ":(exclude)tests", ":(exclude,glob)**/*.md")


class NoBase(BenchmarkError):
    """There is nothing to compare with: why."""


def resolve_commit(revision: str, root: Path = ROOT) -> str:
    """Full name of the commit that ``revision`` names; NoBase when there is none."""
    found = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not found:
        raise NoBase(f"git knows no revision {revision!r} here")
    return found


def find_merge_base(root: Path = ROOT) -> str:
    """The commit where this checkout left the main line: ``origin/main``, what ``main`` follows, or
    ``main`` itself, whichever is there first.

    Raises:
        NoBase: there is no such commit, or nothing that is measured has changed since.
    """
    if not _git(root, "rev-parse", "HEAD"):
        raise NoBase("this is no git checkout with a commit")
    for main in ("origin/main", "main@{upstream}", "main"):
        base = _git(root, "merge-base", "HEAD", main)
        if base:
            break
    else:
        raise NoBase("no merge base: there is neither origin/main nor main, or no common commit")
    if not _git(root, "diff", "--name-only", base, "--", ".", *_WITHOUT_EFFECT):
        raise NoBase(f"no code differs from the merge base with {main}, {base[:12]}")
    return base


def build_base(
    commit: str, on_progress: Callable[[str], None] = lambda text: None, root: Path = ROOT
) -> Path:
    """The folder with the built sources of a commit; NoBase when it cannot be built."""
    folder = root / _CACHE / commit[:12]
    mark, tools = folder / _MARK, _describe_tools()
    if mark.exists() and mark.read_text("utf-8") == tools:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    on_progress(f"base {commit[:12]}: build in {folder}")
    archive = subprocess.run(
        ["git", "-C", str(root), "archive", commit], capture_output=True, check=False
    )
    if archive.returncode != 0:
        raise NoBase(f"git archive {commit}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    take_over(root, folder)
    compile_sources(folder)
    mark.write_text(tools, "utf-8")
    return folder


def take_over(source: Path, target: Path) -> None:
    """Gives ``target`` the build of ``source`` and the file times that go with it.

    A source that is the same in both is as old as in ``source``; all others are new, and are
    compiled again with what depends on them. Nothing is taken when the build itself differs.
    """
    if not _is_same(source / _BUILD_FILE, target / _BUILD_FILE):
        return
    for pattern in _BUILT_FOLDERS:
        for folder in (source / "build").glob(pattern):
            shutil.copytree(folder, target / "build" / folder.name)
    for package in _COMPILED_PACKAGES:
        for pattern in _SOURCES:
            for path in (target / package).rglob(pattern):
                origin = source / path.relative_to(target)
                if _is_same(origin, path):
                    times = origin.stat()
                    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
                else:
                    path.touch()


def compile_sources(folder: Path) -> None:
    """Builds what is out of date in a folder of sources, in place; NoBase when that fails."""
    arguments = ["setup.py", "--quiet", "build_ext", "--inplace"]
    try:
        run_python(
            folder,
            [*arguments, "--parallel", str(os.cpu_count() or 1)],
            timeout_seconds=BUILD_TIMEOUT_SECONDS,
        )
    except BenchmarkError as error:
        raise NoBase(f"the base cannot be built here: {error}") from error


def _describe_tools() -> str:
    """A base that other tools built says nothing about a change of ours."""
    mode = os.environ.get("WOW_BUILD", "release")
    return "\n".join((sys.version, metadata.version("Cython"), compiler_version(), mode, ""))


def _is_same(first: Path, second: Path) -> bool:
    return first.exists() and second.exists() and first.read_bytes() == second.read_bytes()


def _git(root: Path, *arguments: str) -> str:
    """What git said; empty when it failed."""
    try:
        finished = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return finished.stdout.strip() if finished.returncode == 0 else ""
