"""What the style tests judge: a tree of files, the repository's or one planted by a test."""

import os
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED_FOLDERS = {"build", "dist", "var", "__pycache__"}
KEPT_HIDDEN_FOLDERS = {".ci"}

OPT_OUT = re.compile(r"(?:#|//)\s*tidy-ok:\s*\S.{7,}")

# Longest first: a triple quote is not an empty string followed by a quote.
STRING_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''(?:\\.|[^\\])*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*'"
    r"|\#[^\n]*",
    re.DOTALL,
)


def _blank(match: re.Match[str]) -> str:
    text = match.group()
    if text.startswith("#"):
        return " " * len(text)
    inner = "".join("\n" if character == "\n" else " " for character in text[1:-1])
    return text[0] + inner + ("" if "\n" in text else text[-1])


class Tree:
    """Files under one root, named by their path relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def _files(self) -> list[str]:
        return sorted(self._walk())

    def _walk(self) -> Iterator[str]:
        for folder, names, files in os.walk(self.root):
            names[:] = [
                name
                for name in names
                if name not in SKIPPED_FOLDERS
                and (not name.startswith(".") or name in KEPT_HIDDEN_FOLDERS)
                and not name.endswith(".egg-info")
            ]
            for file in files:
                yield (Path(folder) / file).relative_to(self.root).as_posix()

    def files(self, *endings: str, under: tuple[str, ...] = ()) -> list[str]:
        """Paths with one of the endings (all files when none), under one of the folders."""
        folders = tuple(f"{folder}/" for folder in under)
        return [
            path
            for path in self._files
            if (not endings or path.endswith(endings)) and (not folders or path.startswith(folders))
        ]

    def text(self, path: str) -> str:
        return (self.root / path).read_text("utf-8")

    def code(self, path: str) -> str:
        """The text with comments and the inside of strings blanked, line by line as before."""
        return STRING_OR_COMMENT.sub(_blank, self.text(path))

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()

    @cached_property
    def project(self) -> dict[str, Any]:
        """The parsed ``pyproject.toml``."""
        return tomllib.loads(self.text("pyproject.toml"))

    @cached_property
    def packages(self) -> list[str]:
        """Folders with an ``__init__.py``, as paths; the product's, so without ``tests``."""
        folders = [path.rpartition("/")[0] for path in self.files("/__init__.py")]
        return [folder for folder in folders if folder and not folder.startswith("tests")]

    @cached_property
    def top_packages(self) -> tuple[str, ...]:
        return tuple(folder for folder in self.packages if "/" not in folder)

    @staticmethod
    def opted_out(line: str) -> bool:
        """The line carries ``# tidy-ok: reason``, with a reason of at least eight characters."""
        return OPT_OUT.search(line) is not None


@pytest.fixture(scope="session")
def repository() -> Tree:
    """The checkout that these tests stand in."""
    return Tree(ROOT)


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[dict[str, str]], Tree]:
    """Writes files into an empty folder and returns the tree of them."""

    def write(files: dict[str, str]) -> Tree:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return Tree(tmp_path)

    return write
