"""What differs per FIX venue: names, logon fields, reset policy, limits of a resend."""

from dataclasses import dataclass
from typing import Protocol

from ext.errors import ConfigError
from ext.signing import sign_coinbase_exchange
from gateways.fix_message import Field, RejectReason

FIXT_BEGIN_STRING = "FIXT.1.1"
FIX50SP2 = "9"  # ApplVerID(1137)
# ExecutionReport, OrderCancelReject, BusinessMessageReject, OrderMassCancelReport
ORDER_ENTRY_TYPES = frozenset({b"8", b"9", b"j", b"r"})
MAX_HEARTBEAT_S = 3600  # a venue that answers with more is not being watched


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """What a venue has fixed for its sessions.

    ``heartbeat_s`` is what we propose as HeartBtInt(108), 0 to 3600; 0 turns heartbeats off.
    ``reset_on_*`` are the policies that QuickFIX has made known under these names.
    ``resend_chunk`` > 0: the venue refuses larger ResendRequests and EndSeqNo(16) = 0.
    ``application_types`` are the MsgTypes that we understand; others get 35=j, 380=3.
    """

    begin_string: str
    sender: str
    target: str
    heartbeat_s: int = 30
    application_version: str | None = None
    is_answer_version_required: bool = False
    reset_on_logon: bool = False
    reset_on_logout: bool = False
    reset_on_disconnect: bool = False
    sends_next_expected: bool = False
    is_logon_verified: bool = True
    resend_chunk: int = 0
    time_decimals: int = 3
    header_fields: tuple[Field, ...] = ()
    application_types: frozenset[bytes] = ORDER_ENTRY_TYPES

    def __post_init__(self) -> None:
        for name in ("begin_string", "sender", "target"):
            value = getattr(self, name)
            if not value or not value.isascii() or not value.isprintable():
                raise ConfigError(
                    f"FIX session: {name} was {value!r}; use at least one printable ASCII character"
                )
        if not 0 <= self.heartbeat_s <= MAX_HEARTBEAT_S:
            raise ConfigError(
                f"FIX session: heartbeat_s was {self.heartbeat_s}; "
                f"use a whole number from 0 to {MAX_HEARTBEAT_S}"
            )
        if self.resend_chunk < 0:
            raise ConfigError(
                f"FIX session: resend_chunk was {self.resend_chunk}; use 0 (no limit) or more"
            )
        if self.time_decimals not in (0, 3, 6, 9):
            raise ConfigError(
                f"FIX session: time_decimals was {self.time_decimals}; use 0, 3, 6 or 9"
            )


class FixDialect(Protocol):
    """The rules of a venue and the two things that are code."""

    @property
    def rules(self) -> SessionRules:
        """What the venue has fixed."""

    def logon_fields(self, sequence: int, sending_time: bytes, is_reset: bool) -> list[Field]:
        """The body of our Logon, from EncryptMethod(98) on."""

    def is_refusal_retryable(self, reason_code: int | None, text: str) -> bool:
        """Whether a refused logon may be tried again, slowly.

        ``reason_code`` is 373 when the refusal was a Reject, None when it was a Logout.
        """


class PlainDialect:
    """A FIX.4.2, FIX.4.4 or FIXT.1.1 peer without habits of its own.

    ``username`` and ``password`` become 553 and 554; ``rules`` are ``SessionRules`` by name.
    """

    def __init__(
        self, rules: SessionRules, username: str | None = None, password: str | None = None
    ) -> None:
        self._rules = rules
        self._credentials = [
            (tag, value.encode()) for tag, value in ((553, username), (554, password)) if value
        ]

    @property
    def rules(self) -> SessionRules:
        """What the venue has fixed."""
        return self._rules

    def logon_fields(self, sequence: int, sending_time: bytes, is_reset: bool) -> list[Field]:
        """98, 108, 141 when resetting, 553 and 554 when given, 1137 under FIXT."""
        return [
            *common_logon_fields(self._rules, is_reset),
            *self._credentials,
            *version_fields(self._rules),
        ]

    def is_refusal_retryable(self, reason_code: int | None, text: str) -> bool:
        """A number that is too low, a signature or a name does not get better by itself."""
        return is_refusal_transient(reason_code, text)


