"""HMAC-SHA256 for messages that are signed on the way out: no allocation, no library call.

Source: FIPS 180-4 (SHA-256), RFC 2104 (HMAC). The key's two blocks are hashed once. A caller whose
messages begin alike keeps the state behind the whole blocks of that beginning, and goes on from
there. Blocks are hashed by the processor's SHA extensions where it has them.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t

cdef enum:
    BLOCK_BYTES = 64
    DIGEST_BYTES = 32
    SIGNATURE_CHARACTERS = 44       # of a digest in base64

cdef struct HashState:
    uint32_t words[8]


cdef void hash_blocks(HashState* state, const char* text, int64_t blocks) noexcept nogil


@cython.final
cdef class HmacSha256:
    cdef HashState inner            # behind the key's block; where every message begins
    cdef HashState outer

    cdef void write_signature(
        self, char* out, const HashState* state, int64_t hashed, const char* rest, int64_t size
    ) noexcept nogil
