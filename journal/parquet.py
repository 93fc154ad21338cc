"""A journal as one Parquet file, for research tools. Needs pyarrow: the group ``export``."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from ext.errors import UsageError
from journal.entries import BLOB_KINDS, Entry
from journal.fields import KINDS, fields_of, order_number_of
from journal.run import Run

ROWS_AT_ONCE = 20_000
DECIMAL_DIGITS = (38, 18)  # the widest of Parquet; int64 counts of any step down to 1e-18 fit

# Name, type, and what it means; the page of the format shows them.
COLUMNS = (
    ("run_ns", "int64", "start of the engine's run, nanoseconds since the Unix epoch"),
    ("stream", "dictionary<string>", "orders or market"),
    ("sequence", "int64", "number of the record's first slot in its stream"),
    (
        "after_sequence",
        "int64",
        "market blobs: slots of the order stream written before; else null",
    ),
    ("time", "timestamp[ns, UTC]", "receive time of what caused it"),
    ("exchange_time", "timestamp[ns, UTC]", "of the venue; null where it says none"),
    ("kind", "dictionary<string>", "RecordKind without RECORD_"),
    ("instrument", "dictionary<string>", "symbol; null: of none"),
    ("strategy", "dictionary<string>", "name; null: of none"),
    ("code", "int32", "as its kind says"),
    ("detail", "int32", "as its kind says"),
    ("side", "dictionary<string>", "BUY or SELL; null: of none"),
    ("order_number", "int64", "our number of the order; null: about none"),
    ("price", "decimal128(38, 18)", "quote currency; null where the kind has none or it is 0"),
    ("quantity", "decimal128(38, 18)", "base currency"),
    ("filled", "decimal128(38, 18)", "base currency"),
    ("leaves", "decimal128(38, 18)", "base currency"),
    ("position", "decimal128(38, 18)", "base currency, signed"),
    ("best_bid", "decimal128(38, 18)", "quote currency"),
    ("best_ask", "decimal128(38, 18)", "quote currency"),
    ("fee", "decimal128(38, 18)", "quote currency; positive is paid"),
    ("reference", "int64", "as its kind says"),
    ("fields", "string", "JSON of what `wow-engine journal cat --json` shows of it, less the data"),
    ("data", "binary", "bytes of a record that has some; null otherwise"),
)
_DECIMALS = ("price", "quantity", "filled", "leaves", "position", "best_bid", "best_ask", "fee")
_COMMON = ("time", "time_ns", "stream", "sequence", "kind", "instrument", "strategy")


def export_parquet(
    entries: Iterable[Entry],
    run: Run,
    path: Path,
    on_progress: Callable[[int], None],
) -> int:
    """Writes the entries as rows of a new file, in their order; how many.

    Raises UsageError when pyarrow is missing, OSError when the file is there or cannot be written.
    A file that was not finished is removed.
    """
    arrow, parquet = _import_arrow()
    schema = _schema(arrow)
    count = 0
    with path.open("xb") as file:
        try:
            with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                for rows in _batches(iter(entries), run):
                    writer.write_batch(arrow.RecordBatch.from_pylist(rows, schema=schema))
                    count += len(rows)
                    on_progress(len(rows))
        except BaseException:
            path.unlink()
            raise
    return count


def _import_arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "export needs pyarrow: .venv/bin/pip install --group export, in the checkout"
        ) from None
    return pyarrow, pyarrow.parquet


def _schema(arrow: Any) -> Any:
    types = {
        "int32": arrow.int32(),
        "int64": arrow.int64(),
        "string": arrow.string(),
        "binary": arrow.binary(),
        "dictionary<string>": arrow.dictionary(arrow.int16(), arrow.string()),
        "timestamp[ns, UTC]": arrow.timestamp("ns", tz="UTC"),
        "decimal128(38, 18)": arrow.decimal128(*DECIMAL_DIGITS),
    }
    return arrow.schema([(name, types[kind]) for name, kind, _ in COLUMNS])


def _batches(entries: Iterator[Entry], run: Run) -> Iterator[list[dict[str, Any]]]:
    while rows := [_row(entry, run) for entry in islice(entries, ROWS_AT_ONCE)]:
        yield rows


def _row(entry: Entry, run: Run) -> dict[str, Any]:
    record: np.void = entry.record
    values = fields_of(entry, run)
    is_blob = entry.kind in BLOB_KINDS
    row: dict[str, Any] = {
        "run_ns": run.start_time_ns,
        "stream": entry.stream,
        "sequence": entry.sequence,
        "after_sequence": values.get("after_sequence"),
        "time": entry.time_ns,
        "exchange_time": values.get("exchange_time_ns"),
        "kind": KINDS[entry.kind],
        "instrument": values.get("instrument"),
        "strategy": values.get("strategy"),
        "code": int(record["code"]),
        "detail": int(record["detail"]),
        "side": values.get("side"),
        "order_number": order_number_of(entry) or None,
        "reference": int(record["reference"]) if is_blob or "text" not in values else None,
        "data": entry.data if is_blob else None,
    }
    row |= {name: Decimal(values[name]) for name in _DECIMALS if name in values}
    rest = {
        name: value
        for name, value in values.items()
        if name not in _COMMON and not (is_blob and name in ("data", "text"))
    }
    return {**row, "fields": orjson.dumps(rest).decode()}
