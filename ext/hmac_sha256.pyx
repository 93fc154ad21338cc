"""HMAC-SHA256, see the ``.pxd``."""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import hashlib

from ext.errors import UsageError

cdef uint32_t[64] ROUND_CONSTANTS = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]
cdef uint32_t[8] FIRST_STATE = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]
cdef const char* ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

cdef extern from *:
    """
    #if defined(__x86_64__)
    #include <cpuid.h>
    #include <immintrin.h>
    static int wow_has_sha(void) {
        unsigned int a, b, c, d;
        return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
    }
    /* Four rounds and four words of the schedule at a time; the processor wants the state as ABEF
     * and CDGH. Source: Intel, "SHA Extensions" (2013), section 4. */
    __attribute__((target("sha,sse4.1"))) static void wow_hash_blocks(
        uint32_t *state, const char *text, long long blocks, const uint32_t *constants
    ) {
        const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
        __m128i half = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
        __m128i cdgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
        __m128i abef = _mm_alignr_epi8(half, cdgh, 8);
        cdgh = _mm_blend_epi16(cdgh, half, 0xF0);
        for (; blocks > 0; blocks--, text += 64) {
            __m128i first = abef, second = cdgh, words[4], sum;
            for (int at = 0; at < 16; at++) {
                __m128i *word = &words[at & 3], *last = &words[(at + 3) & 3];
                if (at < 4)
                    *word = _mm_shuffle_epi8(
                        _mm_loadu_si128((const __m128i *)(text + 16 * at)), order);
                else
                    *word = _mm_sha256msg2_epu32(
                        _mm_add_epi32(_mm_sha256msg1_epu32(*word, words[(at + 1) & 3]),
                                      _mm_alignr_epi8(*last, words[(at + 2) & 3], 4)), *last);
                sum = _mm_add_epi32(*word, _mm_loadu_si128((const __m128i *)(constants + 4 * at)));
                cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
                abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
            }
            abef = _mm_add_epi32(abef, first);
            cdgh = _mm_add_epi32(cdgh, second);
        }
        half = _mm_shuffle_epi32(abef, 0x1B);
        cdgh = _mm_shuffle_epi32(cdgh, 0xB1);
        _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(half, cdgh, 0xF0));
        _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(cdgh, half, 8));
    }
    #else
    static int wow_has_sha(void) { return 0; }
    static void wow_hash_blocks(uint32_t *s, const char *t, long long b, const uint32_t *c) {}
    #endif
    """
    int has_sha "wow_has_sha"()
    void hash_by_processor "wow_hash_blocks"(
        uint32_t* state, const char* text, int64_t blocks, const uint32_t* constants
    ) noexcept nogil
    uint32_t reverse_word "__builtin_bswap32"(uint32_t word) noexcept nogil
    uint64_t reverse_bytes "__builtin_bswap64"(uint64_t word) noexcept nogil


cdef bint is_processor_used = has_sha()


cdef inline uint32_t _turn(uint32_t word, int bits) noexcept nogil:
    return word >> bits | word << (32 - bits)


cdef void hash_blocks(HashState* state, const char* text, int64_t blocks) noexcept nogil:
    """Takes whole blocks of BLOCK_BYTES into a state."""
    if is_processor_used:
        hash_by_processor(state.words, text, blocks, ROUND_CONSTANTS)
    else:
        _hash_portably(state, text, blocks)


def use_processor(is_used: bool) -> bool:
    """Test edge: whether the processor's SHA extensions are used from now on, which it may lack."""
    global is_processor_used
    is_processor_used = is_used and has_sha()
    return is_processor_used


cdef void _hash_portably(HashState* state, const char* text, int64_t blocks) noexcept nogil:
    cdef uint32_t schedule[64]
    cdef uint32_t a, b, c, d, e, f, g, h, first, second
    cdef int64_t block
    cdef int at
    for block in range(blocks):
        memcpy(schedule, text + block * BLOCK_BYTES, BLOCK_BYTES)
        for at in range(16):
            schedule[at] = reverse_word(schedule[at])
        for at in range(16, 64):
            first, second = schedule[at - 15], schedule[at - 2]
            schedule[at] = schedule[at - 16] + schedule[at - 7] \
                + (_turn(first, 7) ^ _turn(first, 18) ^ first >> 3) \
                + (_turn(second, 17) ^ _turn(second, 19) ^ second >> 10)
        a, b, c, d = state.words[0], state.words[1], state.words[2], state.words[3]
        e, f, g, h = state.words[4], state.words[5], state.words[6], state.words[7]
        for at in range(64):
            first = h + (_turn(e, 6) ^ _turn(e, 11) ^ _turn(e, 25)) + (e & f ^ ~e & g) \
                + ROUND_CONSTANTS[at] + schedule[at]
            second = (_turn(a, 2) ^ _turn(a, 13) ^ _turn(a, 22)) + (a & b ^ a & c ^ b & c)
            h = g
            g = f
            f = e
            e = d + first
            d = c
            c = b
            b = a
            a = first + second
        state.words[0] += a
        state.words[1] += b
        state.words[2] += c
        state.words[3] += d
        state.words[4] += e
        state.words[5] += f
        state.words[6] += g
        state.words[7] += h


