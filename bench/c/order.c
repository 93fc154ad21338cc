/* Orders and reports, see the header. */

#include "net.h"
#include "order.h"

#define MASK_BYTES 4
#define FRAME_HEADER_BYTES 4 /* of a report: 126 to 65535 bytes, no mask */

static const char *const part_names[][7] = {
    [WIRE_FIX] = {"\x01" "44=", "\x01" "38=", "\x01" "11=", "\x01" "54=", "\x01" "55=",
        "\x01" "49=", "\x01" "56="},
    [WIRE_WEBSOCKET] = {"\"price\":\"", "\"quantity\":\"", "\"newClientOrderId\":\"",
        "\"side\":\"", "\"symbol\":\""},
    [WIRE_REST] = {"\"price\":\"", "\"size\":\"", "\"client_oid\":\"", "\"side\":\"",
        "\"product_id\":\""},
};

/* Bytes of the header of a masked frame, and of what it holds; 0 when the header is not whole. */
static size_t frame_header(const struct order *order, size_t *length)
{
    const unsigned char *bytes = (const unsigned char *)order->bytes;
    *length = 0;
    if (order->size < 2)
        return 0;
    size_t marked = bytes[1] & 127, size = marked < 126 ? 2 : marked == 126 ? 4 : 10;
    if (order->size < size + MASK_BYTES)
        return 0;
    if (size == 2)
        *length = marked;
    for (size_t at = 2; at < size; at++)
        *length = *length << 8 | bytes[at];
    return size + MASK_BYTES;
}

/* Whether an HTTP request has come with as much behind its head as Content-Length says. */
static int is_whole_request(const struct order *order)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *end = order->bytes + order->size;
    const char *body = memmem(order->bytes, order->size, "\r\n\r\n", 4);
    const char *length = memmem(order->bytes, order->size, name, sizeof(name) - 1);
    if (body == NULL || length == NULL)
        return 0;
    return end - (body + 4) == strtol(length + sizeof(name) - 1, NULL, 10);
}

int is_whole_order(const struct order *order)
{
    const char *end = order->bytes + order->size;
    size_t length, header;
    if (order->wire == WIRE_WEBSOCKET) {
        header = frame_header(order, &length);
        return header > 0 && order->size == header + length;
    }
    if (order->wire == WIRE_REST)
        return is_whole_request(order);
    /* The last field of a FIX message is 10=nnn. */
    return order->size > 8 && end[-1] == SOH && end[-8] == SOH && memcmp(end - 7, "10=", 3) == 0;
}

void open_order(struct order *order)
{
    size_t length, header;
    if (order->wire != WIRE_WEBSOCKET)
        return;
    header = frame_header(order, &length);
    if ((unsigned char)order->bytes[0] != 0x81 || (order->bytes[1] & 0x80) == 0)
        fail("an order was not a whole masked text frame");
    for (size_t at = 0; at < length; at++) {
        char mask = order->bytes[header - MASK_BYTES + at % MASK_BYTES];
        order->bytes[header + at] ^= mask;
    }
    memmove(order->bytes, order->bytes + header, length);
    order->size = length;
}

const char *order_part(const struct order *order, enum part part, int *size)
{
    const char *name = part_names[order->wire][part];
    const char *found = memmem(order->bytes, order->size, name, strlen(name));
    if (found == NULL)
        fail("an order has no field %s", name);
    found += strlen(name);
    const char *end = memchr(found, order->wire == WIRE_FIX ? SOH : '"',
        (size_t)(order->bytes + order->size - found));
    if (end == NULL)
        fail("field %s of an order does not end", name);
    *size = (int)(end - found);
    return found;
}

