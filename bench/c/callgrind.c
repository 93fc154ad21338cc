/* Requests to callgrind from inside the program that it runs; nothing happens outside of it. */

#include <valgrind/callgrind.h>

int is_running_on_valgrind(void) {
    return RUNNING_ON_VALGRIND;
}

void start_instrumentation(void) {
    CALLGRIND_START_INSTRUMENTATION;
}

void zero_counts(void) {
    CALLGRIND_ZERO_STATS;
}

/* The instructions since zero_counts go to a file of their own, which bears the name. */
void dump_counts(const char *name) {
    CALLGRIND_DUMP_STATS_AT(name);
}
