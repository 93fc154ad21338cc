"""Trade records against the venue's own ledger, in worlds with faults, crashes and restarts."""

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from journal.decimals import DecimalStep
from journal.entries import Entry
from journal.order_ledger import OrderLedger
from journal.run import Run
from journal.shared_reader import Instrument
from journal.trade_record import NANO, TradeMaker, _exact_product
from journal.trade_schema import COLUMNS, FILL, Row
from sim.world.engine import WorldEngine
from sim.world.faults import FaultPlan
from sim.world.order_stream import read_orders
from sim.world.world import World

PAGE = Path(__file__).parents[2] / "docs" / "compliance.md"
CRASHING = (36, 62, 119)  # the engine dies there, and its journal loses no record


class KeepingWorld(World):
    """Keeps every engine that it had, and what the disk kept of those that lost their power."""

    engines: list[WorldEngine]
    kept: dict[int, list[Entry]]

    def _start_engine(self) -> WorldEngine:
        engine = super()._start_engine()
        self.__dict__.setdefault("engines", []).append(engine)
        return engine

    def _look_at_disk(self, *, is_power_lost: bool) -> None:
        super()._look_at_disk(is_power_lost=is_power_lost)
        if is_power_lost:
            kept = self.__dict__.setdefault("kept", {})
            kept[self.engine.run] = self.disk.read(self.engine)

    def entries_of(self, engine: WorldEngine) -> list[Entry]:
        """The order stream of a run as a journal has it."""
        kept: dict[int, list[Entry]] = self.__dict__.get("kept", {})
        return kept.get(engine.run) or read_orders(engine)


@pytest.fixture(scope="module")
def play() -> Callable[..., KeepingWorld]:
    """``play(seed)``: a world that has ended."""
    played: dict[tuple[int, str], KeepingWorld] = {}

    def run(seed: int, plan: FaultPlan | None = None, protocol: str = "fix") -> KeepingWorld:
        if (seed, protocol) not in played:
            world = KeepingWorld(seed, plan, protocol=protocol)
            world.run()
            played[seed, protocol] = world
        return played[seed, protocol]

    return run


Play = Callable[..., KeepingWorld]


def rows_of(world: KeepingWorld) -> list[Row]:
    rows: list[Row] = []
    for engine in world.engines:
        instruments = tuple(
            Instrument(symbol, DecimalStep(tick), DecimalStep(lot))
            for symbol, tick, lot in engine.facts.instruments
        )
        names = tuple(each.name for each in engine.facts.strategies)
        start_ns = engine.facts.start_time_ns
        run = Run(start_ns, "world", "simulated", instruments, names)
        maker = TradeMaker(run, engine.facts, OrderLedger(engine.facts, engine.first))
        rows.append(maker.run_row())
        for entry in world.entries_of(engine):
            rows += maker.rows_of(entry)
    return rows


def of_event(rows: Iterable[Row], event: str) -> list[Row]:
    return [row for row in rows if row["event"] == event]


@pytest.mark.parametrize(
    ("seed", "protocol"),
    [*((seed, "fix") for seed in (2, 3, *CRASHING)), *((seed, "rest") for seed in CRASHING)],
)
def test_fills_are_those_of_the_venues_ledger(play: Play, seed: int, protocol: str) -> None:
    world = play(seed, protocol=protocol)
    ours = Counter(
        (
            row["instrument"],
            row["trade_id"],
            row["venue_order_id"],
            row["side"],
            row["price"],
            row["quantity"],
            row["fee"],
        )
        for row in of_event(rows_of(world), FILL)
    )
    theirs = Counter(
        (
            fill.order.symbol,
            fill.trade_id,
            fill.order.order_id,
            fill.order.side.name,
            Decimal(fill.price_ticks) / 100,
            fill.quantity_lots * Decimal("0.00000001"),
            fill.fee,
        )
        for fill in world.observations.record.fill_list
    )
    assert ours == theirs
    assert sum(theirs.values()) > 0


