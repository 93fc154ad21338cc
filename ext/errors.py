"""Every error of the engine, and whose fault it is.

WowError
├── ConfigError        the operator's: the config cannot be used as written
├── UsageError         the caller's: a function was called against its contract
├── InstrumentError    a decimal that is not a whole number of ticks or lots
├── VenueError         the other side's: refused, garbled, or against its protocol
│   ├── LogonRefused   the venue said no; not to be retried at full speed
│   └── FeedError      a market data frame or answer that cannot be used
├── RecordingError     a capture that cannot be read: which file, which line
└── InvariantBroken    ours: the engine stops trading

Inside the kernel there are reason codes (``ext.wire``), not exceptions.
"""


class WowError(Exception):
    """Root of the tree; ``str()`` says what, where and what to do."""


class ConfigError(WowError):
    """The config cannot be used: names the key, the value and what is allowed."""


class UsageError(WowError):
    """A function was called against its contract."""


class InstrumentError(WowError):
    """A decimal is not a whole number of the instrument's ticks or lots."""


class VenueError(WowError):
    """The venue refused, garbled or broke its protocol."""


class LogonRefused(VenueError):
    """The venue refused the logon; carries its text."""


class FeedError(VenueError):
    """A market data frame or answer cannot be used."""


class RecordingError(WowError):
    """A capture cannot be read: names file and line."""


class InvariantBroken(WowError):
    """Our own state is impossible; trading stops."""
