/*  =========================================================================
    output - bytes of replies that wait for each client

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/map.h"
#include "core/base/ring.h"
#include "io/broker/output.h"

//  Accounts that are kept though nothing waits in them: it saves making them again for each request.
#define ACCOUNTS_KEPT 1024
//  Accounts that are looked at when a new one is made: more than one, so that those that are not used any more go.
#define ACCOUNTS_TRIED 2
//  Accounts that are looked at in one go.
#define ACCOUNTS_LOOKED 16

struct zb_account {
    zb_entry_t entry;
    zb_ring_t ring; //  of all accounts
    bool cut;           //  it is being shut down
    bool full;          //  a reply was passed over
    uint64_t sent;             //  bytes since the account was made,
    uint64_t marked;           //  up to the newest mark,
    atomic_uint_fast64_t left; //  up to the newest one that was freed
    atomic_size_t refs;        //  the table's, and each mark's on its way
    size_t counted;            //  bytes of it in the total
    uint64_t passed;           //  the round in which a message was passed over
    char routing[];
};

struct zb_output {
    zb_map_t map;
    zb_ring_t all;
    zb_account_t *last; //  the one that was asked for last: requests and replies of a client come in rows
    size_t total;
    uint64_t round;
};

//  Marks that were handed to libzmq: who frees one has seen all that was written before it was handed over.
static atomic_uint_fast64_t s_handed;

//  In front of a mark's bytes.
typedef struct {
    zb_account_t *account;
    uint64_t position;
} s_mark_t;

static void s_unref (zb_account_t *account)
{
    if (atomic_fetch_sub (&account->refs, 1) == 1)
        free (account);
}

zb_output_t *zb_output_new (void)
{
    zb_output_t *self = (zb_output_t *) calloc (1, sizeof *self);
    assert (self);
    uint8_t key[ZB_MAP_KEY_SIZE];
    randombytes_buf (key, sizeof key);
    zb_map_init (&self->map, key);
    zb_ring_init (&self->all);
    self->round = 1;
    return self;
}

void zb_output_round (zb_output_t *self)
{
    self->round++;
}

static void s_drop (zb_output_t *self, zb_account_t *account)
{
    zb_map_remove (&self->map, &account->entry);
    zb_ring_remove (&account->ring);
    self->total -= account->counted;
    if (self->last == account)
        self->last = NULL;
    s_unref (account);
}

void zb_output_destroy (zb_output_t **self_p)
{
    assert (self_p);
    zb_output_t *self = *self_p;
    if (self) {
        while (!zb_ring_empty (&self->all))
            s_drop (self, ZB_ITEM (self->all.next, zb_account_t, ring));
        zb_map_clear (&self->map);
        free (self);
        *self_p = NULL;
    }
}

//  Lets accounts go in which nothing waits, the oldest first.
static void s_let_go (zb_output_t *self)
{
    for (int tried = 0; tried < ACCOUNTS_TRIED && self->map.count > ACCOUNTS_KEPT; tried++) {
        zb_ring_t *link = zb_ring_pop (&self->all);
        zb_ring_append (&self->all, link);
        zb_account_t *account = ZB_ITEM (link, zb_account_t, ring);
        if (atomic_load (&account->left) == account->marked && !zb_output_passed (self, account))
            s_drop (self, account);
    }
}

zb_account_t *zb_output_account (zb_output_t *self, zb_frame_t routing)
{
    if (self->last && zb_frame_eq (self->last->entry.key, routing))
        return self->last;
    zb_entry_t *entry = zb_map_find (&self->map, routing);
    if (entry)
        return self->last = ZB_ITEM (entry, zb_account_t, entry);
    s_let_go (self);
    zb_account_t *account = (zb_account_t *) calloc (1, sizeof *account + routing.size);
    assert (account);
    atomic_store (&account->refs, 1);
    if (routing.size)
        memcpy (account->routing, routing.data, routing.size);
    zb_map_add (&self->map, &account->entry, (zb_frame_t){account->routing, routing.size});
    zb_ring_init (&account->ring);
    zb_ring_append (&self->all, &account->ring);
    return self->last = account;
}

zb_frame_t zb_account_routing (const zb_account_t *account)
{
    return account->entry.key;
}

bool zb_account_cut (zb_account_t *account)
{
    bool first = !account->cut;
    account->cut = true;
    return first;
}

size_t zb_output_waits (zb_output_t *self, zb_account_t *account)
{
    size_t waits = (size_t) (account->sent - atomic_load (&account->left));
    self->total = self->total - account->counted + waits;
    account->counted = waits;
    if (waits <= ZB_OUTPUT_STEP)
        account->cut = account->full = false;
    return waits;
}

size_t zb_output_total (const zb_output_t *self)
{
    return self->total;
}

void zb_output_look (zb_output_t *self)
{
    //  Where nothing waits, as it was seen last, nothing was freed since.
    for (size_t looked = 0; looked < ACCOUNTS_LOOKED && looked < self->map.count && self->total; looked++) {
        zb_ring_t *link = zb_ring_pop (&self->all);
        zb_ring_append (&self->all, link);
        zb_output_waits (self, ZB_ITEM (link, zb_account_t, ring));
    }
}

zb_account_t *zb_output_most (zb_output_t *self)
{
    zb_account_t *most = NULL;
    for (zb_ring_t *link = self->all.next; link != &self->all; link = link->next) {
        zb_account_t *account = ZB_ITEM (link, zb_account_t, ring);
        zb_output_waits (self, account);
        if (!most || account->counted > most->counted)
            most = account;
    }
    return most;
}

void zb_output_pass (zb_output_t *self, zb_account_t *account)
{
    account->passed = self->round;
    account->full = true;
}

bool zb_output_full (zb_output_t *self, zb_account_t *account)
{
    return zb_output_waits (self, account) > ZB_OUTPUT_STEP && account->full;
}

bool zb_output_passed (const zb_output_t *self, const zb_account_t *account)
{
    return account->passed == self->round;
}

bool zb_output_add (zb_output_t *self, zb_account_t *account, size_t bytes)
{
    bool none = atomic_load (&account->left) == account->marked;
    account->sent += bytes;
    zb_output_waits (self, account);
    return none || account->sent - account->marked >= ZB_OUTPUT_STEP;
}

void *zb_output_mark (zb_account_t *account, zb_frame_t frame, void **hint)
{
    s_mark_t *mark = (s_mark_t *) malloc (sizeof *mark + frame.size);
    assert (mark);
    *mark = (s_mark_t){account, account->sent};
    account->marked = account->sent;
    atomic_fetch_add (&account->refs, 1);
    if (frame.size)
        memcpy (mark + 1, frame.data, frame.size);
    *hint = mark;
    atomic_fetch_add (&s_handed, 1);
    return mark + 1;
}

void zb_output_freed (void *data, void *hint)
{
    (void) data;
    (void) atomic_load (&s_handed);
    s_mark_t *mark = (s_mark_t *) hint;
    //  Marks of a connection come in order; those of two that had one routing id, one after the other, may not.
    uint_fast64_t left = atomic_load (&mark->account->left);
    while (left < mark->position && !atomic_compare_exchange_weak (&mark->account->left, &left, mark->position))
        ;
    s_unref (mark->account);
    free (mark);
}
