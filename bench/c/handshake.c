/* Handshake arithmetic, see the header. */

#include "handshake.h"

#include <stdint.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_BYTES_MAX 64
#define DIGEST_BYTES 20

static uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

static void sha1_block(uint32_t state[5], const uint8_t block[64])
{
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16
            | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i < 20)
            f = (b & c) | (~b & d), k = 0x5A827999;
        else if (i < 40)
            f = b ^ c ^ d, k = 0x6ED9EBA1;
        else if (i < 60)
            f = (b & c) | (b & d) | (c & d), k = 0x8F1BBCDC;
        else
            f = b ^ c ^ d, k = 0xCA62C1D6;
        uint32_t next = rotate(a, 5) + f + e + k + w[i];
        e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

/* The text fits two blocks: at most 100 bytes, one end mark, eight bytes of length. */
static void sha1(const char *text, size_t size, uint8_t digest[DIGEST_BYTES])
{
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint8_t blocks[128] = {0};
    size_t used = size + 9 <= 64 ? 64 : 128;
    memcpy(blocks, text, size);
    blocks[size] = 0x80;
    blocks[used - 2] = (uint8_t)(size * 8 >> 8);
    blocks[used - 1] = (uint8_t)(size * 8);
    for (size_t at = 0; at < used; at += 64)
        sha1_block(state, blocks + at);
    for (int i = 0; i < DIGEST_BYTES; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

void make_accept(const char *key, size_t key_size, char accept[ACCEPT_BYTES])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[KEY_BYTES_MAX + sizeof(GUID)];
    uint8_t digest[DIGEST_BYTES + 1] = {0};
    if (key_size > KEY_BYTES_MAX)
        key_size = KEY_BYTES_MAX;
    memcpy(text, key, key_size);
    memcpy(text + key_size, GUID, sizeof(GUID));
    sha1(text, key_size + sizeof(GUID) - 1, digest);
    for (int i = 0; i < 7; i++) {
        uint32_t group = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8
            | (i < 6 ? digest[3 * i + 2] : 0);
        for (int j = 0; j < 4; j++)
            accept[4 * i + j] = alphabet[group >> (18 - 6 * j) & 63];
    }
    accept[27] = '=';
    accept[28] = 0;
}
