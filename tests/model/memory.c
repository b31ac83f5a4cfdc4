/*  =========================================================================
    memory - all that is allocated, as one value that can be kept and put back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "memory.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

void *__real_malloc (size_t size);
void *__real_realloc (void *data, size_t size);
void __real_free (void *data);
void *__wrap_malloc (size_t size);
void *__wrap_calloc (size_t count, size_t size);
void *__wrap_realloc (void *data, size_t size);
void __wrap_free (void *data);

#define ARENA (16u << 20)
#define UNIT 16
#define SMALL 64 //  classes of so many units are exact, above them each is twice the one before
#define CLASSES (SMALL + 24)

//  Before each block.
typedef struct {
    size_t class;
    size_t size;
} s_head_t;

//  At the beginning of the arena: its own state is kept with it.
typedef struct {
    size_t used;
    void *unused[CLASSES]; //  blocks of the class that were given back
} s_arena_t;

static _Alignas(UNIT) uint8_t s_memory[ARENA];
static bool s_on;
static size_t s_most;

static s_arena_t *s_arena (void)
{
    return (s_arena_t *) (void *) s_memory;
}

static bool s_is_ours (const void *data)
{
    return (const uint8_t *) data >= s_memory && (const uint8_t *) data < s_memory + ARENA;
}

//  The class of a size, and how many bytes its blocks have.
static size_t s_class (size_t size, size_t *room)
{
    size_t units = (size + UNIT - 1) / UNIT, class = units;
    *room = units * UNIT;
    if (units < SMALL)
        return class;
    class = SMALL;
    for (*room = SMALL * UNIT; *room < size; *room *= 2)
        class ++;
    assert (class < CLASSES);
    return class;
}

void *__wrap_malloc (size_t size)
{
    if (!s_on)
        return __real_malloc (size);
    size_t room, class = s_class (size ? size : 1, &room);
    s_arena_t *arena = s_arena ();
    uint8_t *data = arena->unused[class];
    if (data)
        memcpy (&arena->unused[class], data, sizeof (void *));
    else {
        data = s_memory + arena->used + sizeof (s_head_t);
        arena->used += sizeof (s_head_t) + room;
        assert (arena->used <= ARENA);
    }
    s_most = arena->used > s_most ? arena->used : s_most;
    ((s_head_t *) (void *) data)[-1] = (s_head_t){class, size};
    return data;
}

void __wrap_free (void *data)
{
    if (!data || !s_is_ours (data)) {
        __real_free (data);
        return;
    }
    s_arena_t *arena = s_arena ();
    size_t class = ((s_head_t *) data)[-1].class;
    memcpy (data, &arena->unused[class], sizeof (void *));
    arena->unused[class] = data;
}

void *__wrap_calloc (size_t count, size_t size)
{
    void *data = __wrap_malloc (count * size);
    return data ? memset (data, 0, count * size) : NULL;
}

void *__wrap_realloc (void *data, size_t size)
{
    if (data ? !s_is_ours (data) : !s_on)
        return __real_realloc (data, size);
    void *new = __wrap_malloc (size);
    if (data) {
        size_t old = ((s_head_t *) data)[-1].size;
        memcpy (new, data, old < size ? old : size);
        __wrap_free (data);
    }
    return new;
}

void *memory_begin (size_t root)
{
    memset (s_memory, 0, sizeof (s_arena_t));
    s_arena ()->used = (sizeof (s_arena_t) + UNIT - 1) / UNIT * UNIT;
    s_on = true;
    return __wrap_calloc (1, root);
}

void memory_end (void)
{
    s_on = false;
}

void *memory_outside (size_t size)
{
    void *data = __real_malloc (size);
    assert (data);
    return memset (data, 0, size);
}

void memory_free_outside (void *data)
{
    __real_free (data);
}

void memory_keep (memory_t *self)
{
    size_t used = s_arena ()->used;
    if (self->room < used) {
        self->room = used + used / 2;
        self->data = __real_realloc (self->data, self->room);
        assert (self->data);
    }
    self->size = used;
    memcpy (self->data, s_memory, used);
}

void memory_restore (const memory_t *self)
{
    memcpy (s_memory, self->data, self->size);
}

void memory_drop (memory_t *self)
{
    __real_free (self->data);
    *self = (memory_t){NULL, 0, 0};
}

size_t memory_most (void)
{
    return s_most;
}
