"""The rig measures a client, ends its processes, and says what went wrong in one of them."""

import sys
from collections.abc import Callable, Sequence

import pytest

from bench.bench_wire_to_wire import expected_orders, hash_orders
from bench.frames import generate_frames
from bench.harness import BenchmarkError
from bench.wire_rig import (
    ClientKind,
    c_client,
    c_websocket_client,
    make_fixed_request,
    make_frame,
    open_rig,
)

# Connects like the C client, then leaves at the first frame.
LEAVES = """
import socket, sys
print("connecting", flush=True)
orders = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
feed = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
feed.sendall(b"GET / HTTP/1.1\\r\\nSec-WebSocket-Key: abc\\r\\n\\r\\n")
feed.recv(4096)
feed.recv(1)
sys.exit("I have seen enough")
"""


# Upgrades its order socket like the C client, then sends a frame without a mask.
UNMASKED = """
import socket, sys, time
print("connecting", flush=True)
request = b"GET / HTTP/1.1\\r\\nSec-WebSocket-Key: abc\\r\\n\\r\\n"
orders = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
orders.sendall(request)
orders.recv(4096)
feed = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
feed.sendall(request)
feed.recv(4096)
orders.sendall(b"\\x81\\x05no mask..")
time.sleep(60)
"""


def unmasked() -> Sequence[str]:
    return (sys.executable, "-c", UNMASKED)


def dies() -> Sequence[str]:
    return (sys.executable, "-c", "raise SystemExit('no kernel to be found')")


def leaves() -> Sequence[str]:
    return (sys.executable, "-c", LEAVES)


@pytest.mark.parametrize(
    ("command", "wire"), [(c_client, "fix"), (c_websocket_client, "websocket")]
)
def test_the_c_client_is_measured_and_ends_by_itself(
    command: Callable[[], Sequence[str]], wire: str
) -> None:
    frames = generate_frames(15)
    kind = ClientKind("C", command, is_busy=False, wire=wire)
    with open_rig(frames, [kind]) as rig:
        measured = rig.measure(kind, warm_up=5, count=10)
        again = rig.measure(kind, warm_up=5, count=10)
        assert rig.finish() == {kind: b""}
    assert measured.samples is not None
    assert (measured.samples > 0).all()
    assert (measured.operations, measured.total) == (10, measured.samples.sum())
    expected = hash_orders(expected_orders(kind, frames, 5, 10))
    assert measured.work_hash == again.work_hash == expected


def test_a_client_that_does_not_start_is_named_with_its_words() -> None:
    kind = ClientKind("ours", dies, is_busy=True)
    with (
        pytest.raises(BenchmarkError, match="ours gave up: no kernel to be found"),
        open_rig(generate_frames(15), [kind]),
    ):
        pass


def test_a_client_that_leaves_is_named_and_the_exchange_says_when() -> None:
    kind = ClientKind("ours", leaves, is_busy=True)
    with (
        open_rig(generate_frames(15), [kind]) as rig,
        pytest.raises(BenchmarkError, match=r"ours was not measured, .*gave up: .*frame 0"),
    ):
        rig.measure(kind, warm_up=0, count=5)


def test_the_fixed_frame_is_a_masked_text_frame() -> None:
    text = make_fixed_request()
    frame = make_frame(text)
    assert frame[:2] == b"\x81\xfe"
    assert int.from_bytes(frame[2:4], "big") == len(text) == len(frame) - 8
    mask = frame[4:8] * len(text)
    assert bytes(one ^ other for one, other in zip(frame[8:], mask, strict=False)) == text
    assert 0 not in frame[4:8], "a mask that leaves bytes as they are would hide a mistake"


def test_an_order_without_a_mask_is_refused() -> None:
    kind = ClientKind("ours", unmasked, is_busy=True, wire="websocket")
    with (
        open_rig(generate_frames(15), [kind]) as rig,
        pytest.raises(
            BenchmarkError, match=r"ours was not measured, .*not a whole masked text frame"
        ),
    ):
        rig.measure(kind, warm_up=0, count=5)
