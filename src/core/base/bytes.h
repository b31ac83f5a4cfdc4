/*  =========================================================================
    bytes - numbers as big endian bytes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Rows and frames are laid out byte by byte, so that they are the same on every
    machine and keys sort as the numbers do.  No alignment is needed.
*/

#ifndef ZB_BYTES_H_INCLUDED
#define ZB_BYTES_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

static inline void zb_put32 (uint8_t *byte, uint32_t number)
{
    byte[0] = (uint8_t) (number >> 24);
    byte[1] = (uint8_t) (number >> 16);
    byte[2] = (uint8_t) (number >> 8);
    byte[3] = (uint8_t) number;
}

static inline uint32_t zb_get32 (const uint8_t *byte)
{
    return (uint32_t) byte[0] << 24 | (uint32_t) byte[1] << 16 | (uint32_t) byte[2] << 8 | byte[3];
}

static inline void zb_put64 (uint8_t *byte, uint64_t number)
{
    zb_put32 (byte, (uint32_t) (number >> 32));
    zb_put32 (byte + 4, (uint32_t) number);
}

static inline uint64_t zb_get64 (const uint8_t *byte)
{
    return (uint64_t) zb_get32 (byte) << 32 | zb_get32 (byte + 4);
}

//  Writes two hex digits a byte, without a zero behind them.
static inline void zb_hex (char *text, const uint8_t *byte, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t index = 0; index < size; index++) {
        *text++ = digits[byte[index] >> 4];
        *text++ = digits[byte[index] & 15];
    }
}

#endif