static size_t make_fix_report(const struct order *order, long long sequence, char *report)
{
    char body[REPORT_BYTES_MAX / 2];
    int id_size, side_size, symbol_size, sender_size, target_size;
    const char *id = order_part(order, PART_ID, &id_size);
    const char *side = order_part(order, PART_SIDE, &side_size);
    const char *symbol = order_part(order, PART_SYMBOL, &symbol_size);
    const char *sender = order_part(order, PART_SENDER, &sender_size);
    const char *target = order_part(order, PART_TARGET, &target_size);
    int body_size = snprintf(body, sizeof(body),
        "35=8\x01" "49=%.*s\x01" "56=%.*s\x01" "34=%lld\x01" "52=20260105-14:30:00.000\x01"
        "37=exchange-%lld\x01" "11=%.*s\x01" "17=execution-%lld\x01" "150=4\x01" "39=4\x01"
        "55=%.*s\x01" "54=%.*s\x01" "14=0\x01" "151=0\x01" "60=20260105-14:30:00.000\x01",
        target_size, target, sender_size, sender, sequence, sequence, id_size, id, sequence,
        symbol_size, symbol, side_size, side);
    int size = snprintf(
        report, REPORT_BYTES_MAX, "8=FIXT.1.1\x01" "9=%d\x01%s", body_size, body);
    unsigned int sum = 0;
    for (int at = 0; at < size; at++)
        sum += (unsigned char)report[at];
    size += snprintf(
        report + size, REPORT_BYTES_MAX - (size_t)size, "10=%03u\x01", sum & 255);
    return (size_t)size;
}

static size_t make_websocket_report(const struct order *order, long long sequence, char *report)
{
    int id_size, side_size, symbol_size, price_size, quantity_size;
    const char *id = order_part(order, PART_ID, &id_size);
    const char *side = order_part(order, PART_SIDE, &side_size);
    const char *symbol = order_part(order, PART_SYMBOL, &symbol_size);
    const char *price = order_part(order, PART_PRICE, &price_size);
    const char *quantity = order_part(order, PART_QUANTITY, &quantity_size);
    int size = snprintf(report + FRAME_HEADER_BYTES, REPORT_BYTES_MAX - FRAME_HEADER_BYTES,
        "{\"subscriptionId\":0,\"event\":{\"e\":\"executionReport\",\"E\":1767623400000,"
        "\"s\":\"%.*s\",\"c\":\"%.*s\",\"S\":\"%.*s\",\"o\":\"LIMIT\",\"f\":\"IOC\","
        "\"q\":\"%.*s\",\"p\":\"%.*s\",\"P\":\"0.00000000\",\"F\":\"0.00000000\",\"g\":-1,"
        "\"C\":\"\",\"x\":\"EXPIRED\",\"X\":\"EXPIRED\",\"r\":\"NONE\",\"i\":%lld,"
        "\"l\":\"0.00000000\",\"z\":\"0.00000000\",\"L\":\"0.00000000\",\"n\":\"0\",\"N\":null,"
        "\"T\":1767623400000,\"t\":-1,\"I\":%lld,\"w\":false,\"m\":false,\"M\":false,"
        "\"O\":1767623400000,\"Z\":\"0.00000000\",\"Y\":\"0.00000000\",\"Q\":\"0.00000000\","
        "\"V\":\"EXPIRE_TAKER\"}}",
        symbol_size, symbol, id_size, id, side_size, side, quantity_size, quantity, price_size,
        price, sequence, sequence);
    report[0] = (char)0x81; /* a whole text message */
    report[1] = 126;
    report[2] = (char)(size >> 8);
    report[3] = (char)size;
    return (size_t)size + FRAME_HEADER_BYTES;
}

/* A refusal: by REST it is the only answer that ends an order at once. */
static size_t make_rest_answer(char *report)
{
    static const char body[] = "{\"message\":\"Insufficient funds\"}";
    return (size_t)snprintf(report, REPORT_BYTES_MAX,
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %zu"
        "\r\n\r\n%s", sizeof(body) - 1, body);
}

size_t make_report(const struct order *order, long long sequence, char report[REPORT_BYTES_MAX])
{
    if (order->wire == WIRE_REST)
        return make_rest_answer(report);
    return order->wire == WIRE_FIX ? make_fix_report(order, sequence, report)
                                   : make_websocket_report(order, sequence, report);
}
