"""Request signatures of the venues; feeds and gateways use the same ones."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ext.errors import ConfigError


def sign_coinbase_exchange(secret_base64: str, message: bytes | str) -> str:
    """Base64 of HMAC-SHA256 over ``message`` (text is UTF-8) under the decoded secret.

    One algorithm for the REST, WebSocket and FIX interfaces of Coinbase Exchange; only the text
    that is signed differs ("REST API Authentication" and "FIX Logon" of the venue's documents).
    Raises ``ConfigError`` when the secret is not base64; its message never holds the secret.
    """
    try:
        secret = base64.b64decode(secret_base64, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(
            "the Coinbase Exchange API secret is not base64; copy it again as the venue showed it"
        ) from None
    if not secret:
        raise ConfigError("the Coinbase Exchange API secret is empty; set it")
    payload = message.encode() if isinstance(message, str) else message
    return base64.b64encode(hmac.digest(secret, payload, hashlib.sha256)).decode()


class Ed25519Signer:
    """Signs with an Ed25519 key, as Binance asks of FIX and WebSocket sessions.

    ``private_key_base64`` is the PKCS#8 key in base64: the lines between ``BEGIN PRIVATE KEY`` and
    ``END PRIVATE KEY`` of its PEM file, with or without them. Raises ``ConfigError`` when it is
    anything else; its message never holds the key.
    """

    def __init__(self, private_key_base64: str) -> None:
        lines = [line for line in private_key_base64.split() if line]
        text = "".join(lines).replace("-----BEGINPRIVATEKEY-----", "")
        text = text.replace("-----ENDPRIVATEKEY-----", "")
        try:
            key = load_der_private_key(base64.b64decode(text, validate=True), None)
        except (binascii.Error, TypeError, ValueError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(
                "the private key is not an Ed25519 key in PKCS#8; use the lines of the PEM file"
                " that `openssl genpkey -algorithm ed25519` writes"
            ) from None
        self._key = key

    def sign(self, message: bytes) -> str:
        """Base64 of the signature."""
        return base64.b64encode(self._key.sign(message)).decode()


def join_parameters(parameters: Mapping[str, object]) -> str:
    """What a Binance WebSocket request signs: ``name=value`` sorted by name, joined by ``&``.

    Raw text, no percent-encoding ("Request security", Binance Spot WebSocket API).
    """
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
