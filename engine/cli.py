"""The command line ``wow-engine``: run, check, and the commands that read what was recorded."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.decisions import Decisions
from engine.exit_codes import ExitCode, exit_code_of
from engine.law.jurisdiction import DISCLAIMER, require_permission, rule
from engine.settings.config import config_hash, describe_config, load_config
from engine.settings.config_schema import EngineConfig
from engine.settings.config_warnings import find_warnings, require_arming, require_recording
from engine.version import read_version
from ext.errors import WowError

if TYPE_CHECKING:
    from engine.kernel.kernels import CompiledStrategy

PROGRAM = "wow-engine"
COMMANDS = ("run", "check", "verify", "replay", "journal", "trades", "compliance")

_EPILOG = """commands:
  run      start the engine; the default: `wow-engine --config FILE`
  check    print the effective config and warnings, compile the strategies, send nothing
  verify   rebuild the books of a recording and compare them with a slow reference
  replay   repeat a run from its journal: same orders byte for byte, same state
  journal  show, follow, check, count and export what an engine recorded
  trades   write the trade records of a journal: CSV, JSON, Parquet
  compliance  report a period by mode, jurisdiction and venue: CSV, XLSX

`wow-engine COMMAND --help` says more. docs/config.md explains every key of the config and the
exit statuses. WOW_DEBUG=1 shows the traceback of an error."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit status, see ``engine.exit_codes``.

    A wrong command line, ``--help`` and ``--version`` end in argparse's SystemExit.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _dispatch(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output (`| head`) has enough; without this Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("WOW_DEBUG") == "1":
            traceback.print_exc()
        print(f"{PROGRAM}: {_explain(error)}", file=sys.stderr)
        return exit_code_of(error)
    return status


def _dispatch(words: list[str]) -> int:
    command = words[0] if words and words[0] in COMMANDS else None
    if command == "verify":
        from engine.reference import verify  # only here: it loads the decoders

        return verify.main(words[1:])
    if command == "replay":
        from engine.runs import replay_command  # only here, as above

        return replay_command.main(words[1:])
    if command == "journal":
        from engine.runs import journal_command  # only here: the others need none of it

        return journal_command.main(words[1:])
    if command == "trades":
        from engine.runs import trades_command  # only here, as above

        return trades_command.main(words[1:])
    if command == "compliance":
        from engine.law import compliance_command  # only here, as above

        return compliance_command.main(words[1:])
    if command is None:
        if not words or words[0] in ("-h", "--help", "--version"):
            _make_parser("").parse_args(words or ["--help"])
        command = "run"
    else:
        words = words[1:]
    options = _make_parser(command).parse_args(words)
    config = load_config(options.config, options.set)
    for warning in find_warnings(config):
        print(f"{PROGRAM}: warning: {warning}", file=sys.stderr)
    return _check(config) if command == "check" else _run(config, options)


def _make_parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {command}".strip(),
        usage="%(prog)s --config FILE [--set section.key=value ...] [--live]"
        " [--fresh REASON] [--resume REASON] [--rearm REASON]",
        description="Low-latency trading engine: market data in, orders out, every step checked.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {read_version()}")
    parser.add_argument("--config", required=True, metavar="FILE", help="the TOML file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one value for this run, as risk.stale_after_ms=500 or instrument.BTC-USD.tick=0.05;"
        " may be repeated",
    )
    parser.add_argument(
        "--live", action="store_true", help="send real orders; the config must say live too"
    )
    parser.add_argument(
        "--fresh",
        metavar="REASON",
        default="",
        help="begin without the orders and positions of the last run; for a person who has looked"
        " at the venue",
    )
    parser.add_argument(
        "--resume",
        metavar="REASON",
        default="",
        help="trade again although the last run ended PAUSED; for a person who has found out why",
    )
    parser.add_argument(
        "--rearm",
        metavar="REASON",
        default="",
        help="lift the KILL of an earlier run, as soon as the venue lists no open order and its"
        " record equals ours; until then the engine stays KILLED",
    )
    return parser


def _run(config: EngineConfig, options: argparse.Namespace) -> int:
    require_arming(config, is_live=options.live)
    require_permission(config)
    require_recording(config)
    from engine import app  # only here: it loads the compiled kernel and Numba

    decisions = Decisions(options.live, options.fresh, options.resume, options.rearm)
    return app.run(config, decisions)


def _check(config: EngineConfig) -> int:
    from engine.composition import compile_strategies  # only here: importing Numba takes a second

    print(describe_config(config), flush=True)
    for ruling in rule(config):
        print(f"# {ruling.describe()}; {DISCLAIMER}", flush=True)
    strategies = compile_strategies(config, _say_compiled)
    digests = [strategy.source_digest for strategy in strategies]
    print(f"# config hash {config_hash(config, digests)}")
    return ExitCode.OK


def _say_compiled(strategy: "CompiledStrategy") -> None:
    kind = "compiled" if strategy.is_compiled else "plain Python, slow"
    hooks = ", ".join(strategy.addresses)
    print(f"# {strategy.name} on {strategy.instrument.symbol}: {kind}: {hooks}", flush=True)


def _explain(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, WowError):
        return str(error)
    return f"internal error: {type(error).__name__}: {error}; WOW_DEBUG=1 shows the traceback"
