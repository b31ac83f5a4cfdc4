/*  =========================================================================
    zeros - what is zero already is not written again

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A log file has its full size from the beginning, and what was not written is a hole in it.
    Whenever a broker comes to follow another one, Berkeley DB cuts its log at their common end: it
    writes zeros from there to the end of the file.  That is up to 16 MiB to be written and
    synced, twice the time of all the rest of a switchover, and nearly all of it is a hole.

    Thread: any.
*/

#ifndef ZB_ZEROS_H_INCLUDED
#define ZB_ZEROS_H_INCLUDED

#include <sys/types.h>

//  What Berkeley DB is to call in place of write (2): all is written, or it returns -1 and errno.  Zeros that would go to
//  a hole in front of data are left out; they read as zeros, and are such on the disk.
ssize_t zb_zeros_write (int fd, const void *data, size_t size);

#endif
