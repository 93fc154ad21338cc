"""What a transport stands on: the compiled edges and the clock, as protocols."""

from collections.abc import Callable
from typing import Protocol

from ext.clock import read_monotonic_ns, read_wall_ns


class Sender(Protocol):
    """``ext.tcp_sender.TcpSender``: one send per message, keeps what the kernel did not take."""

    @property
    def has_pending(self) -> bool:
        """Whether bytes wait for the socket."""

    @property
    def has_failed(self) -> bool:
        """Whether a request of the compiled path did not leave: nothing may follow it."""

    def attach(self, descriptor: int, /) -> None:
        """Sends go to this descriptor from now on."""

    def detach(self) -> None:
        """Forgets the descriptor and what waits."""

    def send(self, message: bytes, /) -> bool:
        """Sends or keeps; False: the socket is dead."""

    def flush(self) -> bool:
        """Sends what waits; False: the socket is dead."""


class TlsSession(Protocol):
    """``ext.tls_channel.TlsChannel``: a sender whose socket gets a handshake first."""

    @property
    def has_pending(self) -> bool:
        """Whether bytes wait for the socket."""

    def begin(self, descriptor: int, host: str, /) -> None:
        """Starts TLS with the server of that name on a connected socket."""

    def shake_hands(self) -> bool:
        """Goes on without waiting; whether it is done. ``OSError``: it has failed."""

    def flush(self) -> bool:
        """Sends what waits; False: the socket is dead."""

    def detach(self) -> None:
        """Forgets the socket."""


class Listener(Protocol):
    """``ext.fix_listener.FixListener``: frames, validates, consumes reports that are in order."""

    def read(self, descriptor: int, /) -> int:
        """Reads all there is: bytes read, 0 at the end of the stream, -1 when nothing is there.

        ``OSError``: what came is no TLS.
        """

    def reset(self) -> None:
        """Forgets half a message."""


ListenerFactory = Callable[[Callable[[bytes], None], Callable[[str, bytes], None]], Listener]


class Clock(Protocol):
    """Where time comes from; tests have their own."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""


class SystemClock:
    """The clocks of the host."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        return read_monotonic_ns()

    def wall_ns(self) -> int:
        """CLOCK_REALTIME."""
        return read_wall_ns()
