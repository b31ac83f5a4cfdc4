/*  =========================================================================
    memory - all that is allocated, as one value that can be kept and put back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The core's values have pointers in them, so that a copy of one is not made by copying
    its bytes.  But a copy of all of the memory is a copy of all values, if it goes back to
    where it was: malloc and its kin of the objects in this program (the linker wraps them,
    see Makefile.am) take from one arena at one address.  Libraries go on with libc's.
*/

#ifndef MEMORY_H_INCLUDED
#define MEMORY_H_INCLUDED

#include <stddef.h>

typedef struct {
    void *data; //  libc's memory
    size_t size, room;
} memory_t;

//  From now on allocations come from the arena, which is empty; returns zeroed memory, always at the same address.
void *memory_begin (size_t root);
//  From now on they are libc's again.
void memory_end (void);
//  Libc's memory, zeroed, and what gives it back.
void *memory_outside (size_t size);
void memory_free_outside (void *data);
//  Keeps what the arena holds; puts it back.  All zero is a kept nothing; memory_drop frees it.
void memory_keep (memory_t *self);
void memory_restore (const memory_t *self);
void memory_drop (memory_t *self);
//  Bytes of the arena that were ever in use at once.
size_t memory_most (void);

#endif
