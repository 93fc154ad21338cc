import asyncio
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from rich.text import Text
from textual.content import Content
from textual.coordinate import Coordinate
from textual.pilot import Pilot
from textual.widgets import RichLog, Static

from journal.entries import ORDERS
from journal.shared_reader import SharedReader
from monitor.client import MonitorClient
from monitor.publisher import Publisher
from monitor.status import RelayStatus
from monitor.terminal import HelpScreen, LiveTable, MonitorApp

if TYPE_CHECKING:
    from tests.engine_stand_in import EngineStandIn

SECOND = 1_000_000_000
SIZE = (160, 45)


@pytest.fixture
def publisher(engine: "EngineStandIn", endpoint: str) -> Iterator[Publisher]:
    reader = SharedReader(engine.path)
    relay_publisher = Publisher(endpoint, reader, RelayStatus(), epoch=1)
    yield relay_publisher
    relay_publisher.close()
    reader.close()


def shows_help(app: MonitorApp) -> bool:
    return isinstance(app.screen, HelpScreen)


class Screen:
    """Pumps the publisher and the app, and looks at what is on the screen."""

    def __init__(self, app: MonitorApp, pilot: Pilot[None], publisher: Publisher) -> None:
        self.app = app
        self.pilot = pilot
        self.publisher = publisher
        self.now_ns = 10 * SECOND

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(500):
            self.now_ns += SECOND // 5
            self.publisher.publish_due(self.now_ns)
            self.app.update_view()
            await self.pilot.pause()
            if condition():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("waited in vain")

    def header(self) -> str:
        return str(self.app.query_one("#header", Static).render())

    def table(self, name: str) -> LiveTable:
        return self.app.query_one(f"#{name}", LiveTable)

    def cell(self, name: str, row: int, column: int) -> str:
        table = self.table(name)
        if row >= table.row_count:
            return ""
        return table.get_cell_at(Coordinate(row, column)).plain

    def log(self) -> str:
        return "\n".join(line.text for line in self.app.query_one("#log", RichLog).lines)


async def test_it_waits_then_shows_then_follows(
    engine: "EngineStandIn", client: MonitorClient, publisher: Publisher
) -> None:
    app = MonitorApp(client)
    async with app.run_test(size=SIZE) as pilot:
        screen = Screen(app, pilot, publisher)
        assert "waiting for engine" in screen.header()
        engine.book()
        engine.position()
        engine.order(0, 4711)
        engine.header["frames"] = 77
        await screen.until(lambda: screen.cell("book", 0, 2) == "65123.45")
        assert " SIMULATED  demo  RUNNING" in screen.header()
        title = screen.table("book").border_title
        assert title is not None
        assert Content.from_markup(title).plain == "book BTC-USD 1/2  LIVE  812 x 744 levels"
        await screen.until(lambda: screen.cell("counters", 0, 1) == "77")
        assert screen.cell("book", 1, 0) == "0.07500000"
        assert screen.cell("positions", 0, 2) == "0.03000000"
        assert screen.cell("orders", 0, 0) == "4711"
        assert screen.cell("latency", 0, 0) == "decode"
        assert "engine RUNNING started" in screen.log()
        # An order ends, another comes, the book moves.
        engine.orders[0]["state"] = 4
        engine.order(1, 4712)
        engine.book()["bid_ticks"][0] += 1
        await screen.until(lambda: screen.cell("orders", 0, 0) == "4712")
        await screen.until(lambda: screen.cell("book", 0, 2) == "65123.46")
        assert screen.table("orders").row_count == 1


async def test_keys(engine: "EngineStandIn", client: MonitorClient, publisher: Publisher) -> None:
    engine.book()
    engine.book(1)
    app = MonitorApp(client)
    async with app.run_test(size=SIZE) as pilot:
        screen = Screen(app, pilot, publisher)
        await screen.until(lambda: "BTC-USD" in str(screen.table("book").border_title))
        await pilot.press("tab")
        assert "ETH-USD 2/2" in str(screen.table("book").border_title)
        await pilot.press("tab")
        assert "BTC-USD 1/2" in str(screen.table("book").border_title)
        for key, name in zip(
            "bople", ("book", "orders", "positions", "latency", "log"), strict=True
        ):
            await pilot.press(key)
            assert app.screen.maximized is app.query_one(f"#{name}")
            await pilot.press(key)
            assert app.screen.maximized is None
        await pilot.press("question_mark")
        assert shows_help(app)
        await pilot.press("x")
        assert not shows_help(app)
        await pilot.press("q")
    assert app.return_code == 0


