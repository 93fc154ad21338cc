"""A base is found, built once, takes over what is the same, and says when it cannot be."""

import os
import subprocess
from pathlib import Path

import pytest

from bench.base_build import NoBase, build_base, find_merge_base, resolve_commit, take_over

# Stands for the project's: the build writes down what it was given.
SETUP = """
import pathlib, sys
source = pathlib.Path("ext/a.pyx").read_text()
if "broken" in source:
    sys.exit("ext/a.pyx is broken")
pathlib.Path("built.txt").write_text(source)
"""


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path, path: str, content: str) -> str:
    target = root / path
    target.parent.mkdir(exist_ok=True)
    target.write_text(content)
    git(root, "add", "-A")
    git(root, "commit", "-qm", path)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout on ``main`` with one commit."""
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / ".gitignore").write_text("/build/\n")
    (root / "setup.py").write_text(SETUP)
    commit(root, "ext/a.pyx", "one")
    return root


def test_a_revision_is_a_commit(project: Path) -> None:
    first = git(project, "rev-parse", "HEAD")
    commit(project, "ext/a.pyx", "two")
    assert resolve_commit("HEAD~1", project) == resolve_commit(first[:9], project) == first
    for wrong in ("gone", "--help"):
        with pytest.raises(NoBase, match=f"git knows no revision '{wrong}'"):
            resolve_commit(wrong, project)


def test_the_merge_base_is_where_the_branch_left(project: Path) -> None:
    left = git(project, "rev-parse", "HEAD")
    git(project, "checkout", "-qb", "change")
    commit(project, "ext/a.pyx", "two")
    assert find_merge_base(project) == left
    git(project, "update-ref", "refs/remotes/origin/main", "HEAD~0")
    with pytest.raises(NoBase, match="no code differs from the merge base with origin/main"):
        find_merge_base(project)


def test_what_is_not_committed_counts_as_changed(project: Path) -> None:
    with pytest.raises(NoBase, match="no code differs from the merge base with main"):
        find_merge_base(project)
    (project / "ext" / "a.pyx").write_text("two")
    assert find_merge_base(project) == git(project, "rev-parse", "HEAD")


def test_documents_and_tests_are_no_code(project: Path) -> None:
    git(project, "checkout", "-qb", "change")
    for path in ("docs/a.md", "tests/test_a.py", "ext/README.md", "README.md"):
        commit(project, path, "words")
    with pytest.raises(NoBase, match="no code differs"):
        find_merge_base(project)


def test_without_a_main_line_there_is_no_merge_base(project: Path, tmp_path: Path) -> None:
    git(project, "branch", "-qm", "elsewhere")
    with pytest.raises(NoBase, match="neither origin/main nor main"):
        find_merge_base(project)
    with pytest.raises(NoBase, match="no git checkout"):
        find_merge_base(tmp_path)


def test_a_base_is_built_once(project: Path) -> None:
    first = git(project, "rev-parse", "HEAD")
    commit(project, "ext/a.pyx", "two")
    said: list[str] = []
    folder = build_base(first, said.append, project)
    assert folder == project / "build" / "base" / first[:12]
    assert (folder / "built.txt").read_text() == "one"
    assert said == [f"base {first[:12]}: build in {folder}"]
    (folder / "built.txt").write_text("kept")
    assert build_base(first, said.append, project) == folder
    assert (folder / "built.txt").read_text() == "kept"
    assert len(said) == 1
    assert not git(project, "status", "--porcelain")


def test_other_tools_build_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_name = git(project, "rev-parse", "HEAD")
    folder = build_base(commit_name, root=project)
    (folder / "built.txt").write_text("old")
    monkeypatch.setattr("bench.base_build.compiler_version", lambda: "cc 99")
    assert build_base(commit_name, root=project) == folder
    assert (folder / "built.txt").read_text() == "one"


def test_a_build_that_was_left_half_done_is_done_again(project: Path) -> None:
    commit_name = git(project, "rev-parse", "HEAD")
    folder = project / "build" / "base" / commit_name[:12]
    folder.mkdir(parents=True)
    (folder / "left").write_text("over")
    build_base(commit_name, root=project)
    assert not (folder / "left").exists()
    assert (folder / "built.txt").exists()


def test_a_base_that_cannot_be_built_says_why_each_time(project: Path) -> None:
    broken = commit(project, "ext/a.pyx", "broken")
    for _ in range(2):
        with pytest.raises(NoBase, match=r"built here: failed in .*:\next/a.pyx is broken"):
            build_base(broken, root=project)
    with pytest.raises(NoBase, match="git archive"):
        build_base("0" * 40, root=project)


def test_what_is_the_same_is_as_old_as_its_build(tmp_path: Path) -> None:
    ours, base = tmp_path / "ours", tmp_path / "base"
    for root, content in ((ours, "ours"), (base, "base")):
        (root / "ext" / "codecs").mkdir(parents=True)
        (root / "setup.py").write_text("same")
        (root / "ext" / "same.pyx").write_text("same")
        (root / "ext" / "codecs" / "other.pxd").write_text(content)
    (ours / "build" / "lib.here").mkdir(parents=True)
    (ours / "build" / "lib.here" / "same.so").write_text("code")
    (ours / "build" / "base").mkdir()
    for path in (*ours.rglob("*.p*"), *base.rglob("*.p*")):
        os.utime(path, ns=(1_000, 1_000))  # as git archive does: of the commit, before any build
    os.utime(ours / "ext" / "same.pyx", ns=(2_000, 2_000))
    take_over(ours, base)
    assert (base / "ext" / "same.pyx").stat().st_mtime_ns == 2_000
    assert (base / "ext" / "codecs" / "other.pxd").stat().st_mtime_ns > 2_000
    assert [path.name for path in (base / "build").iterdir()] == ["lib.here"]


def test_nothing_is_taken_over_when_the_build_differs(tmp_path: Path) -> None:
    ours, base = tmp_path / "ours", tmp_path / "base"
    for root in (ours, base):
        (root / "build" / "cython").mkdir(parents=True)
        (root / "setup.py").write_text(root.name)
        (root / "build" / "cython" / "a.c").write_text(root.name)
    take_over(ours, base)
    assert (base / "build" / "cython" / "a.c").read_text() == "base"
