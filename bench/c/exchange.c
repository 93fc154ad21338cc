/* The exchange of the wire-to-wire benchmark: sends a depth frame over a WebSocket, waits for the
 * order on the socket beside it, by FIX or by another WebSocket, and takes the time between.
 *
 *     exchange CORE INTERVAL_NS FRAMES_FILE
 *
 * FRAMES_FILE holds frames, each behind its length in four bytes (little endian); the first is the
 * snapshot. On start it prints "ports FEED ORDERS". Commands on stdin, answers on stdout:
 *
 *     accept fix|websocket|rest
 *                         the next client connects both sockets -> "accepted NUMBER"
 *     run NUMBER W N      snapshot and W frames untimed, then N timed
 *                         -> "samples N HASH", then N times 8 bytes: nanoseconds
 *
 * Ends when stdin does. Every order is answered with a report that it ended unfilled, after its
 * time was taken: the clients' tables and limits stay as they are. Frames leave INTERVAL_NS apart,
 * so that nobody's limit of messages per second is reached. HASH is over price and quantity of the
 * timed orders.
 */

#include "handshake.h"
#include "net.h"
#include "order.h"

#define CLIENTS_MAX 16
#define FRAMES_MAX 1000000
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
    enum wire wire; /* of its orders */
    int64_t sequence; /* number of our last report */
};

static struct frame frames[FRAMES_MAX];
static int64_t frame_count;
static struct client clients[CLIENTS_MAX];
static int client_count;
static struct order order;

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

static void wait_for_order(const struct client *client, int64_t number)
{
    const int64_t deadline_ns = now_ns() + ORDER_TIMEOUT_NS;
    order.size = 0;
    order.wire = client->wire;
    for (int64_t spins = 1;; spins++) {
        ssize_t count = recv(
            client->orders, order.bytes + order.size, sizeof(order.bytes) - order.size,
            MSG_DONTWAIT);
        if (count > 0) {
            order.size += (size_t)count;
            if (is_whole_order(&order))
                return;
        } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
            fail("the client closed its order socket at frame %lld", (long long)number);
        } else if (spins % 1024 == 0 && now_ns() > deadline_ns) {
            fail("no order came for frame %lld within 5 s", (long long)number);
        }
    }
}

static uint64_t hash_text(uint64_t hash, const char *text, int size, char end)
{
    for (int at = 0; at <= size; at++)
        hash = (hash ^ (unsigned char)(at < size ? text[at] : end)) * 1099511628211ull;
    return hash;
}

static void send_report(struct client *client)
{
    static char report[REPORT_BYTES_MAX];
    size_t size = make_report(&order, ++client->sequence, report);
    send_all(client->orders, report, size);
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
        wait_for_order(client, number);
        const int64_t elapsed_ns = now_ns() - sent_ns;
        next_ns = sent_ns + interval_ns;
        open_order(&order);
        if (number > warm_up) {
            int size;
            const char *price = order_part(&order, PART_PRICE, &size);
            samples[number - warm_up - 1] = elapsed_ns;
            hash = hash_text(hash, price, size, ' ');
            const char *quantity = order_part(&order, PART_QUANTITY, &size);
            hash = hash_text(hash, quantity, size, '\n');
        }
        send_report(client);
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
        int is_websocket = strcmp(line, "accept websocket\n") == 0;
        int is_rest = strcmp(line, "accept rest\n") == 0;
        if ((is_websocket || is_rest || strcmp(line, "accept fix\n") == 0)
            && client_count < CLIENTS_MAX) {
            struct client *client = &clients[client_count];
            client->wire = is_websocket ? WIRE_WEBSOCKET : is_rest ? WIRE_REST : WIRE_FIX;
            client->orders = accept_one(order_listener, "order");
            if (is_websocket)
                upgrade(client->orders);
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
