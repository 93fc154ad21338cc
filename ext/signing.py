"""Request signatures of the venues; feeds and gateways use the same ones."""

import base64
import binascii
import hashlib
import hmac

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
