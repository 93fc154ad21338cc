"""Connections that drop and come back: the book is LIVE again, Unknown orders are asked for."""

# tidy-ok: covers the processes together

import signal
from typing import TYPE_CHECKING

from engine.exit_codes import ExitCode
from ext.wire import BookState, OrderState

if TYPE_CHECKING:
    from tests.integration.commands import Engine
    from tests.integration.made_venue import MadeVenue


def test_a_dropped_feed_comes_back(quoting: "Engine", made_venue: "MadeVenue") -> None:
    made_venue.do(made_venue.drop_feed)

    quoting.wait_for("book BTC-USD is STALE: DISCONNECTED")
    quoting.wait_for("book BTC-USD is LIVE", times=2)

    assert made_venue.subscriptions() == 2
    assert made_venue.received("F"), "the quotes of the STALE book were not pulled"
    quoting.wait_for_order(OrderState.NEW)  # it quotes again
    finish(quoting)


def test_unknown_orders_are_asked_for_and_found(quoting: "Engine", made_venue: "MadeVenue") -> None:
    asked = [str(order[11]) for order in made_venue.received("D")]
    made_venue.do(made_venue.drop_orders)

    quoting.wait_for("2 orders are Unknown")
    quoting.wait_until(lambda: len(made_venue.received("H")) >= 2, "two OrderStatusRequests")

    assert sorted(message[11] for message in made_venue.received("H")) == sorted(asked)
    quoting.wait_until(
        lambda: all(order["state"] != OrderState.UNKNOWN for order in quoting.open_orders()),
        "the end of Unknown",
    )
    assert len(quoting.open_orders()) == 2
    assert len(made_venue.received("A")) == 2
    finish(quoting)


def test_orders_that_the_venue_cancelled_meanwhile_are_gone(
    quoting: "Engine", made_venue: "MadeVenue"
) -> None:
    numbers = {int(order["order_number"]) for order in quoting.open_orders()}
    made_venue.is_cancelling_on_disconnect = True
    made_venue.do(made_venue.drop_orders)

    quoting.wait_for("2 orders are Unknown")
    quoting.wait_until(
        lambda: not numbers & {int(order["order_number"]) for order in quoting.open_orders()},
        "the end of the cancelled orders",
    )
    quoting.wait_for_order(OrderState.NEW)  # others are placed
    finish(quoting)


def test_no_order_is_sent_while_it_is_unknown(quoting: "Engine", made_venue: "MadeVenue") -> None:
    made_venue.do(made_venue.drop_orders)
    quoting.wait_for("2 orders are Unknown")
    assert all(order["state"] == OrderState.UNKNOWN for order in quoting.open_orders())
    assert quoting.book_state() == BookState.LIVE

    quoting.wait_for("logged on to", times=2)

    assert len(made_venue.received("D")) == 2
    finish(quoting)


def finish(engine: "Engine") -> None:
    engine.send_signal(signal.SIGINT)
    assert engine.wait(timeout=8) == ExitCode.OK, engine.everything
    assert "Nothing left behind" in engine.summary
    assert "Traceback" not in engine.log
