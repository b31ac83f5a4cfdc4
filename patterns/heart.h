/*  =========================================================================
    heart - heartbeats between two peers, with echo and proof of death

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each of two peers binds a PUB socket and connects a SUB socket to the other's.
    A thread of its own publishes a beat at every interval, so that a busy owner
    does not look dead, and asks the owner's `fill` for what the beat says, so that
    a hung owner does not look alive.  The heart knows nothing of what it carries.

    It tells its owner three things:
      - HEART_BEAT: what the peer said last, when that was heard, and when we sent
        the newest of our own beats that the peer has echoed.  No fresh echo means
        that the peer does not hear us: the link is cut one way, or this process
        was stopped.
      - HEART_SILENT: nothing was heard for the limit, while this process was
        running and listening all that time.
      - HEART_DEAD: proof of death.  The connection closed, and after that the
        peer's machine refused (ECONNREFUSED) connections to each of the `probe`
        endpoints, twice, 10 ms apart.  A process that is stopped, slow or behind
        a cut link refuses nothing.  A firewall that answers with RST, or another
        machine that has taken over the peer's address, looks like death.

    Old news never passes for new.  The owner gets the newest state, however long it
    did not ask.  If this process was stopped for longer than the silence limit, the
    connection to the peer is renewed, which throws away what piled up in it, and
    silence and death are found afresh.

    The frame, integers big endian; `seal` may wrap it:

      offset size
        0     4   magic "HART"
        4     1   version, 1
        5     1   1: the peer is asked to send its next beat at once; else 0
        6     2   zero
        8     8   session of the sender: random at each start, never 0
       16     8   sequence, 1, 2, 3, ... in that session
       24     8   the session that the sender heard last, 0 if none
       32     8   the newest sequence that it heard in that session
       40     -   payload
*/

#ifndef HEART_H_INCLUDED
#define HEART_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HEART_HEADER_SIZE 40
#define HEART_PAYLOAD_MAX 8192 //  bytes of a payload
#define HEART_SEAL_MAX 256     //  bytes that `seal` may add

#define HEART_INTERVAL 100 //  ms between two beats, unless set
#define HEART_SILENCE 500  //  ms until a peer is silent, unless set

typedef struct heart heart_t;

//  All callbacks run in the heart's thread.  They must not block and must not call the heart.

//  Writes the payload of the next beat, at most `room` bytes, and returns its size.  0 means: be silent this time.
typedef size_t (heart_fill_fn) (void *context, uint8_t *payload, size_t room);
//  Reads `size` bytes of `in` and writes at most `room` bytes to `out`.  Returns the bytes written; -1 drops the
//  frame and counts it.
typedef ssize_t (heart_wrap_fn) (void *context, const uint8_t *in, size_t size, uint8_t *out, size_t room);

//  Sets options of a socket, before it binds (`to` is NULL) or connects to `to`.  In the owner's thread, or the heart's.
typedef void (heart_tune_fn) (void *context, void *socket, const char *to);

//  Everything is copied but what `context` points to.
typedef struct {
    const char *name;         //  for logs
    const char *bind;         //  where our PUB listens: "tcp://*:5003"; a wildcard port is possible, see heart_endpoint
    const char *peer;         //  the PUB of the peer: "tcp://host:5004"
    int64_t interval;         //  ms between two beats; 0: HEART_INTERVAL
    int64_t silence;          //  ms until a peer is silent; 0: HEART_SILENCE
    const char *const *probe; //  endpoints tcp://HOST:PORT on which a living peer listens; HOST is a numeric address,
    size_t probes;            //    or that of `peer`: then it stands for the address the beats came from
    heart_fill_fn *fill;      //  required
    heart_wrap_fn *seal;      //  may be NULL: around the whole frame, before it is sent,
    heart_wrap_fn *open;      //    and after it was received
    heart_tune_fn *tune;      //  may be NULL
    void *context;            //  for the callbacks
} heart_args_t;

typedef enum { HEART_BEAT, HEART_SILENT, HEART_DEAD } heart_kind_t;

//  Times are zclock_mono milliseconds of this machine.
typedef struct {
    heart_kind_t kind;
    int64_t heard_ms;    //  when the newest beat was heard; 0 if never
    int64_t echoed_ms;   //  when we began to fill our newest beat that the peer has echoed in its session; 0 if none
    uint64_t answered;   //  BEAT: the newest question (heart_ask) that it answers; 0 if none
    uint64_t session;    //  the peer's; 0 if never heard
    int64_t paused_ms;   //  how long this process did not run, beyond the limit, since the last event; 0: it did
    bool session_is_new; //  BEAT: another one than that of the last BEAT the owner got: the peer has restarted
    size_t size;         //  the newest payload, also in SILENT and DEAD: the peer's last words
    uint8_t payload[HEART_PAYLOAD_MAX];
} heart_event_t;

typedef struct {
    uint64_t sent;        //  beats published
    uint64_t withheld;    //  beats not published: `fill` or `seal` said so
    uint64_t heard;       //  beats accepted, also those of which the owner got only a newer one
    uint64_t malformed;   //  frames dropped: not ours, too short, too long, several parts
    uint64_t refused;     //  frames dropped: `open` said no
    uint64_t stale;       //  beats dropped: of a session that was replaced, or not newer than the last
    uint64_t own;         //  beats dropped: we hear ourselves (bind and peer are the same)
    uint64_t sessions;    //  sessions of the peer
    uint64_t disconnects; //  times the connection to the peer closed
    uint64_t probes;      //  probes begun
    uint64_t deaths;      //  probes that proved death
    uint64_t pauses;      //  times this process was stopped for longer than the silence limit
} heart_counters_t;

//  Binds, connects and starts the thread.  Returns NULL with errno set: EADDRINUSE if another process listens at
//  `bind`, EINVAL for endpoints that are malformed, EADDRNOTAVAIL and what else binding can say.  Names are looked
//  up by libzmq in the background, and again at each reconnect.
heart_t *heart_new (const heart_args_t *args);

//  Stops the thread and closes the sockets; no callback runs after it.
void heart_destroy (heart_t **self_p);

//  All that follows is for the owner's thread alone.

//  A socket to poll for input (zpoller, zloop_reader).  When it is readable, call heart_recv until it returns NULL.
void *heart_sock (heart_t *self);

//  The next event, or NULL if there is nothing new; never waits.  Only the newest BEAT is delivered; a SILENT or a DEAD
//  that came after it follows, and holds until the next BEAT or a stop of this process.  DEAD may follow SILENT.  The
//  event is valid until the next call.
const heart_event_t *heart_recv (heart_t *self);

//  The peer is silent or dead, and this process was running and listening until now: ask it before you act on a peer's
//  absence.  After a stop of this process it is false until SILENT or DEAD is found, and told, afresh.
bool heart_peer_gone (heart_t *self);

//  For how long at most no beat of ours has left since the last call, up to now.  Such a pause counts in full, also if it began
//  before that call.
int64_t heart_unsent (heart_t *self);

//  Publishes at once, besides the regular beats: the payload has changed.
void heart_update (heart_t *self);

//  Asks the peer to beat at once.  A beat with at least this number in `answered` was sent by a peer that has heard one of
//  ours which left after this call: no clock is needed to know that it is not older.  Numbers ascend, from 1 on.
void heart_ask (heart_t *self, uint64_t question);

//  Our own session.
uint64_t heart_session (const heart_t *self);
//  Where our PUB listens, with the port that a wildcard got.
const char *heart_endpoint (const heart_t *self);
//  A copy of the counters.
heart_counters_t heart_counters (heart_t *self);

#endif
