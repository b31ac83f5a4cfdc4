/*  =========================================================================
    ring - a doubly linked list whose links lie in its items

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The engine's items are on several lists at once and leave them from the middle;
    with the links in the items neither costs an allocation or a search.  A ring's
    head is a link as well; an empty ring, and an item on no ring, is linked to
    itself, so that zb_ring_remove is always allowed.
*/

#ifndef ZB_RING_H_INCLUDED
#define ZB_RING_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>

typedef struct zb_ring {
    struct zb_ring *prev;
    struct zb_ring *next;
} zb_ring_t;

//  The item of this type whose member is the link.
#define ZB_ITEM(link, type, member) ((type *) (void *) ((char *) (link) -offsetof (type, member)))
//  Walks a ring; the current item may be removed and freed, no other one.
#define ZB_RING_EACH(link, after, head) \
    for (zb_ring_t *link = (head)->next, *after = link->next; link != (head); link = after, after = link->next)

static inline void zb_ring_init (zb_ring_t *self)
{
    self->prev = self->next = self;
}

static inline bool zb_ring_empty (const zb_ring_t *self)
{
    return self->next == self;
}

static inline void zb_ring_remove (zb_ring_t *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    zb_ring_init (link);
}

//  Makes the link the last item of the ring; it must be on none.
static inline void zb_ring_append (zb_ring_t *self, zb_ring_t *link)
{
    link->prev = self->prev;
    link->next = self;
    self->prev->next = link;
    self->prev = link;
}

//  Appends all of another ring, which is empty then.
static inline void zb_ring_join (zb_ring_t *self, zb_ring_t *other)
{
    if (zb_ring_empty (other))
        return;
    other->next->prev = self->prev;
    other->prev->next = self;
    self->prev->next = other->next;
    self->prev = other->prev;
    zb_ring_init (other);
}

//  Takes the first link off; NULL if the ring is empty.
static inline zb_ring_t *zb_ring_pop (zb_ring_t *self)
{
    if (zb_ring_empty (self))
        return NULL;
    zb_ring_t *link = self->next;
    zb_ring_remove (link);
    return link;
}

#endif
