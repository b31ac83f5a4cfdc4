/*  =========================================================================
    cursor_self - what the files of the class cursor share

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    cursor.c        its life, the rows that it has in memory, reading them, and what is delivered
    cursor_away.c   what leaves memory (shedding), and deliveries of rows that have left
    cursor_done.c   what is done: messages, rows, the mark, and what the store is told of them
    cursor_keys.c   which messages wait for others of their key
    cursor_ranks.c  which rows go first, and those ahead of the window

    Nobody else includes this.
*/

#ifndef ZB_CURSOR_SELF_H_INCLUDED
#define ZB_CURSOR_SELF_H_INCLUDED

#include <assert.h>

#include "core/queue/cursor.h"

//  The rows in memory.
static inline zb_view_t *zb_cursor_view (const zb_cursor_t *self, size_t number)
{
    assert (number < self->views.count);
    return (zb_view_t *) zb_deck_at (&self->views, number);
}

static inline uint64_t zb_cursor_first_id (const zb_cursor_t *self, size_t number)
{
    return zb_cursor_view (self, number)->places->first;
}

static inline uint64_t zb_cursor_last_id (const zb_cursor_t *self, size_t number)
{
    return zb_cursor_view (self, number)->places->last;
}

//  Number of the first view whose last id is at least `id`.
size_t zb_cursor_place (const zb_cursor_t *self, uint64_t id);
//  Makes the view of a row; NULL if row or bitmap is malformed.
zb_view_t *zb_cursor_look (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits);
//  It is in memory, as the view with this number.
void zb_cursor_add (zb_cursor_t *self, size_t number, zb_view_t *view);
//  Takes a row out of memory.  What is leased of it must be away, or ends.
void zb_cursor_drop (zb_cursor_t *self, size_t number);
//  Takes one row that was found; it extends the window, or is a stray.  0, or -1 if it is malformed.
int zb_cursor_take (zb_cursor_t *self, zb_row_t *row, uint64_t last, const zb_row_t *bits, bool stray);
//  A message that is leased, or blocked, is ready again.
void zb_cursor_return (zb_cursor_t *self, zb_view_t *view, uint32_t number);

//  Deliveries of rows that are not in memory.  A row is in memory again: its deliveries meet it.
void zb_cursor_welcome (zb_cursor_t *self, zb_view_t *view);
//  The leases of all end, and nothing of them is kept.
void zb_cursor_end_away (zb_cursor_t *self);
//  Where it goes: to one lease (NULL: to nobody, it is ready), or to the one that is told for each that was tried.
typedef struct {
    zb_lease_t *lease;
    zb_rest_t *rest;
    void *context;
} zb_to_t;
//  What zb_cursor_hand and zb_cursor_try do, of these alone.
uint64_t zb_cursor_hand_away (zb_cursor_t *self, uint64_t first, uint64_t last, const zb_whose_t *whose,
                              const zb_to_t *to);

static inline bool zb_cursor_is_whose (const zb_lease_t *lease, const zb_whose_t *whose)
{
    return lease && (whose->lease ? lease == whose->lease : lease->session == whose->session);
}

//  What is done.  How many messages of a row it does not want; in its view (may be NULL) they are done.
uint32_t zb_cursor_exclude (zb_cursor_t *self, const zb_places_t *places, zb_view_t *view);

//  Ranks.  From this id on it is not known any more what is ready of a rank, whatever a read brings that is under way.
void zb_cursor_unknow (zb_rank_t *rank, uint64_t id);
//  It is to be delivered, as one of its rank, or no more.
void zb_cursor_list (zb_cursor_t *self, zb_view_t *view);
void zb_cursor_unlist (zb_cursor_t *self, zb_view_t *view);
//  It is in no front any more.
void zb_cursor_unfront (zb_cursor_t *self, zb_view_t *view);
//  One of its messages is not ready any more, or again, whether there are ranks or not.
void zb_cursor_fewer (zb_cursor_t *self, const zb_view_t *view);
void zb_cursor_more (zb_cursor_t *self, zb_view_t *view);
//  Whether the index has to be read to know all of a rank.
bool zb_cursor_is_unread (const zb_cursor_t *self, unsigned rank);
//  The first of a rank that is ready and known to be the first; NULL if there is none.
zb_view_t *zb_cursor_first_of (zb_cursor_t *self, unsigned which);

//  Keys.  A message is delivered: others of its key wait.  There are keys.
void zb_cursor_lend_key (zb_cursor_t *self, const zb_view_t *view, uint32_t number);
//  Nothing more is known of the key that it was leased for.  There are keys.
void zb_cursor_free_key (zb_cursor_t *self, uint64_t id);
//  A message is done: it keeps no other one of its key from being delivered.
void zb_cursor_let_key (zb_cursor_t *self, const zb_view_t *view, uint32_t number);
//  What waits for its key there is ready again.
void zb_cursor_unblock_all (zb_cursor_t *self, size_t place);
//  Nothing is leased, or blocked, any more; and it does not go by keys any more.
void zb_cursor_clear_keys (zb_cursor_t *self);
void zb_cursor_forget_keys (zb_cursor_t *self);

#endif