class CoinbaseExchangeDialect:
    """Coinbase Exchange order entry, FIX 5.0 SP2 (venue documents, "FIX Order Entry", Logon).

    Logon has MsgSeqNum 1 in both directions on every connection, so both numbers are reset
    (141=Y) and what was missed is asked for by order status. A resend asks for at most 1,000
    messages and never with EndSeqNo(16) = 0. SendingTime(52) of the Logon is signed text with
    exactly three decimals. HeartBtInt(108) may be up to 30 s.

    ``cancel_on_disconnect`` is tag 8013: ``S`` the orders of this session, ``Y`` those of the whole
    profile (also orders made elsewhere), None off. Orders without an acknowledgement at the
    disconnect are not covered for sure. ``is_drop_copy`` is tag 9406. Secrets are never shown.
    """

    MAX_HEARTBEAT_S = 30
    MAX_RESEND = 1000

    def __init__(
        self,
        key: str,
        secret: str,
        passphrase: str,
        *,
        target: str = "Coinbase",
        heartbeat_s: int = 10,
        cancel_on_disconnect: str | None = "S",
        is_drop_copy: bool = False,
        is_logon_verified: bool = True,
    ) -> None:
        if not 1 <= heartbeat_s <= self.MAX_HEARTBEAT_S:
            raise ConfigError(
                f"Coinbase FIX: heartbeat_s was {heartbeat_s}; "
                f"use a whole number from 1 to {self.MAX_HEARTBEAT_S}"
            )
        if cancel_on_disconnect not in ("S", "Y", None):
            raise ConfigError(
                f"Coinbase FIX: cancel_on_disconnect was {cancel_on_disconnect!r}; "
                'use "S" (this session), "Y" (the whole profile) or leave it out'
            )
        sign_coinbase_exchange(secret, b"")  # a secret that cannot sign is refused at start
        self._secret = secret
        self._passphrase = passphrase
        self._cancel_on_disconnect = cancel_on_disconnect
        self._is_drop_copy = is_drop_copy
        self._rules = SessionRules(
            begin_string=FIXT_BEGIN_STRING,
            sender=key,
            target=target,
            heartbeat_s=heartbeat_s,
            application_version=FIX50SP2,
            reset_on_logon=True,
            is_logon_verified=is_logon_verified,
            resend_chunk=self.MAX_RESEND,
            # and the rejects of batches: U5 cancel, U7 new
            application_types=ORDER_ENTRY_TYPES | {b"U5", b"U7"},
        )

    @property
    def rules(self) -> SessionRules:
        """What the venue has fixed."""
        return self._rules

    def logon_fields(self, sequence: int, sending_time: bytes, is_reset: bool) -> list[Field]:
        """Signs 52, 35, 34, 49, 56 and 554, joined with SOH, in this order."""
        rules = self._rules
        signed = (sending_time.decode(), "A", str(sequence), rules.sender, rules.target)
        signature = sign_coinbase_exchange(self._secret, "\x01".join((*signed, self._passphrase)))
        fields: list[Field] = [
            *common_logon_fields(rules, is_reset),
            (553, rules.sender.encode()),
            (554, self._passphrase.encode()),
            (95, b"%d" % len(signature)),
            (96, signature.encode()),
            *version_fields(rules),
        ]
        if self._cancel_on_disconnect is not None:
            fields.append((8013, self._cancel_on_disconnect.encode()))
        fields.append((9406, b"Y" if self._is_drop_copy else b"N"))
        return fields

    def is_refusal_retryable(self, reason_code: int | None, text: str) -> bool:
        """The venue refuses with Logout, or Reject 373 = 8 (signature), 9 (CompID), 10 (time)."""
        return is_refusal_transient(reason_code, text)


def common_logon_fields(rules: SessionRules, is_reset: bool) -> list[Field]:
    """EncryptMethod(98), HeartBtInt(108) and, when resetting, ResetSeqNumFlag(141)."""
    fields = [(98, b"0"), (108, b"%d" % rules.heartbeat_s)]
    return [*fields, (141, b"Y")] if is_reset else fields


def version_fields(rules: SessionRules) -> list[Field]:
    """DefaultApplVerID(1137) under FIXT, else nothing."""
    version = rules.application_version
    return [] if version is None else [(1137, version.encode())]


def is_refusal_transient(reason_code: int | None, text: str) -> bool:
    """Whether a refusal can pass by itself: not a bad number, name, signature or clock."""
    if reason_code in (RejectReason.SIGNATURE, RejectReason.COMP_ID, RejectReason.SENDING_TIME):
        return False
    return "too low" not in text.lower()
