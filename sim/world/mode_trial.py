"""Paper against live at the simulated venue, on the market of one seed: how far apart are they?

python -m sim.world.mode_trial --seed 1 --seconds 60

docs/modes.md has the table and says what it means.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from engine.paper.paper_order import PaperModel, QueueRule
from sim.generated import GeneratedMarket
from sim.playback import RecordedMarket
from sim.world.engine_config import EngineSetup, make_setup
from sim.world.mode_legs import LegResult, record_market, run_live, run_paper

SYMBOLS = ("BTC-USD", "ETH-USD")
MILLISECOND_NS = 1_000_000
LATENCIES_MS = ((0, 0, 0), (20, 20, 10))
FEES_PPM = (4000, 6000)
CONFIG = """
[engine]
name = "trial"
mode = "simulated"
[simulator]
start = true
[feed]
venue = "coinbase_exchange"
url = "simulator"
key = "demo:key"
secret = "demo:secret"
passphrase = "demo:passphrase"
[order_entry]
port = "simulator"
key = "demo:key"
secret = "demo:secret"
passphrase = "demo:passphrase"
[[instrument]]
symbol = "BTC-USD"
tick = 0.01
lot = 0.00000001
[instrument.limits]
max_order_quantity = 0.05
max_order_notional = 5000
price_collar_percent = 1
max_position = 0.2
[[instrument]]
symbol = "ETH-USD"
tick = 0.01
lot = 0.00000001
[instrument.limits]
max_order_quantity = 1
max_order_notional = 5000
price_collar_percent = 1
max_position = 4
[[strategy]]
class = "jerico_maker"
instrument = "BTC-USD"
[[strategy]]
class = "jerico_trend"
instrument = "ETH-USD"
[telemetry]
relay = false
step_timing_interval = 0
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """The legs of one latency: the live ones at the recorded market's fill model and at a matching
    engine that our orders are in, and paper with both rules of the queue."""

    latencies_ms: tuple[int, int, int]
    recorded: LegResult
    matched: LegResult
    conservative: LegResult
    proportional: LegResult


def run_trial(
    setup: EngineSetup, seed: int, seconds: float, latencies_ms: tuple[int, int, int]
) -> Trial:
    """All legs on the market of ``seed``."""
    recording = record_market(seed, SYMBOLS, seconds)

    def model(queue: QueueRule) -> PaperModel:
        order, cancel, report = (each * MILLISECOND_NS for each in latencies_ms)
        return PaperModel(order, cancel, report, *FEES_PPM, queue)

    first = model("conservative")
    return Trial(
        latencies_ms,
        recorded=run_live(setup, first, RecordedMarket(recording), seconds),
        matched=run_live(setup, first, GeneratedMarket(seed, SYMBOLS), seconds),
        conservative=run_paper(setup, first, RecordedMarket(recording), seconds),
        proportional=run_paper(setup, model("proportional"), RecordedMarket(recording), seconds),
    )


def count_common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many of the first items are the same."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _what(leg: LegResult) -> list[tuple[int, ...]]:
    """Decisions without their time: frames of our own orders move the others by a moment."""
    return [decision[1:] for decision in leg.decisions]


def first_report_difference_ns(one: LegResult, other: LegResult) -> int | None:
    """When the first report comes that is not the same in both; None: there is none."""
    same = count_common(one.reports, other.reports)
    times = [each.reports[same][0] for each in (one, other) if same < len(each.reports)]
    return min(times, default=None)


def rows_of(trial: Trial) -> list[tuple[str, ...]]:
    """The lines of the table."""
    legs = (
        ("live, recorded market", trial.recorded),
        ("live, matching engine", trial.matched),
        ("paper, conservative", trial.conservative),
        ("paper, proportional", trial.proportional),
    )
    latency = "/".join(map(str, trial.latencies_ms))
    return [
        (
            latency,
            name,
            f"{len(leg.decisions)}",
            f"{count_common(*map(_what, (leg, trial.recorded)))}",
            f"{leg.orders}",
            f"{len(leg.fills)}",
            f"{100 * leg.maker_share:.0f} %",
            f"{leg.traded(0):.4f}",
            f"{leg.net:+.2f}",
        )
        for name, leg in legs
    ]


HEAD = (
    "latency ms",
    "leg",
    "decisions",
    "the first so many as live",
    "orders",
    "fills",
    "maker",
    "BTC traded",
    "net USD",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m sim.world.mode_trial", allow_abbrev=False)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="of venue time")
    options = parser.parse_args(arguments)
    setup = make_setup(CONFIG)
    lines = [HEAD, tuple("---" for _ in HEAD)]
    for latencies_ms in LATENCIES_MS:
        lines += rows_of(run_trial(setup, options.seed, options.seconds, latencies_ms))
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
