"""A REST client from a section: which words of the config it minds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.rest.rest_client import make_rest_client
from engine.settings.config import EngineConfig
from ext.errors import ConfigError


def make(config: EngineConfig, url: str, ca_file: str) -> object:
    section = config.order_entry
    assert section is not None
    keys = section.key, section.secret, section.passphrase
    return make_rest_client("kill", url, keys, ca_file=ca_file, timeout_ms=500)


def test_without_tls_no_certificate_is_read(
    load_demo: Callable[..., EngineConfig], tmp_path: Path
) -> None:
    assert make(load_demo(), "http://127.0.0.1:1", str(tmp_path / "none.pem"))


def test_a_certificate_that_is_not_there_names_its_section(
    load_demo: Callable[..., EngineConfig], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"\[kill\] ca_file"):
        make(load_demo(), "https://127.0.0.1:1", str(tmp_path / "none.pem"))
