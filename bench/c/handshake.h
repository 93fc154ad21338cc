/* The server's answer to a WebSocket upgrade: RFC 6455 section 4.2.2, SHA-1 as in RFC 3174. */

#ifndef BENCH_HANDSHAKE_H
#define BENCH_HANDSHAKE_H

#include <stddef.h>

#define ACCEPT_BYTES 29 /* 28 characters of base64 and a zero */

/* Writes Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
void make_accept(const char *key, size_t key_size, char accept[ACCEPT_BYTES]);

#endif
