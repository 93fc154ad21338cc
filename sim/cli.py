"""``wow-sim``: a Coinbase-Exchange-like venue on loopback.

Standard output carries two lines of JSON, ``ready`` and ``summary``; everything for people goes to
standard error. Exit codes: 0 the session ended or was stopped, 1 the recording cannot be read or
the port is taken, 2 an argument is wrong.
"""

import argparse
import asyncio
import logging
import os
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import uvloop

from ext.errors import RecordingError
from sim.credentials import DEMO_KEY, DEMO_PASSPHRASE, DEMO_SECRET, Credentials
from sim.feed_session import FeedSession
from sim.generated import PROFILES, GeneratedMarket
from sim.market import Market
from sim.playback import RecordedMarket
from sim.products import decimal_from_text
from sim.profile import INITIAL_BALANCE
from sim.recording import read_recording
from sim.server import Venue, VenueOptions
from sim.venues.coinbase_advanced_feed import AdvancedFeedSession
from sim.venues.coinbase_exchange_feed import ExchangeFeedSession
from sim.venues.coinbase_exchange_reports import Fees

DURATION_SECONDS_MAX = 86_400.0
SPEED_MAX = 1_000_000.0

_log = logging.getLogger("sim.cli")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the venue; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.recording is not None and options.products is not None:
        parser.error("--products is for the seeded market; a recording has its own products")
    logging.basicConfig(
        level=options.log_level, stream=sys.stderr, format="wow-sim: %(name)s: %(message)s"
    )
    try:
        return uvloop.run(_run(options))
    except (RecordingError, OSError) as error:
        sys.stderr.write(f"wow-sim: {error}\n")
        return 1


async def _run(options: argparse.Namespace) -> int:
    market, new_session = _market(options)
    venue = Venue(market, new_session, _venue_options(options))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_note_failure)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, venue.stop)
    _say(options.ready_fd, await venue.start())
    await venue.run()
    if options.ledger is not None:
        options.ledger.write_bytes(b"".join(line + b"\n" for line in venue.ledger.lines))
    _say(1, venue.summary())
    return 0


