/* The floor of the wire-to-wire benchmark: reads each frame, touches every byte of it and answers
 * with an order that was made before, its frame and mask included. It knows nothing and decides
 * nothing.
 *
 *     client fix|websocket|rest busy|blocking FEED_PORT ORDER_PORT CORE ORDER_FILE
 */

#include "net.h"

#define BUFFER_BYTES (1 << 20)
#define ORDER_BYTES_MAX 1024

static volatile uint64_t touched; /* what the bytes of the frames came to; never read */

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0)
        fail("port %d cannot be reached: %s", port, strerror(errno));
    set_no_delay(descriptor);
    return descriptor;
}

static int connect_websocket(int port)
{
    char head[4096];
    int descriptor = connect_to(port);
    int size = snprintf(head, sizeof(head),
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", port);
    send_all(descriptor, head, (size_t)size);
    read_head(descriptor, head, sizeof(head));
    if (strstr(head, " 101 ") == NULL)
        fail("the exchange refused the WebSocket: %.80s", head);
    return descriptor;
}

/* Bytes of the frame at the start of `data`, header included; 0 when it is not whole. */
static size_t whole_frame(const unsigned char *data, size_t size, size_t *header_size)
{
    size_t length;
    if (size < 2)
        return 0;
    length = data[1] & 127;
    *header_size = length < 126 ? 2 : length == 126 ? 4 : 10;
    if (size < *header_size)
        return 0;
    if (length >= 126) {
        length = 0;
        for (size_t at = 2; at < *header_size; at++)
            length = length << 8 | data[at];
    }
    return size < *header_size + length ? 0 : *header_size + length;
}

static void touch(const unsigned char *data, size_t size)
{
    uint64_t sum = 0, word;
    for (; size >= sizeof(word); data += sizeof(word), size -= sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        sum += word;
    }
    for (; size > 0; data++, size--)
        sum += *data;
    touched += sum;
}

static void serve(int feed, int orders, int flags, const char *order, size_t order_size)
{
    static unsigned char buffer[BUFFER_BYTES];
    static char reports[65536];
    size_t have = 0;
    for (;;) {
        size_t at = 0, header, size;
        ssize_t count = recv(feed, buffer + have, sizeof(buffer) - have, flags);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (count <= 0)
            return;
        have += (size_t)count;
        while ((size = whole_frame(buffer + at, have - at, &header)) > 0) {
            touch(buffer + at + header, size - header);
            send_all(orders, order, order_size);
            at += size;
            /* The reports of earlier orders; the time of this one is over. */
            while (recv(orders, reports, sizeof(reports), MSG_DONTWAIT) > 0) {
            }
        }
        have -= at;
        memmove(buffer, buffer + at, have);
    }
}

int main(int count, char **arguments)
{
    char order[ORDER_BYTES_MAX];
    if (count != 7)
        fail("usage: client fix|websocket|rest busy|blocking FEED_PORT ORDER_PORT CORE ORDER_FILE");
    FILE *file = fopen(arguments[6], "rb");
    if (file == NULL)
        fail("%s cannot be read: %s", arguments[6], strerror(errno));
    size_t order_size = fread(order, 1, sizeof(order), file);
    fclose(file);
    pin_to_core(atoi(arguments[5]));
    puts("connecting");
    fflush(stdout);
    int is_websocket = strcmp(arguments[1], "websocket") == 0;
    int orders = (is_websocket ? connect_websocket : connect_to)(atoi(arguments[4]));
    int feed = connect_websocket(atoi(arguments[3]));
    serve(feed, orders, strcmp(arguments[2], "busy") == 0 ? MSG_DONTWAIT : 0, order, order_size);
    return 0;
}
