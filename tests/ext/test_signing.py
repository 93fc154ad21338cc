"""Signatures against published vectors and vectors recomputed with other tools."""

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ext.errors import ConfigError
from ext.signing import Ed25519Signer, join_parameters, sign_coinbase_exchange

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


# Keys and FIX logon signatures of the Binance FIX pages; Ed25519 has one signature for a text.
DOCUMENTED_KEY = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"
CONNECTOR_KEY = "MC4CAQAwBQYDK2VwBCIEIJjlVz+AXahN5M3GYOlq7UDSG/XbW1w8mVo2mnp6zCLx"
ED25519_VECTORS = {
    "documented logon": (
        DOCUMENTED_KEY,
        "A|EXAMPLE|SPOT|1|20240627-11:17:25.223",
        "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA==",
    ),
    "connector, market data": (
        CONNECTOR_KEY,
        "A|BMDWATCH|SPOT|1|20250301-01:00:00.000000",
        "23rxWHmfUGML7o9O9lPkedNBj53wcilb9pFuIxc9Q1pGxHFQaBQnuPwj0ueH09t5Gzl3ybOc67wXGzh9Qcl/Aw==",
    ),
    "connector, orders": (
        CONNECTOR_KEY,
        "A|BOETRADE|SPOT|1|20250301-01:00:00.000000",
        "eI7NNqsvWINcco9+rUQFjB4O1bsZBHp5uYaeq/V9d736Omn//d0ZQR5uW/91Ylf4lTiO0QpN1StIWZBjBuI5AA==",
    ),
}
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
HMAC_SECRET = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ORDER = {"side": "SELL", "symbol": "BTCUSDT", "timeInForce": "GTC", "type": "LIMIT"}
# The texts of the WebSocket API's samples: their signatures are HMAC, so the text can be checked.
PARAMETER_VECTORS = {
    "order": (
        {
            **ORDER,
            "quantity": "0.01000000",
            "price": "52000.00",
            "apiKey": API_KEY,
            "timestamp": 1645423376532,
            "recvWindow": 100,
        },
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    "order of a symbol beyond ASCII": (
        {
            **ORDER,
            "side": "BUY",
            "symbol": "\uff11\uff12\uff13\uff14\uff15\uff16",
            "quantity": "1.00000000",
            "price": "0.10000000",
            "apiKey": API_KEY,
            "timestamp": 1645423376532,
            "recvWindow": 5000,
        },
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
    "logon": (
        {"timestamp": 1649729878532, "apiKey": API_KEY},
        "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed",
    ),
}


@pytest.mark.parametrize("name", ED25519_VECTORS)
def test_ed25519_vectors(name: str) -> None:
    key, text, signature = ED25519_VECTORS[name]
    assert Ed25519Signer(key).sign(text.replace("|", "\x01").encode()) == signature


@pytest.mark.parametrize(
    "text",
    [
        f"-----BEGIN PRIVATE KEY-----\n{DOCUMENTED_KEY}\n-----END PRIVATE KEY-----\n",
        f"  {DOCUMENTED_KEY[:20]}\n{DOCUMENTED_KEY[20:]} ",
    ],
)
def test_a_key_as_its_file_has_it(text: str) -> None:
    _, message, signature = ED25519_VECTORS["documented logon"]
    assert Ed25519Signer(text).sign(message.replace("|", "\x01").encode()) == signature


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        DOCUMENTED_KEY[:-4],
        base64.b64encode(bytes(32)).decode(),
        "MFECAQEwBQYDK2VwBCIEIA==",
    ],
)
def test_what_is_not_a_key(text: str) -> None:
    with pytest.raises(ConfigError, match="not an Ed25519 key in PKCS#8") as told:
        Ed25519Signer(text)
    assert not text or text not in str(told.value)


def test_a_key_of_another_kind() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigError, match="not an Ed25519 key"):
        Ed25519Signer(base64.b64encode(der).decode())


@pytest.mark.parametrize("name", PARAMETER_VECTORS)
def test_the_text_that_a_request_signs(name: str) -> None:
    parameters, expected = PARAMETER_VECTORS[name]
    text = join_parameters(parameters).encode()
    assert hmac.digest(HMAC_SECRET, text, hashlib.sha256).hex() == expected
