/*  =========================================================================
    session - a client that has said HELLO on a connection

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A session is known by its routing id.  Its requests are handled in the order in
    which they came: when one has to wait for the store, a copy of it waits, and all
    later ones of the session wait behind it.
*/

#ifndef ZB_SESSION_H_INCLUDED
#define ZB_SESSION_H_INCLUDED

#include "core/base/map.h"
#include "core/base/ring.h"
#include "core/base/timer.h"
#include "core/wire/request.h"

//  A request that waits, with all its bytes; or on its way through the engine, with borrowed ones.
typedef struct {
    zb_ring_t ring;
    size_t bytes; //  of memory; 0 = borrowed
    struct zb_session *session;
    zb_request_t request;
    bool foreign;  //  it acknowledges an id that this lineage has not given
    bool turn;     //  a PUT that gives way to no acknowledgement any more
    bool begun;    //  a part of it may be done: it is not refused any more, and the ids that it names are joined
    size_t at;     //  how far they are done: the current span,
    uint64_t next; //  and where it goes on in it; 0 = not begun
    uint64_t laid; //  and which id of it is looked up in the lane; 0 = not begun
    unsigned due;  //  whether what is due was read for it, 1, or is in the log, 2; else 0
    uint64_t digest; //  PUT of a named producer, once it waits; 0 = not known
    uint64_t walk; //  NACK, EXTEND: over the session's leases, 0 = none;
    uint64_t held; //  messages that the session held
} zb_task_t;

//  Copies a task with all its bytes.
zb_task_t *zb_task_copy (const zb_task_t *from);
void zb_task_destroy (zb_task_t **self_p);

typedef struct zb_session {
    zb_entry_t entry; //  in the engine's map of routing ids
    zb_entry_t named; //  in its map of names: the newest session of the name
    zb_ring_t idle;   //  on its ring, the longest silent first; gone: on the ring of those
    int64_t since;    //  ms, when it began,
    int64_t heard;    //  and when it said something
    uint64_t number;  //  of the engine's sessions, from 1; rises
    zb_frame_t routing;
    zb_frame_t name;   //  size 0 = none
    uint64_t instance; //  of the producer of this name
    bool hello;        //  HELLO was accepted
    bool owns;         //  its instance has the name, or had it
    bool gone;         //  its connection has ended; it lives as long as it has tasks and leases
    zb_timer_t timer;  //  gone: the end of its last lease
    uint64_t walk;     //  gone: over its leases
    size_t visits;     //  that its requests have made and nobody was told of
    zb_ring_t leases;
    uint64_t leased;      //  messages that they cover
    zb_ring_t holds;      //  queues that are its own (core/engine/holding.c)
    zb_ring_t gets;       //  that are not answered yet
    size_t asked;         //  how many
    zb_ring_t tasks;      //  that wait
    struct zb_load *load; //  what the first of them waits for
    zb_ring_t waits;      //  on that one's ring; gone, and without tasks: on the engine's ring of those that depart
    char bytes[];         //  routing, name
} zb_session_t;

//  A session that has said nothing yet.
zb_session_t *zb_session_new (zb_frame_t routing);
//  The session must be in no map and on no ring, and its own rings empty.
void zb_session_destroy (zb_session_t **self_p);
//  Sets the name; the session must not be in the map of names.
void zb_session_rename (zb_session_t *self, zb_frame_t name);

#endif
