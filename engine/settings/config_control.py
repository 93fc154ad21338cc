"""The section of the config about stopping: by what key a KILL cancels, and what begins one."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine.secrets import Secret
from engine.settings.config_metadata import PATH, REFERENCE, about, whole


class KillSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a KILL reaches the venue beside the order session: docs/control.md. Without the section
    it uses the address of [reconciliation] and the keys of [order_entry]."""

    rest_url: Annotated[
        str,
        about(
            "REST address of the venue; empty: that of [reconciliation].",
            {"allowed": 'an address as in "https://host", or "simulator"'},
        ),
    ] = ""
    ca_file: Annotated[
        str, about("PEM certificates trusted instead of the system's; `https://` only.", PATH)
    ] = ""
    key: Annotated[
        Secret | None,
        about("API key that may cancel, of its own; absent: that of [order_entry].", REFERENCE),
    ] = None
    secret: Annotated[Secret | None, about("Its signing secret, base64.", REFERENCE)] = None
    passphrase: Annotated[Secret | None, about("Its passphrase.", REFERENCE)] = None
    timeout_ms: Annotated[int, whole(100, 60_000, "For the answer to one request of a KILL.")] = (
        2000
    )
    on_dead_relay: Annotated[
        Literal["off", "pause", "kill"],
        about(
            "When the relay has not lived for dead_relay_seconds: nobody journals, nobody can"
            " command."
        ),
    ] = "pause"
    dead_relay_seconds: Annotated[
        float,
        Meta(ge=1, le=3600, description="So long it may be away; it is started again meanwhile."),
    ] = 10.0


class FlattenSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a FLATTEN sells or buys back what is held: docs/control.md."""

    slice_percent: Annotated[
        float,
        Meta(
            gt=0,
            le=100,
            description="Largest order, of the instrument's max_order_quantity.",
        ),
    ] = 25.0
    collar_percent: Annotated[
        float,
        Meta(
            ge=0,
            le=50,
            description="Worst price, from the best price of the other side; the collar of the"
            " risk gate holds besides.",
        ),
    ] = 0.2
    interval_ms: Annotated[
        int, whole(10, 60_000, "Between two orders of one position: the book refills.")
    ] = 200
    timeout_seconds: Annotated[int, whole(1, 3600, "Then it ends and says what is left.")] = 60
