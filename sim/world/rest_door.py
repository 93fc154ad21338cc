"""The venue's end of orders by REST: one kept-alive connection over the simulated REST desk.

What goes wrong here is of servers and of what stands before them: errors before and behind the
work, answers that are cut, late, in chunks or no JSON, connections that are closed at any time.
"""

from typing import TYPE_CHECKING

from sim.http_text import HttpBad, HttpRequestReader, write_answer, write_body
from sim.rest_text import RestAnswer, RestRequest
from sim.world.network import Connection, Network

if TYPE_CHECKING:
    from sim.world.venue import Venue

HTML = b"<html><body>Bad Gateway</body></html>"
NOT_CARRIED_OUT = (
    (400, b'{"message":"the venue is busy"}'),
    (408, b'{"message":"Request Timeout"}'),
    (429, b'{"message":"Private rate limit exceeded"}'),
    (500, b'{"message":"Internal server error"}'),
    (502, HTML),
    (503, b'{"message":"ServiceUnavailable"}'),
)
ACCESS_REFUSED = (401, b'{"message":"Invalid API Key"}')
CARRIED_OUT = (
    (408, b'{"message":"Request Timeout"}'),
    (500, b'{"message":"Internal server error"}'),
    (502, HTML),
    (504, b""),
    (200, b'{"id":'),
    (200, HTML),
    (200, b"null"),
)
IDLE_TIMEOUT = (408, b"")
LATE_NS = 2_000_000_000
LONGEST_PIECES = 4


class RestDoorEnd:
    """Answers what comes, one request after the other, as a server does."""

    def __init__(self, venue: "Venue", connection: Connection) -> None:
        self.is_open = True
        self._venue = venue
        self._connection = connection
        self._reader = HttpRequestReader()

    def receive(self, data: bytes) -> None:
        """Bytes of the engine."""
        try:
            requests = self._reader.feed(data)
        except HttpBad as error:
            raise AssertionError(f"the engine sent what is no request: {error}") from None
        for request in requests:
            if self.is_open:
                self._take(request)
        self._venue.flush()

    def lost(self, text: str) -> None:
        """The connection is gone."""
        self.is_open = False

    def close(self) -> None:
        """Ends it politely, as before maintenance; some servers say why first."""
        if self.is_open and self._venue.network.rng.random() < 1 / 3:
            self._write(write_body(*IDLE_TIMEOUT, is_last=True), "408 of nothing")
        self._end()

    def _take(self, request: RestRequest) -> None:
        network, plan = self._venue.network, self._venue.network.plan
        name = f"{request.method} {request.path[:44]}"
        if network.happens(plan.refuse_access_share):
            self._venue.access_refusals += 1
            self._answer(write_body(*ACCESS_REFUSED), f"{name}: 401")
        elif network.happens(plan.fail_before_share):
            status, body = network.rng.choice(NOT_CARRIED_OUT)
            self._answer(write_body(status, body), f"{name}: {status}, not carried out")
        else:
            self._carry_out(request, name)

    def _carry_out(self, request: RestRequest, name: str) -> None:
        network, clock = self._venue.network, self._venue.clock
        answer = self._venue.ask(request, clock.monotonic_ns(), clock.venue_ns())
        if answer.status != 200 or not network.happens(network.plan.fail_after_share):
            self._answer(self._form(answer), f"{name}: {answer.status}")
            return
        way = network.rng.choice(("error", "silence", "cut short"))
        if way == "error":
            status, body = network.rng.choice(CARRIED_OUT)
            self._answer(write_body(status, body), f"{name}: {status}, carried out")
        elif way == "cut short":
            whole = write_answer(answer)
            self._write(whole[: network.rng.randrange(len(whole))], f"{name}: cut short")
            self._end()

    def _form(self, answer: RestAnswer) -> bytes:
        network = self._venue.network
        return write_answer(answer, is_chunked=network.happens(network.plan.chunk_share))

    def _answer(self, data: bytes, text: str) -> None:
        network = self._venue.network
        is_end = network.happens(network.plan.close_share)
        if is_end and network.rng.random() < 1 / 2:
            head, end, body = data.partition(b"\r\n\r\n")
            data = head + b"\r\nConnection: close" + end + body
        self._write(data, text)
        if is_end:
            self._end()

    def _write(self, data: bytes, text: str) -> None:
        network, line = self._venue.network, self._connection.to_engine
        delay_ns = 0
        if network.happens(network.plan.late_answer_share):
            delay_ns = network.rng.randrange(LATE_NS)
        for index, piece in enumerate(split(network, data), 1):
            line.send(piece, f"{text} ({index})", delay_ns=delay_ns)

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            self._connection.close_by_venue()


def split(network: Network, data: bytes) -> list[bytes]:
    """The pieces in which bytes arrive: now and then several, cut anywhere."""
    if len(data) < LONGEST_PIECES or not network.happens(network.plan.split_share):
        return [data] if data else []
    count = network.rng.randrange(1, LONGEST_PIECES)
    cuts = sorted(network.rng.sample(range(1, len(data)), count))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
