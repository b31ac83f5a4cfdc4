/*  =========================================================================
    broker_self - the broker's parts, for the files that make up the broker

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    broker.c    the order of a turn, and the loop around it
    life.c      start and stop
    effects.c   what the role wants is carried out
    reports.c   what the store reports
    peer.c      what the peer and the witness say
    merging.c   after a split: the loser sends, the winner takes
    requests.c  what clients ask, and how they are answered
    access.c    who may come in, and how much of this broker one may use
    acts.c      what operators may do
    watch.c     what who watches is told

    All of it runs in the core thread, and nothing in it waits.  Times are in ms of the
    monotonic clock; self->now is that of the turn.  Nobody else includes this header.
*/

#ifndef ZB_BROKER_SELF_H_INCLUDED
#define ZB_BROKER_SELF_H_INCLUDED

#include <czmq.h>

#include "core/engine/engine.h"
#include "core/pair/role.h"
#include "core/rights/quota.h"
#include "io/auth/auth.h"
#include "io/auth/keys.h"
#include "io/base/heap.h"
#include "io/base/links.h"
#include "io/base/log.h"
#include "io/broker/audit.h"
#include "io/broker/broker.h"
#include "io/broker/events.h"
#include "io/broker/front.h"
#include "io/broker/hellos.h"
#include "io/broker/hooks.h"
#include "io/broker/news.h"
#include "io/broker/operator.h"
#include "io/broker/status.h"
#include "io/pair/claimant.h"
#include "io/pair/courier.h"
#include "io/pair/ha.h"
#include "io/store/salvager.h"
#include "io/store/store.h"

//  HELLOs that wait for this broker to lead, at most.
#define HELLOS_MOST 10000
//  Reads of this purpose are the broker's own; the engine's are not negative.
#define READ_META (-1)
#define READ_REPLAY (-2)
#define READ_RIGHTS (-3)
//  Commits on their way whose time is known, see limits/inflight.
#define GIVEN_MOST 1024

typedef struct zb_broker {
    zb_config_t *config;
    zb_reloader_t *reloader;   //  NULL: nothing is read again
    zb_keys_t *keys;           //  NULL: all that follows is open to whoever reaches it
    zb_auth_t *auth;           //  NULL without keys
    zb_quota_t *quota;         //  NULL without keys
    uint64_t admitted;         //  the serial of the rights that it was told last,
    bool admitted_all;         //  and they were all
    const zb_principal_t *who; //  has sent the message at hand, as the rights of this serial say
    uint64_t who_serial;       //  0: it was not looked up yet
    int64_t learned_ms;        //  when they were asked for last from a store that follows,
    bool learns;               //  and whether the answer is still to come
    zb_front_t *front;
    zb_store_t *store;
    zb_ha_t *ha;               //  NULL without a pair
    zb_claimant_t *claimant;   //  NULL without a witness
    zb_links_t *links;         //  NULL without a pair
    zb_engine_t *engine;
    zb_rights_t *rights;       //  as the store holds them; while this broker leads, as the engine has changed them
    zb_role_t role;
    bool promoted;             //  by an operator, and it has not begun to lead
    uint64_t taken;            //  rows of its tables, as the log was told
    zb_courier_t *courier;     //  this broker lost a split: carries what it has; else NULL
    zb_hellos_t *hellos;       //  HELLOs that wait for us to lead
    zb_operator_t *operator;
    zlistx_t *batches;         //  given to the store and not durable here,
    int64_t given[GIVEN_MOST]; //  and when, us, by commit
    zb_status_t status;
    int64_t now;
    int64_t looked_ms;           //  when the links were looked at last
    int64_t heard_ms, echoed_ms; //  the newest that the links were told of
    int64_t limit;               //  of silence, as the log was told
    int64_t resume;            //  ms: the store wants no commit before, so that the peer can catch up
    bool ready;
    zb_release_t rule;         //  as the engine was told last
    zb_durable_t durable;
    zb_log_rate_t noise;       //  of lines about bad input
    zb_events_t *events;       //  for EVENTS
    uint64_t handshakes;       //  that were turned away, as it was told
    zb_audit_t audit;
    zb_news_t news;            //  of what clients meet
    zb_log_rate_t crowded;     //  of lines about connections
    zb_board_t *board;         //  NULL: nobody looks
    int64_t posted_ms;         //  when this broker's status was posted there last, 0 = never
    zb_trimmer_t *trimmer;
    zb_hooks_t *hooks;         //  NULL: none is set
    zb_salvager_t *salvager;
    zb_spans_t ids;            //  that the request at hand names
    char *holder, *denied;     //  of a shared store: sentences that the role borrows
} zb_broker_t;

//  broker.c
//  How this broker is configured.
const zb_host_t *zb_broker_own (const zb_broker_t *self);
//  Where clients reach the other one; "" without a pair.
const char *zb_broker_peer_endpoint (const zb_broker_t *self);
//  Where a client should go instead: only to whom we hear as active now.  "" if nobody is known to lead.
const char *zb_broker_active (const zb_broker_t *self);
//  Logs the text and ends the process at once, with this exit code.  The store can't be trusted any more: no clean-up,
//  nothing more is written, the peer takes over.
void zb_broker_die (int code, const char *text);

