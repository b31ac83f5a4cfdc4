/*  =========================================================================
    gate - bounds for what libzmq holds of connections to this process

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A guest belongs to the thread of libzmq that reads it; the owner of the socket, in
    another thread, only credits what it has read.  So the bytes are counted without a
    lock, and the mutex is for who comes and goes.
*/

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <czmq.h>

#include "core/base/map.h"
#include "core/base/ring.h"
#include "core/wire/crowd.h"
#include "core/wire/zmtp.h"
#include "io/base/epoll.h"
#include "io/base/gate.h"

#define MOST_BITS 20 //  of a number are the descriptor; the others count connections
#define STORE_FILES 64
#define CUT_LEAST 65536 //  bytes that a connection must have sent of a message to be the one that is cut
#define RELIEF_MS 10    //  between two looks for it
#define LATE_MS 1000    //  for which a descriptor is kept at most until what came over it is read
#define LET_GO_MS 1000  //  between two looks at who has closed a connection that is not read
#define SHED_MS 10      //  rest of libzmq's thread when there is no descriptor to close a connection with

typedef struct {
    atomic_uint_fast64_t number; //  0: nobody
    zb_gate_t gate;
    uint32_t address;
    zb_ring_t ring; //  on its gate's, the eldest first; of a client that has ended, on `ended`
    zb_zmtp_t stream;
    atomic_bool cut;
    bool watched, trusted;
    bool kept;                              //  has ended, and its descriptor is nobody else's yet
    bool held;                              //  is not read for the time being
    atomic_bool paused;                     //  nor is it, since the reader of the socket wants so
    atomic_uint_fast64_t waiting, messages; //  bytes of messages that are not read, and how many
    uint64_t idle;                          //  its gate's `idles`, and the time (ms), when it has ended
    int64_t ended;
} guest_t;

//  What all connections to a port have in common.
typedef struct {
    atomic_uint port; //  0: not guarded
    zb_zmtp_bounds_t bounds;
    zb_ring_t guests;
    size_t size;
    uint64_t ahead;  //  bytes of whole messages of a connection, above which it is held
    uint64_t memory; //  bytes of all; above half of it whoever has whole messages waiting is held, above it one is cut
    atomic_uint_fast64_t total; //  of which
    atomic_uint_fast64_t dead;  //  of connections that have ended
    atomic_uint_fast64_t holds; //  guests that are held
    atomic_uint_fast64_t pauses; //  and that are paused
    _Atomic int64_t let_go;      //  ms: the last look at which of these have been closed
    atomic_uint_fast64_t idles; //  how often the reader has found nothing to read
    zb_ring_t ended;            //  guests whose descriptor is kept, the first to end first
    atomic_uint_fast64_t kept;  //  how many
    int64_t relieved;           //  ms
} port_t;

static struct {
    pthread_mutex_t mutex;
    guest_t *guest; //  by descriptor
    size_t files;
    port_t port[ZB_GATES];
    zb_crowd_t *crowd;
    size_t peers; //  connections to a port of the brokers' own
    int spare;    //  a descriptor to close a connection with when there is no other
    uint64_t count;
    uint64_t *ended;
    size_t ended_first, ended_last, ended_room;
    atomic_bool ends;
    zb_gate_stats_t stats;
} s_gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .spare = -1};

//  What this thread has read from last; NULL: nobody that is guarded.
static __thread guest_t *s_reads;

static guest_t *s_guest (int descriptor)
{
    if (descriptor < 0 || (size_t) descriptor >= s_gate.files)
        return NULL;
    guest_t *guest = &s_gate.guest[descriptor];
    return atomic_load (&guest->number) ? guest : NULL;
}

static int s_descriptor (uint64_t number)
{
    return (int) (number & ((1 << MOST_BITS) - 1));
}

