/* What the loops of the codec benchmarks share: time, hash, and digits written over a template. */

#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HASH_START 14695981039346656037ull
#define MESSAGE_BYTES 1024
#define TICK_DECIMALS 2
#define LOT_DECIMALS 8
#define ROW_NUMBERS 6

static inline int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static inline uint64_t mix(uint64_t hash, int64_t value)
{
    return (hash ^ (uint64_t)value) * 1099511628211ull;
}

static inline void write_digits(char *out, int width, int64_t number)
{
    while (width-- > 0) {
        out[width] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* Over the digits of a decimal whose width does not change: the dot stays where it is. */
static inline void write_decimal(char *out, int width, int decimals, int64_t number)
{
    write_digits(out + width - decimals, decimals, number % (decimals == 2 ? 100 : 100000000));
    write_digits(out, width - decimals - 1, number / (decimals == 2 ? 100 : 100000000));
}

static inline void write_hex(char *out, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    for (int at = 35; at > 23; at--, number >>= 4)
        out[at] = digits[number & 15];
    for (int at = 22; at > 19; at--, number >>= 4)
        out[at] = digits[number & 15];
}

#endif
