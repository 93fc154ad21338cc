import random
import zlib
from pathlib import Path

import pytest

from ext.errors import RecordingError
from ext.wire import RecordKind
from journal.directory import segment_names
from journal.entries import ORDERS, SLOT_BYTES, STREAMS
from journal.index import build_index
from journal.keeper import KeepRules, keep
from journal.reader import read_entries
from journal.segment import (
    BLOCK_FIELDS,
    BLOCK_MAGIC,
    CRC,
    MAX_METADATA_BYTES,
    SEGMENT_FIELDS,
    CutHeader,
    SegmentReader,
    read_header,
    schema_hash,
)
from journal.verification import verify_segment
from tests.engine_stand_in import EngineStandIn
from tests.journal.journal_rig import play, write

SAMPLES = 120  # of the bytes of each file, behind the first 60
MOSTLY_FOUND = 0.95


def contents(engine: EngineStandIn, directory: Path) -> list[tuple[str, bytes, bytes]]:
    entries = read_entries(directory, engine.start_time_ns)
    return [(entry.stream, entry.record.tobytes(), entry.data) for entry in entries]


def attempt(engine: EngineStandIn, directory: Path) -> tuple[list[tuple[str, bytes, bytes]], str]:
    try:
        return contents(engine, directory), ""
    except RecordingError as error:
        return [], str(error)


def of(stream: str, entries: list[tuple[str, bytes, bytes]]) -> list[tuple[str, bytes, bytes]]:
    return [entry for entry in entries if entry[0] == stream]


def is_part_of(part: list[tuple[str, bytes, bytes]], whole: list[tuple[str, bytes, bytes]]) -> bool:
    """In their order; what is missing is missing, nothing else is there."""
    rest = iter(whole)
    return all(each in rest for each in part)


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def journal(engine: EngineStandIn, directory: Path, request: pytest.FixtureRequest) -> Path:
    play(engine, 24)
    write(engine, directory)
    if request.param:
        keep(directory, KeepRules(), engine.start_time_ns)
    return directory


@pytest.mark.slow
def test_any_flipped_byte_is_found_or_harmless(engine: EngineStandIn, journal: Path) -> None:
    rng = random.Random(3)
    whole = contents(engine, journal)
    for name in segment_names(journal):
        path = name.stored(journal)
        data = path.read_bytes()
        found = 0
        positions = [*range(60), *rng.sample(range(60, len(data)), SAMPLES)]
        for position in positions:
            damaged = bytearray(data)
            damaged[position] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            got, error = attempt(engine, journal)
            if error:
                assert path.name in error
                assert "byte" in error
                found += 1
            else:
                assert got == whole, "read, and not the same"
            with pytest.raises(RecordingError, match=path.name):
                verify_segment(journal, name)
        path.write_bytes(data)
        # Bits of a compressed frame that mean nothing are let through, how many depends on the
        # times in it; what was read is whole all the same, and a verification finds them.
        assert found >= len(positions) * MOSTLY_FOUND
    assert contents(engine, journal) == whole


@pytest.mark.slow
def test_a_segment_cut_at_any_byte_is_found_or_ends_there(
    engine: EngineStandIn, journal: Path
) -> None:
    rng = random.Random(4)
    whole = contents(engine, journal)
    names = segment_names(journal)
    is_compressed = names[0].stored(journal).name.endswith(".zst")
    last_numbers = {name.stream: name.number for name in names}
    for name in names:
        path = name.stored(journal)
        data = path.read_bytes()
        for end in [*range(60), *rng.sample(range(60, len(data)), SAMPLES)]:
            path.write_bytes(data[:end])
            got, error = attempt(engine, journal)
            if error:
                assert "byte" in error
            else:
                assert not is_compressed
                assert name.number == last_numbers[name.stream] or name.stream != ORDERS
                for stream in STREAMS:
                    assert is_part_of(of(stream, got), of(stream, whole))
        path.write_bytes(data)
    assert contents(engine, journal) == whole


def test_an_index_makes_a_cut_tail_damage(engine: EngineStandIn, directory: Path) -> None:
    play(engine, 10)
    write(engine, directory)
    keep(directory, KeepRules(is_compressing=False), engine.start_time_ns)
    path = segment_names(directory, stream=ORDERS)[-1].stored(directory)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(RecordingError, match=f"{path.name}: ends at byte {len(data) - 1}"):
        contents(engine, directory)


def test_blocks_that_were_never_written_after_a_power_loss(
    engine: EngineStandIn, directory: Path
) -> None:
    play(engine, 6)
    write(engine, directory)
    whole = contents(engine, directory)
    path = segment_names(directory, stream=ORDERS)[-1].stored(directory)
    with path.open("ab") as file:
        file.write(bytes(5_000))
    assert contents(engine, directory) == whole
    with SegmentReader(path) as reader:
        assert list(reader.blocks())
        assert reader.torn_bytes == 5_000


