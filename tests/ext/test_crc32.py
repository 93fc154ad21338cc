"""CRC-32 against zlib's."""

import random
import zlib

import pytest

from ext.crc32 import crc32, crc32_of_both
from ext.errors import UsageError


@pytest.mark.parametrize("size", [*range(70), 320, 4096])
def test_the_same_as_zlib(size: int) -> None:
    source = random.Random(size)
    for _ in range(20):
        text = source.randbytes(size)
        assert crc32(text) == zlib.crc32(text)


def test_the_check_value() -> None:
    """Of the catalogue of CRC algorithms, CRC-32/ISO-HDLC."""
    assert crc32(b"123456789") == 0xCBF43926


@pytest.mark.parametrize("size", [0, 1, 7, 8, 160, 511, 512])
def test_one_text_behind_another(size: int) -> None:
    source = random.Random(size)
    for _ in range(20):
        first, second = source.randbytes(source.randrange(400)), source.randbytes(size)
        assert crc32_of_both(first, second) == zlib.crc32(first + second)


def test_a_second_text_beyond_the_bound_is_refused() -> None:
    with pytest.raises(UsageError, match="the second text has 513 bytes; use at most 512"):
        crc32_of_both(b"", bytes(513))