//  NULL if it has ended.  The mutex is held.
static guest_t *s_find (uint64_t number)
{
    guest_t *guest = number ? s_guest (s_descriptor (number)) : NULL;
    return guest && atomic_load (&guest->number) == number ? guest : NULL;
}

static int s_close (int descriptor)
{
    return (int) syscall (SYS_close, descriptor);
}

//  The function that this program's own stands before: a sanitizer's, the C library's, or that of a library that was
//  preloaded, which may keep account of all files.
static int s_close_next (int descriptor)
{
    static atomic_uintptr_t s_next;
    uintptr_t next = atomic_load (&s_next);
    if (!next) {
        next = (uintptr_t) dlsym (RTLD_DEFAULT, "__interceptor_close");
        if (!next)
            next = (uintptr_t) dlsym (RTLD_NEXT, "close");
        atomic_store (&s_next, next);
    }
    return next ? ((int (*) (int)) next) (descriptor) : s_close (descriptor);
}

//  ---------------------------------------------------------------------------
//  Set up

static void s_bounds (const zb_limits_t *limits)
{
    const struct {
        zb_zmtp_bounds_t bounds;
        uint64_t ahead, memory;
    } ports[ZB_GATES] = {
        [ZB_GATE_CLIENTS] = {{ZB_HANDSHAKE_MAX, limits->request + ZB_REQUEST_SLACK, limits->bodies + ZB_FRAMES_SLACK,
                              0},
                             limits->request,
                             limits->memory},
        [ZB_GATE_STATE] = {{ZB_HANDSHAKE_MAX, ZB_SUBSCRIPTION_MAX * ZB_SUBSCRIPTIONS_MAX, ZB_SUBSCRIPTIONS_MAX,
                            ZB_SUBSCRIPTIONS_MAX},
                           UINT64_MAX,
                           UINT64_MAX},
        [ZB_GATE_SHIP] = {{ZB_HANDSHAKE_MAX, ZB_SHIPMENT_MAX, 1, 0}, ZB_SHIPMENTS_AHEAD, ZB_SHIPMENTS_MEMORY},
        [ZB_GATE_WITNESS] = {{ZB_HANDSHAKE_MAX, ZB_CLAIM_MAX, ZB_CLAIM_FRAMES, 0}, UINT64_MAX, UINT64_MAX}};
    for (size_t index = 0; index < ZB_GATES; index++) {
        port_t *port = &s_gate.port[index];
        port->bounds = ports[index].bounds;
        port->ahead = ports[index].ahead;
        port->memory = ports[index].memory;
        zb_ring_init (&port->guests);
        zb_ring_init (&port->ended);
    }
}

static size_t s_clients (size_t files, size_t wanted)
{
    size_t page = files / 16 < ZB_HTTP_CONNECTIONS ? files / 16 : ZB_HTTP_CONNECTIONS;
    size_t kept = STORE_FILES + 2 * s_gate.peers + page;
    size_t most = files > kept ? files - kept : 1;
    size_t usual = files / 4;
    if (files > ZB_FILES_KEPT && files - ZB_FILES_KEPT > usual)
        usual = files - ZB_FILES_KEPT;
    return wanted && wanted < most ? wanted : usual < most && !wanted ? usual : most;
}

size_t zb_gate_open (const zb_limits_t *limits, size_t *files)
{
    assert (!s_gate.guest);
    struct rlimit limit;
    int rc = getrlimit (RLIMIT_NOFILE, &limit);
    assert (rc == 0);
    s_gate.files = limit.rlim_cur > 1 << MOST_BITS ? 1 << MOST_BITS : (size_t) limit.rlim_cur;
    s_gate.guest = (guest_t *) calloc (s_gate.files, sizeof (guest_t));
    assert (s_gate.guest);
    s_gate.spare = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    s_gate.peers = s_gate.files / 16 < ZB_PEERS_MAX ? s_gate.files / 16 : ZB_PEERS_MAX;
    s_gate.stats.most = s_clients (s_gate.files, limits->connections);
    uint8_t key[ZB_MAP_KEY_SIZE];
    randombytes_buf (key, sizeof key);
    s_gate.crowd = zb_crowd_new (s_gate.stats.most, limits->per_address, key);
    s_bounds (limits);
    *files = s_gate.files;
    return s_gate.stats.most;
}