@pytest.mark.slow
def test_a_block_that_was_half_written_before_a_power_loss(
    engine: EngineStandIn, directory: Path
) -> None:
    """The file has its length and, from somewhere in its last block on, zeros."""
    play(engine, 6)
    write(engine, directory)
    whole = contents(engine, directory)
    path = segment_names(directory, stream=ORDERS)[-1].stored(directory)
    data = path.read_bytes()
    with SegmentReader(path) as reader:
        begin = [offset for offset, _ in reader.blocks()][-1]
    for written in range(begin, len(data) - SLOT_BYTES + 1):
        path.write_bytes(data[:written] + bytes(len(data) - written))
        got, error = attempt(engine, directory)
        assert not error, f"{written - begin} bytes of the block were written"
        assert is_part_of(got, whole)
        assert len(of(ORDERS, got)) < len(of(ORDERS, whole))
        with SegmentReader(path) as reader:
            assert len(list(reader.blocks())) < len(data)
            assert (reader.end, reader.torn_bytes) == (begin, len(data) - begin)


def test_zeros_that_begin_in_a_block_of_one_slot_and_go_on_behind_it(
    engine: EngineStandIn, directory: Path
) -> None:
    """One byte of its only record was written; the block that followed was not."""
    play(engine, 6)
    write(engine, directory)
    path = segment_names(directory, stream=ORDERS)[-1].stored(directory)
    data = path.read_bytes()
    slot = b"\1" + bytes(SLOT_BYTES - 1)
    fields = BLOCK_FIELDS.pack(BLOCK_MAGIC, 1, 1, zlib.crc32(b"something else"))
    header = fields + CRC.pack(zlib.crc32(fields))
    path.write_bytes(data + header + slot + bytes(152))
    with SegmentReader(path) as reader:
        assert list(reader.blocks())
        assert (reader.end, reader.torn_bytes) == (len(data), len(header) + SLOT_BYTES + 152)


@pytest.mark.slow
def test_a_header_that_was_half_written_before_a_power_loss(
    engine: EngineStandIn, directory: Path, tmp_path: Path
) -> None:
    """The file has its length and, from somewhere in its header on, zeros."""
    play(engine, 1)
    write(engine, directory)
    data = segment_names(directory, stream=ORDERS)[-1].stored(directory).read_bytes()
    path = tmp_path / "x.journal"
    with SegmentReader(segment_names(directory, stream=ORDERS)[-1].stored(directory)) as reader:
        header_bytes = reader.end
    for written in range(1, header_bytes - 1):
        path.write_bytes(data[:written] + bytes(len(data) - written))
        with pytest.raises(CutHeader):
            read_header(path)
    path.write_bytes(data[:30] + b"x" + data[31:])
    with pytest.raises(RecordingError, match="damaged"):
        read_header(path)


def test_fewer_zeros_than_a_slot_are_damage(engine: EngineStandIn, directory: Path) -> None:
    play(engine, 6)
    write(engine, directory)
    path = segment_names(directory, stream=ORDERS)[-1].stored(directory)
    data = path.read_bytes().rstrip(b"\0")[:-1].rstrip(b"\0")
    path.write_bytes(data + bytes(SLOT_BYTES - 1))
    with pytest.raises(RecordingError, match="damaged"):
        contents(engine, directory)


@pytest.mark.parametrize(
    "data", [b"x", b"WOWJRN01" + bytes(60), b"something else, long enough" * 3]
)
def test_what_is_no_segment_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"x\.journal: not a journal segment"):
        read_header(path)


@pytest.mark.parametrize("size", [0, 8, 43, 44, 100, 900])
def test_a_header_that_was_cut_is_told_from_a_damaged_one(
    engine: EngineStandIn, directory: Path, size: int
) -> None:
    play(engine, 2)
    write(engine, directory)
    path = segment_names(directory)[0].stored(directory)
    data = path.read_bytes()
    path.write_bytes(data[:size])
    with pytest.raises(CutHeader, match=f"cut short at byte {size}, in its header"):
        read_header(path)
    longer = bytearray(data)
    longer[SEGMENT_FIELDS.size - 2] = MAX_METADATA_BYTES >> 16  # more names than there are bytes
    path.write_bytes(longer)
    with pytest.raises(RecordingError, match="header") as caught:
        read_header(path)
    assert not isinstance(caught.value, CutHeader)


def test_another_version_is_named(
    engine: EngineStandIn, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(engine, 2)
    write(engine, directory)
    before = schema_hash()
    monkeypatch.setattr("journal.segment.schema_hash", lambda: before + 1)
    with pytest.raises(RecordingError, match="written by another version of the engine"):
        contents(engine, directory)


def test_a_compressed_segment_is_smaller_and_reads_the_same(
    engine: EngineStandIn, directory: Path
) -> None:
    for number in range(300):
        engine.frame(b'{"type":"l2update","product_id":"BTC-USD"}' * 2, time_ns=number + 1)
    write(engine, directory, segments=1)
    (name,) = segment_names(directory)
    plain = name.stored(directory).read_bytes()
    before = contents(engine, directory)
    index = build_index(name.stored(directory), name)
    keep(directory, KeepRules(), engine.start_time_ns)
    stored = name.stored(directory)
    assert stored.name.endswith(".journal.zst")
    assert stored.stat().st_size < len(plain) / 5
    assert contents(engine, directory) == before
    assert build_index(stored, name).counts == index.counts
    assert list(index.counts) == [int(RecordKind.RECORD_FRAME)]
