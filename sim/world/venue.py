"""The venue of a world: the simulated venue's market, desk and sessions, without its sockets."""

from dataclasses import dataclass
from decimal import Decimal

from sim.credentials import Credentials
from sim.fix_store import FixStore
from sim.fix_text import FixMessage
from sim.ids import IdSource
from sim.ledger import Ledger
from sim.orders import Order, OrderEvent
from sim.products import Product
from sim.rest_text import RestAnswer, RestRequest
from sim.venues.coinbase_exchange_feed import ExchangeFeedSession
from sim.venues.coinbase_exchange_fix import FixSession, RejectMessage, SessionState
from sim.venues.coinbase_exchange_orders import OrderDesk
from sim.venues.coinbase_exchange_reports import Fees
from sim.venues.coinbase_exchange_rest import RestDesk
from sim.world.clock import WorldClock
from sim.world.feed_wire import FeedWire
from sim.world.lag import show_late
from sim.world.market import SmallMarket
from sim.world.network import Connection, Network
from sim.world.order_wire import OrderWire
from sim.world.rest_door import RestDoorEnd

TICK_NS = 100_000_000
HEARTBEAT_NS = 1_000_000_000
REQUESTS = frozenset({"D", "F", "G"})


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One execution of a client order: the truth that everything is held against."""

    order: Order
    price_ticks: int
    quantity_lots: int
    trade_id: int
    fee: Decimal


class VenueRecord(Ledger):
    """The venue's ledger, and the same in figures: orders by every client id that they had."""

    def __init__(self) -> None:
        super().__init__()
        self.orders_by_id: dict[str, Order] = {}
        self.fill_list: list[VenueFill] = []
        self.taken: list[tuple[Order, int]] = []
        """Orders as they were accepted or replaced, oldest first, with their open lots then."""
        self.accepted_ids: list[str] = []
        """The client id of each of those requests."""
        self.position_lots: dict[str, int] = {}
        """Sum of the fills of a product, signed."""

    def add_order(self, kind: str, product: Product, order: Order, time_ns: int) -> None:
        """A new order, or a replace with its new figures and its new client id."""
        super().add_order(kind, product, order, time_ns)
        self.orders_by_id[order.client_order_id] = order
        self.taken.append((order, order.open_lots))
        self.accepted_ids.append(order.client_order_id)

    def add_fill(self, product: Product, event: OrderEvent, fee: Decimal, time_ns: int) -> None:
        """One execution of a client order."""
        super().add_fill(product, event, fee, time_ns)
        held = self.position_lots.get(product.symbol, 0)
        self.position_lots[product.symbol] = held + event.order.side * event.last_lots
        self.fill_list.append(
            VenueFill(event.order, event.last_ticks, event.last_lots, event.trade_id, fee)
        )


class OrderDoorEnd:
    """The venue's end of one order connection."""

    def __init__(self, venue: "Venue", connection: Connection) -> None:
        self.session = FixSession(
            venue.credentials, venue.store, venue.desk, venue.clock.monotonic_ns()
        )
        self._venue = venue
        self._connection = connection
        self._wire = OrderWire(venue.network, connection.to_engine, is_to_engine=True)

    def receive(self, data: bytes) -> None:
        """Bytes of the engine."""
        clock = self._venue.clock
        self.session.receive(data, clock.monotonic_ns(), clock.venue_ns())
        self._venue.flush()

    def lost(self, text: str) -> None:
        """The connection is gone."""
        self.session.close()
        self._venue.flush()

    def flush(self) -> None:
        """Sends what the session has to send; closes when the session is over."""
        data = self.session.bytes_to_send()
        if self._connection.to_venue.target is None:
            return
        if data:
            self._wire.send(data)
        if self.session.state is SessionState.CLOSED:
            self._connection.close_by_venue()

    def tick(self) -> None:
        """Timers of the session."""
        clock = self._venue.clock
        self.session.tick(clock.monotonic_ns(), clock.venue_ns())


class FeedDoorEnd:
    """The venue's end of one market data connection."""

    def __init__(self, venue: "Venue", connection: Connection) -> None:
        market = venue.market
        self.session = ExchangeFeedSession(market.products, market.channels, venue.credentials)
        self.is_open = True
        self._venue = venue
        self.wire = FeedWire(venue.network, connection.to_engine)

    def receive(self, data: bytes) -> None:
        """A request: frames that are due go out first, so that a snapshot is newer."""
        venue = self._venue
        venue.flush()
        for answer in self.session.receive(data, venue.clock.venue_ns()):
            self.wire.send(answer)
        for channel, symbol in self.session.take_new_subscriptions():
            if channel == "level2":
                for frame in venue.market.snapshot_frames(symbol):
                    self.wire.send(frame.payload)

    def lost(self, text: str) -> None:
        """The connection is gone."""
        self.is_open = False


