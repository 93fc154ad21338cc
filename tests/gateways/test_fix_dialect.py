"""What the venues' dialects write, and what they refuse to be made with."""

import base64
from typing import Any

import pytest

from ext.errors import ConfigError
from ext.session_store import SessionStore
from gateways.fix_dialect import (
    CoinbaseExchangeDialect,
    PlainDialect,
    SessionRules,
    is_refusal_transient,
)
from gateways.fix_message import FixMessage
from gateways.fix_session import FixSession

SECRET = base64.b64encode(bytes(range(64))).decode()
KEY = "00112233445566778899aabbccddeeff"
NEW_YEAR_2026_NS = 1_767_225_600 * 10**9
# Own computation, checked with two other tools; length and checksum included.
LOGON_VECTOR = (
    b"8=FIXT.1.1|9=231|35=A|34=1|49=00112233445566778899aabbccddeeff|52=20260101-00:00:00.000|"
    b"56=Coinbase|98=0|108=30|141=Y|553=00112233445566778899aabbccddeeff|554=passphrase123|95=44|"
    b"96=4HmjPmkx7LOjL5/HDtEs1EkUTMb7v0HPuGsbsfVM+pE=|1137=9|8013=S|9406=N|10=229|"
).replace(b"|", b"\x01")


def logon_of(dialect: CoinbaseExchangeDialect | PlainDialect) -> bytes:
    session = FixSession(dialect, SessionStore(None, "TEST"), wall_offset_ns=NEW_YEAR_2026_NS)
    session.start(0)
    session.connected(0)
    return session.bytes_to_send()[0]


def test_coinbase_logon_equals_the_vector_byte_for_byte() -> None:
    dialect = CoinbaseExchangeDialect(KEY, SECRET, "passphrase123", heartbeat_s=30)
    assert logon_of(dialect) == LOGON_VECTOR


def test_coinbase_options_are_their_tags() -> None:
    dialect = CoinbaseExchangeDialect(
        KEY, SECRET, "p", cancel_on_disconnect=None, is_drop_copy=True
    )
    logon = FixMessage(logon_of(dialect))
    assert (logon.get(8013), logon.get(9406)) == (None, b"Y")
    profile = CoinbaseExchangeDialect(KEY, SECRET, "p", cancel_on_disconnect="Y")
    assert FixMessage(logon_of(profile)).get(8013) == b"Y"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"heartbeat_s": 31}, "heartbeat_s was 31"),
        ({"heartbeat_s": 0}, "heartbeat_s was 0"),
        ({"cancel_on_disconnect": "N"}, "cancel_on_disconnect was 'N'"),
        ({"secret": "not base64!"}, "secret is not base64"),
        ({"key": ""}, "sender was ''"),
        ({"target": "Coin\x01base"}, "target was"),
    ],
)
def test_coinbase_refuses_bad_settings(change: dict[str, Any], text: str) -> None:
    settings: dict[str, Any] = {"key": KEY, "secret": SECRET, "passphrase": "p", **change}
    with pytest.raises(ConfigError, match=text):
        CoinbaseExchangeDialect(**settings)


def test_secrets_are_not_shown() -> None:
    dialect = CoinbaseExchangeDialect(KEY, SECRET, "passphrase123")
    assert SECRET not in repr(dialect)
    assert "passphrase123" not in repr(dialect)
    assert "hunter2" not in repr(PlainDialect(SIMPLE, "name", "hunter2"))


SIMPLE = SessionRules(begin_string="FIX.4.4", sender="US", target="VENUE")


def test_plain_logon_with_credentials() -> None:
    logon = FixMessage(logon_of(PlainDialect(SIMPLE, "name", "word")))
    assert logon.fields[7:-1] == [(98, b"0"), (108, b"30"), (553, b"name"), (554, b"word")]


def test_extra_header_fields_are_on_every_message() -> None:
    rules = SessionRules(
        begin_string="FIX.4.2", sender="US", target="VENUE", header_fields=((50, b"DESK"),)
    )
    assert FixMessage(logon_of(PlainDialect(rules))).fields[7] == (50, b"DESK")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"sender": ""}, "sender was ''"),
        ({"target": "ä"}, "target was"),
        ({"heartbeat_s": -1}, "0 to 3600"),
        ({"heartbeat_s": 3601}, "0 to 3600"),
        ({"time_decimals": 4}, "0, 3, 6 or 9"),
        ({"resend_chunk": -1}, "resend_chunk was -1"),
    ],
)
def test_rules_refuse_bad_values(change: dict[str, Any], text: str) -> None:
    rules: dict[str, Any] = {"begin_string": "FIX.4.4", "sender": "U", "target": "V", **change}
    with pytest.raises(ConfigError, match=text):
        SessionRules(**rules)


@pytest.mark.parametrize(
    ("reason", "text", "transient"),
    [(None, "busy", True), (99, "", True), (8, "", False), (None, "MsgSeqNum Too Low", False)],
)
def test_which_refusals_pass_by_themselves(reason: int | None, text: str, transient: bool) -> None:
    assert is_refusal_transient(reason, text) is transient
