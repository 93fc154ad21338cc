/* What both programs of the wire-to-wire benchmark need: time, the core, sockets, whole lines. */

#ifndef BENCH_NET_H
#define BENCH_NET_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOH '\x01'
#define SECOND_NS 1000000000ll

static inline int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Says why on stderr and ends the program. */
__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

/* Stays on one core; a negative number leaves the scheduler its choice. */
static inline void pin_to_core(int core)
{
    cpu_set_t cores;
    if (core < 0)
        return;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (sched_setaffinity(0, sizeof(cores), &cores) != 0)
        fail("core %d could not be taken: %s", core, strerror(errno));
}

static inline void set_no_delay(int descriptor)
{
    int on = 1;
    if (setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        fail("TCP_NODELAY was refused: %s", strerror(errno));
}

static inline void send_all(int descriptor, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(descriptor, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            fail("the peer is gone: %s", strerror(errno));
        data += sent;
        size -= (size_t)sent;
    }
}

/* Reads the head of an HTTP message, up to and with its empty line, into `text`; waits for it. */
static inline void read_head(int descriptor, char *text, size_t room)
{
    size_t size = 0;
    text[0] = 0;
    while (strstr(text, "\r\n\r\n") == NULL) {
        struct pollfd ready = {.fd = descriptor, .events = POLLIN};
        if (size + 1 == room || poll(&ready, 1, 5000) != 1)
            fail("no whole HTTP head came within 5 s");
        /* One byte at a time: nothing behind the head may be taken. */
        if (recv(descriptor, text + size, 1, 0) != 1)
            fail("the peer closed during the handshake");
        text[++size] = 0;
    }
}

#endif
