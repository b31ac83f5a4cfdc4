/*  =========================================================================
    store - the store's thread as the rest of the broker sees it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <pthread.h>
#include <stdatomic.h>

#include "io/base/awake.h"
#include "io/store/replica.h"
#include "io/store/store.h"

#define TURN 50  //  ms: the loop turns at least as often
#define BURST 64 //  commands executed before one flush

typedef enum { COMMIT, READ, LEAD, FOLLOW, SAVE, GRANT, BACKUP, STOP } zb_store_verb_t;

//  A command as it goes through the pipe.
typedef struct {
    zb_store_verb_t verb;
    zb_batch_t *batch;
    zb_read_t *read;
    zb_node_t node;
    bool rollback;
    uint64_t session, epoch;
    char *folder; //  BACKUP: the receiver's,
    uint64_t serial, rate;
} zb_store_command_t;

struct zb_store {
    zb_store_args_t args; //  its texts are ours
    char *dir, *bind, *peer, *fence;
    zsock_t *front, *back; //  the pipe: ours, the thread's
    pthread_t thread;
    _Atomic int64_t alive;
    _Atomic uint64_t space;
    _Atomic unsigned handed; //  see s_hand
};

//  What was written before a message was sent is seen by whoever has received it: ZeroMQ's pipes see to that.  This
//  says it again for ThreadSanitizer, which can't look into them: called before a send and after a receive.
static void s_hand (zb_store_t *self)
{
    atomic_fetch_add (&self->handed, 1);
}

//  ---------------------------------------------------------------------------
//  The thread

static void s_post (void *arg, zb_store_event_t *event)
{
    zb_store_t *self = arg;
    s_hand (self);
    int rc = zmq_send (zsock_resolve (self->back), &event, sizeof (event), 0);
    assert (rc == sizeof (event));
}

//  Returns false if it was STOP.
static bool s_execute (zb_replica_t *replica, zb_store_command_t *command)
{
    switch (command->verb) {
    case COMMIT:
        zb_replica_commit (replica, command->batch);
        break;
    case READ:
        zb_replica_read (replica, command->read);
        break;
    case LEAD:
        zb_replica_lead (replica, command->epoch);
        break;
    case FOLLOW:
        zb_replica_follow (replica, command->rollback);
        break;
    case SAVE:
        zb_replica_save (replica, &command->node);
        break;
    case GRANT:
        zb_replica_grant (replica, command->session, command->epoch);
        break;
    case BACKUP:
        zb_replica_backup (replica, command->serial, command->folder, command->rate);
        free (command->folder);
        break;
    case STOP:
        return false;
    }
    return true;
}

//  Executes what waits.  Returns false after STOP or a failure.
static bool s_execute_all (zb_store_t *self, zb_replica_t *replica)
{
    bool go_on = true;
    for (size_t count = 0; go_on && count < BURST && !zb_replica_failed (replica); count++) {
        zb_store_command_t command;
        int size = zmq_recv (zsock_resolve (self->back), &command, sizeof (command), ZMQ_DONTWAIT);
        if (size < 0)
            break;
        assert (size == sizeof (command));
        s_hand (self);
        go_on = s_execute (replica, &command);
    }
    if (!zb_replica_failed (replica))
        zb_replica_flush (replica);
    return go_on && !zb_replica_failed (replica);
}

static void s_run (zb_store_t *self, zb_replica_t *replica)
{
    zmq_pollitem_t items[] = {
        {.socket = zsock_resolve (self->back), .events = ZMQ_POLLIN},
        {.socket = zb_replica_socket (replica), .events = ZMQ_POLLIN},
        {.socket = zb_replica_monitor (replica), .events = ZMQ_POLLIN},
    };
    int count = items[1].socket ? 3 : 1;
    bool more = false;
    zb_awake_t awake = {0};
    for (;;) {
        int64_t pause = zb_replica_pause (replica);
        items[1].events = pause ? 0 : ZMQ_POLLIN;
        int rc = zb_awake_poll (&awake, items, count, more ? 0 : pause && pause < TURN ? pause : TURN);
        assert (rc >= 0 || errno == EINTR);
        if (!s_execute_all (self, replica))
            return;
        more = zb_replica_receive (replica);
        if (!zb_replica_failed (replica))
            zb_replica_tick (replica);
        if (zb_replica_failed (replica))
            return;
        atomic_store (&self->alive, zclock_mono ());
        atomic_store (&self->space, zb_replica_space (replica));
    }
}

static void *s_thread (void *arg)
{
    zb_store_t *self = arg;
    zb_replica_t *replica = zb_replica_new (&self->args, s_post, self);
    if (!zb_replica_failed (replica))
        s_run (self, replica);
    zb_replica_destroy (&replica);
    return NULL;
}

//  ---------------------------------------------------------------------------
//  The handle

//  A pipe without a limit: what goes through it is bounded by those who use it, and neither end ever waits.
static zsock_t *s_pipe_end (const char *endpoint, bool bind)
{
    zsock_t *sock = zsock_new (ZMQ_PAIR);
    assert (sock);
    zsock_set_sndhwm (sock, 0);
    zsock_set_rcvhwm (sock, 0);
    zsock_set_linger (sock, 0);
    int rc = bind ? zsock_bind (sock, "%s", endpoint) : zsock_connect (sock, "%s", endpoint);
    assert (rc != -1);
    return sock;
}

static char *s_dup (const char *text)
{
    char *copy = text ? strdup (text) : NULL;
    assert (copy || !text);
    return copy;
}

zb_store_t *zb_store_new (const zb_store_args_t *args)
{
    assert (args && args->dir);
    assert (!args->paired || (args->bind && args->peer && (args->node == 1 || args->node == 2)));
    zb_store_t *self = zmalloc (sizeof (*self));
    self->args = *args;
    self->args.dir = self->dir = s_dup (args->dir);
    self->args.bind = self->bind = s_dup (args->bind);
    self->args.peer = self->peer = s_dup (args->peer);
    self->args.fence = self->fence = s_dup (args->fence);
    self->alive = zclock_mono ();
    self->space = UINT64_MAX;
    //  Numbered: a name is free again only some time after its socket was closed.
    static _Atomic unsigned count;
    char *endpoint = zsys_sprintf ("inproc://zb-store-%u", ++count);
    assert (endpoint);
    self->front = s_pipe_end (endpoint, true);
    self->back = s_pipe_end (endpoint, false);
    freen (endpoint);
    int rc = pthread_create (&self->thread, NULL, s_thread, self);
    assert (rc == 0);
    return self;
}

static void s_command (zb_store_t *self, const zb_store_command_t *command)
{
    s_hand (self);
    int rc = zmq_send (zsock_resolve (self->front), command, sizeof (*command), 0);
    assert (rc == sizeof (*command));
}

void zb_store_destroy (zb_store_t **self_p)
{
    assert (self_p);
    zb_store_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    s_command (self, &(zb_store_command_t){.verb = STOP});
    pthread_join (self->thread, NULL);
    zb_store_event_t *event;
    while ((event = zb_store_recv (self)) != NULL)
        zb_store_event_destroy (&event);
    zsock_destroy (&self->front);
    zsock_destroy (&self->back);
    freen (self->dir);
    freen (self->bind);
    freen (self->peer);
    freen (self->fence);
    freen (self);
}

void *zb_store_socket (zb_store_t *self)
{
    return zsock_resolve (self->front);
}

zb_store_event_t *zb_store_recv (zb_store_t *self)
{
    zb_store_event_t *event = NULL;
    int size = zmq_recv (zsock_resolve (self->front), &event, sizeof (event), ZMQ_DONTWAIT);
    assert (size == sizeof (event) || size < 0);
    if (size < 0)
        return NULL;
    s_hand (self);
    return event;
}

void zb_store_event_destroy (zb_store_event_t **self_p)
{
    assert (self_p);
    zb_store_event_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    free (self->text);
    zb_read_destroy (&self->read);
    for (size_t index = 0; index < self->metas; index++)
        zb_row_unref (&self->meta[index].row);
    free (self->meta);
    freen (self);
}

void zb_store_commit (zb_store_t *self, zb_batch_t *batch)
{
    s_command (self, &(zb_store_command_t){.verb = COMMIT, .batch = batch});
}

void zb_store_read (zb_store_t *self, zb_read_t *read)
{
    s_command (self, &(zb_store_command_t){.verb = READ, .read = read});
}

void zb_store_lead (zb_store_t *self, uint64_t heard)
{
    s_command (self, &(zb_store_command_t){.verb = LEAD, .epoch = heard});
}

void zb_store_follow (zb_store_t *self, bool rollback)
{
    s_command (self, &(zb_store_command_t){.verb = FOLLOW, .rollback = rollback});
}

void zb_store_save (zb_store_t *self, const zb_node_t *node)
{
    s_command (self, &(zb_store_command_t){.verb = SAVE, .node = *node});
}

void zb_store_grant (zb_store_t *self, uint64_t session, uint64_t epoch)
{
    s_command (self, &(zb_store_command_t){.verb = GRANT, .session = session, .epoch = epoch});
}

void zb_store_backup (zb_store_t *self, uint64_t serial, const char *folder, uint64_t rate)
{
    s_command (self, &(zb_store_command_t){.verb = BACKUP, .serial = serial, .folder = s_dup (folder), .rate = rate});
}

int64_t zb_store_alive (zb_store_t *self)
{
    return atomic_load (&self->alive);
}

uint64_t zb_store_space (zb_store_t *self)
{
    return atomic_load (&self->space);
}
