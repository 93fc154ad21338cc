"""The engine and its venue under TLS: nothing changes but the wire."""

# tidy-ok: covers the processes together

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.exit_codes import ExitCode
from tests.certificates import write_files

if TYPE_CHECKING:
    from tests.integration.commands import Engine

SHORT = ("simulator.duration_seconds=3", "simulator.speed=max")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Settings that put both connections under TLS with a certificate of our own."""
    certificate, trusted = write_files(tmp_path_factory.mktemp("certificates"))
    return (
        f"simulator.certificate={certificate}",
        f"feed.ca_file={trusted}",
        f"order_entry.ca_file={trusted}",
        f"reconciliation.ca_file={trusted}",
    )


@pytest.mark.slow
def test_the_ledger_is_that_of_plain_connections(
    start_engine: "Callable[..., Engine]", tls: tuple[str, ...]
) -> None:
    plain, under_tls = start_engine(*SHORT), start_engine(*SHORT, *tls)
    assert [plain.wait(), under_tls.wait()] == [0, 0], under_tls.everything
    assert under_tls.venue_count == plain.venue_count
    assert under_tls.venue_count["orders"] > 0
    assert under_tls.ledger == plain.ledger
    assert "over TLSv1.3, heartbeat" in under_tls.log
    assert "connected to wss://127.0.0.1:" in under_tls.log
    assert "Nothing left behind: no open orders." in under_tls.summary


@pytest.mark.slow
def test_busy_poll_under_tls_trades_and_ends_well(
    start_engine: "Callable[..., Engine]", tls: tuple[str, ...]
) -> None:
    run = start_engine(*SHORT, *tls, "loop.busy_poll=true")
    assert run.wait() == 0, run.everything
    assert run.figure("reports") > 0
    assert run.figure("bad frames") == 0
    assert "busy poll leaves" not in run.log
    assert "Nothing left behind: no open orders." in run.summary


@pytest.mark.slow
def test_venue_that_nobody_vouches_for_gets_nothing(
    start_engine: "Callable[..., Engine]", tls: tuple[str, ...], tmp_path: Path
) -> None:
    run = start_engine(*SHORT, tls[0], "order_entry.tls=true", "reconciliation.enabled=false")
    run.wait()
    assert "the certificate of 127.0.0.1 is refused: unable to get local issuer" in run.log
    assert "name its certificate in ca_file" in run.log
    assert "logged on" not in run.log
    assert run.venue_count["orders"] == 0


def test_venue_whose_rest_nobody_vouches_for_is_not_traded_on(
    start_engine: "Callable[..., Engine]", tls: tuple[str, ...]
) -> None:
    run = start_engine(*SHORT, *tls[:3])
    assert run.wait() == ExitCode.VENUE, run.everything
    assert "reconciliation: the certificate of 127.0.0.1 is refused" in run.log
    assert run.venue_count["orders"] == 0


def test_ca_file_that_is_not_there_ends_the_start(
    start_engine: "Callable[..., Engine]", tls: tuple[str, ...]
) -> None:
    run = start_engine(*SHORT, tls[0], "order_entry.ca_file=/nonexistent.pem")
    assert run.wait() != 0
    assert '[order_entry] ca_file was "/nonexistent.pem", which cannot be used: No such' in run.log
