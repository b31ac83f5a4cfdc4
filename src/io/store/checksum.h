/*  =========================================================================
    checksum - Berkeley DB's checksum of its pages and log records, many bytes at a time

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Berkeley DB sums each record of its log, as it is written, sent and read, and each page of a table, by its
    function __ham_func4: times 33, plus the next byte, a byte at a time.  That is a fifth of what a broker computes with
    messages of 1 KiB.  The library calls it as it would a foreign one, so that a function of this name in the program
    takes its place: io/store/env has it, and returns what is computed here.  It is the same number, so stores, logs and
    peers see no difference.

    If a library does not call ours (a static one, or one that was linked with -Bsymbolic), it calls its own, and nothing
    is different but the time.

    Thread: any; there is no state.
*/

#ifndef ZB_CHECKSUM_H_INCLUDED
#define ZB_CHECKSUM_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

//  Of so many bytes, at any address: ((0 * 33 + first) * 33 + second) * 33 ... + last, modulo 2^32.
uint32_t zb_checksum (const void *data, size_t size);

#endif
