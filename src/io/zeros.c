/*  =========================================================================
    zeros - what is zero already is not written again

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "io/zeros.h"

static bool s_are_zeros (const uint8_t *data, size_t size)
{
    return size && !*data && memcmp (data, data + 1, size - 1) == 0;
}

static size_t s_least (size_t size, off_t other)
{
    return (size_t) other < size ? (size_t) other : size;
}

//  Goes on behind the hole at the file's position, but no further than `size` bytes.  Returns how many; 0 if there is no hole,
//  and then `size` is where one begins.  Behind the last data nothing counts as a hole: a write there makes the file longer.
static size_t s_skip (int fd, size_t *size)
{
    off_t at = lseek (fd, 0, SEEK_CUR);
    if (at == -1)
        return 0;
    size_t skipped = 0;
    off_t end = lseek (fd, at, SEEK_DATA);
    if (end > at)
        skipped = s_least (*size, end - at);
    else if (end == at && (end = lseek (fd, at, SEEK_HOLE)) > at)
        *size = s_least (*size, end - at);
    return lseek (fd, at + (off_t) skipped, SEEK_SET) == -1 ? 0 : skipped;
}

ssize_t zb_zeros_write (int fd, const void *data, size_t size)
{
    const uint8_t *byte = data;
    bool zeros = s_are_zeros (byte, size);
    for (size_t done = 0; done < size;) {
        size_t part = size - done;
        ssize_t written = zeros ? (ssize_t) s_skip (fd, &part) : 0;
        if (written == 0)
            written = write (fd, byte + done, part);
        if (written > 0)
            done += (size_t) written;
        else if (written == 0 || errno != EINTR)
            return -1;
    }
    return (ssize_t) size;
}