void zb_gate_guard (zb_gate_t gate, const char *endpoint)
{
    const char *colon = strrchr (endpoint, ':');
    if (s_gate.guest && colon)
        s_gate.port[gate].port = (unsigned) atoi (colon + 1);
}

//  ---------------------------------------------------------------------------
//  Who comes

//  Makes libzmq see the end of a connection.  The mutex is held.
static void s_cut (guest_t *guest)
{
    if (!atomic_exchange (&guest->cut, true))
        shutdown (s_descriptor (atomic_load (&guest->number)), SHUT_RDWR);
}

static size_t s_from (const port_t *port, uint32_t address)
{
    size_t count = 0;
    ZB_RING_EACH (link, after, &port->guests)
    count += ZB_ITEM (link, guest_t, ring)->address == address;
    return count;
}

//  Brokers make room for brokers: of the address that has the most, or of this one if it has too many, the eldest goes
//  that is not trusted.  Returns false if there is none.
static bool s_make_room (port_t *port, uint32_t address)
{
    guest_t *goes = NULL;
    size_t most = 0;
    bool each = s_from (port, address) >= ZB_PEERS_EACH;
    ZB_RING_EACH (link, after, &port->guests)
    {
        guest_t *guest = ZB_ITEM (link, guest_t, ring);
        size_t from = s_from (port, guest->address);
        if (guest->trusted || (each && guest->address != address) || from <= most)
            continue;
        goes = guest;
        most = from;
    }
    if (!goes)
        return false;
    zb_ring_remove (&goes->ring);
    port->size--;
    s_cut (goes);
    s_gate.stats.refused_full++;
    return true;
}

//  The mutex is held.
static bool s_enters (zb_gate_t gate, uint32_t address)
{
    port_t *port = &s_gate.port[gate];
    if (gate != ZB_GATE_CLIENTS) {
        bool crowded = port->size >= s_gate.peers || s_from (port, address) >= ZB_PEERS_EACH;
        bool enters = !crowded || s_make_room (port, address);
        s_gate.stats.refused_full += !enters;
        return enters;
    }
    uint64_t *const refused[ZB_CROWD_ANSWERS] = {[ZB_CROWD_FULL] = &s_gate.stats.refused_full,
                                                 [ZB_CROWD_ADDRESS] = &s_gate.stats.refused_address,
                                                 [ZB_CROWD_RATE] = &s_gate.stats.refused_rate};
    zb_crowd_answer_t answer = zb_crowd_enter (s_gate.crowd, address, zclock_mono ());
    if (answer != ZB_CROWD_ENTERS)
        ++*refused[answer];
    return answer == ZB_CROWD_ENTERS;
}

static void s_enter (zb_gate_t gate, int descriptor, uint32_t address)
{
    port_t *port = &s_gate.port[gate];
    guest_t *guest = &s_gate.guest[descriptor];
    if (atomic_exchange (&guest->paused, false))
        atomic_fetch_sub (&s_gate.port[guest->gate].pauses, 1);
    guest->gate = gate;
    guest->address = address;
    guest->stream = (zb_zmtp_t){.bounds = &port->bounds};
    guest->watched = guest->trusted = false;
    atomic_store (&guest->cut, false);
    atomic_store (&guest->waiting, 0);
    atomic_store (&guest->messages, 0);
    zb_ring_init (&guest->ring);
    if (gate != ZB_GATE_CLIENTS) {
        zb_ring_append (&port->guests, &guest->ring);
        port->size++;
    }
    atomic_store (&guest->number, ++s_gate.count << MOST_BITS | (uint64_t) descriptor);
}

