"""The C side is compiled when it has to be, and says clearly when it cannot be."""

import ctypes
import os
import subprocess
from pathlib import Path

import pytest

from bench import compiler
from bench.compiler import compile_library, compile_program
from bench.harness import BenchmarkError


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "c"
    folder.mkdir()
    monkeypatch.setattr(compiler, "SOURCES", folder)
    return folder


def write_program(path: Path, status: int, time_ns: int) -> None:
    path.write_text(f"int main(void) {{ return {status}; }}\n")
    os.utime(path, ns=(time_ns, time_ns))


def test_a_program_is_compiled_again_when_its_source_is_newer(
    sources: Path, tmp_path: Path
) -> None:
    write_program(sources / "a.c", 3, 1_000)
    program = compile_program("a", "a.c", output=tmp_path)
    assert subprocess.run([program], check=False).returncode == 3
    write_program(sources / "a.c", 4, 2_000)
    assert subprocess.run([compile_program("a", "a.c", output=tmp_path)]).returncode == 3
    write_program(sources / "a.c", 4, program.stat().st_mtime_ns + 1)
    assert subprocess.run([compile_program("a", "a.c", output=tmp_path)]).returncode == 4
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("a")] == ["a"]


def test_source_that_is_wrong_is_an_error_with_the_compilers_words(
    sources: Path, tmp_path: Path
) -> None:
    (sources / "a.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(BenchmarkError, match=r"failed:\n[^$]*nothing"):
        compile_program("a", "a.c", output=tmp_path)


def test_a_missing_compiler_is_named(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(sources / "a.c", 0, 1_000)
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(BenchmarkError, match="no-such-compiler -m64 was not found; install one"):
        compile_program("a", "a.c", output=tmp_path)


@pytest.mark.parametrize(
    ("key", "accept"),
    [
        # RFC 6455 section 1.3; the second by hashlib, with a text of two SHA-1 blocks.
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("x" * 40, "8BtGdRKLPCV+ZzF/tANRJoS9Xgc="),
    ],
)
def test_the_handshake_gives_the_published_answer(key: str, accept: str) -> None:
    library = ctypes.CDLL(str(compile_library("handshake", "handshake.c")))
    answer = ctypes.create_string_buffer(29)
    library.make_accept(key.encode(), ctypes.c_size_t(len(key)), answer)
    assert answer.value.decode() == accept
