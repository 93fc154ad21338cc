/* The exchange of the wire-to-wire benchmark: sends a depth frame over a WebSocket, waits for the
 * order on the TCP socket beside it, and takes the time between.
 *
 *     exchange CORE INTERVAL_NS FRAMES_FILE
 *
 * FRAMES_FILE holds frames, each behind its length in four bytes (little endian); the first is the
 * snapshot. On start it prints "ports FEED ORDERS". Commands on stdin, answers on stdout:
 *
 *     accept              the next client connects both sockets -> "accepted NUMBER"
 *     run NUMBER W N      snapshot and W frames untimed, then N timed
 *                         -> "samples N HASH", then N times 8 bytes: nanoseconds
 *
 * Ends when stdin does. Every order is answered with a report that it was canceled, after its time
 * was taken: the clients' tables and limits stay as they are. Frames leave INTERVAL_NS apart, so
 * that nobody's limit of messages per second is reached. HASH is over price and quantity of the
 * timed orders.
 */

#include "handshake.h"
#include "net.h"

#define CLIENTS_MAX 16
#define FRAMES_MAX 1000000
#define ORDER_BYTES_MAX 65536
#define ACCEPT_TIMEOUT_MS 20000
#define ORDER_TIMEOUT_NS (5 * SECOND_NS)
/* Before a run: the client wakes up, and its window of duplicate orders is over. */
#define RUN_PAUSE_NS (SECOND_NS / 5)

struct frame {
    char *bytes; /* header included */
    size_t size;
};

struct client {
    int feed;
    int orders;
    int64_t sequence; /* MsgSeqNum of our last report */
};

static struct frame frames[FRAMES_MAX];
static int64_t frame_count;
static struct client clients[CLIENTS_MAX];
static int client_count;
static char order[ORDER_BYTES_MAX];
static size_t order_size;

static void load_frames(const char *path)
{
    unsigned char prefix[4];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail("%s cannot be read: %s", path, strerror(errno));
    while (fread(prefix, 1, 4, file) == 4 && frame_count < FRAMES_MAX) {
        size_t size = prefix[0] | prefix[1] << 8 | prefix[2] << 16 | (size_t)prefix[3] << 24;
        size_t header = size < 126 ? 2 : size < 65536 ? 4 : 10;
        char *bytes = malloc(header + size);
        if (bytes == NULL || fread(bytes + header, 1, size, file) != size)
            fail("%s is cut", path);
        bytes[0] = (char)0x81; /* a whole text message */
        bytes[1] = (char)(header == 2 ? size : header == 4 ? 126 : 127);
        for (size_t at = header - 1, rest = size; at >= 2; at--, rest >>= 8)
            bytes[at] = (char)rest;
        frames[frame_count++] = (struct frame){bytes, header + size};
    }
    fclose(file);
    if (frame_count < 2)
        fail("%s holds %lld frames; a snapshot and an update are needed", path,
            (long long)frame_count);
}

static int listen_on_loopback(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(descriptor, (struct sockaddr *)&address, size) != 0 || listen(descriptor, 4) != 0)
        fail("no port on 127.0.0.1: %s", strerror(errno));
    getsockname(descriptor, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return descriptor;
}

static int accept_one(int listener, const char *what)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    if (poll(&ready, 1, ACCEPT_TIMEOUT_MS) != 1)
        fail("no client connected its %s socket within %d s", what, ACCEPT_TIMEOUT_MS / 1000);
    int descriptor = accept(listener, NULL, NULL);
    set_no_delay(descriptor);
    return descriptor;
}

static void upgrade(int descriptor)
{
    char head[4096], accept[ACCEPT_BYTES];
    read_head(descriptor, head, sizeof(head));
    char *key = strcasestr(head, "Sec-WebSocket-Key:");
    if (key == NULL)
        fail("the client's request has no Sec-WebSocket-Key");
    key += strlen("Sec-WebSocket-Key:");
    key += strspn(key, " ");
    make_accept(key, strcspn(key, " \r"), accept);
    int size = snprintf(head, sizeof(head),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
    send_all(descriptor, head, (size_t)size);
}

/* The last field of a FIX message is 10=nnn: nothing may follow, one order at a time. */
static int is_whole_order(void)
{
    return order_size > 8 && order[order_size - 1] == SOH && order[order_size - 8] == SOH
        && memcmp(order + order_size - 7, "10=", 3) == 0;
}

static void wait_for_order(int descriptor, int64_t number)
{
    const int64_t deadline_ns = now_ns() + ORDER_TIMEOUT_NS;
    order_size = 0;
    for (int64_t spins = 1;; spins++) {
        ssize_t count = recv(
            descriptor, order + order_size, sizeof(order) - order_size - 1, MSG_DONTWAIT);
        if (count > 0) {
            order_size += (size_t)count;
            if (is_whole_order())
                return;
        } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
            fail("the client closed its order socket at frame %lld", (long long)number);
        } else if (spins % 1024 == 0 && now_ns() > deadline_ns) {
            fail("no order came for frame %lld within 5 s", (long long)number);
        }
    }
}

