/*  =========================================================================
    auth - who may connect: this process's handler of ZAP (ZeroMQ RFC 27)

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <pthread.h>
#include <stdatomic.h>

#include "io/auth/auth.h"
#include "io/auth/keys.h"
#include "io/base/log.h"
#include "io/base/thread.h"

#define HANDLER "inproc://zeromq.zap.01"
#define TURN 100  //  ms: it turns at least as often
#define REQUEST 7 //  frames of a request with CURVE
#define KEY_BYTES 32

//  A gate's list, by key, ascending.
typedef struct {
    size_t size;
    struct {
        char key[ZB_KEY_SIZE + 1], name[ZB_PRINCIPAL_NAME_MAX + 1];
        bool revoked;
    } one[];
} list_t;

struct zb_auth {
    pthread_t thread;
    zsock_t *handler; //  the thread's
    atomic_bool ends;
    _Atomic int64_t alive;
    _Atomic uint64_t refused;
    pthread_mutex_t guard; //  of the lists, and of
    char last[ZB_AUTH_ADDRESS]; //  where the last one came from that was turned away
    list_t *list[ZB_GATES];
    zb_log_rate_t noise;
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

//  Whom the gate knows by this key; the name is the principal's, or "".
static verdict_t s_find (zb_auth_t *self, zb_gate_t gate, const char *key, char name[ZB_PRINCIPAL_NAME_MAX + 1])
{
    verdict_t verdict = UNKNOWN;
    *name = 0;
    pthread_mutex_lock (&self->guard);
    const list_t *list = self->list[gate];
    const char *found = list ? bsearch (key, list->one, list->size, sizeof list->one[0], s_compare) : NULL;
    if (found) {
        size_t index = (size_t) (found - (const char *) list->one) / sizeof list->one[0];
        verdict = list->one[index].revoked ? REVOKED : ADMITTED;
        strcpy (name, list->one[index].name);
    }
    pthread_mutex_unlock (&self->guard);
    return verdict;
}

//  Version, request, domain, address, routing id, mechanism, key.
static verdict_t s_judge (zb_auth_t *self, zframe_t *const frame[REQUEST], size_t frames, char key[ZB_KEY_SIZE + 1])
{
    zb_gate_t gate = ZB_GATE_CLIENTS;
    *key = 0;
    if (frames != REQUEST || !zframe_streq (frame[0], "1.0") || !zframe_streq (frame[5], "CURVE") ||
        zframe_size (frame[6]) != KEY_BYTES)
        return MALFORMED;
    while (gate < ZB_GATES && !zframe_streq (frame[2], zb_keys_domain (gate)))
        gate++;
    if (gate == ZB_GATES)
        return MALFORMED;
    zmq_z85_encode (key, zframe_data (frame[6]), KEY_BYTES);
    char name[ZB_PRINCIPAL_NAME_MAX + 1];
    verdict_t verdict = s_find (self, gate, key, name);
    if (verdict == ADMITTED)
        return verdict;
    pthread_mutex_lock (&self->guard);
    snprintf (self->last, sizeof self->last, "%.*s", (int) zframe_size (frame[3]), (const char *) zframe_data (frame[3]));
    pthread_mutex_unlock (&self->guard);
    atomic_fetch_add (&self->refused, 1);
    zb_log_rated (&self->noise, zclock_mono (), ZB_LOG_WARNING,
                  "a connection of %.*s to the port for %s is refused: its key, %s, %s%s", (int) zframe_size (frame[3]),
                  (const char *) zframe_data (frame[3]), zb_keys_domain (gate), key,
                  verdict == REVOKED        ? "was revoked, of "
                  : gate == ZB_GATE_CLIENTS ? "is of nobody: see 'zbroker key list'"
                                            : "is none of the config file's (section keys)",
                  name);
    return verdict;
}

static void s_answer (zb_auth_t *self, zmsg_t *request)
{
    zframe_t *frame[REQUEST];
    size_t frames = 0;
    for (zframe_t *each = zmsg_first (request); each && frames < REQUEST; each = zmsg_next (request))
        frame[frames++] = each;
    char key[ZB_KEY_SIZE + 1];
    verdict_t verdict = zmsg_size (request) == REQUEST ? s_judge (self, frame, frames, key) : MALFORMED;
    zmsg_t *reply = zmsg_new ();
    zmsg_addstr (reply, "1.0");
    zmsg_addmem (reply, frames > 1 ? zframe_data (frame[1]) : (const void *) "",
                 frames > 1 ? zframe_size (frame[1]) : 0);
    zmsg_addstr (reply, s_verdicts[verdict].code);
    zmsg_addstr (reply, s_verdicts[verdict].text);
    zmsg_addstr (reply, verdict == ADMITTED ? key : "");
    zmsg_addmem (reply, "", 0);
    if (zmsg_send (&reply, self->handler))
        zmsg_destroy (&reply);
}

static void *s_run (void *arg)
{
    zb_auth_t *self = arg;
    pthread_setname_np (pthread_self (), "auth");
    while (!atomic_load (&self->ends)) {
        atomic_store (&self->alive, zclock_mono ());
        zmsg_t *request = zmsg_recv (self->handler);
        if (request)
            s_answer (self, request);
        zmsg_destroy (&request);
    }
    return NULL;
}

zb_auth_t *zb_auth_new (void)
{
    zb_auth_t *self = (zb_auth_t *) zmalloc (sizeof *self);
    assert (self);
    pthread_mutex_init (&self->guard, NULL);
    atomic_init (&self->alive, zclock_mono ());
    self->handler = zsock_new (ZMQ_REP);
    assert (self->handler);
    zsock_set_linger (self->handler, 0);
    zsock_set_rcvtimeo (self->handler, TURN);
    int rc = zsock_bind (self->handler, "%s", HANDLER) == -1 ? errno : zb_thread_start (&self->thread, s_run, self);
    if (rc) {
        zsock_destroy (&self->handler);
        pthread_mutex_destroy (&self->guard);
        free (self);
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
    *self_p = NULL;
    atomic_store (&self->ends, true);
    pthread_join (self->thread, NULL);
    zsock_destroy (&self->handler);
    pthread_mutex_destroy (&self->guard);
    for (size_t index = 0; index < ZB_GATES; index++)
        free (self->list[index]);
    free (self);
}

void zb_auth_admit (zb_auth_t *self, zb_gate_t gate, const zb_rights_t *who)
{
    size_t size = zb_rights_size (who);
    list_t *list = (list_t *) zmalloc (sizeof *list + size * sizeof list->one[0]), *before;
    assert (list);
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