//  ZB_GATES if the port is not guarded.
static zb_gate_t s_gate_of (int listener)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    unsigned number = 0;
    if (s_gate.guest && getsockname (listener, (struct sockaddr *) &own, &size) == 0) {
        if (own.ss_family == AF_INET)
            number = ntohs (((const struct sockaddr_in *) (const void *) &own)->sin_port);
        else if (own.ss_family == AF_INET6)
            number = ntohs (((const struct sockaddr_in6 *) (const void *) &own)->sin6_port);
    }
    zb_gate_t gate = ZB_GATE_CLIENTS;
    while (gate < ZB_GATES && (number == 0 || s_gate.port[gate].port != number))
        gate++;
    return gate;
}

//  There are no descriptors left.  A connection that is not taken would wake libzmq's thread again and again.
static void s_shed (int listener)
{
    pthread_mutex_lock (&s_gate.mutex);
    if (s_gate.spare != -1) {
        s_close (s_gate.spare);
        int descriptor = (int) syscall (SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC);
        if (descriptor != -1)
            s_close (descriptor);
        s_gate.stats.refused_full++;
    }
    else
        poll (NULL, 0, SHED_MS);
    s_gate.spare = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    pthread_mutex_unlock (&s_gate.mutex);
}

int zb_gate_accept (int listener, struct sockaddr *address, socklen_t *size, int flags)
{
    struct sockaddr_in from = {0};
    int descriptor = (int) syscall (SYS_accept4, listener, address, size, flags);
    zb_gate_t gate = descriptor != -1 || errno == EMFILE || errno == ENFILE ? s_gate_of (listener) : ZB_GATES;
    if (gate == ZB_GATES)
        return descriptor;
    if (descriptor == -1)
        s_shed (listener);
    else {
        socklen_t room = sizeof from;
        bool known = getpeername (descriptor, (struct sockaddr *) &from, &room) == 0 && from.sin_family == AF_INET;
        uint32_t number = known ? ntohl (from.sin_addr.s_addr) : 0;
        pthread_mutex_lock (&s_gate.mutex);
        bool enters = (size_t) descriptor < s_gate.files && s_enters (gate, number);
        if (enters)
            s_enter (gate, descriptor, number);
        pthread_mutex_unlock (&s_gate.mutex);
        if (enters)
            return descriptor;
        s_close (descriptor);
    }
    errno = ECONNABORTED;
    return -1;
}

//  ---------------------------------------------------------------------------
//  What comes

//  Too much has come of messages that have not ended.
static void s_relieve (port_t *port)
{
    guest_t *most = NULL;
    pthread_mutex_lock (&s_gate.mutex);
    int64_t now = zclock_mono ();
    if (now - port->relieved >= RELIEF_MS) {
        port->relieved = now;
        for (size_t index = 0; index < s_gate.files; index++) {
            guest_t *guest = &s_gate.guest[index];
            if (atomic_load (&guest->number) && &s_gate.port[guest->gate] == port && !guest->trusted &&
                !atomic_load (&guest->cut) && guest->stream.memory >= CUT_LEAST &&
                (!most || guest->stream.memory > most->stream.memory))
                most = guest;
        }
        if (most) {
            s_cut (most);
            s_gate.stats.cut++;
        }
    }
    pthread_mutex_unlock (&s_gate.mutex);
}

static bool s_too_much (const port_t *port, uint64_t waiting)
{
    return waiting > port->ahead || (waiting > 0 && atomic_load (&port->total) > port->memory / 2);
}

//  The mutex is held.
static void s_hold (port_t *port, guest_t *guest, int descriptor, bool held)
{
    if (guest->held == held)
        return;
    guest->held = held;
    atomic_fetch_add (&port->holds, held ? 1 : (uint_fast64_t) -1);
    zb_epoll_hold (descriptor, held || atomic_load (&guest->paused));
}

