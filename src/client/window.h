/*  =========================================================================
    window - a client's PUTs, from the call to the callback

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A pure value: no socket, no clock.  It keeps the PUTs in their order, numbers
    them, says which one to send next, and finds out from the answers what became
    of each.

    1. On one connection a PUT is sent again only after its answer, so that an answer belongs to exactly one PUT.
    2. A PUT is sent only when all before it are answered or on their way under their right numbers.
    3. A PUT that may have been stored keeps its number until the broker has refused it or told, in its HELLO, that it
       was not stored.  If a try of it got no answer, the other broker may have stored that one: after a split two PUTs
       of one number would meet.  So such a PUT is not given up for want of room, but sent again until there is room, or
       its time is over.
    4. After a refusal for want of room, one PUT at a time is sent until one is stored, then two, four, and so on: the
       broker refuses all that are behind a refused one, and the more are on their way, the more have to be sent again.
    5. If a failure stops those behind (zb_failed_t), none of them is stored.  The broker refuses the ones that are on
       their way, since their numbers leave a gap; each is done when it has said so, and nothing is sent before.  Without
       a name there are no numbers, so that then one PUT is on its way at a time.
*/

#ifndef ZB_WINDOW_H_INCLUDED
#define ZB_WINDOW_H_INCLUDED

#include <zmq.h>

#include "core/wire/wire.h"
#include "zbroker.h"

typedef struct zb_window zb_window_t;

//  A PUT, from the call to its receipt.
typedef struct {
    zmq_msg_t *frame; //  queue, properties, bodies
    size_t frames;
    uint64_t number;  //  0 = none yet
    uint64_t sent_as; //  its number on the current connection; 0 = not on its way
    int64_t sent_at;
    int64_t deadline;
    bool tried;   //  it was sent at least once
    bool unheard; //  a try of it got no answer
    bool done;    //  the receipt is final
    bool taken;   //  done: its number is not free
    bool unsure;  //  done: whether its number is free, the next HELLO tells
    bool doomed;  //  behind one that failed, and on its way: the broker will refuse it
    bool stops;   //  done: it failed, and stops those behind it until its callback has run
    zb_receipt_t receipt;
    char text[256]; //  of the receipt
    zb_put_fn *fn;
    void *arg;
} zb_flight_t;

//  What an answer means for the connection.
typedef enum {
    ZB_WINDOW_FINE,     //  nothing
    ZB_WINDOW_GREET,    //  the broker does not know us: HELLO
    ZB_WINDOW_PAUSE,    //  it is not ready, or our numbers are not its own: HELLO after a pause
    ZB_WINDOW_PASSIVE,  //  it is not active
    ZB_WINDOW_REJECTED, //  somebody else works under our name
    ZB_WINDOW_STRANGE   //  not an answer to any of our PUTs, or malformed
} zb_window_verdict_t;

zb_window_t *zb_window_new (void);
void zb_window_destroy (zb_window_t **self_p);

//  The client has a name, so that its PUTs are numbered as the broker says.  Only while empty.
void zb_window_set_named (zb_window_t *self, bool named);

//  What becomes of those behind one that fails.  Only while empty.
void zb_window_set_failed (zb_window_t *self, zb_failed_t failed);

//  The next PUT has this number, of which the broker has told that it is stored, or the one after the last.  What is
//  sent under a number that is stored keeps it.  Only while empty and after a HELLO.  Returns false if it can't be.
bool zb_window_resume (zb_window_t *self, uint64_t number);

size_t zb_window_size (const zb_window_t *self);

//  Adds a PUT; at most ZB_WINDOW at a time.  Takes the frames and the array, which was allocated.
void zb_window_add (zb_window_t *self, zmq_msg_t *frame, size_t frames, int64_t deadline, zb_put_fn *fn, void *arg);

//  A broker has greeted us: `last` is the last number that it has stored.  `fresh`: on a new connection.
void zb_window_greeted (zb_window_t *self, uint64_t last, bool fresh);

//  The next PUT to send; NULL if there is none now.
zb_flight_t *zb_window_next (zb_window_t *self);
void zb_window_sent (zb_window_t *self, zb_flight_t *put, int64_t now);

zb_window_verdict_t zb_window_answer (zb_window_t *self, const zb_answer_t *answer, int64_t now);

//  Whether PUTs are on their way, and if so, since when nothing has happened to them.
bool zb_window_waiting (const zb_window_t *self, int64_t *since);
//  The earliest deadline; INT64_MAX if none.
int64_t zb_window_deadline (const zb_window_t *self);
//  Gives up the PUTs whose deadline has come.  Returns true if the connection has to be given up with them, because
//  only a HELLO on a new one tells whether they were stored.
bool zb_window_expire (zb_window_t *self, int64_t now, int error, const char *text);
//  Who waits for room (ZB_FAILED_WAIT) is not on the clock: no PUT's deadline is before this one.
void zb_window_extend (zb_window_t *self, int64_t deadline);
//  Gives up all.
void zb_window_fail (zb_window_t *self, int error, const char *text);

//  Takes the oldest PUT off if its receipt is final; NULL if not.  The caller destroys it.
zb_flight_t *zb_window_pop (zb_window_t *self);
void zb_flight_destroy (zb_flight_t **self_p);
//  Whoever waited for this PUT's callback does so no longer.
void zb_window_forget (zb_window_t *self, const void *arg);

//  All numbers up to this one are stored.
uint64_t zb_window_stored (const zb_window_t *self);

//  The level's word as in replies; ZB_LEVEL_NONE if unknown.
zb_level_t zb_level_parse (zb_frame_t word);

#endif
