"""Signatures against published vectors and the standard library, in one piece and in two."""

import base64
import hashlib
import hmac
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ext.errors import UsageError
from ext.hmac_sha256 import HmacSha256, use_processor


@pytest.fixture(params=["processor", "portable"], autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test runs by the processor's extensions, if it has them, and without."""
    is_processor = request.param == "processor"
    if use_processor(is_processor) != is_processor:
        pytest.skip("this processor has no SHA extensions")
    yield
    use_processor(True)


def expected(key: bytes, message: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, message, hashlib.sha256))


def test_the_vectors_of_rfc_4231() -> None:
    first = HmacSha256(b"\x0b" * 20).sign(b"Hi There")
    assert base64.b64decode(first).hex() == (
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )
    second = HmacSha256(b"Jefe").sign(b"what do ya want for nothing?")
    assert base64.b64decode(second).hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
    sixth = HmacSha256(b"\xaa" * 131).sign(
        b"Test Using Larger Than Block-Size Key - Hash Key First"
    )
    assert base64.b64decode(sixth).hex() == (
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    )


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 300])
def test_every_end_of_a_message(size: int) -> None:
    message = bytes(range(256)) * 2
    assert HmacSha256(b"key").sign(message[:size]) == expected(b"key", message[:size])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200), st.binary(max_size=400), st.integers(0, 6))
def test_it_is_the_standard_library_s(key: bytes, message: bytes, blocks: int) -> None:
    hashed = min(blocks, len(message) // 64) * 64
    assert HmacSha256(key).sign(message, hashed) == expected(key, message)


def test_an_empty_key_and_half_a_block_are_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        HmacSha256(b"")
    for hashed in (1, 65, 128, -64):
        with pytest.raises(UsageError, match="whole blocks"):
            HmacSha256(b"key").sign(bytes(64), hashed)
