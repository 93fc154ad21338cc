"""The command line of ``wow-relay``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from journal.writer import DEFAULT_SEGMENT_BYTES, DEFAULT_SEGMENT_NS, DEFAULT_SYNC_INTERVAL_NS

DEFAULT_INTERVAL_MS = 1.0
DEFAULT_MARKET_SYNC_MS = 1_000.0


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command line; a wrong one ends in argparse's SystemExit."""
    return _parser().parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wow-relay",
        description="Journals and publishes what an engine writes into its shared memory.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--shared-memory", type=Path, required=True, help="file of the engine, /dev/shm/..."
    )
    parser.add_argument(
        "--publish", required=True, help="ipc:///path or tcp://127.0.0.1:port, port 0 is any"
    )
    parser.add_argument("--http-port", type=_port, help="of /metrics and /healthz; 0 is any")
    parser.add_argument("--http-host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument(
        "--interval-ms",
        type=_positive,
        default=DEFAULT_INTERVAL_MS,
        help="sleep between two looks at the rings; default %(default)s",
    )
    parser.add_argument(
        "--state-directory",
        type=Path,
        help="of the engine: its control socket and audit log; without it nobody can command it",
    )
    parser.add_argument("--core", type=int, help="core to run on; never the engine's")
    _add_journal_options(parser.add_argument_group("journal"))
    return parser


def _add_journal_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--journal", type=Path, required=True, help="its directory")
    group.add_argument(
        "--sync-ms-orders",
        type=_positive,
        default=DEFAULT_SYNC_INTERVAL_NS / 1e6,
        help="longest wait of a written order record for the disk; default %(default)s",
    )
    group.add_argument(
        "--sync-ms-market",
        type=_positive,
        default=DEFAULT_MARKET_SYNC_MS,
        help="the same of market data; default %(default)s",
    )
    group.add_argument(
        "--segment-mib",
        type=_positive,
        default=DEFAULT_SEGMENT_BYTES / (1 << 20),
        help="size after which a segment is followed by the next; default %(default)s",
    )
    group.add_argument(
        "--segment-minutes",
        type=_positive,
        default=DEFAULT_SEGMENT_NS / 60e9,
        help="age after which it is; default %(default)s",
    )
    for stream in ("orders", "market"):
        group.add_argument(
            f"--keep-days-{stream}",
            type=_days,
            default=0,
            help="days after which a segment is deleted; 0, the default: never",
        )
    group.add_argument(
        "--no-market-data",
        dest="market_data",
        action="store_false",
        help="journal orders alone: no frames, no trades",
    )
    group.add_argument(
        "--no-compression",
        dest="compress",
        action="store_false",
        help="leave complete segments as they are",
    )


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0 and below 1000000")
    return value


def _days(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of days, 0 or more")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port; use 0 (any free one) to 65535")
    return value
