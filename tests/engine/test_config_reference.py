"""The page about the config says what the schema says."""

from engine.exit_codes import ExitCode
from engine.settings.config_keys import keys_of
from engine.settings.config_reference import PAGE, render_page
from engine.settings.config_schema import EngineConfig
from engine.settings.config_trading import RiskSection


def test_the_page_is_that_of_the_schema() -> None:
    page = PAGE.read_text()
    assert page == render_page(page), "run: python -m engine.settings.config_reference"


def test_every_key_is_described() -> None:
    for section in keys_of(EngineConfig):
        assert section.table is not None
        assert section.table.__doc__
        for key in keys_of(section.table):
            names = [key] if key.table is None else keys_of(key.table)
            for inner in names:
                assert len(inner.description) > 5, f"[{section.name}] {inner.name}"
                assert inner.allowed


def test_the_page_has_every_key_and_status() -> None:
    page = PAGE.read_text()
    for section in keys_of(EngineConfig):
        heading = f"### `[[{section.name}]]`" if section.is_repeated else f"### `[{section.name}]`"
        assert heading in page
    assert "| `max_orders_per_second` | a whole number from 1 to 1024 | `50` |" in page
    for code in ExitCode:
        assert f"| {code.value} | {code.name} | {code.meaning} |" in page


def test_a_stale_page_is_noticed() -> None:
    page = PAGE.read_text().replace("from 1 to 1024", "from 1 to 10")
    assert render_page(page) != page
    assert RiskSection().max_orders_per_second == 50
