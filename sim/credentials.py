"""The API key that the simulated venue accepts, and the venue's HMAC scheme."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

DEMO_KEY = "demo-key"
DEMO_PASSPHRASE = "demo-passphrase"
DEMO_SECRET = base64.b64encode(bytes(range(64))).decode()


@dataclass(frozen=True)
class Credentials:
    """One key of one profile. ``secret`` is base64 text, as the venue hands it out."""

    key: str = DEMO_KEY
    passphrase: str = DEMO_PASSPHRASE
    secret: str = DEMO_SECRET

    def __post_init__(self) -> None:
        try:
            base64.b64decode(self.secret, validate=True)
        except binascii.Error as error:
            raise ValueError("secret must be base64 text") from error

    def signature(self, message: str) -> str:
        """base64(HMAC-SHA256(base64decode(secret), message)): Coinbase Exchange, REST, WS, FIX."""
        key = base64.b64decode(self.secret)
        return base64.b64encode(hmac.digest(key, message.encode(), hashlib.sha256)).decode()

    def is_signed(self, message: str, signature: str) -> bool:
        """Whether ``signature`` is right, in constant time."""
        return hmac.compare_digest(self.signature(message).encode(), signature.encode())
