"""The jurisdiction table: what the shipped one says, what a wrong one is told."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.law.jurisdiction_table import FORMAT, MAX_TABLE_BYTES, SHIPPED, load_table
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
checked = 2026-11-20
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


def test_which_shipped_permissions_are_not_sure() -> None:
    """Checked with an address and nothing against it, or told at each start: for a change here
    somebody has read a page."""
    entries = load_table().entries.values()
    assert all("https://" in e.source or "http://" in e.source for e in entries if e.checked)
    permitted = [e for e in entries if e.verdict == "permitted"]
    unread = {f"{e.venue} {e.product} {e.site}" for e in permitted if not e.checked}
    doubted = {f"{e.venue} {e.product} {e.site}" for e in permitted if e.doubt}
    assert unread == {
        "itbit spot US-NY",
        "ig fx US-NY",
        "bybit spot BR",
        "kraken spot BR",
    }
    assert doubted == {
        "gemini spot US-NY",
        "paxos spot US-NY",
        "itbit spot US-NY",
        "ig fx US-NY",
        "interactive_brokers any US-NY",
        "binance spot BR",
        "bybit spot BR",
        "kraken spot BR",
    }


@pytest.mark.parametrize(
    ("checked", "doubt", "is_sure"),
    [
        ("2026-11-20", "", True),
        ('"not checked"', "", False),
        ("2026-11-20", "it ended", False),
        ('"not checked"', "it ended", False),
    ],
)
def test_an_entry_is_sure_when_it_was_checked_and_nothing_is_in_doubt(
    write_table: WriteTable, checked: str, doubt: str, is_sure: bool
) -> None:
    entry = ENTRY.replace("checked = 2026-11-20", f'checked = {checked}\ndoubt = "{doubt}"')
    (read,) = load_table(str(write_table(HEAD + entry))).entries.values()
    assert read.is_sure is is_sure


def test_texts_of_several_lines_are_told_in_one(write_table: WriteTable) -> None:
    entry = ENTRY.replace('"a list"', '"""a\n  list\n"""\ndoubt = """it\nended"""')
    (read,) = load_table(str(write_table(HEAD + entry))).entries.values()
    assert read.describe() == (
        "a licence (2026-11-20, a list ; read 2026-11-20); in doubt: it ended"
    )


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
            "date = 2026-11-20\nchecked",
            'date = "yesterday"\nchecked',
            'entry 1, line 4 ("coinbase"): date was "yesterday"; use a date as in 2026-11-20,'
            " without quotes",
        ),
        (
            "checked = 2026-11-20\n",
            "",
            'entry 1, line 4 ("coinbase"): checked is missing; use a date as in 2026-11-20, without'
            ' quotes, or "not checked"',
        ),
        (
            "checked = 2026-11-20",
            "checked = true",
            'entry 1, line 4 ("coinbase"): checked was true; use a date as in 2026-11-20, without'
            ' quotes, or "not checked"',
        ),
        (
            'source = "a list"',
            'source = "a list"\ndoubt = 1',
            'entry 1, line 4 ("coinbase"): doubt was 1; say what speaks against it, in up to 400'
            " characters, or leave it out",
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
        '  entry 2, line 15 ("coinbase"): says what entry 1, line 4 ("coinbase") says;'
        " keep one of them",
        '  entry 3, line 26 ("coinbase"): source was ""; say where to look, in 1 to 400 characters',
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
