"""Text eight bytes at a time: a word holds eight characters, the first one lowest.

Marks are the high bit of each byte that has the property asked for. A big-endian machine is
refused by the compiler. The eight bytes have to be readable, at any address.

Source: "Hacker's Delight", 6-1 (zero bytes).
"""

from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "words of text are little-endian here: the first character is the lowest byte"
    #endif
    static inline uint64_t wow_load_word(const char *text) {
        uint64_t word;
        memcpy(&word, text, 8);
        return word;
    }
    static inline void wow_store_word(char *text, uint64_t word) { memcpy(text, &word, 8); }
    #define WOW_COUNT(n) case n: { long count = n; __asm__("" : "+r"(count)); return count; }
    static inline long wow_predicted(uint64_t count) {
        switch (count) {
            WOW_COUNT(0) WOW_COUNT(1) WOW_COUNT(2) WOW_COUNT(3)
            WOW_COUNT(4) WOW_COUNT(5) WOW_COUNT(6) WOW_COUNT(7)
            WOW_COUNT(8) WOW_COUNT(9) WOW_COUNT(10) WOW_COUNT(11)
            WOW_COUNT(12) WOW_COUNT(13) WOW_COUNT(14) WOW_COUNT(15)
        }
        return (long)count;
    }
    #undef WOW_COUNT
    """
    uint64_t load_word "wow_load_word"(const char* text) noexcept nogil
    void store_word "wow_store_word"(char* text, uint64_t word) noexcept nogil
    # The same count, 0 to 15 the quick ones, but as a guess of the branch predictor: what follows
    # need not wait for the text to be looked at. Without it each token waits for the one before.
    long predicted "wow_predicted"(uint64_t count) noexcept nogil
    int lowest_bit "__builtin_ctzll"(uint64_t word) noexcept nogil  # the word must not be 0

cdef enum:
    WORD_BYTES = 8


cdef inline uint64_t repeated(char c) noexcept nogil:
    """A word of eight times the character."""
    return <uint64_t>0x0101010101010101 * <unsigned char>c


cdef inline uint64_t zero_marks(uint64_t word) noexcept nogil:
    """Marks of zero bytes; the lowest mark is right, those above it need not be."""
    return (word - <uint64_t>0x0101010101010101) & ~word & <uint64_t>0x8080808080808080


cdef inline int marked_bits(uint64_t marks) noexcept nogil:
    """Bits below the byte with the lowest mark, 8 for each byte; there must be a mark."""
    return lowest_bit(marks) & 56
