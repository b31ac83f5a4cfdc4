/*  =========================================================================
    checksum - Berkeley DB's checksum of its pages and log records, many bytes at a time

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <string.h>

#include "io/store/checksum.h"

#define BASE 33u
#define BASE_2 (BASE * BASE)
#define BASE_4 (BASE_2 * BASE_2)
#define BASE_32 (BASE_4 * BASE_4 * BASE_4 * BASE_4 * BASE_4 * BASE_4 * BASE_4 * BASE_4)
#define BASE_128 (BASE_32 * BASE_32 * BASE_32 * BASE_32)

//  Bytes that go together, and how many such are on their way at a time: a multiplication is long.
#define VECTOR 32
#define VECTORS 4
#define BLOCK (VECTOR * VECTORS)

typedef uint16_t s_pairs_t __attribute__ ((vector_size (VECTOR)));
typedef uint32_t s_fours_t __attribute__ ((vector_size (VECTOR)));

#define LANES (VECTOR / sizeof (uint32_t))

//  The sum of each four bytes, on their own: of pairs, which fit in 16 bits, and then of pairs of these.
__attribute__ ((always_inline)) static inline void s_fours (const uint8_t *data, s_fours_t *sums)
{
    s_pairs_t bytes;
    memcpy (&bytes, data, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    s_pairs_t pairs = (bytes & 0xff) * BASE + (bytes >> 8);
#else
    s_pairs_t pairs = (bytes >> 8) * BASE + (bytes & 0xff);
#endif
    s_fours_t fours;
    memcpy (&fours, &pairs, sizeof fours);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    *sums = (fours & 0xffff) * BASE_2 + (fours >> 16);
#else
    *sums = (fours >> 16) * BASE_2 + (fours & 0xffff);
#endif
}

//  In so many blocks, to which the sum of what is before them adds up.
__attribute__ ((always_inline)) static inline uint32_t s_blocks (const uint8_t *at, size_t blocks, uint32_t sum)
{
    //  Lane n of a vector goes on with its bytes 4n to 4n + 3: a block further, all count BASE^128 times as much.  What was
    //  before the first block is the last lane's, as if it were the sum of the block before.
    s_fours_t lanes[VECTORS] = {{0}};
    lanes[VECTORS - 1][LANES - 1] = sum;
    for (; blocks; blocks--)
        for (size_t vector = 0; vector < VECTORS; vector++, at += VECTOR) {
            s_fours_t fours;
            s_fours (at, &fours);
            lanes[vector] = lanes[vector] * BASE_128 + fours;
        }
    for (size_t vector = 1; vector < VECTORS; vector++)
        lanes[0] = lanes[0] * BASE_32 + lanes[vector];
    sum = 0;
    for (size_t lane = 0; lane < LANES; lane++)
        sum = sum * BASE_4 + lanes[0][lane];
    return sum;
}

#if defined __x86_64__
//  The same for a processor whose vectors are as wide as these are.
__attribute__ ((target ("avx2"))) static uint32_t s_blocks_wide (const uint8_t *at, size_t blocks, uint32_t sum)
{
    return s_blocks (at, blocks, sum);
}
#endif

uint32_t zb_checksum (const void *data, size_t size)
{
    const uint8_t *at = data;
    uint32_t sum = 0;
    for (; size % 4; size--)
        sum = sum * BASE + *at++;
    for (; size % BLOCK; size -= 4, at += 4)
        sum = sum * BASE_4 + (at[0] * BASE + at[1]) * BASE_2 + at[2] * BASE + at[3];
    if (!size)
        return sum;
#if defined __x86_64__
    if (__builtin_cpu_supports ("avx2"))
        return s_blocks_wide (at, size / BLOCK, sum);
#endif
    return s_blocks (at, size / BLOCK, sum);
}
