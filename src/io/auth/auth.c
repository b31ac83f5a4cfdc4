/*  =========================================================================
    auth - who may connect: this process's handler of ZAP (ZeroMQ RFC 27)

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <czmq.h>

#include "io/auth/auth.h"
#include "io/auth/keys.h"
#include "io/base/log.h"
#include "io/base/thread.h"

#define HANDLER "inproc://zeromq.zap.01"
#define TURN 100        //  ms: it turns at least as often
#define REQUEST 9       //  frames of a request with CURVE, behind its routing id and an empty one
#define KEY_BYTES 32
#define ROUTING_MAX 8   //  bytes of a routing id: libzmq draws one of 5,
#define ID_MAX 8        //  and of a request's: libzmq says "1"
#define WAITING_MAX 16384
#define LATER 500       //  ms after its handshake's time

//  A gate's list, by key, ascending.
typedef struct {
    bool whole; //  who is not in it is nobody
    size_t size;
    struct {
        char key[ZB_KEY_SIZE + 1], name[ZB_PRINCIPAL_NAME_MAX + 1];
        bool revoked;
    } one[];
} list_t;

//  Somebody who wants in.
typedef struct {
    uint8_t routing[ROUTING_MAX], id[ID_MAX];
    size_t routing_size, id_size;
    zb_gate_t gate;
    char key[ZB_KEY_SIZE + 1], address[ZB_AUTH_ADDRESS];
    int64_t came; //  ms
    bool counted; //  as one who was turned away
} knock_t;

struct zb_auth {
    pthread_t thread;
    zsock_t *handler; //  the thread's,
    knock_t *waiting; //  and those who are not answered yet, in the order in which they came
    size_t waits, room;
    int changed; //  an eventfd: a list has
    atomic_bool ends;
    _Atomic int64_t alive;
    _Atomic uint64_t refused;
    pthread_mutex_t guard; //  of the lists, and of
    char last[ZB_AUTH_ADDRESS]; //  where the last one came from that was turned away
    list_t *list[ZB_GATES];
    zb_log_rate_t noise[ZB_GATES]; //  by gate: who knocks at one doesn't hide who is turned away at another
};

typedef enum { ADMITTED, UNKNOWN, REVOKED, MALFORMED } verdict_t;

static const struct {
    const char *code, *text;
} s_verdicts[] = {[ADMITTED] = {"200", "OK"},
                  [UNKNOWN] = {"300", "this key is not known"},
                  [REVOKED] = {"400", "this key was revoked"},
                  [MALFORMED] = {"500", "not a request of ZAP with CURVE"}};

static int s_compare (const void *key, const void *one)
{
    return memcmp (key, one, ZB_KEY_SIZE);
}

//  Whom the gate knows by this key; the name is the principal's, or "".  Sets *whole if the gate knows all.
static verdict_t s_find (zb_auth_t *self, zb_gate_t gate, const char *key, char name[ZB_PRINCIPAL_NAME_MAX + 1], bool *whole)
{
    verdict_t verdict = UNKNOWN;
    *name = 0;
    pthread_mutex_lock (&self->guard);
    const list_t *list = self->list[gate];
    *whole = list && list->whole;
    const char *found = list ? bsearch (key, list->one, list->size, sizeof list->one[0], s_compare) : NULL;
    if (found) {
        size_t index = (size_t) (found - (const char *) list->one) / sizeof list->one[0];
        verdict = list->one[index].revoked ? REVOKED : ADMITTED;
        strcpy (name, list->one[index].name);
    }
    pthread_mutex_unlock (&self->guard);
    return verdict;
}

//  Counts and tells that somebody was turned away.
static void s_count (zb_auth_t *self, const knock_t *knock, verdict_t verdict, const char *name)
{
    pthread_mutex_lock (&self->guard);
    memcpy (self->last, knock->address, sizeof self->last);
    pthread_mutex_unlock (&self->guard);
    atomic_fetch_add (&self->refused, 1);
    zb_log_rated (&self->noise[knock->gate], zclock_mono (), ZB_LOG_WARNING,
                  "a connection of %s to the port for %s is refused: its key, %s, %s%s", knock->address,
                  zb_keys_domain (knock->gate), knock->key,
                  verdict == REVOKED               ? "was revoked, of "
                  : knock->gate == ZB_GATE_CLIENTS ? "is of nobody: see 'zbroker key list'"
                                                   : "is none of the config file's (section keys)",
                  name);
}

static verdict_t s_judge (zb_auth_t *self, knock_t *knock)
{
    char name[ZB_PRINCIPAL_NAME_MAX + 1];
    bool whole;
    verdict_t verdict = s_find (self, knock->gate, knock->key, name, &whole);
    if (verdict != ADMITTED && (whole || verdict == REVOKED) && !knock->counted) {
        s_count (self, knock, verdict, name);
        knock->counted = true;
    }
    return verdict;
}

static void s_answer (zb_auth_t *self, const knock_t *knock, verdict_t verdict)
{
    zmsg_t *reply = zmsg_new ();
    zmsg_addmem (reply, knock->routing, knock->routing_size);
    zmsg_addmem (reply, "", 0);
    zmsg_addstr (reply, "1.0");
    zmsg_addmem (reply, knock->id, knock->id_size);
    zmsg_addstr (reply, s_verdicts[verdict].code);
    zmsg_addstr (reply, s_verdicts[verdict].text);
    zmsg_addstr (reply, verdict == ADMITTED ? knock->key : "");
    zmsg_addmem (reply, "", 0);
    if (zmsg_send (&reply, self->handler))
        zmsg_destroy (&reply);
}

//  After 300 libzmq leaves the connection as it is until its handshake's time is over.  So an unknown key is not answered
//  before: whoever becomes known meanwhile gets in at once.
static void s_wait (zb_auth_t *self, const knock_t *knock)
{
    if (self->waits == WAITING_MAX) {
        s_answer (self, knock, UNKNOWN);
        return;
    }
    if (self->waits == self->room) {
        self->room = self->room ? 2 * self->room : 16;
        self->waiting = (knock_t *) realloc (self->waiting, self->room * sizeof *self->waiting);
        assert (self->waiting);
    }
    self->waiting[self->waits++] = *knock;
}

//  Judges those who wait anew, if a list has changed, and forgets those whose time is over: some at a time, for there may
//  be many.
static void s_look_again (zb_auth_t *self, bool changed, int64_t now)
{
    if (!changed && (!self->waits || now - self->waiting[0].came < ZB_HANDSHAKE_MS + LATER))
        return;
    size_t left = 0;
    for (size_t index = 0; index < self->waits; index++) {
        knock_t *knock = &self->waiting[index];
        verdict_t verdict = changed ? s_judge (self, knock) : UNKNOWN;
        if (verdict != UNKNOWN)
            s_answer (self, knock, verdict);
        else if (now - knock->came < ZB_HANDSHAKE_MS)
            self->waiting[left++] = *knock;
    }
    self->waits = left;
}

static bool s_copy (zframe_t *frame, uint8_t *into, size_t room, size_t *size)
{
    *size = zframe_size (frame);
    if (*size > room)
        return false;
    memcpy (into, zframe_data (frame), *size);
    return true;
}

//  Routing id, empty; version, request, domain, address, routing id, mechanism, key.
static verdict_t s_parse (zmsg_t *request, knock_t *knock)
{
    zframe_t *frame[REQUEST] = {NULL};
    size_t frames = 0;
    for (zframe_t *each = zmsg_first (request); each && frames < REQUEST; each = zmsg_next (request))
        frame[frames++] = each;
    if (frames > 3 && (!s_copy (frame[0], knock->routing, ROUTING_MAX, &knock->routing_size) ||
                       !s_copy (frame[3], knock->id, ID_MAX, &knock->id_size)))
        return MALFORMED;
    if (zmsg_size (request) != REQUEST || !zframe_streq (frame[2], "1.0") || !zframe_streq (frame[7], "CURVE") ||
        zframe_size (frame[8]) != KEY_BYTES)
        return MALFORMED;
    while (knock->gate < ZB_GATES && !zframe_streq (frame[4], zb_keys_domain (knock->gate)))
        knock->gate++;
    if (knock->gate == ZB_GATES)
        return MALFORMED;
    snprintf (knock->address, sizeof knock->address, "%.*s", (int) zframe_size (frame[5]),
              (const char *) zframe_data (frame[5]));
    zmq_z85_encode (knock->key, zframe_data (frame[8]), KEY_BYTES);
    return UNKNOWN;
}

static void s_hear (zb_auth_t *self, int64_t now)
{
    zmsg_t *request;
    while ((request = zmsg_recv (self->handler))) {
        knock_t knock = {.gate = ZB_GATE_CLIENTS, .came = now};
        verdict_t verdict = s_parse (request, &knock);
        zmsg_destroy (&request);
        if (verdict == UNKNOWN)
            verdict = s_judge (self, &knock);
        if (verdict == UNKNOWN)
            s_wait (self, &knock);
        else
            s_answer (self, &knock, verdict);
    }
}

static void *s_run (void *arg)
{
    zb_auth_t *self = arg;
    pthread_setname_np (pthread_self (), "auth");
    while (!atomic_load (&self->ends)) {
        int64_t now = zclock_mono ();
        atomic_store (&self->alive, now);
        zmq_pollitem_t items[] = {{zsock_resolve (self->handler), 0, ZMQ_POLLIN, 0}, {NULL, self->changed, ZMQ_POLLIN, 0}};
        if (zmq_poll (items, 2, TURN) == -1)
            continue;
        uint64_t changes;
        bool changed = read (self->changed, &changes, sizeof changes) == sizeof changes;
        s_look_again (self, changed, now);
        s_hear (self, now);
    }
    return NULL;
}

static void s_free (zb_auth_t **self_p)
{
    zb_auth_t *self = *self_p;
    zsock_destroy (&self->handler);
    if (self->changed != -1)
        close (self->changed);
    pthread_mutex_destroy (&self->guard);
    for (size_t index = 0; index < ZB_GATES; index++)
        free (self->list[index]);
    free (self->waiting);
    free (self);
    *self_p = NULL;
}

zb_auth_t *zb_auth_new (void)
{
    zb_auth_t *self = (zb_auth_t *) zmalloc (sizeof *self);
    assert (self);
    pthread_mutex_init (&self->guard, NULL);
    atomic_init (&self->alive, zclock_mono ());
    self->handler = zsock_new (ZMQ_ROUTER);
    assert (self->handler);
    zsock_set_linger (self->handler, 0);
    zsock_set_rcvtimeo (self->handler, 0);
    self->changed = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    int rc = self->changed == -1 || zsock_bind (self->handler, "%s", HANDLER) == -1
                 ? errno
                 : zb_thread_start (&self->thread, s_run, self);
    if (rc) {
        s_free (&self);
        errno = rc;
        return NULL;
    }
    return self;
}

void zb_auth_destroy (zb_auth_t **self_p)
{
    assert (self_p);
    zb_auth_t *self = *self_p;
    if (!self)
        return;
    atomic_store (&self->ends, true);
    pthread_join (self->thread, NULL);
    s_free (self_p);
}

void zb_auth_admit (zb_auth_t *self, zb_gate_t gate, const zb_rights_t *who, bool whole)
{
    size_t size = zb_rights_size (who);
    list_t *list = (list_t *) zmalloc (sizeof *list + size * sizeof list->one[0]), *before;
    assert (list);
    list->whole = whole;
    list->size = size;
    for (size_t index = 0; index < size; index++) {
        const zb_principal_t *one = zb_rights_at (who, index);
        memcpy (list->one[index].key, one->key, sizeof one->key);
        memcpy (list->one[index].name, one->name, sizeof one->name);
        list->one[index].revoked = one->revoked;
    }
    pthread_mutex_lock (&self->guard);
    before = self->list[gate];
    self->list[gate] = list;
    pthread_mutex_unlock (&self->guard);
    free (before);
    //  It fails where as many changes as a uint64_t holds were not seen: then the thread has hung.
    uint64_t one = 1;
    ssize_t rc = write (self->changed, &one, sizeof one);
    (void) rc;
}

int64_t zb_auth_alive (const zb_auth_t *self)
{
    return atomic_load (&self->alive);
}

uint64_t zb_auth_refused (const zb_auth_t *self)
{
    return atomic_load (&self->refused);
}

uint64_t zb_auth_refused_last (zb_auth_t *self, char address[ZB_AUTH_ADDRESS])
{
    uint64_t refused = atomic_load (&self->refused);
    pthread_mutex_lock (&self->guard);
    memcpy (address, self->last, sizeof self->last);
    pthread_mutex_unlock (&self->guard);
    return refused;
}