async def test_events_are_logged_once(
    engine: "EngineStandIn", client: MonitorClient, publisher: Publisher
) -> None:
    app = MonitorApp(client)
    reader = SharedReader(engine.path)
    async with app.run_test(size=SIZE) as pilot:
        screen = Screen(app, pilot, publisher)
        await screen.until(lambda: "RUNNING" in screen.header())
        engine.fill()
        engine.memory.write_text(5, 30, "[b]low on disk[/b]")
        publisher.publish_records(reader.slots_after(ORDERS, 0)[0], screen.now_ns)
        await screen.until(lambda: "low on disk" in screen.log())
        for _ in range(3):
            app.update_view()
        assert screen.log().count("FILL") == 1
        assert "[b]low on disk[/b]" in screen.log()
    reader.close()


async def test_silence_is_shown_as_stale(
    engine: "EngineStandIn", endpoint: str, publisher: Publisher
) -> None:
    now_ns = [0]
    client = MonitorClient(endpoint, clock=lambda: now_ns[0])
    app = MonitorApp(client, clock=lambda: now_ns[0])
    try:
        async with app.run_test(size=SIZE) as pilot:
            screen = Screen(app, pilot, publisher)
            await screen.until(lambda: "RUNNING" in screen.header())
            assert "STALE" not in screen.header()
            for _ in range(100):  # what is still on its way arrives first
                now_ns[0] += 4 * SECOND
                app.update_view()
                await asyncio.sleep(0.005)
            assert re.search(" STALE [1-9][0-9]* s ", screen.header())
            await screen.until(lambda: "STALE" not in screen.header())
    finally:
        client.close()


async def test_only_changed_cells_are_repainted(
    engine: "EngineStandIn",
    client: MonitorClient,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine.book()
    app = MonitorApp(client)
    async with app.run_test(size=SIZE) as pilot:
        screen = Screen(app, pilot, publisher)
        await screen.until(lambda: screen.cell("book", 0, 2) == "65123.45")
        table, updated = screen.table("book"), []
        update_cell = table.update_cell

        def record(row: str, column: str, value: Text) -> None:
            updated.append((row, column))
            update_cell(row, column, value)

        monkeypatch.setattr(table, "update_cell", record)
        engine.book()["bid_ticks"][0] += 1
        await screen.until(lambda: screen.cell("book", 0, 2) == "65123.46")
        assert updated == [("0", "2")]


@pytest.mark.parametrize("size", [(80, 24), (160, 24)])
async def test_a_small_terminal_is_scrolled_by_keys(
    engine: "EngineStandIn", client: MonitorClient, publisher: Publisher, size: tuple[int, int]
) -> None:
    engine.book()
    app = MonitorApp(client)
    async with app.run_test(size=size) as pilot:
        screen = Screen(app, pilot, publisher)
        await screen.until(lambda: screen.cell("book", 0, 2) == "65123.45")
        panels, log = app.query_one("#panels"), app.query_one("#log")
        assert log.region.height >= 8, "it is not squeezed"
        assert log.region.bottom > 24, "it is below the screen"
        await pilot.press("down", "j")
        assert panels.scroll_y == 2
        await pilot.press("up", "k")
        assert panels.scroll_y == 0
        for _ in range(6):
            await pilot.press("pagedown")
        assert panels.scroll_y == panels.max_scroll_y > 0
        await pilot.pause()
        assert log.region.bottom <= 24
        await pilot.press("pageup")
        assert panels.scroll_y < panels.max_scroll_y


async def test_fills_are_one_line_at_150_columns(
    engine: "EngineStandIn", client: MonitorClient, publisher: Publisher
) -> None:
    app = MonitorApp(client)
    reader = SharedReader(engine.path)
    async with app.run_test(size=(150, 45)) as pilot:
        screen = Screen(app, pilot, publisher)
        await screen.until(lambda: "RUNNING" in screen.header())
        engine.fill()
        publisher.publish_records(reader.slots_after(ORDERS, 0)[0], screen.now_ns)
        await screen.until(lambda: "FILL" in screen.log())
        assert re.search(r"FILL .* 65123\.45 jerico_maker *$", screen.log(), re.MULTILINE)
        for name in ("book", "positions", "orders", "latency", "counters"):
            assert screen.table(name).max_scroll_x == 0, f"{name} is cut"
    reader.close()


@pytest.mark.parametrize("size", [(80, 24), (160, 45), (40, 10)])
async def test_it_fits_any_terminal(
    engine: "EngineStandIn", client: MonitorClient, publisher: Publisher, size: tuple[int, int]
) -> None:
    engine.book()
    app = MonitorApp(client)
    async with app.run_test(size=size) as pilot:
        screen = Screen(app, pilot, publisher)
        await screen.until(lambda: screen.cell("book", 0, 2) == "65123.45")
        assert app.screen.has_class("-wide" if size[0] == 160 else "-narrow")
