"""Runs of levels in one shape: all that are of it, none that is not, and never another number."""

import random
import re
from decimal import Decimal

import pytest

from ext.cursor import decimal_to_steps
from ext.digits import uses_registers
from ext.level_reader import usual_levels

SEED = 20_260_105
LEVEL = re.compile(rb'([^"]*)","([^"]*)"\]')

pytestmark = pytest.mark.skipif(not uses_registers(), reason="built without registers")


def write_run(source: random.Random, rows: list[tuple[int, int]], shape: tuple[int, ...]) -> bytes:
    price_decimals, price_shown, quantity_decimals, quantity_shown = shape
    levels = [
        f'{write(price, price_decimals, price_shown)}","'
        f'{write(quantity, quantity_decimals, quantity_shown)}"]'
        for price, quantity in rows
    ]
    return ',["'.join(levels).encode()


def write(steps: int, decimals: int, shown: int) -> str:
    return f"{Decimal(steps).scaleb(-decimals):.{shown}f}"


@pytest.mark.parametrize("price", [(1, 2), (2, 2), (2, 8), (0, 0), (0, 2), (5, 5), (7, 8)])
@pytest.mark.parametrize("quantity", [(3, 3), (0, 0), (0, 1), (0, 8), (5, 8), (6, 8), (1, 8)])
def test_every_shape(price: tuple[int, int], quantity: tuple[int, int]) -> None:
    source = random.Random(f"{SEED} {price} {quantity}")
    rows = [
        (source.randint(1, 10 ** source.randint(1, 8) - 1), source.randint(0, 10**size - 1))
        for size in (1, 2, 3, 4, 5, 6, 7, 8) * 8
    ]
    run = write_run(source, rows, (*price, *quantity))
    assert usual_levels(run, price[0], quantity[0]) == (rows, len(run))
    assert usual_levels(run + b"]", price[0], quantity[0]) == (rows, len(run))


def test_numbers_too_long_for_the_shape_end_the_run() -> None:
    usual = b'1.0","1.000"],["'
    for odd in (b'12345678.0","1.000"]', b'1.0","123456.000"]', b'1.0","123456789.000"]'):
        levels, size = usual_levels(usual + odd, 1, 3)
        assert (levels, size) == ([(10, 1000)], len(usual) - 3)


@pytest.mark.parametrize(
    "odd",
    [
        b'1.5","1"]',
        b'1.50","1.000"]',
        b'1.5","1e3"]',
        b'01.5","1.000"]',
        b'1.5","00.000"]',
        b'0.0","1.000"]',
        b'1.5","1.000","1"]',
        b'1.5", "1.000"]',
        b'1.5","1.000" ]',
        b'-1.5","1.000"]',
        b'.5","1.000"]',
        b'","1.000"]',
        b'1.5","1.00\x00"]',
        b"\x00" * 40,
        b"0" * 40,
        b"",
    ],
)
def test_the_first_odd_level_ends_the_run(odd: bytes) -> None:
    usual = b'61800.3","0.014"]'
    run = usual + b',["' + usual + b',["' + odd
    levels, size = usual_levels(run, 1, 3)
    assert (levels, size) == ([(618_003, 14)] * 2, 2 * len(usual) + 3)
    assert usual_levels(odd, 1, 3, first=usual) == ([], 0)


@pytest.mark.parametrize(
    "first",
    [b'1e3","1.000"]', b'1.5","1e3"]', b'1.5","1.0"]', b'1.","1.000"]', b'1.5","1.0000000000"]'],
)
def test_levels_that_give_no_shape(first: bytes) -> None:
    assert usual_levels(b'1.5","1.000"]', 1, 3, first=first) == ([], 0)


def test_nothing_behind_the_end_is_taken() -> None:
    run = b'61800.3","0.014"],["61800.4","0.015"],["'
    for size in range(len(run)):
        whole = run[:size].count(b"]")
        levels, read = usual_levels(run[:size], 1, 3, first=run, behind=run[size:])
        assert levels == [(618_003, 14), (618_004, 15)][:whole]
        assert read <= size


@pytest.mark.parametrize("shape", [(1, 2, 3, 3), (2, 8, 5, 8), (2, 2, 0, 0)])
def test_every_byte_is_looked_at(shape: tuple[int, ...]) -> None:
    """Each byte of a run in turn is made each other byte: what is read is what stands there."""
    source = random.Random(SEED)
    run = write_run(source, [(6_180_030, 14), (9, 250_000), (100_000, 3)], shape)
    for at in range(len(run)):
        for byte in range(256):
            changed = run[:at] + bytes([byte]) + run[at + 1 :]
            levels, size = usual_levels(changed, shape[0], shape[2], first=run)
            texts = LEVEL.findall(changed[:size])
            assert changed[:size] == b',["'.join(b'%s","%s"]' % pair for pair in texts)
            expected = [
                (
                    decimal_to_steps(price.decode("latin-1"), shape[0], 1),
                    decimal_to_steps(quantity.decode("latin-1"), shape[2], 1),
                )
                for price, quantity in texts
            ]
            assert levels == expected, changed
