"""References to secrets: what is accepted, what is refused, and that nothing is ever shown."""

import os
from pathlib import Path

import pytest

from engine.secrets import MAX_SECRET_BYTES, Secret
from ext.errors import ConfigError

LITERAL = "+xT7GWTDRHi09EZEhkOC8S7ktzngKtoT1ZoZ6Qc=="


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return path


def refusal(reference: str) -> str:
    with pytest.raises(ConfigError) as caught:
        Secret.parse(reference).reveal()
    return str(caught.value)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOW_TEST_KEY", "s3cret")
    assert Secret.parse("env:WOW_TEST_KEY").reveal() == "s3cret"
    monkeypatch.setenv("WOW_TEST_KEY", "")
    assert refusal("env:WOW_TEST_KEY") == "env:WOW_TEST_KEY is empty; put the secret there"
    monkeypatch.delenv("WOW_TEST_KEY")
    assert refusal("env:WOW_TEST_KEY") == (
        "env:WOW_TEST_KEY is not set; export WOW_TEST_KEY before the start"
    )


def test_it_is_read_at_each_use(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret.parse("env:WOW_TEST_KEY")
    for value in ("first", "second"):
        monkeypatch.setenv("WOW_TEST_KEY", value)
        assert secret.reveal() == value


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"a b\n", "a b"),
        (b"a\r\n", "a"),
        (b"a", "a"),
        (b"-----BEGIN\nkey\n-----END\n", "-----BEGIN\nkey\n-----END"),
    ],
)
def test_file(secret_file: Path, content: bytes, value: str) -> None:
    secret_file.write_bytes(content)
    assert Secret.parse(f"file:{secret_file}").reveal() == value


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_file_that_others_may_use(secret_file: Path, mode: int) -> None:
    secret_file.chmod(mode)
    assert refusal(f"file:{secret_file}") == (
        f"file:{secret_file} has mode {mode:04o}, so others may read it;"
        f" run: chmod 600 {secret_file}"
    )


def test_files_that_are_no_secret(secret_file: Path, tmp_path: Path) -> None:
    assert refusal("file:/nowhere/x") == (
        "file:/nowhere/x cannot be read: No such file or directory"
    )
    assert refusal(f"file:{tmp_path}") == f"file:{tmp_path} cannot be read: Is a directory"
    secret_file.write_bytes(b"\n")
    assert "is empty" in refusal(f"file:{secret_file}")
    secret_file.write_bytes(b"\xff\xfe")
    assert refusal(f"file:{secret_file}") == f"file:{secret_file} is not UTF-8 text"
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a regular file" in refusal(f"file:{tmp_path}/pipe")


def test_file_size_bound(secret_file: Path) -> None:
    secret_file.write_bytes(b"x" * MAX_SECRET_BYTES)
    assert len(Secret.parse(f"file:{secret_file}").reveal()) == MAX_SECRET_BYTES
    secret_file.write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    assert refusal(f"file:{secret_file}").endswith("is larger than 65536 bytes: not a secret")


def test_systemd_credential(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert refusal("credential:secret") == (
        "credential:secret needs $CREDENTIALS_DIRECTORY, which systemd sets for a unit"
        " with LoadCredential=secret:/path"
    )
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secret_file.parent))
    secret_file.chmod(0o440)
    assert Secret.parse("credential:secret").reveal() == "s3cret"


def test_demo_secrets_are_those_of_the_simulator() -> None:
    assert Secret.parse("demo:key").reveal() == "demo-key"
    assert Secret.parse("demo:passphrase").reveal() == "demo-passphrase"
    assert Secret.parse("demo:secret").reveal().startswith("AAECAwQFBgcICQoLDA0ODx")
    assert Secret.parse("demo:key").is_demo
    assert not Secret.parse("env:KEY").is_demo


@pytest.mark.parametrize(
    "text",
    [
        LITERAL,
        "",
        "env:",
        "env:9KEY",
        f"env:{LITERAL}",
        "ENV:KEY",
        "file:relative",
        "credential:../x",
        "credential:",
        "demo:hunter2",
        "vault:x",
        "env:KEY\n",
    ],
)
def test_what_is_not_a_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="use a reference") as caught:
        Secret.parse(text)
    assert str(caught.value) == (
        "use a reference: env:NAME, file:/path, credential:NAME, or in simulated mode demo:NAME"
    )


def test_it_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOW_TEST_KEY", "s3cret")
    secret = Secret.parse("env:WOW_TEST_KEY")
    secret.reveal()
    assert [repr(secret), str(secret), f"{secret}", f"{secret!r:>10}"] == [
        "<secret>",
        "<secret>",
        "<secret>",
        "  <secret>",
    ]
    assert secret.reference == "env:WOW_TEST_KEY"
    assert secret == Secret.parse("env:WOW_TEST_KEY")
    assert secret != Secret.parse("env:OTHER")
    assert len({secret, Secret.parse("env:WOW_TEST_KEY")}) == 1
