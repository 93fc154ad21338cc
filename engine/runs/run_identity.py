"""Who a run is to the venue: the prefix of its client order ids, and where their numbers begin.

The prefix is drawn once for a state directory and kept, so that reports of orders of earlier runs
are known. Each start takes a block of numbers of its own, written to disk before the first order
leaves: so no id is used twice, whatever of the journal was lost in a crash.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from ext.bounds import Bound
from ext.errors import ConfigError
from ext.orders import draw_run_prefix
from journal.durable import write_durably

NUMBERS_PER_RUN = 1 << 32
MAX_RUNS = 1 << 22
"""Numbers stay below 2**54: a fill's key holds one beside the instrument."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """``prefix`` of all client order ids, and the number of the first request of the run."""

    prefix: bytes
    first_number: int


def follow_numbers(identity: RunIdentity, next_number: int) -> RunIdentity:
    """The identity of a run that goes on where another ended, before ``next_number``.

    Tables find requests and orders by the last digits of their number. A run that began at the same
    digits as every other would soon write over those of orders that are still open, and reports of
    them would be of nobody.
    """
    distance = (next_number - identity.first_number) % Bound.MAX_REQUESTS
    return RunIdentity(identity.prefix, identity.first_number + distance)


def claim_identity(state_directory: str, name: str) -> RunIdentity:
    """The identity of a run that begins now; it is on the disk when this returns.

    To be called by the holder of the run lock. Raises ConfigError when the file cannot be read or
    written: what it held cannot be guessed.
    """
    path = Path(state_directory) / f"{name}.identity.json"
    try:
        prefix, runs = _read(path) if path.exists() else (draw_run_prefix(), 0)
        if runs >= MAX_RUNS:
            raise ConfigError(f"{path}: {runs} runs are the most; use another state directory")
        _write(path, prefix, runs + 1)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be used: {error.strerror}; check [engine] state_directory"
        ) from error
    return RunIdentity(prefix, runs * NUMBERS_PER_RUN + 1)


def _read(path: Path) -> tuple[bytes, int]:
    try:
        held = json.loads(path.read_bytes())
        prefix, runs = str(held["prefix"]).encode(), int(held["runs"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} is damaged ({error}); without it client order ids could repeat: put it back "
            "from a backup, or cancel what is open at the venue and remove the file"
        ) from error
    if len(prefix) != len(draw_run_prefix()) or runs < 1:
        raise ConfigError(f"{path} is damaged: prefix {prefix!r}, runs {runs}; see the runbook")
    return prefix, runs


def _write(path: Path, prefix: bytes, runs: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"prefix": prefix.decode(), "runs": runs})
    write_durably(path, text.encode())
