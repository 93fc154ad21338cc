"""CRC-32 against zlib's."""

import random
import zlib

import pytest

from ext.crc32 import crc32


@pytest.mark.parametrize("size", [*range(70), 320, 4096])
def test_the_same_as_zlib(size: int) -> None:
    source = random.Random(size)
    for _ in range(20):
        text = source.randbytes(size)
        assert crc32(text) == zlib.crc32(text)


def test_the_check_value() -> None:
    """Of the catalogue of CRC algorithms, CRC-32/ISO-HDLC."""
    assert crc32(b"123456789") == 0xCBF43926