def _note_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A client that hangs up in its TLS handshake is told as one line; the rest as ever."""
    error = context.get("exception")
    if isinstance(error, OSError | type):  # aiofastnet gives a class at times
        _log.info("a connection failed: %s: %s", context.get("message"), error)
    else:
        loop.default_exception_handler(context)


def _market(options: argparse.Namespace) -> tuple[Market, Callable[[], FeedSession]]:
    credentials = _credentials(options)
    if options.recording is None:
        generated = GeneratedMarket(options.seed, options.products or list(PROFILES))
        return generated, lambda: ExchangeFeedSession(
            generated.products, generated.channels, credentials
        )
    recording = read_recording(options.recording)
    recorded = RecordedMarket(recording)
    if recording.is_advanced_trade:
        return recorded, lambda: AdvancedFeedSession(recorded.products, recorded.channels)
    return recorded, lambda: ExchangeFeedSession(recorded.products, recorded.channels, credentials)


def _venue_options(options: argparse.Namespace) -> VenueOptions:
    return VenueOptions(
        host=options.host,
        feed_port=options.feed_port,
        order_port=options.fix_port,
        rest_port=options.rest_port,
        seed=options.seed,
        duration_s=options.duration,
        speed=options.speed,
        is_lockstep=not options.free_running,
        needs_orders=not options.start_without_orders,
        credentials=_credentials(options),
        fees=Fees(options.maker_fee, options.taker_fee),
        initial_balance=options.balance,
        tls=options.certificate,
    )


def _credentials(options: argparse.Namespace) -> Credentials:
    return Credentials(options.key, options.passphrase, options.secret)


def _say(descriptor: int, line: dict[str, Any]) -> None:
    os.write(descriptor, orjson.dumps(line) + b"\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wow-sim",
        description="A Coinbase-Exchange-like venue on loopback: market data over WebSocket, "
        "orders over FIX 5.0 SP2 and REST. Runs a seeded market, or plays a recording.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--feed-port", type=_port, default=0, help="WebSocket port, 0: any free one")
    add("--fix-port", type=_port, default=0, help="FIX port, 0: any free one")
    add("--rest-port", type=_port, default=0, help="REST port, 0: any free one")
    add(
        "--certificate",
        type=_certificate,
        metavar="FILE",
        help="PEM file with private key and certificate: all doors under TLS",
    )
    add("--seed", type=int, default=1, help="everything random follows from it")
    add(
        "--duration",
        type=_duration,
        default=20.0,
        metavar="SECONDS",
        help="venue time of the session (default: %(default)s; a recording may end earlier)",
    )
    add(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X|max",
        help="venue seconds in a wall second at most (default: 1)",
    )
    add("--recording", type=Path, metavar="FILE", help="play this Coinbase recording")
    add(
        "--products",
        type=_products,
        metavar="A,B",
        help="products of the seeded market (default: all: " + ",".join(PROFILES) + ")",
    )
    _add_account(parser)
    _add_running(parser)
    return parser


def _add_account(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--key", default=DEMO_KEY, help="API key that clients must use")
    add("--passphrase", default=DEMO_PASSPHRASE, help="its passphrase")
    add("--secret", type=_secret, default=DEMO_SECRET, metavar="BASE64", help="its secret")
    add("--maker-fee", type=_rate, default=Decimal(0), metavar="PERCENT", help="default: 0")
    add(
        "--taker-fee",
        type=_rate,
        default=Decimal("0.0005"),
        metavar="PERCENT",
        help="default: 0.05",
    )
    add(
        "--balance",
        type=_amount,
        default=INITIAL_BALANCE,
        metavar="AMOUNT",
        help="of every currency at the start (default: %(default)s)",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--free-running",
        action="store_true",
        help="do not wait for the client between steps (latency measurements; not repeatable)",
    )
    add(
        "--start-without-orders",
        action="store_true",
        help="start when a client has subscribed, without a FIX logon",
    )
    add("--ledger", type=Path, metavar="FILE", help="write client orders and fills there")
    add(
        "--ready-fd",
        type=int,
        default=1,
        metavar="N",
        help="file descriptor for the ready line (default: standard output)",
    )
    add("--log-level", default="WARNING", choices=("DEBUG", "INFO", "WARNING", "ERROR"))


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; use 0 to 65535")
    return int(text)


def _certificate(text: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(text)
    except OSError as error:  # ssl.SSLError is one
        reason = "no private key and certificate" if isinstance(error, ssl.SSLError) else error
        raise argparse.ArgumentTypeError(f"{text!r} cannot be used: {reason}") from error
    return context


def _duration(text: str) -> float:
    value = _number(text)
    if not 0 < value <= DURATION_SECONDS_MAX:
        limit = f"{DURATION_SECONDS_MAX:.0f}"
        raise argparse.ArgumentTypeError(f"{text!r}: use seconds above 0, at most {limit}")
    return value


def _speed(text: str) -> float:
    if text == "max":
        return 0.0
    value = _number(text)
    if not 0 < value <= SPEED_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: use max, or a number above 0")
    return value


def _rate(text: str) -> Decimal:
    percent = Decimal(str(_number(text)))
    if percent > 10:
        raise argparse.ArgumentTypeError(f"{text!r}: use a percentage from 0 to 10")
    return percent / 100


def _amount(text: str) -> Decimal:
    return Decimal(str(_number(text)))


def _number(text: str) -> float:
    try:
        return float(decimal_from_text(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _products(text: str) -> list[str]:
    symbols = text.split(",")
    unknown = [symbol for symbol in symbols if symbol not in PROFILES]
    if unknown or len(set(symbols)) != len(symbols):
        choices = ",".join(PROFILES)
        raise argparse.ArgumentTypeError(f"{text!r}: use some of {choices}, each once")
    return symbols


def _secret(text: str) -> str:
    try:
        Credentials(secret=text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


if __name__ == "__main__":
    sys.exit(main())
