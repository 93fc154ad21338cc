"""Every answer to an order request and what it means."""

import json

import pytest

from gateways.rest_answers import (
    MAX_TEXT,
    AnswerLost,
    CancelRefused,
    CancelTaken,
    OrderTaken,
    Outcome,
    RequestRefused,
    Trouble,
    read_outcome,
)

ORDER = {"id": "v-1", "client_oid": "c-1", "status": "pending", "size": "1"}


def of_order(status: int, content: object) -> Outcome:
    return read_outcome(is_new=True, status=status, body=_body(content))


def of_cancel(status: int, content: object) -> Outcome:
    return read_outcome(is_new=False, status=status, body=_body(content))


def _body(content: object) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def message(text: str) -> dict[str, str]:
    return {"message": text}


def test_an_order_that_was_taken() -> None:
    assert of_order(200, ORDER) == OrderTaken("v-1", "c-1", "pending")
    assert of_order(200, {"id": "v-1"}) == OrderTaken("v-1", "", "")


@pytest.mark.parametrize("content", [b"", b"<html>", [], {"status": "open"}, {"id": ""}])
def test_a_good_answer_that_cannot_be_read_says_nothing(content: object) -> None:
    assert isinstance(of_order(200, content), AnswerLost)


@pytest.mark.parametrize(
    ("status", "text", "trouble"),
    [
        (400, "Insufficient funds", Trouble.NONE),
        (404, "Product not found", Trouble.NONE),
        (400, "request timestamp expired", Trouble.CLOCK),
        (401, "invalid signature", Trouble.ACCESS),
        (403, "Forbidden", Trouble.ACCESS),
        (429, "Private rate limit exceeded", Trouble.RATE),
    ],
)
def test_an_order_that_was_refused(status: int, text: str, trouble: Trouble) -> None:
    assert of_order(status, message(text)) == RequestRefused(status, text, trouble)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 302, 201])
def test_answers_that_leave_it_open(status: int) -> None:
    assert isinstance(of_order(status, message("x")), AnswerLost)
    assert isinstance(of_cancel(status, message("x")), AnswerLost)


def test_a_cancel_that_was_taken() -> None:
    assert of_cancel(200, "v-1") == CancelTaken()


@pytest.mark.parametrize(
    ("status", "text", "is_gone", "trouble"),
    [
        (404, "order not found", True, Trouble.NONE),
        (400, "Order already done", True, Trouble.NONE),
        (400, "Bad Request", False, Trouble.NONE),
        (401, "invalid signature", False, Trouble.ACCESS),
        (429, "slow down", False, Trouble.RATE),
    ],
)
def test_a_cancel_that_was_refused(status: int, text: str, is_gone: bool, trouble: Trouble) -> None:
    assert of_cancel(status, message(text)) == CancelRefused(status, text, is_gone, trouble)


def test_a_refusal_in_other_words_is_shown_cut() -> None:
    outcome = of_order(400, b"\xff" + b"x" * 1000)
    assert isinstance(outcome, RequestRefused)
    assert len(outcome.text) == MAX_TEXT
