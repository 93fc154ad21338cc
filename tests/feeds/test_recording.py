"""Captures in all formats and compressions, and every way in which one can be broken."""

import gzip
import lzma
from pathlib import Path

import orjson
import pytest

import feeds.recording
from ext.errors import RecordingError
from feeds.recording import RecordedAnswer, RecordedFrame, Recording, RecordingFormat

TEXT = b"""configuration: {"l2_book":["BTC-USD"]}
https://api.example.com/products -> 1618677816.8414998: [{"id":"BTC-USD"}]
wss://feed.example.com <-> 1618677816.8434298
wss://feed.example.com <- 1618677817.020616: {"type":"subscribe"}
1618677817.061845: {"type":"subscriptions"}
1618677817: {"time": "a: b"}
wss://feed.example.com <-> 1618677820.5
1618677821.077736: {"type":"snapshot"}

"""

JSON_LINES = b"\n".join(
    orjson.dumps(line)
    for line in (
        {"t": "header", "format": 2},
        {"t": "http", "conn": "http.1", "ts": 1.5, "url": "https://x/products", "data": "[]"},
        {"t": "connect", "conn": "ws.2", "ts": 2, "addr": "wss://x"},
        {"t": "send", "conn": "ws.2", "ts": 2, "data": "{}"},
        {"t": "recv", "conn": "ws.2", "ts": 1786309548.6290078, "data": '{"price":"0.10"}'},
        {"t": "connect", "conn": "ws.2", "ts": 3, "addr": "wss://x"},
        {"t": "recv", "conn": "ws.2", "ts": 4, "data": '{"a":"\u00e9"}'},
    )
)

NANOSECONDS = b"""1723161253937085768 {"stream":"btcusdt@depth","data":{}}
1723161253937085769 {"lastUpdateId":1}
"""


def write(folder: Path, content: bytes, name: str = "capture") -> Recording:
    path = folder / name
    path.write_bytes(content)
    return Recording(path)


def test_text_frames_have_exact_times_and_bytes(tmp_path: Path) -> None:
    recording = write(tmp_path, TEXT)
    assert recording.format is RecordingFormat.TEXT
    url = "wss://feed.example.com"
    assert list(recording.frames()) == [
        RecordedFrame(1618677817061845000, url, b'{"type":"subscriptions"}', 5, 1),
        RecordedFrame(1618677817000000000, url, b'{"time": "a: b"}', 6, 1),
        RecordedFrame(1618677821077736000, url, b'{"type":"snapshot"}', 8, 2),
    ]
    assert list(recording.answers()) == [
        RecordedAnswer(
            1618677816841499800, "https://api.example.com/products", b'[{"id":"BTC-USD"}]', 2
        )
    ]


def test_json_lines_hold_the_exact_text_of_each_frame(tmp_path: Path) -> None:
    recording = write(tmp_path, JSON_LINES)
    assert recording.format is RecordingFormat.JSON_LINES
    assert list(recording.frames()) == [
        RecordedFrame(1786309548629007800, "ws.2", b'{"price":"0.10"}', 5, 1),
        RecordedFrame(4_000_000_000, "ws.2", '{"a":"\u00e9"}'.encode(), 7, 2),
    ]
    assert list(recording.answers()) == [
        RecordedAnswer(1_500_000_000, "https://x/products", b"[]", 2)
    ]


