"""Which config may be traded live from where, and what the refusal says."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from engine import composition
from engine.cli import main
from engine.composition import compose
from engine.exit_codes import ExitCode
from engine.gate_setup import make_gate
from engine.law.jurisdiction import (
    find_site_warnings,
    forbidden_instruments,
    is_overridden,
    require_permission,
    rule,
    site_lines,
)
from engine.law.jurisdiction_table import SHIPPED, Permission
from engine.runs.run_facts import make_facts
from engine.runs.run_identity import RunIdentity
from engine.settings.config import EngineConfig, load_config
from ext.errors import ConfigError
from ext.risk import RiskGate
from tests.engine.test_jurisdiction_table import ENTRY, HEAD

WriteConfig = Callable[..., Path]
LIVE = (
    "engine.mode=live",
    "simulator.start=false",
    "feed.url=wss://feed.invalid",
    "order_entry.port=1",
    *(
        f"{section}.{key}=env:K"
        for section in ("feed", "order_entry")
        for key in ("key", "secret", "passphrase")
    ),
)
NEW_YORK = ("site.country=US", "site.region=NY")
RELEASE = "site.override_reason=released by J. Doe, compliance, ticket 42"


@pytest.fixture
def load(write_config: WriteConfig) -> Callable[..., EngineConfig]:
    return lambda *overrides: load_config(write_config(), overrides)


Load = Callable[..., EngineConfig]


def test_permitted_from_new_york(load: Load) -> None:
    config = load(*LIVE, *NEW_YORK)
    assert [ruling.permission for ruling in rule(config)] == [Permission.PERMITTED] * 2
    require_permission(config)
    assert forbidden_instruments(config) == frozenset()
    assert list(find_site_warnings(config)) == []
    (line,) = site_lines(config)
    assert line.startswith("site US-NY, venue coinbase: all permitted by the jurisdiction table of")


def test_the_refusal_says_all_that_is_needed(load: Load) -> None:
    config = load(*LIVE, *NEW_YORK, "instrument.ETH-USD.product=derivatives")
    with pytest.raises(ConfigError) as caught:
        require_permission(config)
    assert str(caught.value).splitlines() == [
        "live orders are not permitted by the jurisdiction table (not legal advice):",
        "  ETH-USD (derivatives) at coinbase from US-NY: not in the table",
        f"  table: {SHIPPED} of 2026-11-20",
        "  correct: copy the table, change the entry, name the copy in [site] table",
        "  override: write who released it and why into [site] override_reason; it is journaled",
    ]
    assert forbidden_instruments(config) == frozenset({1})


def test_a_blocked_entry_is_shown_with_reason_date_and_source(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        SHIPPED.read_text().replace(
            'verdict = "permitted"\nreason = "licensed for virtual currency business in New York"',
            'verdict = "blocked"\nreason = "our bank said no"',
        )
    )
    config = load(*LIVE, *NEW_YORK, f"site.table={path}")
    with pytest.raises(ConfigError) as caught:
        require_permission(config)
    assert (
        "BTC-USD (spot) at coinbase from US-NY: blocked: our bank said no (2026-11-20,"
        " https://www.dfs.ny.gov/" in str(caught.value)
    )
    assert "since 2017; read 2026-11-20)" in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("site", [(), ("site.country=DE",), ("site.country=US",)])
def test_what_is_not_known_is_refused(load: Load, site: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="not in the table"):
        require_permission(load(*LIVE, *site))


def test_an_unknown_site_cannot_be_released(load: Load) -> None:
    config = load(*LIVE, RELEASE)
    assert not is_overridden(config)
    with pytest.raises(ConfigError, match="an override_reason needs a country"):
        require_permission(config)


def test_an_override_lets_pass_and_is_shown_and_journaled(load: Load) -> None:
    config = load(*LIVE, "site.country=DE", RELEASE)
    require_permission(config)
    assert forbidden_instruments(config) == frozenset()
    assert list(find_site_warnings(config)) == [
        "[site] override_reason: the jurisdiction table is overridden for BTC-USD, ETH-USD"
    ]
    assert list(site_lines(config))[1:] == [
        "NOT PERMITTED BTC-USD (spot) at coinbase from DE: not in the table",
        "NOT PERMITTED ETH-USD (spot) at coinbase from DE: not in the table",
        "OVERRIDDEN: released by J. Doe, compliance, ticket 42",
    ]
    facts = make_facts(
        config,
        (),
        (),
        RunIdentity(b"x", 1),
        version="1",
        start_time_ns=1,
        sender_comp_id="",
        snapshot="",
    )
    assert facts.mode == "live"
    assert facts.site.override_reason == "released by J. Doe, compliance, ticket 42"
    assert [each.permission for each in facts.site.rulings] == ["unknown", "unknown"]
    assert len(facts.site.table_digest) == 64
    assert facts.site.forbidden == []


@pytest.mark.parametrize("reason", ["short", " " * 20, "x" * 401, "a line\nand another"])
def test_a_reason_has_to_be_written(load: Load, reason: str) -> None:
    with pytest.raises(ConfigError, match=r"\[?site"):
        load(*LIVE, f"site.override_reason={json.dumps(reason)}")


def test_an_override_of_nothing_is_told(load: Load) -> None:
    assert list(find_site_warnings(load(*LIVE, *NEW_YORK, RELEASE))) == [
        "[site] override_reason: there is nothing to override; leave it empty"
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "checked = 2026-11-20",
            'checked = "not checked"',
            "US-NY: a licence (2026-11-20, a list; source named, not read)",
        ),
        (
            'source = "a list"',
            'source = "a list"\ndoubt = "it was taken away"',
            "US-NY: a licence (2026-11-20, a list; read 2026-11-20); in doubt: it was taken away",
        ),
    ],
)
def test_an_entry_that_permits_and_is_not_sure_is_told_once(
    load: Load, tmp_path: Path, old: str, new: str, told: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + ENTRY.replace(old, new))
    site = (*NEW_YORK, f"site.table={path}")
    line = (
        "[site]: the jurisdiction table permits BTC-USD, ETH-USD by an entry that is not sure,"
        f" coinbase spot {told}"
    )
    assert list(find_site_warnings(load(*LIVE, *site))) == [line]
    assert list(find_site_warnings(load(*site))) == [line], "the other modes tell it too"
    require_permission(load(*LIVE, *site))


def test_an_entry_that_permits_nothing_may_be_unsure(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    blocked = ENTRY.replace('"permitted"', '"blocked"')
    path.write_text(HEAD + blocked.replace("checked = 2026-11-20", 'checked = "not checked"'))
    (warning,) = find_site_warnings(load(*LIVE, *NEW_YORK, f"site.table={path}", RELEASE))
    assert warning.startswith("[site] override_reason")


def test_other_modes_warn_alone(load: Load) -> None:
    assert list(find_site_warnings(load())) == [], "simulated, and nobody has said where"
    config = load("site.country=DE")
    require_permission(config)
    assert forbidden_instruments(config) == frozenset()
    assert list(find_site_warnings(config)) == [
        "[site]: live mode would refuse BTC-USD (spot) at coinbase from DE: not in the table,"
        " and 1 more"
    ]


def test_a_table_that_is_not_there_is_a_warning_before_it_is_a_refusal(load: Load) -> None:
    (warning,) = find_site_warnings(load("site.country=DE", "site.table=/nowhere.toml"))
    assert warning.startswith("[site] table: /nowhere.toml cannot be read")
    with pytest.raises(ConfigError, match=r"/nowhere\.toml cannot be read"):
        require_permission(load(*LIVE, "site.table=/nowhere.toml"))


def test_the_start_is_refused_with_the_exit_status_of_a_bad_config(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", str(write_config()), "--live"]
    for override in LIVE:
        words += ["--set", override]
    assert main(words) == ExitCode.CONFIG
    assert "live orders are not permitted" in capsys.readouterr().err


def test_start_and_check_tell_which_permission_rests_on_a_source_that_nobody_has_read(
    write_config: WriteConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + ENTRY.replace("checked = 2026-11-20", 'checked = "not checked"'))
    site = [word for each in (*NEW_YORK, f"site.table={path}") for word in ("--set", each)]
    words = ["--config", str(write_config()), *site, "--set", "strategy.0.enabled=false"]
    told = "by an entry that is not sure, coinbase spot US-NY: a licence"
    assert main(["check", *words]) == ExitCode.OK
    shown = capsys.readouterr()
    assert told in shown.err
    assert "US-NY: permitted: a licence (2026-11-20, a list; source named, not read)" in shown.out
    for override in LIVE:
        words += ["--set", override]
    assert main(words) == ExitCode.CONFIG, "there is no --live: what is told comes before"
    assert told in capsys.readouterr().err


def test_check_shows_the_ruling_of_each_instrument(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write_config())
    words = ["check", "--config", path, "--set", "strategy.0.enabled=false"]
    assert main([*words, "--set", "site.country=BR"]) == ExitCode.OK
    shown = capsys.readouterr().out
    for symbol in ("BTC-USD", "ETH-USD"):
        assert f"# {symbol} (spot) at coinbase from BR: not in the table; not legal advice" in shown


def test_the_gate_is_told_even_when_the_start_was_not_refused(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The belt: whatever lets a live run begin, its gate knows what is not permitted."""
    monkeypatch.setenv("K", "eHh4")
    forbidden: list[int] = []

    def make(config: EngineConfig, strategies: Any, instruments: Iterable[int]) -> RiskGate:
        forbidden.extend(instruments)
        return make_gate(config, strategies, instruments)

    monkeypatch.setattr(composition, "make_gate", make)
    config = load(
        *LIVE,
        *NEW_YORK,
        "instrument.ETH-USD.product=derivatives",
        f"engine.state_directory={tmp_path}",
        f"telemetry.shared_memory_directory={tmp_path}",
    )
    compose(config, ())
    assert forbidden == [1]
