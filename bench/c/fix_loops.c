/* FIX encode and decode as one would write them in C for one venue and one message: the floor that
 * the compiled codecs are compared with. Both loops take their own time and return nanoseconds. */

#include "loops.h"

#define SOH '\x01'

/* Where the value of a field begins; the message must have it. */
static char *value_of(char *message, const char *tag)
{
    char *found = strstr(message, tag);
    if (found == NULL)
        abort();
    return found + strlen(tag);
}

static int width_of(const char *value)
{
    return (int)(strchr(value, SOH) - value);
}

/* One NewOrderSingle for each row (side, price_ticks, quantity_lots, request_number, sequence,
 * wall_ns), over a filled-in template whose fields keep their width; times stay within the minute
 * of the template. */
int64_t encode_orders(
    const char *template, int64_t size, const int64_t *rows, int64_t count, uint64_t *hash)
{
    char message[MESSAGE_BYTES];
    memcpy(message, template, size);
    message[size] = 0;
    char *sequence = value_of(message, "\x01" "34=");
    char *sending_time = value_of(message, "\x01" "52=");
    char *order_id = value_of(message, "\x01" "11=");
    char *side = value_of(message, "\x01" "54=");
    char *transact_time = value_of(message, "\x01" "60=");
    char *quantity = value_of(message, "\x01" "38=");
    char *price = value_of(message, "\x01" "44=");
    char *checksum = value_of(message, "\x01" "10=");
    const int sequence_width = width_of(sequence);
    const int quantity_width = width_of(quantity);
    const int price_width = width_of(price);
    uint64_t result = HASH_START;
    const int64_t started_ns = now_ns();
    for (int64_t index = 0; index < count; index++, rows += ROW_NUMBERS) {
        *side = rows[0] > 0 ? '1' : '2';
        write_decimal(price, price_width, TICK_DECIMALS, rows[1]);
        write_decimal(quantity, quantity_width, LOT_DECIMALS, rows[2]);
        write_hex(order_id, (uint64_t)rows[3]);
        write_digits(sequence, sequence_width, rows[4]);
        int64_t milliseconds = rows[5] / 1000000 % 60000;
        write_digits(sending_time + 15, 2, milliseconds / 1000);
        write_digits(sending_time + 18, 3, milliseconds % 1000);
        memcpy(transact_time + 15, sending_time + 15, 6);
        unsigned int total = 0;
        for (const unsigned char *at = (unsigned char *)message; at < (unsigned char *)checksum - 3;
             at++)
            total += *at;
        write_digits(checksum, 3, total & 255);
        result = mix(mix(result, size), total & 255);
    }
    const int64_t elapsed_ns = now_ns() - started_ns;
    *hash = result;
    return elapsed_ns;
}

static const char *read_number(const char *at, int64_t *number)
{
    *number = 0;
    for (; *at != SOH; at++)
        if (*at != '.')
            *number = *number * 10 + (*at - '0');
    return at;
}

static int has_good_sum(const char *message, int64_t size)
{
    unsigned int total = 0;
    int64_t wanted;
    for (int64_t at = 0; at < size - 7; at++)
        total += (unsigned char)message[at];
    read_number(message + size - 4, &wanted);
    return (total & 255) == wanted;
}

/* Frames and decodes messages that stand one behind the other, all of them `repeats` times;
 * -1 when a checksum is wrong. Prices and quantities carry all their decimals. */
int64_t decode_reports(
    const char *messages, const int64_t *sizes, int64_t count, int64_t repeats, uint64_t *hash)
{
    uint64_t result = HASH_START;
    const int64_t started_ns = now_ns();
    for (int64_t repeat = 0; repeat < repeats; repeat++) {
        const char *at = messages;
        for (int64_t index = 0; index < count; index++) {
            const char *end = at + sizes[index];
            int64_t last_price = 0, last_quantity = 0, cumulative = 0, state = 0;
            if (!has_good_sum(at, sizes[index]))
                return -1;
            while (at < end) {
                int64_t tag = 0, ignored;
                for (; *at != '='; at++)
                    tag = tag * 10 + (*at - '0');
                at++;
                switch (tag) {
                case 31: at = read_number(at, &last_price); break;
                case 32: at = read_number(at, &last_quantity); break;
                case 14: at = read_number(at, &cumulative); break;
                case 39: state = *at == '1' ? 3 : 4; break;
                case 34: case 38: case 44: case 151: at = read_number(at, &ignored); break;
                default: break;
                }
                at = (const char *)memchr(at, SOH, end - at) + 1;
            }
            result = mix(mix(result, last_price), last_quantity);
            result = mix(mix(result, cumulative), state);
        }
    }
    const int64_t elapsed_ns = now_ns() - started_ns;
    *hash = result;
    return elapsed_ns;
}