//  The mutex is held.
static void s_pause (guest_t *guest, int descriptor, bool paused)
{
    if (atomic_exchange (&guest->paused, paused) == paused)
        return;
    atomic_fetch_add (&s_gate.port[guest->gate].pauses, paused ? 1 : (uint_fast64_t) -1);
    zb_epoll_hold (descriptor, paused || guest->held);
}

//  Returns false if nothing more may come.
static bool s_take (guest_t *guest, int descriptor, void *data, size_t size)
{
    port_t *port = &s_gate.port[guest->gate];
    zb_zmtp_t *stream = &guest->stream;
    uint64_t memory = stream->memory, ended = stream->ended, messages = stream->messages;
    if (zb_zmtp_take (stream, data, size)) {
        pthread_mutex_lock (&s_gate.mutex);
        s_cut (guest);
        s_gate.stats.cut++;
        pthread_mutex_unlock (&s_gate.mutex);
    }
    uint64_t whole = stream->ended - ended;
    atomic_fetch_add (&port->total, whole + stream->memory - memory);
    if (stream->messages > messages) {
        atomic_fetch_add (&guest->messages, stream->messages - messages);
        uint64_t waiting = atomic_fetch_add (&guest->waiting, whole) + whole;
        if (s_too_much (port, waiting)) {
            pthread_mutex_lock (&s_gate.mutex);
            s_hold (port, guest, descriptor, true);
            pthread_mutex_unlock (&s_gate.mutex);
        }
    }
    if (atomic_load (&port->total) > port->memory)
        s_relieve (port);
    return !atomic_load (&guest->cut);
}

//  Neither side can say any more: the system reports that until it has been read to its end.
static bool s_broken (int descriptor)
{
    struct pollfd end = { .fd = descriptor };
    return poll (&end, 1, 0) == 1;
}

ssize_t zb_gate_recv (int descriptor, void *data, size_t size, int flags)
{
    guest_t *guest = s_reads = s_guest (descriptor);
    if (guest && atomic_load (&guest->cut))
        return 0;
    //  libzmq reads without asking the system first when a full pipe has room again.
    if (guest && atomic_load (&guest->paused) && !s_broken (descriptor)) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t got = syscall (SYS_recvfrom, descriptor, data, size, flags, NULL, NULL);
    return got > 0 && guest && !s_take (guest, descriptor, data, (size_t) got) ? 0 : got;
}

void zb_gate_key (const uint8_t *key)
{
    if (s_reads)
        zb_zmtp_key (&s_reads->stream, key);
}

//  Another connection may have the descriptor that was kept.  The mutex is held.
static void s_give_back (guest_t *guest)
{
    guest->kept = false;
    atomic_fetch_sub (&s_gate.port[guest->gate].kept, 1);
    zb_ring_remove (&guest->ring);
    zb_crowd_leave (s_gate.crowd, guest->address);
    s_close_next ((int) (guest - s_gate.guest));
}

//  What is not read of those that have ended never will be: libzmq has dropped it.  The reader that has found nothing twice
//  has begun to look since.  The mutex is held.
static void s_give_up (port_t *port)
{
    while (!zb_ring_empty (&port->ended)) {
        guest_t *guest = ZB_ITEM (port->ended.next, guest_t, ring);
        if (atomic_load (&port->idles) - guest->idle < 2 && zclock_mono () - guest->ended < LATE_MS)
            break;
        s_give_back (guest);
    }
}

