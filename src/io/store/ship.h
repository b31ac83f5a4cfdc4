/*  =========================================================================
    ship - the shipping link: log records to the peer, acks and grants back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each node binds a PULL and connects a PUSH to the peer's.  Every message is one
    frame, a seal (core/wire/seal.h) and a payload; numbers are big endian.  Payloads only
    grow at their end: what is longer than the table says is read as far as it is known.

      kind        payload                                               session  sent
      1 HELLO     nonce u64, role u8                                    own      by whoever has no session
      2 WELCOME   the client's nonce u64, generation u32, lead u64      offered  by a master, answering a client
      3 RECORD    size of control u32, control, record                  yes      what Berkeley DB has to say
      4 ACK       received u64, log position u64, caught up u8          yes      by the client
      5 GRANT     the master's newest epoch u64                         yes      by the master: you are in sync
      6 TICK      received u64, log position u64, size of the store u64 yes      every 100 ms
      7 BEGIN     the client's nonce u64, generation u32                offered  by the client, taking what is offered
      8 END       -                                                     over     by whoever is not in that session

        client                                   master
          | HELLO nonce c ------------------------> |   (repeated until answered)
          | <------------- WELCOME c, session s: s is offered
          | BEGIN c in s -------------------------> |   s begins: whoever knows s has got the WELCOME
          | TICK, RECORD in s ---------------------> |
          | <----------------------- RECORD, TICK   |
          | ACK -----------------------------------> |

    A session begins when a client and a master meet, and ends when the connection
    breaks, nothing came for SILENCE, a frame is missing, or one of the two says END: it
    changed its role, or began anew.  A frame of a session that this node is not in is
    answered with END, so that one whose other half is gone does not last.

    Anybody can send a HELLO who can reach the port, or play a recorded one again.  So it
    changes nothing: it is answered, to the peer's address, and forgotten.  The session
    that is offered is a keyed hash of the client's nonce, so that no table of offers can
    be flooded; the key is new after each session that began, so that an offer is taken
    once.  A nonce is new after each session, too.  Generations are believed from WELCOME
    and BEGIN alone, and only up to ZB_GENERATION_REACH above our own: a master has to
    count up to them.

    A master's `lead` is new each time that it begins to lead, which takes a new generation, too.  But one whose store was set
    back to a copy may lead with a generation that it had before.  A client that has followed it then, and hears another lead in
    the same generation, says that it has the next one, so that the master raises its own.

    Frames are numbered from 1 in each session and direction; those of other sessions,
    strangers and replays are dropped and counted.  A frame that can't be sent is dropped,
    too: Berkeley DB asks again, and the acks tell the truth.  `received`, the bytes of the
    session so far, bounds what is under way to WINDOW.

    Nothing here blocks.  Thread: the store's.
*/

#ifndef ZB_SHIP_H_INCLUDED
#define ZB_SHIP_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/auth/keys.h"

typedef struct zb_ship zb_ship_t;

typedef enum {
    ZB_SHIP_IDLE, //  announces itself, takes part in nothing
    ZB_SHIP_CLIENT,
    ZB_SHIP_MASTER
} zb_ship_role_t;

typedef enum {
    ZB_SHIP_OPENED, //  a session has begun: session, generation of its master
    ZB_SHIP_CLOSED, //  the session has ended
    ZB_SHIP_RECORD, //  control, record: for Berkeley DB; valid until the next call
    ZB_SHIP_ACK,    //  the client has everything up to `lsn` on its disk; caught_up
    ZB_SHIP_GRANT,  //  the master says that we are in sync, in this epoch
    ZB_SHIP_TICK,   //  the other side lives; lsn: the end of its log; size: bytes of its store, 0 = not told
    ZB_SHIP_BEHIND  //  as a master: a client's generation is above ours.  It is not let in until we lead with
                    //  a higher one
} zb_ship_kind_t;

typedef struct {
    zb_ship_kind_t kind;
    uint32_t generation;
    uint64_t lsn;
    uint64_t size;
    uint64_t epoch;
    bool caught_up;
    const void *control, *record;
    size_t control_size, record_size;
} zb_ship_event_t;

typedef struct {
    uint64_t strangers; //  frames that the seal refused or that came from the wrong node
    uint64_t stale;     //  frames of other sessions, replays
    uint64_t beyond;    //  clients not let in: their generation is out of reach
    uint64_t dropped;   //  frames that could not be sent
    uint64_t received;  //  bytes received in this session
    uint64_t sent;      //  bytes sent in it
} zb_ship_stats_t;

//  Binds and connects, with keys unless they are NULL.  Returns NULL and errno, and in *what the endpoint that can't be
//  used.
zb_ship_t *zb_ship_new (unsigned node, const char *bind, const char *peer, const uint8_t key[32], const zb_keys_t *keys,
                        const char **what);
void zb_ship_destroy (zb_ship_t **self_p);

//  Ends the session, without an event, and takes the role.  `generation` is ours.
void zb_ship_act (zb_ship_t *self, zb_ship_role_t role, uint32_t generation);
//  Highest generation that the peer has proven to have, and that ours can be raised above; 0 if there is none.
uint32_t zb_ship_peer_generation (const zb_ship_t *self);
//  The session, 0 if there is none.
uint64_t zb_ship_session (const zb_ship_t *self);
void zb_ship_stats (const zb_ship_t *self, zb_ship_stats_t *stats);

//  Says there what comes through and what is refused; NULL: nowhere.
struct zb_links;
void zb_ship_tell (zb_ship_t *self, struct zb_links *links);

//  Sockets to poll for input: frames, and what happens to the connection.
void *zb_ship_socket (zb_ship_t *self);
void *zb_ship_monitor (zb_ship_t *self);
//  Takes the next event; false if there is none now.
bool zb_ship_recv (zb_ship_t *self, zb_ship_event_t *event, int64_t now);
//  In place of that: what is there is left unread for a while.  The silence meanwhile is ours.
void zb_ship_rest (zb_ship_t *self, int64_t now);
//  The bytes of our store, as TICKs tell them from now on.
void zb_ship_size (zb_ship_t *self, uint64_t size);
//  Sends what is due (HELLO, TICK); `lsn` is the end of our log.  To be called at least every 50 ms, after the sockets
//  were drained.  Returns false if the session has ended by silence; no event follows.
bool zb_ship_tick (zb_ship_t *self, uint64_t lsn, int64_t now);

//  Send, if there is a session.  Returns false if the peer will have to ask for this record: it does not keep up.
bool zb_ship_record (zb_ship_t *self, const void *control, size_t control_size, const void *record, size_t record_size);
//  Whether the peer has told that it has read all our records.
bool zb_ship_is_read (const zb_ship_t *self);
void zb_ship_ack (zb_ship_t *self, uint64_t lsn, bool caught_up);
void zb_ship_grant (zb_ship_t *self, uint64_t epoch);

#endif
