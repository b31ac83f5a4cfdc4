/*  =========================================================================
    limits - every bound of the broker, with its default

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One header, so that nobody has to hunt for a bound.  Those in zb_limits_t can
    be set in the config file's `limits` section under the same names with '-'
    for '_'; the macros are fixed by the wire or by the store's layout.
*/

#ifndef ZB_LIMITS_H_INCLUDED
#define ZB_LIMITS_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

//  The wire.
#define ZB_NAME_MAX 255          //  bytes of a queue's, producer's or consumer's name
#define ZB_ID_MAX 255            //  bytes of a request's id
#define ZB_ENVELOPE_MAX 8        //  frames before "ZB1", the empty one included
#define ZB_ENVELOPE_BYTES 512    //  bytes of these together
#define ZB_BODIES_MAX 65536      //  bodies in a PUT of any broker, see `bodies`
#define ZB_WINDOW 256            //  PUTs of one producer in flight, and digests kept of it; GETs of one client that wait
#define ZB_AHEAD 256             //  requests of a client that are taken from the network before they are read: as many as it has in flight
#define ZB_ACKS_MAX 65536        //  bytes of an acks argument
#define ZB_PUT_ACKS_MAX 1000     //  ids in a PUT's property acks
#define ZB_EXPIRES_MOST 3155760000000 //  ms of `expires`: a hundred years
#define ZB_DELAY_MOST 3155760000000   //  the same of `delay`,
#define ZB_UNUSED_MOST 3155760000000  //  of `unused`,
#define ZB_DEDUPE_MOST 3155760000000  //  and of `dedupe`
#define ZB_DUE_MOST 253402300799999   //  ms since 1970 of `due`: the end of the year 9999
#define ZB_MOVED_MAX 1000        //  messages that a REJECT moves in its commit
#define ZB_TOKEN_MAX 128         //  bytes of a token
#define ZB_FILTER_MAX 255        //  bytes of a filter
#define ZB_OPTIONS_MAX 4096      //  bytes of a QUEUE's options
#define ZB_LIST_MAX 10000        //  queues in one LIST reply,
#define ZB_LIST_PAGE 1000        //  and in a page, where the client does not say how many
#define ZB_EVENTS_KEPT 1000      //  events that a broker remembers,
#define ZB_EVENTS_PAGE 200       //  in one EVENTS reply, at most,
#define ZB_EVENT_TEXT 400        //  and bytes of the text of one
#define ZB_CLIENTS_PAGE 200      //  clients in one CLIENTS reply, at most,
#define ZB_CLIENTS_LOOKED 2000   //  and how many are compared with its pattern
#define ZB_WAIT_MAX 2147483647   //  ms that a GET waits, about 24 days

//  Principals, see core/rights/rights.h.
#define ZB_PRINCIPALS_MAX 1000     //  of a pair, those that were revoked included
#define ZB_PRINCIPAL_NAME_MAX 64   //  bytes of a principal's name
#define ZB_RULES_MAX 64            //  rules of a principal
#define ZB_RIGHTS_MAX (256 * 1024) //  bytes of all that is known of principals
#define ZB_FOLDER_MAX 1000         //  bytes of the folder in a BACKUP
#define ZB_CHANGE_MAX 65536        //  bytes of a KEY's change
#define ZB_QUOTA_MOST 1000000000000 //  of a limit of a principal
#define ZB_QUOTA_VISITS 1000        //  messages that a request makes the broker look at, until it counts as one more
#define ZB_QUOTA_MS 5000            //  ms after which it is looked again at what a principal owes

//  Connections, before anything is read of them.
#define ZB_HANDSHAKE_MS 5000      //  ms until a connection that has not finished it is closed
#define ZB_HANDSHAKE_MAX 2048     //  bytes of ZMTP's greeting and READY
#define ZB_HEARTBEAT_MAX 64       //  bytes of a ZMTP heartbeat
#define ZB_REQUEST_SLACK 65536    //  bytes beyond limits.request, so that what is a little too large can be answered
#define ZB_FRAMES_SLACK 4096      //  frames beyond limits.bodies, likewise
#define ZB_CONNECT_RATE 200       //  new connections a second of one address, loopback excepted,
#define ZB_CONNECT_BURST 1000     //  and how many at once
#define ZB_FILES_KEPT 512         //  descriptors that are not for clients, if there are enough
#define ZB_PEERS_MAX 64           //  connections to a port of the brokers' own,
#define ZB_PEERS_EACH 8           //  of one address
#define ZB_SUBSCRIPTION_MAX 64    //  bytes that a heartbeats' port takes of a subscription,
#define ZB_SUBSCRIPTIONS_MAX 16   //  and how many of a connection
#define ZB_CLAIM_MAX 4096         //  bytes of a message to a witness
#define ZB_CLAIM_FRAMES 8         //  and its frames
#define ZB_SHIPMENT_MAX (4 << 20) //  bytes of a frame of the log; Berkeley DB's bulk messages have 1 MB
#define ZB_SHIPMENTS_AHEAD (64 << 20)   //  bytes of frames of the log of a connection that have come and are not read
#define ZB_SHIPMENTS_MEMORY (256 << 20) //  of all connections
#define ZB_READ_MS 5              //  ms of a turn in which requests are taken from the network

