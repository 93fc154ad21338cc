"""Sections of the config about what is kept and shown: telemetry, journal, log."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine.settings.config_metadata import PATH, about, whole

MAX_CORE = 1023  # cpu_set_t holds 1024 cores
MAX_KEEP_DAYS = 36_500


class TelemetrySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the engine shows and to whom."""

    shared_memory_directory: Annotated[
        str, Meta(min_length=1, description="Holds `wow-<name>.shm`.", extra=PATH)
    ] = "/dev/shm"
    relay: Annotated[bool, about("Start wow-relay: journal, ZeroMQ, /metrics and /healthz.")] = True
    publish: Annotated[
        str,
        Meta(
            pattern=(
                r"^(ipc://.{1,107}|tcp://[^/:]+:[0-9]{1,5}|tcp://\[[0-9A-Fa-f:]+\]:[0-9]{1,5})\Z"
            ),
            description="ZeroMQ endpoint for wow-monitor; port 0: any free one, printed.",
            extra={"allowed": '"ipc://PATH" (at most 107 bytes) or "tcp://HOST:PORT"'},
        ),
    ] = "tcp://127.0.0.1:0"
    http_port: Annotated[
        int, whole(0, 65535, "Of /metrics and /healthz on 127.0.0.1; 0: any free one.")
    ] = 0
    step_timing_interval: Annotated[
        int, whole(0, 1_000_000, "The steps of one frame in so many are timed; 0: no latency is.")
    ] = 8
    relay_core: Annotated[
        int,
        whole(-1, MAX_CORE, "Core of wow-relay; -1: one beside a pinned engine's, else any."),
    ] = -1


class JournalSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The engine's records on disk, written by the relay: docs/journal-format.md."""

    path: Annotated[str, about("Its directory; empty: `journal` in the state directory.", PATH)] = (
        ""
    )
    sync_ms_orders: Annotated[
        int,
        whole(1, 60_000, "Longest wait of an order record for the disk: what power loss costs."),
    ] = 100
    sync_ms_market: Annotated[int, whole(1, 60_000, "The same of market data.")] = 1000
    segment_mib: Annotated[
        int, whole(1, 4096, "A file of this size is complete: the next is begun.")
    ] = 256
    segment_minutes: Annotated[int, whole(1, 7 * 24 * 60, "The same of a file of this age.")] = 60
    keep_days_orders: Annotated[
        int,
        whole(
            0,
            MAX_KEEP_DAYS,
            "Older files of the order stream are deleted, but never those of the newest run;"
            " 0: none.",
        ),
    ] = 0
    keep_days_market: Annotated[
        int, whole(0, MAX_KEEP_DAYS, "The same of market data, the newest run too; 0: none.")
    ] = 7
    market_data: Annotated[
        bool, about("Journal frames and trades; without them a run cannot be replayed.")
    ] = True
    compress: Annotated[bool, about("Compress complete files, in a process of low priority.")] = (
        True
    )


class LogSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The text log; it never gets a secret."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], about("Lowest level that is written.")
    ] = "info"
    file: Annotated[str, about("Appended to; empty: standard error.", PATH)] = ""
