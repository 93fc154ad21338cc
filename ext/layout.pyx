"""Where the compiler put the fields of the records, see the ``.pxd``.

No field is named here. A record of bytes that are all zero up to one of them is read as a dict:
the field that a further byte changes is the one that owns the byte.
"""

from libc.string cimport memset

from ext.errors import UsageError
from ext.safety_records cimport BreakerState, GuardState
from ext.wire cimport (
    Bar,
    Blob,
    BookDelta,
    BookView,
    ExecutionReport,
    Fill,
    Intent,
    Intents,
    Order,
    Position,
    Record,
    RequestTerms,
    SharedHeader,
    Timer,
    Trade,
    WorkingOrder,
)

cdef dict SIZES = {
    "Bar": sizeof(Bar),
    "Blob": sizeof(Blob),
    "BookDelta": sizeof(BookDelta),
    "BookView": sizeof(BookView),
    "BreakerState": sizeof(BreakerState),
    "ExecutionReport": sizeof(ExecutionReport),
    "Fill": sizeof(Fill),
    "GuardState": sizeof(GuardState),
    "Intent": sizeof(Intent),
    "Intents": sizeof(Intents),
    "Order": sizeof(Order),
    "Position": sizeof(Position),
    "Record": sizeof(Record),
    "RequestTerms": sizeof(RequestTerms),
    "SharedHeader": sizeof(SharedHeader),
    "Timer": sizeof(Timer),
    "Trade": sizeof(Trade),
    "WorkingOrder": sizeof(WorkingOrder),
}


cdef dict read_fields(str name, const char* memory):
    """The record ``name`` at ``memory`` by field, in the order of its declaration."""
    if name == "Bar":
        return (<Bar*>memory)[0]
    if name == "Blob":
        return (<Blob*>memory)[0]
    if name == "BookDelta":
        return (<BookDelta*>memory)[0]
    if name == "BookView":
        return (<BookView*>memory)[0]
    if name == "BreakerState":
        return (<BreakerState*>memory)[0]
    if name == "ExecutionReport":
        return (<ExecutionReport*>memory)[0]
    if name == "Fill":
        return (<Fill*>memory)[0]
    if name == "GuardState":
        return (<GuardState*>memory)[0]
    if name == "Intent":
        return (<Intent*>memory)[0]
    if name == "Intents":
        return (<Intents*>memory)[0]
    if name == "Order":
        return (<Order*>memory)[0]
    if name == "Position":
        return (<Position*>memory)[0]
    if name == "Record":
        return (<Record*>memory)[0]
    if name == "RequestTerms":
        return (<RequestTerms*>memory)[0]
    if name == "SharedHeader":
        return (<SharedHeader*>memory)[0]
    if name == "Timer":
        return (<Timer*>memory)[0]
    if name == "Trade":
        return (<Trade*>memory)[0]
    return (<WorkingOrder*>memory)[0]


def struct_size(name: str) -> int:
    """Bytes of a record of ``ext/wire.pxd``; UsageError for one that is not shared."""
    if name not in SIZES:
        raise UsageError(f"record was {name!r}; use one of {', '.join(SIZES)}")
    return SIZES[name]


def struct_layout(name: str) -> dict[str, tuple[int, int]]:
    """(offset, size) in bytes of each field of a record, in the order of its declaration."""
    cdef char memory[MAX_STRUCT_BYTES]
    cdef int size = struct_size(name)
    cdef int at
    memset(memory, 0, sizeof(memory))
    before = read_fields(name, memory)
    offsets = {}
    sizes = dict.fromkeys(before, 0)
    for at in range(size):
        memory[at] = 1
        after = read_fields(name, memory)
        owner = ""
        for field in after:             # text in front may grow too: it is read up to a zero
            if after[field] != before[field]:
                owner = field
        if owner:
            offsets.setdefault(owner, at)
            sizes[owner] += 1
        before = after
    return {field: (offsets.get(field, -1), sizes[field]) for field in sizes}