uint64_t zb_gate_read (zb_gate_t gate, int descriptor)
{
    if (descriptor < 0 || (size_t) descriptor >= s_gate.files)
        return 0;
    guest_t *guest = &s_gate.guest[descriptor];
    port_t *port = &s_gate.port[gate];
    pthread_mutex_lock (&s_gate.mutex);
    uint64_t number = guest->gate == gate ? atomic_load (&guest->number) : 0;
    uint64_t messages = number ? atomic_load (&guest->messages) : 0;
    //  Without any this one is of an earlier connection of the descriptor, with which it was taken off.
    if (!messages)
        number = 0;
    else {
        uint64_t waiting = atomic_load (&guest->waiting), read = waiting / messages;
        atomic_fetch_sub (&guest->messages, 1);
        atomic_fetch_sub (&guest->waiting, read);
        atomic_fetch_sub (&port->total, read);
        if (guest->held && waiting - read <= port->ahead / 2 && !s_too_much (port, waiting - read))
            s_hold (port, guest, descriptor, false);
    }
    //  The last one of a connection that has ended; its bytes were taken off with it.
    if (guest->gate == gate && guest->kept && atomic_fetch_sub (&guest->messages, 1) == 1)
        s_give_back (guest);
    s_give_up (port);
    pthread_mutex_unlock (&s_gate.mutex);
    return number;
}

//  One that is not read, and whose client has closed it, is read to its end.  The mutex is held.
static void s_let_go (guest_t *guest)
{
    struct pollfd end = {.fd = s_descriptor (atomic_load (&guest->number)), .events = POLLRDHUP};
    if (atomic_load (&guest->paused) && poll (&end, 1, 0) == 1)
        s_pause (guest, end.fd, false);
}

//  The same of all, now and then.
static void s_let_all_go (zb_gate_t gate)
{
    port_t *port = &s_gate.port[gate];
    if (atomic_load (&port->pauses) == 0)
        return;
    int64_t now = zclock_mono ();
    if (now - atomic_load (&port->let_go) < LET_GO_MS)
        return;
    atomic_store (&port->let_go, now);
    pthread_mutex_lock (&s_gate.mutex);
    for (size_t index = 0; index < s_gate.files; index++) {
        guest_t *guest = &s_gate.guest[index];
        if (atomic_load (&guest->number) && guest->gate == gate)
            s_let_go (guest);
    }
    pthread_mutex_unlock (&s_gate.mutex);
}

void zb_gate_idle (zb_gate_t gate)
{
    port_t *port = &s_gate.port[gate];
    atomic_fetch_add (&port->idles, 1);
    s_let_all_go (gate);
    if (atomic_load (&port->dead) == 0 && atomic_load (&port->holds) == 0 && atomic_load (&port->kept) == 0)
        return;
    pthread_mutex_lock (&s_gate.mutex);
    s_give_up (port);
    atomic_fetch_sub (&port->total, atomic_exchange (&port->dead, 0));
    //  All has been read: nothing is left that would end a pause later.
    for (size_t index = 0; index < s_gate.files && atomic_load (&port->holds); index++) {
        guest_t *guest = &s_gate.guest[index];
        if (atomic_load (&guest->number) && guest->gate == gate)
            s_hold (port, guest, (int) index, false);
    }
    pthread_mutex_unlock (&s_gate.mutex);
}

//  ---------------------------------------------------------------------------
//  Who goes

static void s_tell_end (uint64_t number)
{
    if (s_gate.ended_first == s_gate.ended_last)
        s_gate.ended_first = s_gate.ended_last = 0;
    if (s_gate.ended_last == s_gate.ended_room) {
        s_gate.ended_room = s_gate.ended_room ? s_gate.ended_room * 2 : 64;
        s_gate.ended = (uint64_t *) realloc (s_gate.ended, s_gate.ended_room * sizeof *s_gate.ended);
        assert (s_gate.ended);
    }
    s_gate.ended[s_gate.ended_last++] = number;
    atomic_store (&s_gate.ends, true);
}

//  A client's messages tell their reader the descriptor that they came over, and no more.  So nobody else has it until they
//  are read.
static void s_keep (port_t *port, guest_t *guest)
{
    //  Its peer hears of the end all the same.
    shutdown ((int) (guest - s_gate.guest), SHUT_RDWR);
    guest->idle = atomic_load (&port->idles);
    guest->ended = zclock_mono ();
    guest->kept = true;
    zb_ring_append (&port->ended, &guest->ring);
    atomic_fetch_add (&port->kept, 1);
}

