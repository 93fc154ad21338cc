"""The benchmarks by name, the whole path first and then its parts."""

from bench import (
    bench_allocations,
    bench_book,
    bench_decode,
    bench_first_order,
    bench_fix_decode,
    bench_fix_encode,
    bench_indicators,
    bench_journal,
    bench_kernels,
    bench_kill,
    bench_memory,
    bench_orders,
    bench_rest_encode,
    bench_ring,
    bench_risk,
    bench_snapshot,
    bench_start,
    bench_tick_to_order,
    bench_wire_to_book,
    bench_wire_to_wire,
    bench_wire_to_wire_tls,
    bench_ws_encode,
)

BENCHMARKS = {
    module.BENCHMARK.name: module.BENCHMARK
    for module in (
        bench_wire_to_wire,
        bench_wire_to_wire_tls,
        bench_tick_to_order,
        bench_first_order,
        bench_wire_to_book,
        bench_decode,
        bench_book,
        bench_snapshot,
        bench_indicators,
        bench_kernels,
        bench_risk,
        bench_orders,
        bench_ring,
        bench_journal,
        bench_fix_encode,
        bench_fix_decode,
        bench_ws_encode,
        bench_rest_encode,
        bench_allocations,
        bench_memory,
        bench_start,
        bench_kill,
    )
}