//  The page, see io/http/http.h.
#define ZB_HTTP_CONNECTIONS 64    //  connections, or a sixteenth of the open files
#define ZB_HTTP_MEMORY (32 << 10) //  bytes of a connection: of its request's headers, for one
#define ZB_HTTP_BODY (16 << 10)   //  bytes of a request's body
#define ZB_HTTP_MESSAGES 100      //  messages in an answer,
#define ZB_HTTP_SHOWN (64 << 10)  //  and bytes of a body that are shown
#define ZB_HTTP_LOGINS 32            //  people that are logged in at a time,
#define ZB_HTTP_LOGIN_IDLE 3600000   //  and ms without a request until one is not
#define ZB_HTTP_IDLE 10           //  s until a connection that says nothing is closed

//  The engine's memory.
#define ZB_OUTGOING (8 << 20)    //  bytes of MSG and LIST replies that are made before those before them are sent
#define ZB_PRODUCERS_KEPT 8192   //  producers in memory beyond those with PUTs in flight

//  A pair's secret with fewer letters gets a warning.
#define ZB_SECRET_LEAST 16

//  What a broker needs of the system, or it does not start.
#define ZB_FILES_LEAST 128       //  open files
#define ZB_THREADS_LEAST 16 //  of libzmq, CZMQ, the store, the heartbeats, the log, the page, hooks, and some to spare

//  The engine's turn.  A visit is a message, a row, a lease or a few bytes of an acks argument that is looked at.
#define ZB_STEP_VISITS 10000  //  of one request, until it gives way to others and goes on later
#define ZB_TURN_VISITS 100000 //  of all requests together, about, until no more of them are taken

//  The store's layout.
#define ZB_ROW_MAX (256 * 1024)  //  bytes of one log row, unless a single message is larger
#define ZB_EPOCH_BITS 24         //  upper bits of a message id: the epoch's number,
#define ZB_COUNT_BITS 40         //  the bits below: one that says who raised it (lineage.h), the message's number in it

//  What a number from the network that can only rise may be above our own, before it is refused.
#define ZB_GENERATION_REACH 1000 //  of a database's generation, which is counted up to: some 5 ms each
#define ZB_EPOCH_REACH (1 << 20) //  of an epoch

//  How far a restored store's epoch is above its backup's: the pair went on from there, and has raised fewer since, so
//  that no message id is given twice.
#define ZB_RESTORE_EPOCHS 4096

typedef struct {
    size_t body;                 //  bytes of one body: 1 MiB
    size_t bodies;               //  bodies in one PUT, and in one MSG: 1000
    size_t request;              //  bytes of a request: 16 MiB
    size_t reply;                //  bytes of a MSG, but one body may be larger: 1 MiB
    size_t properties;           //  bytes of a PUT's properties: 64 KiB
    size_t sessions;             //  clients that said HELLO: 50000
    size_t parked;               //  GETs that wait for a message, of all clients: 200000
    size_t queues;               //  queues of a broker: 100000
    size_t producers;            //  names of producers that are kept in the store: 100000
    size_t batch;                //  bytes in one commit before it is closed: 1 MiB
    size_t inflight;             //  commits on their way to disk and peer: 8
    size_t window;               //  bytes of messages of one queue in memory: 8 MiB
    size_t windows;              //  bytes of messages of all queues in memory: 128 MiB
    size_t waiting;              //  bytes of requests that wait for the store: 64 MiB
    size_t output;               //  bytes of replies that wait for one client: 64 MiB
    size_t outputs;              //  bytes of replies that wait for all clients: 256 MiB
    int64_t session_idle;        //  ms without a word until a session is forgotten: 1 hour
    int64_t producer_idle;       //  ms of uptime without a PUT until a name is forgotten: 7 days
    int64_t lease;               //  ms until a delivered message goes to others: 30 s
    int64_t grace;               //  ms until what a connection held when it ended goes to others: 5 s
    uint64_t queue_messages;     //  messages in one queue until PUT gets 429: 0 = no limit
    uint64_t topic_bytes;        //  bytes of a topic's rows until PUT gets 429, or, with keep=all, the oldest go: 1 GiB
    size_t subscriptions;        //  of one topic: 10000
    size_t connections;          //  of clients: 0 = what the file limit allows, see io/base/gate.h
    size_t per_address;          //  connections of one address, loopback excepted: 1000
    size_t memory;               //  bytes of requests that have come and are not read, of all connections: 1 GiB
} zb_limits_t;

#define ZB_LIMITS_DEFAULT                                                                                             \
    {                                                                                                                  \
        .body = 1 << 20, .bodies = 1000, .request = 16 << 20, .properties = 64 << 10, .sessions = 50000,               \
        .parked = 200000, .grace = 5000, .reply = 1 << 20,                                                             \
        .queues = 100000, .producers = 100000, .batch = 1 << 20, .inflight = 8, .window = 8 << 20, .windows = 128 << 20,                    \
        .waiting = 64 << 20, .session_idle = 3600000, .producer_idle = 604800000, .lease = 30000, .queue_messages = 0, \
        .topic_bytes = 1 << 30, .subscriptions = 10000,                                                                \
        .output = 64 << 20, .outputs = 256 << 20, .connections = 0, .per_address = 1000, .memory = 1 << 30             \
    }

#endif
