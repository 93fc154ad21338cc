"""Sections of the config that lead to a venue: market data, orders, reconciliation."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine.secrets import Secret
from engine.settings.config_metadata import PATH, REFERENCE, about, whole
from ext.rest_sender import CONNECTIONS_MAX

MIBIBYTE = 1024 * 1024


class FeedSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The market data connection."""

    venue: Annotated[
        Literal["coinbase_exchange", "coinbase_advanced"], about("Which protocol it speaks.")
    ]
    url: Annotated[
        str,
        about(
            "WebSocket address. `wss://` unless it is a loopback address.",
            {"allowed": 'an address as in "wss://host", or "simulator"'},
        ),
    ]
    ca_file: Annotated[
        str, about("PEM certificates trusted instead of the system's; `wss://` only.", PATH)
    ] = ""
    channels: Annotated[
        tuple[str, ...],
        about(
            "Empty: level2, matches and heartbeat of coinbase_exchange; level2, market_trades and"
            " heartbeats of coinbase_advanced.",
            {"allowed": 'a list of channels, as in ["level2", "matches"]'},
        ),
    ] = ()
    key: Annotated[Secret | None, about("API key; coinbase_exchange needs it.", REFERENCE)] = None
    secret: Annotated[Secret | None, about("Signing secret, base64.", REFERENCE)] = None
    passphrase: Annotated[Secret | None, about("Passphrase of the API key.", REFERENCE)] = None
    silence_limit_ms: Annotated[
        int, whole(1000, 120_000, "No frame for longer: every book is STALE and we reconnect.")
    ] = 5000
    reconnect_initial_ms: Annotated[
        int, whole(100, 60_000, "Wait before the first reconnect; doubles with each failure.")
    ] = 500
    reconnect_maximum_ms: Annotated[int, whole(100, 600_000, "The longest such wait.")] = 30_000
    max_frame_bytes: Annotated[
        int,
        whole(MIBIBYTE, 256 * MIBIBYTE, "A larger frame closes the connection; snapshots: 5 MB."),
    ] = 16 * MIBIBYTE
    conflate: Annotated[
        bool,
        about(
            "Several frames in one read: all are applied, strategies decide on books at the last"
            " one; trades and bars are never left out."
        ),
    ] = False


class OrderEntrySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order connection; shadow mode does not use it and may leave it out."""

    protocol: Annotated[
        Literal["fix", "rest"],
        about(
            "fix: FIX 5.0 SP2 over FIXT.1.1; rest: signed HTTP requests, fills by asking. Keys that"
            " name the other one in their description are refused."
        ),
    ] = "fix"
    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="fix: the name or address that its certificate must hold under TLS.",
            extra={"allowed": "a host name or address as text"},
        ),
    ] = "127.0.0.1"
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | Literal["simulator"] | None,
        about("fix: TCP port.", {"allowed": 'a whole number from 1 to 65535, or "simulator"'}),
    ] = None
    tls: Annotated[
        bool | None,
        about(
            "fix; absent: true, but for a loopback host, which may be a tunnel or a plain"
            " simulator.",
            {"allowed": "true or false"},
        ),
    ] = None
    rest_url: Annotated[
        str,
        about(
            "rest: address of the venue. `https://` unless it is a loopback address.",
            {"allowed": 'an address as in "https://host", or "simulator"'},
        ),
    ] = ""
    connections: Annotated[
        int,
        whole(
            1,
            CONNECTIONS_MAX,
            "rest: kept-alive connections; on each one request is under way at most.",
        ),
    ] = 4
    poll_ms: Annotated[
        int,
        whole(
            100,
            10_000,
            "rest: fills and ends of orders are asked for so often while an order is open.",
        ),
    ] = 500
    answer_timeout_ms: Annotated[
        int,
        whole(
            500, 60_000, "rest: no answer to a request for longer: its order is Unknown, and asked."
        ),
    ] = 5000
    ca_file: Annotated[
        str, about("PEM certificates trusted instead of the system's; under TLS only.", PATH)
    ] = ""
    target_comp_id: Annotated[
        str,
        Meta(
            pattern=r"^[!-~]{1,32}\Z",
            description="fix: TargetCompID(56); SenderCompID(49) is the key.",
            extra={"allowed": "1 to 32 printable ASCII characters without spaces"},
        ),
    ] = "Coinbase"
    heartbeat_seconds: Annotated[int, whole(1, 30, "fix: HeartBtInt(108).")] = 10
    cancel_on_disconnect: Annotated[
        Literal["session", "profile", "off"],
        about(
            "fix: CancelOrdersOnDisconnect(8013): the orders of this session, or all of the profile"
            " (orders placed elsewhere too). By rest the venue cancels nothing."
        ),
    ] = "session"
    logon_timeout_ms: Annotated[
        int, whole(500, 60_000, "fix: no answer to the logon for longer: disconnect and retry.")
    ] = 10_000
    sending_time_limit_ms: Annotated[
        int, whole(0, 600_000, "fix: largest difference of SendingTime(52) to our clock; 0: off.")
    ] = 120_000
    resend_age_limit_ms: Annotated[
        int,
        whole(0, 600_000, "fix: older orders are gap filled on a resend request, not repeated."),
    ] = 5000
    key: Annotated[Secret, about("API key.", REFERENCE)]
    secret: Annotated[Secret, about("Signing secret, base64.", REFERENCE)]
    passphrase: Annotated[Secret, about("Passphrase of the API key.", REFERENCE)]


class ReconciliationSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Compares the venue's orders, fills and balances with ours, by REST, with the keys of
    [order_entry]; without this section nobody does."""

    enabled: Annotated[bool, about("Nothing is traded before the first comparison.")] = True
    rest_url: Annotated[
        str,
        about(
            "REST address of the venue. `https://` unless it is a loopback address.",
            {"allowed": 'an address as in "https://host", or "simulator"'},
        ),
    ]
    ca_file: Annotated[
        str, about("PEM certificates trusted instead of the system's; `https://` only.", PATH)
    ] = ""
    interval_seconds: Annotated[
        int, whole(1, 3600, "Between two comparisons; another one when the session is up again.")
    ] = 10
    timeout_ms: Annotated[
        int, whole(100, 60_000, "For the answer to one question; it is asked three times.")
    ] = 5000