def test_nanosecond_lines(tmp_path: Path) -> None:
    recording = write(tmp_path, NANOSECONDS)
    assert recording.format is RecordingFormat.NANOSECONDS
    assert [(frame.receive_time_ns, frame.payload) for frame in recording.frames()] == [
        (1723161253937085768, b'{"stream":"btcusdt@depth","data":{}}'),
        (1723161253937085769, b'{"lastUpdateId":1}'),
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_compression_is_told_from_the_content(tmp_path: Path, pack: type[bytes]) -> None:
    recording = write(tmp_path, pack(TEXT), "no-extension")
    assert len(list(recording.frames())) == 3


def test_windows_line_ends_and_a_missing_last_one(tmp_path: Path) -> None:
    recording = write(tmp_path, b"1.5: {}\r\n2.5: {}")
    assert [frame.payload for frame in recording.frames()] == [b"{}", b"{}"]


def test_neighbour_holds_the_rest_answers(tmp_path: Path) -> None:
    write(tmp_path, TEXT, "day_http.txt.gz")
    recording = write(tmp_path, b"1.5: {}", "day.txt.gz")
    neighbour = recording.neighbour()
    assert neighbour is not None
    assert len(list(neighbour.answers())) == 1
    assert neighbour.neighbour() is None


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "holds no lines"),
        (b"\n\n", 1, "holds no lines"),
        (b"hello\n", 1, "not a line of a known capture format: hello"),
        (b"\x00\x01\x02", 1, "not a line of a known capture format"),
        (b"1.5: {}\nhello", 2, "not a line of a text capture: hello"),
        (b"1.5: {}\n: {}", 2, "not a line of a text capture"),
        (b"1.5: {}\n99999999999.5: {}", 2, "99999999999.5 is out of range"),
        (b'{"t":"recv"', 1, "is not JSON"),
        (b'{"t":"header"}\n[1]', 2, "is not a JSON object"),
        (b'{"t":"header"}\n{"t":"receive"}', 2, "t was 'receive'; use recv, http"),
        (b'{"t":"recv","ts":1,"data":"{}"}', 1, "conn was None"),
        (b'{"t":"recv","ts":1,"conn":"a","data":{}}', 1, "data was {}"),
        (b'{"t":"recv","ts":"1","conn":"a","data":""}', 1, "ts was '1'"),
        (b'{"t":"recv","ts":true,"conn":"a","data":""}', 1, "ts was True"),
        (b'{"t":"recv","ts":1e300,"conn":"a","data":""}', 1, "1e+300 is not a time"),
        (b'{"t":"recv","ts":-1,"conn":"a","data":""}', 1, "-1 is out of range"),
        (b'{"t":"http","ts":1,"data":""}', 1, "url was None"),
        (b"1723161253937085768 {}\n17231 {}", 2, "is not `<nanoseconds> <frame>`"),
        (b"9999999999999999999 {}", 1, "is out of range"),
        (b"\x28\xb5\x2f\xfd rest", 1, "unpack it first with `zstd -d`"),
    ],
)
def test_broken_capture_names_file_and_line(
    tmp_path: Path, content: bytes, line: int, words: str
) -> None:
    with pytest.raises(RecordingError) as caught:
        list(write(tmp_path, content).frames())
    place, message = str(caught.value).split("capture:", 1)
    assert place.startswith(str(tmp_path))
    number, _, rest = message.partition(": ")
    assert words in rest
    assert int(number) == line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(TEXT * 100)[:-20], "was cut"),
        (gzip.compress(TEXT)[:10], "was cut"),
        (lzma.compress(TEXT)[:-20], "was cut"),
        (gzip.compress(b"1.5: {}\n")[:-8] + b"\x00" * 8, "CRC check failed"),
        (b"\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff", "cannot be read on from here"),
        (b"\xfd7zXZ\x00" + b"\xff" * 40, "cannot be read on from here"),
    ],
)
def test_broken_archive_names_the_file(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(RecordingError, match=r"capture:\d+: .*" + words):
        list(write(tmp_path, content).frames())


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nothing: there is no such file"):
        Recording(tmp_path / "nothing")


def test_folder_is_not_a_capture(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no such file"):
        Recording(tmp_path)


def test_line_at_the_limit_is_read_and_a_longer_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds.recording, "MAX_LINE_BYTES", 20)
    recording = write(tmp_path, b"1.5: " + b"x" * 14 + b"\n2.5: " + b"x" * 16)
    frames = recording.frames()
    assert next(frames).payload == b"x" * 14
    with pytest.raises(RecordingError, match=r":2: the line is longer than 20 bytes"):
        list(frames)
