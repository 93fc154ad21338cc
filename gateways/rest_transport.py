"""REST over kept-alive connections: signs, keeps the venue's rates, repeats what may be repeated.

Questions (GET) are repeated; what changes something never is by itself: when its answer is lost,
``RestOutcomeUnknown`` says so, and for a new order ``place`` asks for it by its client id first.
(aiohttp sends a DELETE again when a kept-alive connection turns out to be closed: a cancel of the
same order, which does no more than the first.)
"""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import aiohttp

from ext.errors import ConfigError
from gateways.coinbase_rest import (
    CoinbaseSigner,
    VenueOrder,
    get_client_order,
    get_time,
    read_answer,
)
from gateways.edges import Clock, SystemClock
from gateways.rest_request import (
    RateClass,
    RestAccessRefused,
    RestAnswer,
    RestClockRefused,
    RestError,
    RestNotFound,
    RestOutcomeUnknown,
    RestRateLimited,
    RestRequest,
    RestUnavailable,
)
from gateways.token_bucket import SECOND_NS, TokenBucket

# Four fifths of what the venue allows (Coinbase Exchange, "REST API Rate Limits"): the operator
# may be using the same key.
RATES = {
    RateClass.PUBLIC: (8, 12),
    RateClass.PRIVATE: (12, 24),
    RateClass.FILLS: (8, 16),
}
ATTEMPTS = 3
RETRY_S = 0.25  # doubles
PLACE_QUESTIONS = 3
CONNECTIONS = 2
KEEP_ALIVE_S = 60.0
MAX_BODY_BYTES = 4 * 1024 * 1024  # a page of 100 fills has 40 kB, all products 600 kB

_Value = TypeVar("_Value")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RestLimits:
    """``timeout_ms`` is of one request: connecting, sending and the whole answer."""

    timeout_ms: int = 5000
    retry_s: float = RETRY_S


class RestRates:
    """What may be asked of a venue with one key: shared by everybody who asks with it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._buckets = {name: TokenBucket(*rate) for name, rate in RATES.items()}

    def reserve_s(self, name: RateClass) -> float:
        """Takes a place; how long to wait for it, in seconds."""
        return self._buckets[name].reserve(self._clock.monotonic_ns()) / SECOND_NS

    def charge(self, name: RateClass, count: int) -> None:
        """Requests that have left by another way: the next ones here wait for them."""
        for _ in range(count):
            self._buckets[name].reserve(self._clock.monotonic_ns())


class RestTransport:
    """Requests to one venue. Use it as an async context manager, on one loop."""

    def __init__(
        self,
        url: str,
        signer: CoinbaseSigner,
        limits: RestLimits | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        rates: RestRates | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f'a REST address was "{url}"; use http:// or https://')
        self._url = url.rstrip("/")
        self._signer = signer
        self._limits = limits or RestLimits()
        self._ssl = ssl_context
        self._clock = clock or SystemClock()
        self._clock_offset_ns = 0  # the venue's clock minus ours, as far as it has refused ours
        self.rates = rates or RestRates(self._clock)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS,
            keepalive_timeout=KEEP_ALIVE_S,
            ssl=self._ssl if self._ssl is not None else True,
        )
        timeout = aiohttp.ClientTimeout(total=self._limits.timeout_ms / 1e3)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: RestRequest[_Value]) -> RestAnswer[_Value]:
        """The answer; raises a RestError when there is none.

        A question is asked up to three times while the venue cannot be reached, does not answer
        or limits our rate. A refused timestamp is set right by the venue's own clock, once.
        """
        delay_s = self._limits.retry_s
        has_set_clock = False
        attempt = 1
        while True:
            try:
                return await self._send_once(request)
            except RestClockRefused as error:
                if has_set_clock:
                    raise
                has_set_clock = True
                logger.warning("%s; the venue's clock is asked for", error)
                await self._set_clock()
                continue
            except (RestUnavailable, RestRateLimited) as error:
                if not request.is_question or attempt == ATTEMPTS:
                    raise
                logger.info("%s; asking again", error)
            attempt += 1
            await asyncio.sleep(delay_s)
            delay_s *= 2

    async def place(self, request: RestRequest[VenueOrder], client_oid: str) -> VenueOrder:
        """A new order; one whose answer was lost is asked for by its client id.

        ``RestOutcomeUnknown`` stays when the venue does not know it yet: it may still come.
        """
        try:
            return (await self.send(request)).value
        except RestOutcomeUnknown as error:
            logger.warning("%s; asking for order %s", error, client_oid)
            delay_s = self._limits.retry_s
            for _ in range(PLACE_QUESTIONS):
                try:
                    return (await self.send(get_client_order(client_oid))).value
                except RestNotFound:
                    await asyncio.sleep(delay_s)
                    delay_s *= 2
                except RestError as second:
                    raise error from second
            raise

    async def _send_once(self, request: RestRequest[_Value]) -> RestAnswer[_Value]:
        if self._session is None:
            raise RestUnavailable(f"{request.name}: the transport is closed")
        wait_s = self.rates.reserve_s(request.rate_class)
        if wait_s:
            await asyncio.sleep(wait_s)
        now_ns = self._clock.wall_ns() + self._clock_offset_ns
        headers = self._signer.sign(request, f"{now_ns // 1_000_000 / 1e3:.3f}")
        try:
            async with self._session.request(
                request.method,
                self._url + request.target,
                data=request.body or None,
                headers=headers,
                allow_redirects=False,
            ) as response:
                body = await response.content.read(MAX_BODY_BYTES + 1)
                while not response.content.at_eof() and len(body) <= MAX_BODY_BYTES:
                    body += await response.content.read(MAX_BODY_BYTES + 1)
        except aiohttp.ClientConnectorCertificateError as error:
            reason = getattr(error.certificate_error, "verify_message", "") or error
            raise RestAccessRefused(
                f"the certificate of {error.host} is refused: {reason}; name its certificate in"
                " ca_file, or check the address"
            ) from None
        except aiohttp.ClientConnectorError as error:  # nothing of it left this machine
            raise RestUnavailable(f"{request.name}: {error}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost(request, error) from None
        if len(body) > MAX_BODY_BYTES:
            raise self._lost(request, f"an answer above {MAX_BODY_BYTES} bytes")
        value = read_answer(request, response.status, body)
        return RestAnswer(value, response.headers.get("CB-AFTER", ""))

    def _lost(self, request: RestRequest[_Value], error: Exception | str) -> RestError:
        kind = RestUnavailable if request.is_question else RestOutcomeUnknown
        if isinstance(error, TimeoutError):
            reason = f"no answer within {self._limits.timeout_ms} ms"
        else:
            reason = str(error) or type(error).__name__
        return kind(f"{request.name}: {reason}")

    async def _set_clock(self) -> None:
        before_ns = self._clock.wall_ns()
        answer = await self._send_once(get_time())
        middle_ns = (before_ns + self._clock.wall_ns()) // 2
        self._clock_offset_ns = int(answer.value.epoch * SECOND_NS) - middle_ns
        logger.warning("our clock is %.3f s behind the venue's", self._clock_offset_ns / SECOND_NS)
