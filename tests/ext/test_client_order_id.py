"""Client order ids: written, read back, and nothing else taken for one."""

import random

import pytest

from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable
from ext.shared_memory import SharedMemory

LARGEST = 2**60 - 1


@pytest.fixture(scope="module")
def orders() -> OrderTable:
    return OrderTable(
        SharedMemory(None, [], []), InstrumentTable(), bytes.fromhex("0123456789abcdef")
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "01234567-89ab-4cde-8000-000000000001"),
        (10, "01234567-89ab-4cde-8000-00000000000a"),
        (2**48 - 1, "01234567-89ab-4cde-8000-ffffffffffff"),
        (2**48, "01234567-89ab-4cde-8001-000000000000"),
        (LARGEST, "01234567-89ab-4cde-8fff-ffffffffffff"),
    ],
)
def test_layout(orders: OrderTable, number: int, text: str) -> None:
    assert orders.client_order_id(number) == text
    assert orders.request_number(text) == number


def test_ids_are_unique_and_in_order(orders: OrderTable) -> None:
    chance = random.Random(3)
    numbers = sorted({chance.randrange(1, LARGEST) for _ in range(5000)})
    texts = [orders.client_order_id(number) for number in numbers]
    assert texts == sorted(set(texts))
    assert [orders.request_number(text) for text in texts] == numbers


def test_other_runs_are_not_ours(orders: OrderTable) -> None:
    memory, table = SharedMemory(None, [], []), InstrumentTable()
    for _ in range(20):
        other = OrderTable(memory, table)
        assert orders.request_number(other.client_order_id(7)) == 0
        assert other.request_number(orders.client_order_id(7)) == 0


def test_any_other_text_is_none_of_ours(orders: OrderTable) -> None:
    text = orders.client_order_id(0xABC)
    for at in range(len(text)):
        for letter in "g-G/:@`\x00 ":
            changed = text[:at] + letter + text[at + 1 :]
            if changed != text:
                assert orders.request_number(changed) == 0, changed
    for other in ("", text[:-1], text + "0", text.upper(), " " + text[:-1], "é" * 18):
        assert orders.request_number(other) == 0
