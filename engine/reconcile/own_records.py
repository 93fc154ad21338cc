"""What the engine itself knows, read from its tables: orders, and what fills did to balances."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from engine.instruments import Instrument
from engine.reconcile.reconciliation import OurRecord
from engine.reconcile.reconciliation_records import ENDED_STATES, OurOrder
from ext.bounds import Bound
from ext.dtypes import ORDER, POSITION
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory
from ext.wire import OrderState, Side


@dataclass(frozen=True, slots=True)
class OwnChanges:
    """Since the start: change and turnover of each currency, ``turnovers`` of quote ones alone."""

    changes: dict[str, Decimal]
    turnovers: dict[str, Decimal]


def base_currency(instrument: Instrument) -> str:
    """The currency of its quantities."""
    return instrument.symbol.partition("-")[0]


class OwnRecords:
    """Reads order table and positions where the arc keeps them: in the shared memory."""

    def __init__(
        self,
        memory: SharedMemory,
        table: OrderTable,
        instruments: Sequence[Instrument],
        strategy_count: int,
    ) -> None:
        self._table = table
        self._instruments = instruments
        self._orders = memory.region("orders_offset", ORDER, int(Bound.MAX_ORDERS))
        self._positions = memory.region("positions_offset", POSITION, max(strategy_count, 1))
        self._header = memory.header_record()

    def request_number(self, client_order_id: str) -> int:
        """The number behind a client id, 0 when it is none of this run."""
        return self._table.request_number(client_order_id)

    def report_count(self) -> int:
        """Reports so far; the same before and after a question: none came meanwhile."""
        return int(self._header["reports"][0])

    def orders(
        self, venue_order_ids: Collection[str], client_order_ids: Collection[str]
    ) -> OurRecord:
        """Every open order, and of those that have ended the ones that are asked for.

        The table has thousands of ended ones: reading all of them would hold up the loop.
        """
        table = self._orders
        numbers = [self._table.request_number(each) for each in client_order_ids if each]
        names = np.array([each.encode() for each in venue_order_ids if each], dtype="S40")
        chosen = ~np.isin(table["state"], [OrderState.NO_ORDER, *ENDED_STATES])
        chosen |= np.isin(table["venue_order_id"], names)
        for name in ("order_number", "accepted_number", "request_number"):
            chosen |= np.isin(table[name], numbers)
        chosen &= table["order_number"] != 0
        return OurRecord(
            tuple(self._order(record) for record in table[chosen]), self._table.request_number
        )

    def changes(self) -> OwnChanges:
        """What all fills and fees make of each currency.

        Cash is what was realised, less what the open position has cost, less fees.
        """
        changes: dict[str, Decimal] = {}
        turnovers: dict[str, Decimal] = {}
        for instrument in self._instruments:
            for currency in (base_currency(instrument), instrument.quote_currency):
                changes.setdefault(currency, Decimal(0))
        for position in self._positions:
            instrument = self._instruments[int(position["instrument"])]
            base, quote = base_currency(instrument), instrument.quote_currency
            tick_value = float(instrument.tick) * float(instrument.lot)
            lots, average = int(position["position_lots"]), float(position["average_price_ticks"])
            cost = lots * average * tick_value
            cash = float(position["realised_pnl"]) - cost - float(position["fees"])
            changes[base] += instrument.lots_to_quantity(lots)
            changes[quote] += Decimal(cash)
            traded_lots = int(position["bought_lots"]) + int(position["sold_lots"])
            turnovers[quote] = turnovers.get(quote, Decimal(0)) + self._turnover(
                instrument, position, traded_lots
            )
        return OwnChanges(changes, turnovers)

    def _turnover(self, instrument: Instrument, position: np.void, traded_lots: int) -> Decimal:
        """About: all that was traded at the highest price of an order in the table."""
        if traded_lots == 0:
            return Decimal(0)
        of_instrument = self._orders["instrument"] == instrument.index
        prices = self._orders["price_ticks"][of_instrument]
        highest = int(prices.max()) if len(prices) else int(position["average_price_ticks"])
        return instrument.lots_to_quantity(traded_lots) * instrument.ticks_to_price(highest)

    def _order(self, record: np.void) -> OurOrder:
        accepted = int(record["accepted_number"])
        numbers = (int(record["order_number"]), accepted, int(record["request_number"]))
        return OurOrder(
            order_number=numbers[0],
            request_numbers=frozenset(number for number in numbers if number),
            accepted_number=accepted,
            instrument=self._instruments[int(record["instrument"])],
            client_order_id=self._table.client_order_id(accepted or numbers[0]),
            venue_order_id=bytes(record["venue_order_id"]).decode("ascii", "replace"),
            side=Side(int(record["side"])),
            state=OrderState(int(record["state"])),
            price_ticks=int(record["price_ticks"]),
            quantity_lots=int(record["quantity_lots"]),
            filled_lots=int(record["filled_lots"]),
            update_time_ns=int(record["update_time_ns"]),
            unacknowledged_since_ns=(
                0 if record["acknowledged_time_ns"] else int(record["sent_time_ns"])
            ),
            sent_time_ns=int(record["sent_time_ns"]),
            acknowledged_time_ns=int(record["acknowledged_time_ns"]),
            is_accepted=int(record["accepted_time_ns"]) > 0,
        )
