"""Trade records as a file: CSV, JSON lines, or Parquet (with pyarrow, the group ``export``)."""

import csv
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

import orjson

from ext.errors import UsageError
from journal.run import format_time
from journal.trade_schema import COLUMNS, Row

Format = Literal["csv", "json", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
ROWS_AT_ONCE = 10_000
DECIMAL_DIGITS = (38, 18)
TIMES = frozenset(name for name, kind, _ in COLUMNS if kind.startswith("timestamp"))


def write_text(rows: Iterable[Row], out: TextIO, form: Literal["csv", "json"]) -> int:
    """Writes rows as CSV with a header, or as one JSON object a line; how many.

    Decimals are exact text, times ISO 8601 in UTC with nanoseconds, what is null is left out.
    """
    writer = csv.writer(out, lineterminator="\n")
    if form == "csv":
        writer.writerow([name for name, _, _ in COLUMNS])
    count = 0
    for row in rows:
        count += 1
        shown = {name: _show(name, row[name]) for name, _, _ in COLUMNS}
        if form == "csv":
            writer.writerow(["" if value is None else _plain(value) for value in shown.values()])
        else:
            present = {name: value for name, value in shown.items() if value is not None}
            out.write(orjson.dumps(present).decode() + "\n")
    return count


def write_parquet(rows: Iterable[Row], path: Path) -> int:
    """Writes rows as a new Parquet file; how many. UsageError when pyarrow is missing, OSError when
    the file is there or cannot be written. A file that was not finished is removed."""
    arrow, parquet = _import_arrow()
    types: dict[str, Any] = {
        "int32": arrow.int32(),
        "int64": arrow.int64(),
        "bool": arrow.bool_(),
        "string": arrow.string(),
        "timestamp[ns, UTC]": arrow.timestamp("ns", tz="UTC"),
        "decimal128(38, 18)": arrow.decimal128(*DECIMAL_DIGITS),
    }
    schema = arrow.schema([(name, types[kind]) for name, kind, _ in COLUMNS])
    count = 0

    def fill(file: Any) -> None:
        nonlocal count
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for batch in _batches(iter(rows)):
                writer.write_batch(arrow.RecordBatch.from_pylist(batch, schema=schema))
                count += len(batch)

    write_new(path, fill)
    return count


def write_new(path: Path, fill: Callable[[Any], None]) -> None:
    """Makes a new file and fills it; FileExistsError when it is there. One that could not be
    finished is removed."""
    with path.open("xb") as file:
        try:
            fill(file)
        except BaseException:
            path.unlink()
            raise


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch


def _show(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in TIMES:
        return format_time(value)
    return f"{value:f}" if isinstance(value, Decimal) else value


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _import_arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow: .venv/bin/pip install --group export, in the checkout;"
            " --format csv and json need nothing"
        ) from None
    return pyarrow, pyarrow.parquet