/* The value of a field of the order; `tag` is like "44=". */
static const char *order_field(const char *tag, int *size)
{
    char wanted[16];
    int length = snprintf(wanted, sizeof(wanted), "%c%s", SOH, tag);
    const char *found = memmem(order, order_size, wanted, (size_t)length);
    if (found == NULL)
        fail("an order has no field %s", tag);
    found += length;
    *size = (int)((const char *)memchr(found, SOH, (size_t)(order + order_size - found)) - found);
    return found;
}

static uint64_t hash_text(uint64_t hash, const char *text, int size, char end)
{
    for (int at = 0; at <= size; at++)
        hash = (hash ^ (unsigned char)(at < size ? text[at] : end)) * 1099511628211ull;
    return hash;
}

static void report_canceled(struct client *client)
{
    char body[1024], message[1200];
    int id_size, side_size, symbol_size;
    const char *id = order_field("11=", &id_size);
    const char *side = order_field("54=", &side_size);
    const char *symbol = order_field("55=", &symbol_size);
    int sender_size, target_size;
    const char *sender = order_field("49=", &sender_size);
    const char *target = order_field("56=", &target_size);
    long long sequence = ++client->sequence;
    int body_size = snprintf(body, sizeof(body),
        "35=8\x01" "49=%.*s\x01" "56=%.*s\x01" "34=%lld\x01" "52=20260105-14:30:00.000\x01"
        "37=exchange-%lld\x01" "11=%.*s\x01" "17=execution-%lld\x01" "150=4\x01" "39=4\x01"
        "55=%.*s\x01" "54=%.*s\x01" "14=0\x01" "151=0\x01" "60=20260105-14:30:00.000\x01",
        target_size, target, sender_size, sender, sequence, sequence, id_size, id, sequence,
        symbol_size, symbol, side_size, side);
    int size = snprintf(
        message, sizeof(message), "8=FIXT.1.1\x01" "9=%d\x01%s", body_size, body);
    unsigned int sum = 0;
    for (int at = 0; at < size; at++)
        sum += (unsigned char)message[at];
    size += snprintf(message + size, sizeof(message) - (size_t)size, "10=%03u\x01", sum & 255);
    send_all(client->orders, message, (size_t)size);
}

static void wait_until(int64_t time_ns)
{
    while (now_ns() < time_ns) {
    }
}

static void run(struct client *client, int64_t warm_up, int64_t count, int64_t interval_ns)
{
    uint64_t hash = 14695981039346656037ull;
    int64_t *samples = calloc((size_t)count + 1, sizeof(*samples));
    int64_t next_ns = now_ns() + RUN_PAUSE_NS;
    if (samples == NULL)
        fail("no memory for %lld samples", (long long)count);
    memset(samples, 0, ((size_t)count + 1) * sizeof(*samples));
    for (int64_t number = 0; number <= warm_up + count; number++) {
        const struct frame *frame = &frames[number == 0 ? 0 : 1 + (number - 1) % (frame_count - 1)];
        wait_until(next_ns);
        const int64_t sent_ns = now_ns();
        send_all(client->feed, frame->bytes, frame->size);
        wait_for_order(client->orders, number);
        const int64_t elapsed_ns = now_ns() - sent_ns;
        next_ns = sent_ns + interval_ns;
        if (number > warm_up) {
            int size;
            const char *price = order_field("44=", &size);
            samples[number - warm_up - 1] = elapsed_ns;
            hash = hash_text(hash, price, size, ' ');
            const char *quantity = order_field("38=", &size);
            hash = hash_text(hash, quantity, size, '\n');
        }
        report_canceled(client);
    }
    printf("samples %lld %016llx\n", (long long)count, (unsigned long long)hash);
    fwrite(samples, sizeof(*samples), (size_t)count, stdout);
    free(samples);
}

int main(int argument_count, char **arguments)
{
    char line[256];
    int feed_port, order_port, number;
    long long warm_up, count;
    if (argument_count != 4)
        fail("usage: exchange CORE INTERVAL_NS FRAMES_FILE");
    int64_t interval_ns = atoll(arguments[2]);
    load_frames(arguments[3]);
    int feed_listener = listen_on_loopback(&feed_port);
    int order_listener = listen_on_loopback(&order_port);
    pin_to_core(atoi(arguments[1]));
    printf("ports %d %d\n", feed_port, order_port);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strcmp(line, "accept\n") == 0 && client_count < CLIENTS_MAX) {
            struct client *client = &clients[client_count];
            client->orders = accept_one(order_listener, "order");
            client->feed = accept_one(feed_listener, "feed");
            upgrade(client->feed);
            printf("accepted %d\n", client_count++);
        } else if (sscanf(line, "run %d %lld %lld", &number, &warm_up, &count) == 3 && number >= 0
            && number < client_count && warm_up >= 0 && count > 0) {
            run(&clients[number], warm_up, count, interval_ns);
        } else {
            fail("cannot do: %s", line);
        }
        fflush(stdout);
    }
    return 0;
}