cdef void _finish(HashState* state, int64_t hashed, const char* rest, int64_t size) noexcept nogil:
    """The end of a message of which ``hashed`` bytes, whole blocks, are in the state."""
    cdef char last[2 * BLOCK_BYTES]
    cdef int64_t blocks = size // BLOCK_BYTES
    cdef int64_t left = size - blocks * BLOCK_BYTES
    cdef int64_t room = BLOCK_BYTES if left < BLOCK_BYTES - 8 else 2 * BLOCK_BYTES
    cdef uint64_t bits = reverse_bytes(<uint64_t>(hashed + size) * 8)
    hash_blocks(state, rest, blocks)
    memset(last, 0, sizeof(last))
    memcpy(last, rest + blocks * BLOCK_BYTES, left)
    last[left] = <char>0x80
    memcpy(last + room - 8, &bits, 8)
    hash_blocks(state, last, room // BLOCK_BYTES)


cdef void _write_digest(char* out, const HashState* state) noexcept nogil:
    cdef uint32_t word
    cdef int at
    for at in range(8):
        word = reverse_word(state.words[at])
        memcpy(out + 4 * at, &word, 4)


cdef void _write_base64(char* out, const unsigned char* digest) noexcept nogil:
    """DIGEST_BYTES as SIGNATURE_CHARACTERS, the last one a pad."""
    cdef uint32_t three
    cdef int at
    for at in range(10):
        three = digest[3 * at] << 16 | digest[3 * at + 1] << 8 | digest[3 * at + 2]
        out[4 * at] = ALPHABET[three >> 18]
        out[4 * at + 1] = ALPHABET[three >> 12 & 63]
        out[4 * at + 2] = ALPHABET[three >> 6 & 63]
        out[4 * at + 3] = ALPHABET[three & 63]
    three = digest[30] << 16 | digest[31] << 8
    out[40] = ALPHABET[three >> 18]
    out[41] = ALPHABET[three >> 12 & 63]
    out[42] = ALPHABET[three >> 6 & 63]
    out[43] = b"="


@cython.final
cdef class HmacSha256:
    """Signs under one key, which is not kept: what the hash makes of it is."""

    def __cinit__(self, key: bytes) -> None:
        cdef char block[BLOCK_BYTES]
        cdef bytes text
        cdef const char* start
        if not key:
            raise UsageError("the key of a signature is empty")
        for pad, state in ((0x36, 0), (0x5C, 1)):
            short = key if len(key) <= BLOCK_BYTES else hashlib.sha256(key).digest()
            text = bytes(byte ^ pad for byte in short.ljust(BLOCK_BYTES, b"\0"))
            start = text
            memcpy(block, start, BLOCK_BYTES)
            if state == 0:
                memcpy(self.inner.words, FIRST_STATE, sizeof(self.inner))
                hash_blocks(&self.inner, block, 1)
            else:
                memcpy(self.outer.words, FIRST_STATE, sizeof(self.outer))
                hash_blocks(&self.outer, block, 1)

    cdef void write_signature(
        self, char* out, const HashState* state, int64_t hashed, const char* rest, int64_t size
    ) noexcept nogil:
        """Base64 of the signature: SIGNATURE_CHARACTERS at ``out``.

        ``state`` is ``inner``, or what followed from it by ``hashed`` bytes of the message, whole
        blocks; ``rest`` is what comes behind them.
        """
        cdef HashState inner = state[0]
        cdef HashState outer = self.outer
        cdef char digest[DIGEST_BYTES]
        _finish(&inner, BLOCK_BYTES + hashed, rest, size)
        _write_digest(digest, &inner)
        _finish(&outer, BLOCK_BYTES, digest, DIGEST_BYTES)
        _write_digest(digest, &outer)
        _write_base64(out, <unsigned char*>digest)

    def sign(self, message: bytes, hashed: int = 0) -> bytes:
        """Test edge: the signature; the first ``hashed`` bytes, whole blocks, go on their own."""
        cdef char text[SIGNATURE_CHARACTERS]
        cdef HashState state = self.inner
        cdef const char* start = message
        cdef int64_t first = hashed
        cdef int64_t size = len(message)
        if first % BLOCK_BYTES or not 0 <= first <= size:
            raise UsageError(f"hashed was {hashed}; use whole blocks of {BLOCK_BYTES} bytes")
        hash_blocks(&state, start, first // BLOCK_BYTES)
        self.write_signature(text, &state, first, start + first, size - first)
        return text[:SIGNATURE_CHARACTERS]
