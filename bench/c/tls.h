/* Puts TLS under a program of the benchmark that knows nothing of it: compiled with
 * `-include tls.h`, its connect, accept, send, recv and poll are these. OpenSSL does the rest.
 *
 * BENCH_TLS names a PEM file: a server's key and certificate, and what a client believes.
 */

#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define TLS_DESCRIPTORS_MAX 64

static SSL *tls_sessions[TLS_DESCRIPTORS_MAX]; /* by descriptor; none: it listens */

__attribute__((noreturn)) static inline void tls_fail(const char *what)
{
    fprintf(stderr, "TLS: %s failed\n", what);
    exit(1);
}

static inline SSL_CTX *tls_context(int is_server)
{
    static SSL_CTX *context;
    const char *file = getenv("BENCH_TLS");
    if (context != NULL)
        return context;
    context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (context == NULL || file == NULL)
        tls_fail("a context of $BENCH_TLS");
    if (is_server && (SSL_CTX_use_certificate_chain_file(context, file) != 1
            || SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) != 1))
        tls_fail("reading key and certificate");
    if (!is_server && SSL_CTX_load_verify_locations(context, file, NULL) != 1)
        tls_fail("reading the certificate to believe");
    SSL_CTX_set_verify(context, is_server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(context, 1); /* one read a record, not two */
    return context;
}

static inline void tls_begin(int descriptor, int is_server)
{
    SSL *session = SSL_new(tls_context(is_server));
    if (session == NULL || descriptor >= TLS_DESCRIPTORS_MAX
        || SSL_set_fd(session, descriptor) != 1
        || (is_server ? SSL_accept(session) : SSL_connect(session)) != 1)
        tls_fail("the handshake");
    SSL_set_mode(session, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    tls_sessions[descriptor] = session;
}

static inline int tls_connect(int descriptor, const struct sockaddr *address, socklen_t size)
{
    if (connect(descriptor, address, size) != 0)
        return -1;
    tls_begin(descriptor, 0);
    return 0;
}

static inline int tls_accept(int listener, struct sockaddr *address, socklen_t *size)
{
    int descriptor = accept(listener, address, size);
    if (descriptor >= 0)
        tls_begin(descriptor, 1);
    return descriptor;
}

static inline int tls_poll(struct pollfd *ready, nfds_t count, int timeout_ms)
{
    SSL *session = tls_sessions[ready->fd];
    if (session != NULL && (ready->events & POLLIN) && SSL_has_pending(session))
        return 1;
    return poll(ready, count, timeout_ms);
}

/* What SSL_read or SSL_write gave: its bytes, 0 at the end, -1 with EAGAIN when it has to wait. */
static inline ssize_t tls_result(SSL *session, int result)
{
    if (result > 0)
        return result;
    int error = SSL_get_error(session, result);
    errno = EAGAIN;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

/* Waiting for the next bytes is one poll and one read, polling without them one read. */
static inline ssize_t tls_recv(int descriptor, void *buffer, size_t size, int flags)
{
    SSL *session = tls_sessions[descriptor];
    for (;;) {
        if (!(flags & MSG_DONTWAIT)) {
            struct pollfd ready = {.fd = descriptor, .events = POLLIN};
            tls_poll(&ready, 1, -1);
        }
        ssize_t count = tls_result(session, SSL_read(session, buffer, (int)size));
        if (count >= 0 || flags & MSG_DONTWAIT)
            return count;
    }
}

static inline ssize_t tls_send(int descriptor, const void *data, size_t size, int flags)
{
    SSL *session = tls_sessions[descriptor];
    (void)flags;
    for (;;) {
        ssize_t count = tls_result(session, SSL_write(session, data, (int)size));
        if (count > 0)
            return count;
        if (count == 0) {
            errno = EPIPE;
            return -1;
        }
        struct pollfd ready = {.fd = descriptor, .events = POLLOUT};
        poll(&ready, 1, -1);
    }
}

#define connect tls_connect
#define accept tls_accept
#define poll tls_poll
#define recv tls_recv
#define send tls_send

#endif