def test_the_chosen_worlds_crash(play: Play) -> None:
    assert all(len(play(seed).engines) > 1 for seed in CRASHING)


@pytest.mark.parametrize("seed", [2, *CRASHING])
def test_profit_and_position_are_the_engines_own(play: Play, seed: int) -> None:
    world = play(seed)
    fills = of_event(rows_of(world), FILL)
    for index, position in enumerate(world.engine.positions):
        strategy = world.engine.facts.strategies[index]
        key = (strategy.name, strategy.instrument)
        mine = [row for row in fills if (row["strategy"], row["instrument"]) == key]
        profit = float(sum(row["realised_pnl"] for row in mine))
        assert profit == pytest.approx(float(position["realised_pnl"]), abs=1e-6), key
        assert float(sum(row["fee"] for row in mine)) == pytest.approx(float(position["fees"]))
        if mine:
            assert mine[-1]["position"] == int(position["position_lots"]) * Decimal("0.00000001")


@pytest.mark.parametrize("seed", [1, *CRASHING])
def test_every_request_and_every_refusal_is_there(play: Play, seed: int) -> None:
    world = play(seed)
    rows = rows_of(world)
    sent = sum(len(of_event(rows, event)) for event in ("SUBMIT", "REPLACE", "CANCEL"))
    assert sent == sum(engine.memory.counters()["requests_sent"] for engine in world.engines)
    assert not of_event(rows, "FOREIGN_FILL"), "a fill that is reported again is none"
    refused = of_event(rows, "REFUSED")
    assert len(refused) == sum(engine.memory.counters()["rejected"] for engine in world.engines)
    assert all(row["verdict"] for row in refused)
    assert len(of_event(rows, "RUN")) == len(world.engines)
    ids = [row["record_id"] for row in rows]
    assert len(set(ids)) == len(ids)


def test_a_row_says_who_what_when_and_under_which_rules(play: Play) -> None:
    world = play(5, FaultPlan())
    rows = rows_of(world)
    fill = of_event(rows, FILL)[0]
    assert list(fill) == [name for name, _, _ in COLUMNS]
    number = fill["order_number"]
    order = next(row for row in of_event(rows, "SUBMIT") if row["order_number"] == number)
    assert (fill["engine"], fill["mode"], fill["venue"]) == ("world", "simulated", "coinbase")
    assert (fill["product"], fill["permission"]) == ("spot", "unknown"), "a world is nowhere"
    assert fill["config_hash"] == world.engine.facts.config_hash
    assert fill["decision_reason"] == order["decision_reason"]
    assert fill["order_price"] == order["order_price"]
    assert fill["execution_id"]
    assert fill["liquidity"] in ("MAKER", "TAKER")
    assert fill["notional"] == fill["price"] * fill["quantity"]
    assert order["time"] <= fill["time"]
    assert fill["quote_currency"] == "USD"
    assert fill["filled"] + fill["leaves"] == fill["order_quantity"]


@pytest.mark.parametrize(
    ("price", "quantity", "notional"),
    [
        ("92233720368547758.07", "92233720368.54775807", "8507059173023461584739690778.4232501249"),
        ("0.000000001", "0.000000001", "0.000000000000000001"),
        ("0.000000001", "0.0000000001", None),
        ("0.0000000010", "0.0000000010", "0.00000000000000000100"),
    ],
)
def test_a_notional_is_exact_or_left_out(price: str, quantity: str, notional: str | None) -> None:
    found = _exact_product(Decimal(price), Decimal(quantity))
    assert found == (None if notional is None else Decimal(notional))
    assert _exact_product(None, Decimal(1)) is None


def test_fees_are_exact_to_the_nano() -> None:
    assert Decimal("9223372036.854775807") == 9_223_372_036_854_775_807 * NANO


def test_the_page_shows_every_column() -> None:
    page = PAGE.read_text()
    for name, kind, meaning in COLUMNS:
        assert f"| `{name}` | {kind} | {meaning} |" in page, name
