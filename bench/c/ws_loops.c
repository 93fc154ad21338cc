/* WebSocket order requests as one would write them in C for one venue and one message: the floor
 * that the compiled encoder is compared with. The loop takes its own time, in nanoseconds. */

#include "loops.h"

#define ID_BYTES 36
#define TAIL_WORDS 6

struct request {
    char text[MESSAGE_BYTES];
    size_t size;
    char *id, *client_id, *timestamp, *price, *quantity;
    int price_width, quantity_width;
};

static char *value_of(struct request *request, const char *name)
{
    char *found = strstr(request->text, name);
    if (found == NULL)
        abort();
    return found + strlen(name);
}

static int width_of(const char *value)
{
    return (int)(strchr(value, '"') - value);
}

static void open_template(struct request *request, const char *text)
{
    request->size = strlen(text);
    memcpy(request->text, text, request->size + 1);
    request->id = value_of(request, "{\"id\":\"");
    request->client_id = value_of(request, "\"newClientOrderId\":\"");
    request->timestamp = value_of(request, "\"timestamp\":");
    request->price = value_of(request, "\"price\":\"");
    request->quantity = value_of(request, "\"quantity\":\"");
    request->price_width = width_of(request->price);
    request->quantity_width = width_of(request->quantity);
}

/* One new order for each row (side, price_ticks, quantity_lots, request_number, sequence,
 * wall_ns), over filled-in templates of both sides whose decimals keep their width. The hash is
 * over size, id and the last bytes of each. */
int64_t encode_requests(
    const char *buy, const char *sell, const int64_t *rows, int64_t count, uint64_t *hash)
{
    static struct request templates[2];
    uint64_t result = HASH_START;
    open_template(&templates[0], buy);
    open_template(&templates[1], sell);
    const int64_t started_ns = now_ns();
    for (int64_t index = 0; index < count; index++, rows += ROW_NUMBERS) {
        struct request *request = &templates[rows[0] < 0];
        int64_t word;
        write_hex(request->id, (uint64_t)rows[3]);
        memcpy(request->client_id, request->id, ID_BYTES);
        write_digits(request->timestamp, 13, rows[5] / 1000000);
        write_decimal(request->price, request->price_width, TICK_DECIMALS, rows[1]);
        write_decimal(request->quantity, request->quantity_width, LOT_DECIMALS, rows[2]);
        result = mix(result, (int64_t)request->size);
        memcpy(&word, request->id + ID_BYTES - sizeof(word), sizeof(word));
        result = mix(result, word);
        const char *tail = request->text + request->size - TAIL_WORDS * sizeof(word);
        for (int at = 0; at < TAIL_WORDS; at++) {
            memcpy(&word, tail + at * sizeof(word), sizeof(word));
            result = mix(result, word);
        }
    }
    *hash = result;
    return now_ns() - started_ns;
}
