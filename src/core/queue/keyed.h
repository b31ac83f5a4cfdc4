/*  =========================================================================
    keyed - which message of a key is one consumer's: mode=key

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Of the messages with one `key` one is delivered at a time; those behind it are blocked until it is
    done, and what has other keys, or none, goes on.  Nothing of that is in the store: it follows from the
    order of the ids and from what is leased, so who leads, or reads rows again, finds it out anew.

      A message is looked at once, when it would be the next one of its queue (zb_keyed_may).  While another one of its key is
      leased, by whomever, so also while that one rests, or dies, it is blocked: its id is noted under its key, and it is leased by nobody,
      by a lease that all blocked ones of the queue have in common.  So the cursor goes on behind it, and does not
      come to it again.

      When the lease of the one ends, because it is done or because it comes back, the first of those noted is ready
      again.  No more: it is looked at as any other, and may be blocked again, for of what is ready the
      smallest id is next.  So what came back is delivered before what was behind it, and what a replay, or a lane, has inserted
      in front of it, too.

    So a message costs one look, and one more whenever it may be next: a million of one key are not
    scanned anew by each GET.  What is noted may be out of date, as rows leave memory and come again, or what is blocked
    is dropped, moved, or acknowledged by who has not got it: what is not blocked any more is passed over.

    Rows of blocked messages stay in memory, in the window, up to half of limits.windows (64 MiB, core/engine/giving.c);
    beyond that the queue waits until something is done.  Keys, and notes, count among these bytes.

    That is simpler than a lease for each key, whose spans would have to be given up one by one, and than leaving
    the blocked ones ready, which would have the cursor pass over them each time.
*/

#ifndef ZB_KEYED_H_INCLUDED
#define ZB_KEYED_H_INCLUDED

#include "core/base/map.h"
#include "core/queue/lease.h"

typedef struct zb_keyed {
    zb_map_t by_key; //  those of which one is leased, or some are blocked,
    zb_map_t by_id;  //  and the same by the one that is leased, or was, or may be next
    zb_ring_t freed; //  of those whose blocked ones are to be looked at
    zb_lease_t blocked;
    uint64_t count; //  messages that are blocked
    size_t bytes;   //  of memory that it takes, which grows with keys and with notes,
    size_t charged; //  and those that the log knows of
} zb_keyed_t;

//  The secret is the broker's: nobody can find two keys that are taken for one, or fill a bucket of a map.
zb_keyed_t *zb_keyed_new (const uint8_t secret[ZB_MAP_KEY_SIZE]);
//  No message is blocked.
void zb_keyed_destroy (zb_keyed_t **self_p);
//  The value of the property `key`; empty: it has none, and is free.
zb_frame_t zb_keyed_of (zb_frame_t properties);
//  Whether a message that is ready may be delivered; if not it is noted, and the caller blocks it.
bool zb_keyed_may (zb_keyed_t *self, zb_frame_t properties, uint64_t id);
//  It is delivered.
void zb_keyed_lend (zb_keyed_t *self, zb_frame_t properties, uint64_t id);
//  The lease of a message has ended, or it is done: it may be none that is known of.
void zb_keyed_free (zb_keyed_t *self, uint64_t id);
//  A blocked one is done.
void zb_keyed_drop (zb_keyed_t *self, zb_frame_t properties, uint64_t id);
//  Whether one is to be unblocked, and the first id that was noted; it is noted no more.
bool zb_keyed_next (zb_keyed_t *self, uint64_t *id);
//  Of that one's key no more is to be unblocked before it is done, or comes back: it is ready.  Else the next call tells the
//  next one; if that has more than `last` there is none any more.
void zb_keyed_ready (zb_keyed_t *self, uint64_t id);
void zb_keyed_forget (zb_keyed_t *self, uint64_t last);
//  Nothing is leased, or blocked, any more.
void zb_keyed_clear (zb_keyed_t *self);

#endif
