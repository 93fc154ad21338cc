"""The jurisdiction table: what the shipped one says, what a wrong one is told."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.jurisdiction_table import FORMAT, MAX_TABLE_BYTES, SHIPPED, load_table
from ext.errors import ConfigError

WriteTable = Callable[..., Path]
HEAD = "format = 1\ndate = 2026-11-20\n"
ENTRY = """
[[entry]]
venue = "coinbase"
product = "spot"
country = "US"
region = "NY"
verdict = "permitted"
reason = "a licence"
date = 2026-11-20
source = "a list"
"""


@pytest.fixture
def write_table(tmp_path: Path) -> WriteTable:
    def write(text: str) -> Path:
        path = tmp_path / "table.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("venue", "product", "country", "region", "verdict"),
    [
        ("coinbase", "spot", "US", "NY", "permitted"),
        ("gemini", "spot", "US", "NY", "permitted"),
        ("paxos", "spot", "US", "NY", "permitted"),
        ("itbit", "spot", "US", "NY", "permitted"),
        ("oanda", "fx", "US", "NY", "permitted"),
        ("forex_com", "fx", "US", "NY", "permitted"),
        ("ig", "fx", "US", "NY", "permitted"),
        ("interactive_brokers", "equities", "US", "NY", "permitted"),
        ("tradestation", "equities", "US", "NY", "permitted"),
        ("lightspeed", "equities", "US", "NY", "permitted"),
        ("cme", "derivatives", "US", "NY", "permitted"),
        ("binance", "spot", "US", "NY", "needs_release"),
        ("binance", "derivatives", "US", "NY", "needs_release"),
        ("bybit", "spot", "US", "NY", "needs_release"),
        ("kraken", "spot", "US", "NY", "needs_release"),
        ("binance", "spot", "BR", "", "permitted"),
        ("binance", "spot", "BR", "SP", "permitted"),
        ("bybit", "spot", "BR", "", "permitted"),
        ("kraken", "spot", "BR", "", "permitted"),
        ("binance", "derivatives", "BR", "", "blocked"),
        ("bybit", "derivatives", "BR", "SP", "blocked"),
        ("kraken", "derivatives", "BR", "", None),
        ("coinbase", "derivatives", "US", "NY", None),
        ("coinbase", "spot", "US", "", None),
        ("coinbase", "spot", "DE", "", None),
        ("coinbase", "spot", "", "", None),
        ("nobody", "spot", "US", "NY", None),
    ],
)
def test_the_shipped_table(
    venue: str, product: str, country: str, region: str, verdict: str | None
) -> None:
    entry = load_table().find(venue, product, country, region)
    assert (entry.verdict if entry else None) == verdict


def test_every_shipped_entry_says_why_and_where_to_look() -> None:
    table = load_table()
    assert table.path == SHIPPED
    assert table.date == datetime.date(2026, 11, 20)
    assert all(each.reason and each.source and each.date for each in table.entries.values())
    assert "NOT LEGAL ADVICE" in SHIPPED.read_text()


def test_the_region_comes_before_the_country_and_the_product_before_any(
    write_table: WriteTable,
) -> None:
    country = ENTRY.replace('region = "NY"\n', "").replace('"a licence"', '"whole country"')
    any_product = ENTRY.replace('"spot"', '"any"').replace('"a licence"', '"any product"')
    table = load_table(str(write_table(HEAD + ENTRY + country + any_product)))

    def reason(product: str, region: str) -> str:
        entry = table.find("coinbase", product, "US", region)
        return entry.reason if entry else ""

    assert reason("spot", "NY") == "a licence"
    assert reason("fx", "NY") == "any product"
    assert reason("spot", "CA") == "whole country"
    assert reason("fx", "CA") == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'verdict = "permitted"',
            'verdict = "allowed"',
            'entry 1, line 4 ("coinbase"): verdict was "allowed"; use permitted, needs_release or'
            " blocked",
        ),
        (
            'venue = "coinbase"\n',
            "",
            "entry 1, line 4: venue is missing; use lower case letters, digits and _, as in"
            ' "coinbase"',
        ),
        (
            "date = 2026-11-20\nsource",
            'date = "yesterday"\nsource',
            'entry 1, line 4 ("coinbase"): date was "yesterday"; use a date as in 2026-11-20,'
            " without quotes",
        ),
        (
            'country = "US"',
            'county = "US"',
            'entry 1, line 4 ("coinbase"): county is unknown; did you mean country?',
        ),
        (
            'country = "US"',
            'country = "usa"',
            'entry 1, line 4 ("coinbase"): country was "usa"; use two capital letters, as in "US"',
        ),
        (
            'product = "spot"',
            "product = 7",
            'entry 1, line 4 ("coinbase"): product was 7; use spot, derivatives, fx, equities'
            " or any",
        ),
    ],
)
def test_a_wrong_entry_is_named_with_its_line(
    write_table: WriteTable, old: str, new: str, message: str
) -> None:
    assert old in ENTRY
    path = write_table(HEAD + ENTRY.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_table(str(path))
    assert str(caught.value) == f"{path}: the jurisdiction table is wrong\n  {message}"


def test_two_entries_of_one_thing_and_every_problem_at_once(write_table: WriteTable) -> None:
    path = write_table(HEAD + ENTRY + ENTRY + ENTRY.replace('"a list"', '""'))
    with pytest.raises(ConfigError) as caught:
        load_table(str(path))
    assert str(caught.value).splitlines()[1:] == [
        '  entry 2, line 14 ("coinbase"): says what entry 1, line 4 ("coinbase") says;'
        " keep one of them",
        '  entry 3, line 24 ("coinbase"): source was ""; say where to look, in 1 to 400 characters',
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format = 2\n" + ENTRY, f"format was 2; this version reads format = {FORMAT}"),
        (ENTRY, f"format was missing; this version reads format = {FORMAT}"),
        ("format = 1\n" + ENTRY, "date is missing or no date; write date = 2026-11-20"),
        (HEAD, "has no entries; write [[entry]]"),
        (HEAD + "[entry]\n", "has no entries; write [[entry]]"),
        (HEAD + "entries = 1\n", "entries is unknown; known: format, date, entry"),
    ],
)
def test_a_wrong_head(write_table: WriteTable, text: str, message: str) -> None:
    path = write_table(text)
    with pytest.raises(ConfigError) as caught:
        load_table(str(path))
    assert str(caught.value) == f"{path}: {message}"


def test_files_that_are_no_table(write_table: WriteTable, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_table(str(tmp_path / "none.toml"))
    path = write_table("[[entry")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_table(str(path))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match="is not UTF-8 text at byte 2"):
        load_table(str(binary))


@pytest.mark.parametrize(("extra", "is_refused"), [(0, False), (1, True)])
def test_the_largest_table(tmp_path: Path, extra: int, is_refused: bool) -> None:
    text = HEAD + ENTRY
    path = tmp_path / f"large{extra}.toml"
    path.write_text(text + "#" * (MAX_TABLE_BYTES - len(text) + extra))
    if not is_refused:
        assert len(load_table(str(path)).entries) == 1
        return
    with pytest.raises(ConfigError, match=f"larger than {MAX_TABLE_BYTES} bytes"):
        load_table(str(path))
