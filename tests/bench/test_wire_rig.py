"""The rig measures a client, ends its processes, and says what went wrong in one of them."""

import sys
from collections.abc import Sequence

import pytest

from bench.bench_wire_to_wire import expected_orders, hash_orders
from bench.frames import generate_frames
from bench.harness import BenchmarkError
from bench.wire_rig import ClientKind, c_client, open_rig

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


def dies() -> Sequence[str]:
    return (sys.executable, "-c", "raise SystemExit('no kernel to be found')")


def leaves() -> Sequence[str]:
    return (sys.executable, "-c", LEAVES)


def test_the_c_client_is_measured_and_ends_by_itself() -> None:
    frames = generate_frames(15)
    kind = ClientKind("C", c_client, is_busy=False)
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
