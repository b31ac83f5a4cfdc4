/*  =========================================================================
    checksum - Berkeley DB's checksum of its pages and log records, many bytes at a time

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <string.h>

#include "io/store/checksum.h"

#define BLOCK 16
#define BASE 33u
#define BASE_2 (BASE * BASE)
#define BASE_4 (BASE_2 * BASE_2)
#define BASE_16 (BASE_4 * BASE_4 * BASE_4 * BASE_4)

typedef uint16_t s_pairs_t __attribute__ ((vector_size (BLOCK)));
typedef uint32_t s_fours_t __attribute__ ((vector_size (BLOCK)));

#define LANES (BLOCK / sizeof (uint32_t))

//  The sum of each four bytes of a block, on their own: of pairs, which fit in 16 bits, and then of pairs of these.
static inline s_fours_t s_fours (const uint8_t *data)
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
    return (fours & 0xffff) * BASE_2 + (fours >> 16);
#else
    return (fours >> 16) * BASE_2 + (fours & 0xffff);
#endif
}

uint32_t zb_checksum (const void *data, size_t size)
{
    const uint8_t *at = data;
    uint32_t sum = 0;
    for (; size % BLOCK; size--)
        sum = sum * BASE + *at++;
    if (!size)
        return sum;
    //  Lane n goes on with bytes 4n to 4n + 3 of each block: a block further, all its bytes count BASE^16 times as much.
    //  What was before the first block counts as the byte before the last four would.
    s_fours_t lanes = {0};
    lanes[LANES - 1] = sum;
    for (; size; size -= BLOCK, at += BLOCK)
        lanes = lanes * BASE_16 + s_fours (at);
    sum = 0;
    for (size_t lane = 0; lane < LANES; lane++)
        sum = sum * BASE_4 + lanes[lane];
    return sum;
}