class MoodyDesk(OrderDesk):
    """The order desk, which now and then rejects a request without having looked at it, or repeats
    a fill."""

    network: Network

    def receive(self, session: FixSession, message: FixMessage) -> None:
        """One order message, in sequence."""
        if message.message_type in REQUESTS and self.network.happens(
            self.network.plan.reject_share
        ):
            raise RejectMessage(99, None, "the venue is busy")
        super().receive(session, message)

    def _send(self, message_type: str, body: list[tuple[int, str]]) -> None:
        super()._send(message_type, body)
        # A fill that is told twice must not count twice; any other state may have moved on.
        is_fill = (150, "F") in body
        if is_fill and self.network.happens(self.network.plan.echo_share):
            super()._send(message_type, [(97, "Y"), *body])


class Venue:
    """The venue. ``flush`` sends what has come up; every entry ends with it."""

    def __init__(
        self,
        seed: int,
        symbols: tuple[str, ...],
        clock: WorldClock,
        network: Network,
    ) -> None:
        self.clock = clock
        self.network = network
        self.credentials = Credentials()
        self.market = SmallMarket(seed, symbols)
        self.record = VenueRecord()
        self.store = FixStore()
        ids = IdSource(f"{seed}:reports")
        self.desk = MoodyDesk(self.market, self.store, ids, Fees(), self.record, clock.venue_ns)
        self.desk.network = network
        self.rest = RestDesk(self.desk, self.market, self.credentials, Fees())
        self.access_refusals = 0
        """Requests of orders that were answered as those of a stranger."""
        self._order_ends: list[OrderDoorEnd] = []
        self._rest_ends: list[RestDoorEnd] = []
        self._feed_ends: list[FeedDoorEnd] = []

    def accept_orders(self, connection: Connection) -> OrderDoorEnd:
        """A new connection at the order door."""
        end = OrderDoorEnd(self, connection)
        self._order_ends.append(end)
        return end

    def accept_rest(self, connection: Connection) -> RestDoorEnd:
        """A new connection at the door for orders by REST."""
        end = RestDoorEnd(self, connection)
        self._rest_ends = [each for each in self._rest_ends if each.is_open]
        self._rest_ends.append(end)
        return end

    def ask(self, request: RestRequest, now_ns: int, wall_ns: int) -> RestAnswer:
        """The answer of the REST desk, perhaps from a copy that is behind."""
        answer = self.rest.handle(request, now_ns, wall_ns)
        if not (lag_ns := self.network.plan.lag_ns):
            return answer
        products = self.market.products
        return show_late(request, answer, self.desk.profile, products, wall_ns - lag_ns)

    def accept_feed(self, connection: Connection) -> FeedDoorEnd:
        """A new connection at the market data door."""
        end = FeedDoorEnd(self, connection)
        self._feed_ends.append(end)
        return end

    def step(self) -> None:
        """Somebody does something in the market."""
        self.market.run_step(self.clock.venue_ns())
        self.desk.publish(self.market.take_events())
        self.flush()

    def beat(self) -> None:
        """Heartbeats of the feed."""
        self.market.beat(self.clock.venue_ns())
        self.flush()

    def tick(self) -> None:
        """Timers of the order sessions."""
        for end in self._order_ends:
            end.tick()
        self.flush()

    def log_out(self) -> None:
        """Ends the order sessions politely, as before maintenance."""
        for end in self._order_ends:
            end.session.logout("maintenance", self.clock.monotonic_ns(), self.clock.venue_ns())
        for rest_end in self._rest_ends:
            rest_end.close()
        self.flush()

    def cancel_by_hand(self, order: Order) -> None:
        """Cancels a client's order as its owner can without a session."""
        self.desk.publish(self.market.cancel(order, self.clock.venue_ns()))
        self.flush()

    def flush(self) -> None:
        """Sends what has come up since the last call."""
        for end in self._order_ends:
            end.flush()
        self._order_ends = [
            end for end in self._order_ends if end.session.state is not SessionState.CLOSED
        ]
        frames = self.market.take_frames()
        self._feed_ends = [end for end in self._feed_ends if end.is_open]
        for frame in frames:
            for feed_end in self._feed_ends:
                payload = feed_end.session.payload_of(frame)
                if payload is not None:
                    feed_end.wire.send(payload)
