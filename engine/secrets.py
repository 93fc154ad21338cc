"""Secrets by reference: a config names where a secret lives, never the secret itself.

The kinds of reference, each read only when the secret is needed:

* ``env:NAME``: an environment variable;
* ``file:/path``: a file that only its owner may read, its text without the last line end;
* ``credential:NAME``: a systemd credential, ``$CREDENTIALS_DIRECTORY/NAME``;
* ``demo:key``, ``demo:secret``, ``demo:passphrase``: those of the simulator, in simulated mode.
"""

import base64
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

from ext.errors import ConfigError

MAX_SECRET_BYTES = 65536  # a PEM key is 2 KiB; more is not a secret but a wrong path
REFERENCE_FORMS = (
    "a reference: env:NAME, file:/path, credential:NAME, or in simulated mode demo:NAME"
)

_DEMO_SECRETS: Final[Mapping[str, str]] = {
    "key": "demo-key",
    "secret": base64.b64encode(bytes(range(64))).decode(),
    "passphrase": "demo-passphrase",
}
_NAMES: Final[Mapping[str, re.Pattern[str]]] = {
    "env": re.compile(r"[A-Za-z_][A-Za-z0-9_]*"),
    "file": re.compile(r"/[^\x00-\x1f]*"),
    "credential": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*"),
    "demo": re.compile("|".join(_DEMO_SECRETS)),
}


@final
class Secret:
    """A reference to a secret; every way of printing it gives ``<secret>``.

    ``parse`` refuses anything that is not a reference, in words that do not repeat it.
    """

    __slots__ = ("_kind", "_name")

    def __init__(self, kind: str, name: str) -> None:
        self._kind = kind
        self._name = name

    @classmethod
    def parse(cls, text: str) -> "Secret":
        """The secret that a reference names; ValueError, without the text, for anything else."""
        kind, _, name = text.partition(":")
        pattern = _NAMES.get(kind)
        if pattern is None or not pattern.fullmatch(name):
            raise ValueError(f"use {REFERENCE_FORMS}")
        return cls(kind, name)

    @property
    def reference(self) -> str:
        """Where the secret lives, such as ``env:WOW_KEY``; safe to print."""
        return f"{self._kind}:{self._name}"

    @property
    def is_demo(self) -> bool:
        """Whether it is one of the simulator's well-known secrets."""
        return self._kind == "demo"

    def reveal(self) -> str:
        """The secret itself, read now; ConfigError says why it cannot be had.

        The caller uses it at once and keeps no copy.
        """
        value = self._read()
        if not value:
            raise ConfigError(f"{self.reference} is empty; put the secret there")
        return value

    def _read(self) -> str:
        if self._kind == "env":
            return _read_environment(self._name)
        if self._kind == "file":
            return _read_file(self.reference, Path(self._name), is_private_file_required=True)
        if self._kind == "credential":
            return _read_credential(self.reference, self._name)
        return _DEMO_SECRETS[self._name]

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self.reference == other.reference

    def __hash__(self) -> int:
        return hash(self.reference)


def _read_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(f"env:{name} is not set; export {name} before the start")
    return value


def _read_credential(reference: str, name: str) -> str:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigError(
            f"{reference} needs $CREDENTIALS_DIRECTORY, which systemd sets for a unit"
            f" with LoadCredential={name}:/path"
        )
    # systemd guards the directory; the mode of the file shows its access list, not strangers.
    return _read_file(reference, Path(directory, name), is_private_file_required=False)


def _read_file(reference: str, path: Path, *, is_private_file_required: bool) -> str:
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{reference} is not a regular file")
            if is_private_file_required and status.st_mode & 0o077:
                raise ConfigError(
                    f"{reference} has mode {stat.S_IMODE(status.st_mode):04o}, so others may read"
                    f" it; run: chmod 600 {path}"
                )
            data = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{reference} cannot be read: {error.strerror}") from None
    if len(data) > MAX_SECRET_BYTES:
        raise ConfigError(f"{reference} is larger than {MAX_SECRET_BYTES} bytes: not a secret")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError(f"{reference} is not UTF-8 text") from None


def _open_without_waiting(path: str, flags: int) -> int:
    # Without O_NONBLOCK a named pipe would hold the start for ever.
    return os.open(path, flags | os.O_NONBLOCK)
