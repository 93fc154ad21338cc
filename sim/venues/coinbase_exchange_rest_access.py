"""Who may use the REST door, and how often (Coinbase Exchange, "REST API Authentication" and
"REST API Rate Limits").

The signature is base64(HMAC-SHA256) over timestamp, method, path with query, and body; the
timestamp, in seconds with or without decimals, must be within 30 s of the venue's clock.
"""

import re

from sim.credentials import Credentials
from sim.rest_text import RestRefused, RestRequest
from sim.times import NS_PER_SECOND
from sim.token_bucket import TokenBucket

TIMESTAMP_LIMIT_S = 30.0
PUBLIC_RATE, PUBLIC_BURST = 10, 15
PRIVATE_RATE, PRIVATE_BURST = 15, 30
FILLS_RATE, FILLS_BURST = 10, 20
_HEADERS = ("cb-access-key", "cb-access-sign", "cb-access-timestamp", "cb-access-passphrase")
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")


class RestAccess:
    """Checks what comes before a request is looked at: ``RestRefused`` with the venue's words."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._public = TokenBucket(PUBLIC_RATE, PUBLIC_BURST)
        self._private = TokenBucket(PRIVATE_RATE, PRIVATE_BURST)
        self._fills = TokenBucket(FILLS_RATE, FILLS_BURST)

    def check_public(self, now_ns: int) -> None:
        """The rate of an address; all clients of loopback share one."""
        if not self._public.take(now_ns):
            raise RestRefused(429, "Public rate limit exceeded")

    def check_private(self, request: RestRequest, now_ns: int, wall_ns: int) -> None:
        """Key, passphrase, time, signature, then the profile's rate."""
        self._check_signature(request, wall_ns)
        is_fills = request.path == "/fills"
        if not (self._fills if is_fills else self._private).take(now_ns):
            raise RestRefused(429, "Private rate limit exceeded")

    def _check_signature(self, request: RestRequest, wall_ns: int) -> None:
        for name in _HEADERS:
            if not request.headers.get(name):
                raise RestRefused(401, f"{name.upper()} header is required")
        key, signature, timestamp, passphrase = (request.headers[name] for name in _HEADERS)
        if not _SECONDS.fullmatch(timestamp):
            raise RestRefused(400, "invalid timestamp")
        if abs(float(timestamp) - wall_ns / NS_PER_SECOND) > TIMESTAMP_LIMIT_S:
            raise RestRefused(400, "request timestamp expired")
        if key != self._credentials.key:
            raise RestRefused(401, "Invalid API Key")
        if passphrase != self._credentials.passphrase:
            raise RestRefused(401, "Invalid Passphrase")
        body = request.body.decode("utf-8", "replace")
        text = f"{timestamp}{request.method}{request.target}{body}"
        if not self._credentials.is_signed(text, signature):
            raise RestRefused(401, "invalid signature")