//  The descriptor is still open, so nobody else has it.  As close.
static int s_leave (guest_t *guest)
{
    port_t *port = &s_gate.port[guest->gate];
    uint64_t number = atomic_exchange (&guest->number, 0);
    if (!zb_ring_empty (&guest->ring)) {
        zb_ring_remove (&guest->ring);
        port->size--;
    }
    s_hold (port, guest, s_descriptor (number), false);
    s_pause (guest, s_descriptor (number), false);
    atomic_fetch_sub (&port->total, guest->stream.memory);
    atomic_fetch_add (&port->dead, atomic_load (&guest->waiting));
    zb_zmtp_clear (&guest->stream);
    if (guest->watched)
        s_tell_end (number);
    if (guest->gate == ZB_GATE_CLIENTS && atomic_load (&guest->messages)) {
        s_keep (port, guest);
        return 0;
    }
    if (guest->gate == ZB_GATE_CLIENTS)
        zb_crowd_leave (s_gate.crowd, guest->address);
    return s_close_next (s_descriptor (number));
}

int zb_gate_close (int descriptor)
{
    guest_t *guest = s_guest (descriptor);
    if (!guest)
        return s_close_next (descriptor);
    pthread_mutex_lock (&s_gate.mutex);
    int rc = s_leave (guest);
    pthread_mutex_unlock (&s_gate.mutex);
    return rc;
}

//  ---------------------------------------------------------------------------
//  What others ask

uint32_t zb_gate_address (uint64_t number)
{
    pthread_mutex_lock (&s_gate.mutex);
    const guest_t *guest = s_find (number);
    uint32_t address = guest ? guest->address : 0;
    pthread_mutex_unlock (&s_gate.mutex);
    return address;
}

bool zb_gate_watch (uint64_t number)
{
    pthread_mutex_lock (&s_gate.mutex);
    guest_t *guest = s_find (number);
    if (guest)
        guest->watched = true;
    pthread_mutex_unlock (&s_gate.mutex);
    return guest != NULL;
}

uint64_t zb_gate_ended (void)
{
    if (!atomic_load (&s_gate.ends))
        return 0;
    pthread_mutex_lock (&s_gate.mutex);
    bool some = s_gate.ended_first < s_gate.ended_last;
    uint64_t number = some ? s_gate.ended[s_gate.ended_first++] : 0;
    atomic_store (&s_gate.ends, some);
    pthread_mutex_unlock (&s_gate.mutex);
    return number;
}

void zb_gate_cut (uint64_t number)
{
    pthread_mutex_lock (&s_gate.mutex);
    guest_t *guest = s_find (number);
    if (guest)
        s_cut (guest);
    pthread_mutex_unlock (&s_gate.mutex);
}

void zb_gate_pause (uint64_t number, bool pause)
{
    pthread_mutex_lock (&s_gate.mutex);
    guest_t *guest = s_find (number);
    if (guest)
        s_pause (guest, s_descriptor (number), pause);
    pthread_mutex_unlock (&s_gate.mutex);
}

void zb_gate_trust (uint64_t number)
{
    pthread_mutex_lock (&s_gate.mutex);
    guest_t *guest = s_find (number);
    if (guest)
        guest->trusted = true;
    pthread_mutex_unlock (&s_gate.mutex);
}

void zb_gate_stats (zb_gate_stats_t *stats)
{
    pthread_mutex_lock (&s_gate.mutex);
    *stats = s_gate.stats;
    stats->connections = s_gate.crowd ? zb_crowd_size (s_gate.crowd) : 0;
    stats->memory = atomic_load (&s_gate.port[ZB_GATE_CLIENTS].total);
    pthread_mutex_unlock (&s_gate.mutex);
}
