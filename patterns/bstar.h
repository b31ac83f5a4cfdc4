/*  =========================================================================
    bstar - Binary Star: two servers behave as one

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A reactor for a server of your own: it exchanges states with the peer, and passes
    the clients' requests to your handler while this server is the active one.  A
    request to the other one is dropped; its client gets no reply, and tries the
    other server.  See the guide's chapter 4, and echo_server.c for a whole program.

    Problem     A service that one machine runs is gone when the machine is.
    Guarantee   Of two servers that hear each other, one is active and one passive.  When the active one dies, the
                passive one serves the first client that asks it: at once if the process died and its machine lives,
                else after HEART_SILENCE ms.  A server that comes back follows the one that is active.
    Not         One active when the link between the two is cut: each believes the other dead, and a client that can
    guaranteed  reach the passive one makes it active, one stray client is enough.  When the link is whole again, the
                backup steps back (see bstar_new_conflict); what it has done meanwhile its peer does not know.
                Clients that reach both, and links that fail seldom (two of them, on networks of their own), make
                this rare, not impossible.
                Your state: nothing of it is copied to the peer.  A service with state needs more than this.
                A process that was stopped, and goes on: until it hears its peer, it serves as what it was.
                Service by a lone backup: a backup that starts alone waits for the primary.

    Built from bstar_fsm (the decision) and heart (the exchange of states).  A reactor that a handler blocks for longer
    than HEART_SILENCE stops to beat, so that the peer takes over.  A beat carries two bytes: the sender's state, and
    whether it is PRIMARY or BACKUP by its configuration.
*/

#ifndef BSTAR_H_INCLUDED
#define BSTAR_H_INCLUDED

#include "patterns/bstar_fsm.h"

#include <czmq.h>

typedef struct bstar bstar_t;

//  A change of state, called in the reactor.  -1 ends the reactor, 0 goes on.
typedef int (bstar_fn) (zloop_t *loop, void *arg);

//  `home` is BSTAR_PRIMARY or BSTAR_BACKUP, the other one for the peer.  `local` is where this server publishes its
//  state ("tcp://*:5003"), `remote` where the peer does ("tcp://peer:5004").  Returns NULL with errno as heart_new.
bstar_t *bstar_new (bstar_state_t home, const char *local, const char *remote);
void bstar_destroy (bstar_t **self_p);

//  Binds a socket for clients, of ZeroMQ's `type`, usually ZMQ_ROUTER, and sets the handler of their requests: it reads
//  one message from the socket and answers.  Exactly one voter for a bstar.  Returns -1 with errno if the endpoint is
//  taken or malformed.
int bstar_voter (bstar_t *self, const char *endpoint, int type, zloop_reader_fn *handler, void *arg);

//  Sets the handlers of changes, each may be missing.  An active server serves, a passive one follows its peer; one
//  that is neither waits, see bstar_fsm.h.
void bstar_new_active (bstar_t *self, bstar_fn *handler, void *arg);
void bstar_new_passive (bstar_t *self, bstar_fn *handler, void *arg);
//  Both were active, and this one has to step back: what it did alone is not its peer's.  The handler decides what
//  becomes of that; new_passive is called after it.  Without this handler the reactor ends: a server that does not
//  know what to do with such a past must not go on as if there were none.
void bstar_new_conflict (bstar_t *self, bstar_fn *handler, void *arg);

//  The reactor, to add timers and readers to.
zloop_t *bstar_zloop (bstar_t *self);
//  The state now.
bstar_state_t bstar_state (const bstar_t *self);

//  Runs the reactor.  Returns 0 when the process is interrupted (SIGINT, SIGTERM), -1 when a handler or a conflict has
//  ended it.
int bstar_start (bstar_t *self);

#endif
