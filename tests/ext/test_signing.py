"""Signatures against published vectors and vectors recomputed with other tools."""

import base64

import pytest

from ext.errors import ConfigError
from ext.signing import sign_coinbase_exchange

CCAPI_SECRET = (
    "+xT7GWTDRHi09EZEhkOC8S7ktzngKtoT1ZoZ6QclGURlq3ePfUd7kLQzK4+P54685NEqYDaIerYj9cuYFILOhQ=="
)
COUNTING_SECRET = base64.b64encode(bytes(range(64))).decode()

VECTORS = {
    "ccapi unit test": (
        CCAPI_SECRET,
        '1610075590POST/orders{"size": "1.0", "price": "1.0", "side": "buy", '
        '"product_id": "BTC-USD"}',
        "QLKK5AWZ5akrAiaH5ugZzm3uRs5XnbsChlojmAs78Wk=",
    ),
    "list of open orders": (
        COUNTING_SECRET,
        "1789299703.123GET/orders?status=open&status=pending&status=active&limit=1000",
        "3teBlL3TL0GqMxBvSIgY+X+IG+CXlsBGti7kI6fczBc=",
    ),
    "websocket subscribe": (
        COUNTING_SECRET,
        "1789299703GET/users/self/verify",
        "01mHniQBpEBdSPvOaISYnOAnToNRJyvhSaeCcay+f6Y=",
    ),
    "new order": (
        COUNTING_SECRET,
        '1789299703.123POST/orders{"client_oid":"666d0000-0000-4000-8000-000100000001",'
        '"product_id":"BTC-USD","side":"buy","type":"limit","price":"60000.1","size":"0.001",'
        '"time_in_force":"GTC","post_only":true,"stp":"dc"}',
        "oWzgHF0nCM2tas9B1lOwkZ+YDHQlxYDZZkAiy0aBaWQ=",
    ),
    "cancel by client id": (
        COUNTING_SECRET,
        "1789299703DELETE/orders/client:666d0000-0000-4000-8000-000100000001?product_id=BTC-USD",
        "bE9Ve06oh7NC3aybVt5w+HVsxt9e+vaWLp5+h+GiGM8=",
    ),
    "FIX logon": (
        COUNTING_SECRET,
        "\x01".join(
            (
                "20260101-00:00:00.000",
                "A",
                "1",
                "00112233445566778899aabbccddeeff",
                "Coinbase",
                "passphrase123",
            )
        ),
        "4HmjPmkx7LOjL5/HDtEs1EkUTMb7v0HPuGsbsfVM+pE=",
    ),
}


@pytest.mark.parametrize(("secret", "message", "expected"), VECTORS.values(), ids=list(VECTORS))
def test_sign_coinbase_exchange_vectors(secret: str, message: str, expected: str) -> None:
    assert sign_coinbase_exchange(secret, message) == expected
    assert sign_coinbase_exchange(secret, message.encode()) == expected


@pytest.mark.parametrize("secret", ["not base64!", "QQ", "ÄÖÜ", ""])
def test_sign_refuses_bad_secret_without_showing_it(secret: str) -> None:
    with pytest.raises(ConfigError, match="secret is") as raised:
        sign_coinbase_exchange(secret, "x")
    assert secret == "" or secret not in str(raised.value)
