/*  =========================================================================
    pirate - Lazy Pirate: a client that does not get stuck

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The client side of every reliable request: it talks to one of several servers,
    retries when there is no answer, moves to the next server at the first sign of
    trouble, and gives up after a time that the caller has set.

    Problem     A REQ socket sticks for ever when a reply is lost, and a client that learns of a dead server by a
                timeout alone wastes that timeout at every failover.
    Guarantee   A call returns within its time.  A reply is the reply to the current request or, where the server
                answers twice, to a copy of it: before a request is sent again elsewhere or again, the connection it
                was sent on is given up, and with it whatever still comes from there.  Sends never block.  Requests do
                not wait in the socket for a server that is away, to surprise it later.
    Not         That a request is done once: it may be done, its reply lost, and done again.  The server has to
    guaranteed  recognize it, or doing it twice has to be harmless.

    It holds its connections to each server all the time, so that moving costs nothing, and uses one server at a time,
    the current one.  Signs of trouble: a connection closes (seen at once through the socket's monitor), heartbeats of
    the transport stop, or no reply comes within the patience.

    There are two connections to each server: requests go over one, heartbeats alone over the other, so that they never
    wait behind requests.  A server that has not read these yet, but lives, is not left for that.  A program that is
    stopped for longer than the heartbeats' limit finds its connections closed.

    Sockets are DEALERs; servers are REP or ROUTER.  One pirate belongs to one thread.  It has a ZeroMQ context of its
    own, touches no global state and installs no signal handlers.  Times are milliseconds.  Lack of memory or of file
    descriptors for the sockets asserts.

    From the Lazy Pirate and the Binary Star client in the ZeroMQ guide, chapter 4; they open one connection at a time.
*/

#ifndef PIRATE_H_INCLUDED
#define PIRATE_H_INCLUDED

#include <czmq.h>

#define PIRATE_ENDPOINTS 8      //  at most, in one list
#define PIRATE_ENDPOINT_MAX 255 //  bytes of one endpoint

typedef struct pirate pirate_t;

//  What pirate_wait saw.
typedef enum {
    PIRATE_READY,      //  the current connection has a message
    PIRATE_LOST,       //  the current connection closed; what was sent on it and not answered has to be sent again
    PIRATE_UP,         //  a connection, this one or another, is ready for use
    PIRATE_OTHER,      //  the one that is listened to has a message
    PIRATE_NOTHING,    //  the time ran out
    PIRATE_INTERRUPTED //  a signal's handler ran
} pirate_event_t;

//  Makes a client of the servers in the list, endpoints with a comma between, and starts to connect to all of them.
//  Returns NULL if the list is empty, too long, or holds what is not an endpoint.
pirate_t *pirate_new (const char *endpoints);

//  Closes all connections; does not wait.
void pirate_destroy (pirate_t **self_p);

//  --- The simple call ----------------------------------------------------------------------------------------------

//  Sends the request and waits for the reply.  The empty delimiter that REP and ROUTER servers expect is added to the
//  request and taken off the reply.  Takes ownership of *request_p.  The caller owns the reply.
//  Returns NULL if no reply came within the timeout, or if interrupted by a signal (errno is then EINTR, else EAGAIN).
zmsg_t *pirate_request (pirate_t *self, zmsg_t **request_p);

//  How long pirate_request goes on, all servers and retries together.  Default 10000; -1 = for ever.
void pirate_set_timeout (pirate_t *self, int64_t timeout);

//  How long pirate_request waits for one reply before it moves to the next server.  Default 2000.
void pirate_set_patience (pirate_t *self, int64_t patience);

//  --- The servers --------------------------------------------------------------------------------------------------

size_t pirate_size (const pirate_t *self);
//  The endpoint as it was given.
const char *pirate_endpoint (const pirate_t *self, size_t index);
//  The server with this endpoint; pirate_size if there is none.
size_t pirate_find (const pirate_t *self, const char *endpoint);
//  The server in use.
size_t pirate_current (const pirate_t *self);
//  Whether the connections to this server stood when pirate_wait last looked.
bool pirate_connected (const pirate_t *self, size_t index);
//  How often the current server has changed.
size_t pirate_moves (const pirate_t *self);

//  --- For protocols of their own -----------------------------------------------------------------------------------
//  Send, wait, receive; on PIRATE_LOST or when patience ends, move and send again what was not answered.

//  The current connection, a ZeroMQ DEALER, for zmq_msg_send (with ZMQ_DONTWAIT), zmq_msg_recv, zmsg_send.  It changes
//  with each move, renewal and loss: ask again.  A send fails with EAGAIN while there is no connection; if that
//  happens in the middle of a message, renew.
void *pirate_socket (pirate_t *self);

//  Waits up to `timeout` ms (-1 = for ever) for something to happen.  What has been received is reported before a loss.
pirate_event_t pirate_wait (pirate_t *self, int64_t timeout);

//  Moves to the next server in the list whose connection stands; stays if no other one does.  `clean` tells that
//  nothing is unanswered on the connection that is left: it is kept.  Else it is renewed, so that nothing old comes
//  from it or goes to it later.
void pirate_next (pirate_t *self, bool clean);

//  Moves to this server, connected or not; `clean` as above.
void pirate_move (pirate_t *self, size_t index, bool clean);

//  Gives up the current connection and starts a new one to the same server.
void pirate_renew (pirate_t *self);

//  A second opinion while the current server is silent, without leaving it: the connection to another one that stands, for
//  zmq_send and zmq_recv with ZMQ_DONTWAIT; pirate_wait reports what comes on it until another one is listened to, or it
//  is moved to.  NULL if it is the current one, or does not stand.
void *pirate_listen (pirate_t *self, size_t index);

//  The same for a server that is several behind one address, of which this was the wrong one.  Only the connection for
//  requests is made anew: a balancer that takes turns would deal two of them out as it did before.
void pirate_reroute (pirate_t *self);

//  Heartbeats of the transport, for all servers: one each `interval` ms, and the server's connections are given up
//  `timeout` ms after one that brought no sign of life.  Default 250 and 500.  Renews all connections.
void pirate_set_heartbeat (pirate_t *self, int interval, int timeout);

//  Options of each socket, set by this function before it connects to `endpoint`: CURVE's keys, say.  Renews all connections.
typedef void (pirate_tune_fn) (void *context, void *socket, const char *endpoint);
void pirate_set_tune (pirate_t *self, pirate_tune_fn *tune, void *context);

#endif
