/*  =========================================================================
    heap - memory that is free goes back to the system

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What many clients at once have needed, the C library keeps when they have gone: a
    byte in use above it is enough.  So it is asked to give back whole pages, but not
    while memory is still taken, and less and less often if it is needed again each time.
*/

#ifndef ZB_HEAP_H_INCLUDED
#define ZB_HEAP_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZB_HEAP_FIRST 5000       //  ms between two looks at the memory,
#define ZB_HEAP_LONGEST 40000    //  and at most, so that it is back within a minute
#define ZB_HEAP_LEAST (64 << 20) //  bytes that are kept, and what is worth it

//  All zero at first.
typedef struct {
    int64_t next, wait; //  ms
    size_t seen;        //  bytes in memory at the last look,
    size_t kept;        //  and after they were given back
    bool again;         //  much was won, and nothing was looked at since then
} zb_heap_t;

//  Looks at the memory of this process if it is time, and gives back what is free.  Takes about 0.2 ms for each MiB that
//  goes, while one heap after the other is locked: others wait only for the heap that is being trimmed, if it is theirs.
void zb_heap_tick (zb_heap_t *self, int64_t now);

//  A thread that does so by itself until it is destroyed.  NULL with errno: the system has no thread left; the memory stays
//  where it is then.  For the thread that has made it.
typedef struct zb_trimmer zb_trimmer_t;
zb_trimmer_t *zb_trimmer_new (void);
void zb_trimmer_destroy (zb_trimmer_t **self_p);

//  What zb_heap_tick is made of.  Whether to give back, if so many bytes are in memory now:
bool zb_heap_due (zb_heap_t *self, size_t resident, int64_t now);

//  It was done, and so many bytes are left.
void zb_heap_done (zb_heap_t *self, size_t resident);

#endif
