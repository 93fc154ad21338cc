"""Whom the engine believes: the system's issuers or those of one file, and nobody else."""

import ssl
from pathlib import Path

import pytest

from engine.tls_context import make_client_context
from ext.errors import ConfigError
from tests.certificates import write_files


def test_everything_is_verified_and_nothing_old_is_spoken() -> None:
    context = make_client_context("", "feed")
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_one_file_instead_of_the_system_s(tmp_path: Path) -> None:
    context = make_client_context(str(write_files(tmp_path)[1]), "feed")
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, "No such file or directory"), ("", "no PEM certificates"), ("x", "no PEM")],
)
def test_file_that_will_not_do(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    words = rf'\[order_entry\] ca_file was "{path}", which cannot be used: {reason}.*; name a PEM'
    with pytest.raises(ConfigError, match=words):
        make_client_context(str(path), "order_entry")
