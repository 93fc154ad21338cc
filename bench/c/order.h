/* The orders that the exchange takes and the reports that it answers with: FIX, JSON in WebSocket
 * frames as Binance's API has them, or HTTP requests as Coinbase Exchange's REST has them. */

#ifndef BENCH_ORDER_H
#define BENCH_ORDER_H

#include <stddef.h>
#include <stdint.h>

#define ORDER_BYTES_MAX 65536
#define REPORT_BYTES_MAX 2048

enum wire { WIRE_FIX, WIRE_WEBSOCKET, WIRE_REST };
enum part { PART_PRICE, PART_QUANTITY, PART_ID, PART_SIDE, PART_SYMBOL, PART_SENDER, PART_TARGET };

struct order {
    enum wire wire;
    size_t size;
    char bytes[ORDER_BYTES_MAX];
};

/* Whether a whole message has come and nothing behind it: one order at a time. */
int is_whole_order(const struct order *order);

/* Takes the frame and its mask off, once the order is whole. */
void open_order(struct order *order);

/* The value of a part of an opened order; ends the program when it is not there. */
const char *order_part(const struct order *order, enum part part, int *size);

/* Writes a report that the order ended without a fill; its size. */
size_t make_report(const struct order *order, long long sequence, char report[REPORT_BYTES_MAX]);

#endif