//  life.c
//  Starts all that a broker is made of.  Returns ZB_EXIT_OK, or what the process is to end with; why was logged.
int zb_broker_open (zb_broker_t *self, zb_config_t *config);
//  Ends all of it; also what a start that failed has left.
void zb_broker_close (zb_broker_t *self);

//  effects.c
//  Carries out all that the role wants now.  To be called after each event that the role was told of.
void zb_broker_carry_out (zb_broker_t *self);
//  Tells the engine the rule of this turn.  Asked before anything is answered: if this process was stopped, the peer's
//  echoes are old by now and the answer is to hold.
void zb_broker_apply_rule (zb_broker_t *self);
//  The role's rows of the table meta go into the engine's next commit.
void zb_broker_meta_rows (zb_broker_t *self);
//  Tells the engine what it needs to know of the pair.
void zb_broker_tell_engine (zb_broker_t *self);
//  Tells the peer what this broker is, with the next heartbeat, or at once.
void zb_broker_tell_peer (zb_broker_t *self, bool now);

//  reports.c
//  Takes all that the store has reported.
void zb_broker_store (zb_broker_t *self);

//  peer.c
//  Takes all that the peer has said, or the witness.
void zb_broker_peer (zb_broker_t *self);
void zb_broker_hear_witness (zb_broker_t *self);
//  Asks the witness what the role wishes.
void zb_broker_tell_witness (zb_broker_t *self);
//  What the links show when nothing is refused: heartbeats are heard, echoed, and answered by the witness.
void zb_broker_look_at_links (zb_broker_t *self);

//  merging.c
//  The loser of a split has sent the last item: its epochs are known here from now on.
void zb_broker_absorb (zb_broker_t *self);
//  As the loser of a split: sends what this store has, as long as the winner leads.
void zb_broker_replay (zb_broker_t *self);

//  requests.c
//  Takes what clients have sent, and what their ended connections have left.  Bounded by a number and by time: a single
//  request may have thousands of frames.
void zb_broker_clients (zb_broker_t *self);
//  Whether clients' requests are left in their sockets: the store has more than enough to do, or the role is being handed
//  over, which takes a moment; then they learn where to go.
bool zb_broker_waits (const zb_broker_t *self);
//  HELLOs that waited vote again; who waits too long is told so.
void zb_broker_hellos (zb_broker_t *self);
//  What the engine of an active broker does; a passive one's client is told where to go.
void zb_broker_serve (zb_broker_t *self, const zb_request_t *request);
//  Answers the request: OK with this text (NULL: none), or ERR.
void zb_broker_ok (zb_broker_t *self, const zb_request_t *request, const char *text);
void zb_broker_refuse (zb_broker_t *self, const zb_request_t *request, unsigned code, const char *why);
//  Sends all replies that the engine has.
void zb_broker_replies (zb_broker_t *self);
//  Posts STATUS on the board when it is time to, for who looks without asking.
void zb_broker_post (zb_broker_t *self);

//  access.c
//  Takes what the store holds of principals.  Returns false if it makes no sense.  While this broker leads it knows better:
//  the rows were read before.
bool zb_broker_rights (zb_broker_t *self, const zb_found_t *rows, size_t count);
//  Those who handshake are judged by what is known now, and those who are here, too.
void zb_broker_look_at_rights (zb_broker_t *self);
//  Who has sent the message at hand; NULL if nobody is known, or there are no keys.  Looked up once a message, and again if
//  what it has done changed the rights.
const zb_principal_t *zb_broker_who (zb_broker_t *self);
//  Whether the message that was read last is to be done now: its client may come, else its connection ends, and its
//  principal owes nothing, else it waits.  Of brokers, and of whoever is not known, nothing is counted.
bool zb_broker_enters (zb_broker_t *self, zb_frame_t routing);
//  Counts that message, and what it made the engine do, for its principal.
void zb_broker_charge (zb_broker_t *self, zb_frame_t routing);
//  Clients that do not read are hung up on before they have all of the memory.
void zb_broker_relieve (zb_broker_t *self);
//  Tells the operator that connections were refused or cut.
void zb_broker_watch_gate (zb_broker_t *self);
//  Something that the sender of the message that was read last has done, or tried.
void zb_broker_audit (zb_broker_t *self, zb_audit_kind_t kind, const char *verb, zb_frame_t text);

//  watch.c
//  Something of this kind has happened: a line of the log, and an event.
void zb_broker_say (zb_broker_t *self, zb_event_kind_t kind, zb_log_level_t level, const char *format, ...)
    ZB_LOG_FORMAT (4, 5);
//  Connections that were turned away in their handshakes are events.
void zb_broker_watch_handshakes (zb_broker_t *self);
//  Answers EVENTS, CLIENTS.
void zb_broker_tell_events (zb_broker_t *self, const zb_request_t *request);
void zb_broker_tell_clients (zb_broker_t *self, const zb_request_t *request);

//  acts.c
//  Does what an operator asks, if the proof is right, and answers now or when it is over.
void zb_broker_operate (zb_broker_t *self, const zb_request_t *request);
//  Answers the operator's request that waits, if what it asked for is over.
void zb_broker_look_at_operator (zb_broker_t *self);

#endif
