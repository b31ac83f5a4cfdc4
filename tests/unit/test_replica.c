/*  =========================================================================
    test_replica - two stores that replicate, are killed, and come back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each store runs in a process of its own, a puppet, so that it can be killed for
    real: this program, called again, which does what it is told on its standard input.
*/

#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "io/store/node.h"
#include "proxy.h"
#include "store_kit.h"

//  ---------------------------------------------------------------------------
//  Puppets

typedef enum { WAIT, LINK, GRANTED, LEAD, FOLLOW, GRANT, SAVE, COMMIT, STREAM, DIGEST, STOP } order_kind_t;

typedef struct {
    order_kind_t kind;
    int value;                  //  WAIT: event; LINK: state; GRANTED, FOLLOW: flag; COMMIT: both
    uint64_t first, last, size; //  COMMIT; GRANT: first is the session
} order_t;

typedef struct {
    uint64_t here, there, session, generation, commit, hash, current;
    size_t rows, brief;
    bool fresh, complete, suspect, granted;
} answer_t;

//  Shared by all puppets: what a puppet saw last, for when it is killed.
typedef struct {
    _Atomic uint64_t there;
} s_seen_t;

typedef struct {
    const char *dir;
    int port, peer;
    unsigned node;
    int keep;
    int rate; //  KiB/s of a resync; 0 = no limit
    pid_t pid;
    int fd;
} puppet_t;

static s_seen_t *s_seen;

static answer_t s_summary (const zb_store_event_t *event)
{
    answer_t answer = {.here = event->here,
                       .there = event->there,
                       .session = event->session,
                       .generation = event->generation,
                       .current = event->node.current,
                       .fresh = event->fresh,
                       .complete = event->node.complete,
                       .suspect = event->node.suspect,
                       .granted = event->granted};
    for (size_t i = 0; i < event->metas; i++)
        if (event->meta[i].key_size == 6 && memcmp (event->meta[i].key, "commit", 6) == 0)
            answer.commit = zb_get64 (event->meta[i].row->data);
    return answer;
}

static answer_t s_wait (zb_store_t *store, zb_store_kind_t kind, int value)
{
    for (;;) {
        zb_store_event_t *event = kit_wait (store, kind);
        answer_t answer = s_summary (event);
        bool done = kind == ZB_STORE_LINK      ? event->link == (zb_link_t) value
                    : kind == ZB_STORE_GRANTED ? event->granted == value
                                               : true;
        zb_store_event_destroy (&event);
        if (done)
            return answer;
    }
}

//  Commits in a pipeline of 8, as the engine does; with last = 0 until it is killed.
static void s_commit (zb_store_t *store, const order_t *order)
{
    zb_batch_t *window[8] = {NULL};
    uint64_t next = order->first, here = order->first - 1, there = here;
    uint64_t last = order->last ? order->last : UINT64_MAX;
    uint64_t session = 0, seen = 0;
    while (here < last || (order->value && there < last)) {
        while (next <= last && next - here <= 8 && (!order->value || next - there <= 64)) {
            zb_batch_t **slot = &window[next % 8];
            zb_batch_destroy (slot);
            *slot = kit_batch (next, order->size);
            zb_store_commit (store, *slot);
            next++;
        }
        zb_store_event_t *event = kit_wait (store, ZB_STORE_SYNCED);
        //  Neither falls, but `there` begins anew with a session.
        if (event->here < here || (event->there < seen && event->session == session))
            _exit (9);
        session = event->session;
        seen = event->there;
        here = event->here;
        there = event->there;
        atomic_store (&s_seen->there, there);
        zb_store_event_destroy (&event);
    }
    for (size_t i = 0; i < 8; i++)
        zb_batch_destroy (&window[i]);
}

static answer_t s_obey (zb_store_t *store, const order_t *order)
{
    answer_t answer = {0};
    switch (order->kind) {
    case WAIT:
        answer = s_wait (store, (zb_store_kind_t) order->value, 0);
        break;
    case LINK:
        answer = s_wait (store, ZB_STORE_LINK, order->value);
        break;
    case GRANTED:
        answer = s_wait (store, ZB_STORE_GRANTED, order->value);
        break;
    case LEAD:
        zb_store_lead (store, 0);
        answer = s_wait (store, ZB_STORE_LED, 0);
        break;
    case FOLLOW:
        zb_store_follow (store, order->value);
        answer = s_wait (store, ZB_STORE_FOLLOWS, 0);
        break;
    case GRANT:
        zb_store_grant (store, order->first, order->last);
        break;
    case SAVE:
        zb_store_save (store, &(zb_node_t){.alone = order->first});
        answer = s_wait (store, ZB_STORE_SAVED, 0);
        break;
    case COMMIT:
    case STREAM:
        s_commit (store, order);
        break;
    case DIGEST:
        answer.hash = kit_digest (store, &answer.rows);
        answer.brief = kit_brief;
        break;
    case STOP:
        break;
    }
    return answer;
}

//  The puppet's main.
static int s_puppet (char **argv)
{
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    kit_quiet ();
    char bind[64], peer[64];
    snprintf (bind, sizeof (bind), "tcp://127.0.0.1:%s", argv[3]);
    snprintf (peer, sizeof (peer), "tcp://127.0.0.1:%s", argv[4]);
    s_seen = mmap (NULL, sizeof (*s_seen), PROT_READ | PROT_WRITE, MAP_SHARED, 5, 0);
    if (s_seen == MAP_FAILED)
        return 1;
    zb_store_args_t args = kit_args (argv[2]);
    args.paired = true;
    args.node = (unsigned) atoi (argv[5]);
    args.bind = bind;
    args.peer = peer;
    args.log_keep = (size_t) atoi (argv[6]) << 20;
    args.resync_rate = (size_t) atoi (argv[7]) << 10;
    zb_seal_key (args.key, "test", "secret");
    zb_store_t *store = zb_store_new (&args);
    order_t order;
    while (read (0, &order, sizeof (order)) == sizeof (order)) {
        answer_t answer = s_obey (store, &order);
        if (order.kind == STOP)
            zb_store_destroy (&store);
        if (write (0, &answer, sizeof (answer)) != sizeof (answer))
            return 1;
        if (order.kind == STOP)
            return 0;
    }
    return 0;
}

static int s_seen_fd = -1;

static void s_start (puppet_t *self)
{
    int pair[2];
    assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    char port[16], peer[16], node[16], keep[16], rate[16];
    snprintf (port, sizeof (port), "%d", self->port);
    snprintf (peer, sizeof (peer), "%d", self->peer);
    snprintf (node, sizeof (node), "%u", self->node);
    snprintf (keep, sizeof (keep), "%d", self->keep);
    snprintf (rate, sizeof (rate), "%d", self->rate);
    self->pid = fork ();
    assert_true (self->pid >= 0);
    if (self->pid == 0) {
        dup2 (pair[1], 0);
        dup2 (s_seen_fd, 5);
        execl (kit_self (), "test_replica", "puppet", self->dir, port, peer, node, keep, rate, (char *) NULL);
        _exit (127);
    }
    close (pair[1]);
    self->fd = pair[0];
}

static void s_order (puppet_t *self, order_t order)
{
    assert_int_equal (write (self->fd, &order, sizeof (order)), sizeof (order));
}

static answer_t s_answer (puppet_t *self)
{
    answer_t answer = {0};
    if (read (self->fd, &answer, sizeof (answer)) != sizeof (answer))
        fail_msg ("node %u has died", self->node);
    return answer;
}

//  What is not given is 0.
static answer_t s_do (puppet_t *self, order_kind_t kind, int value, uint64_t first, uint64_t last, uint64_t size, ...)
{
    s_order (self, (order_t){kind, value, first, last, size});
    return s_answer (self);
}

#define DO(puppet, ...) s_do ((puppet), __VA_ARGS__, 0, 0, 0, 0, 0)

static void s_reap (puppet_t *self)
{
    close (self->fd);
    waitpid (self->pid, NULL, 0);
    self->pid = 0;
}

static void s_stop (puppet_t *self)
{
    DO (self, STOP);
    s_reap (self);
}

static void s_kill (puppet_t *self)
{
    kill (self->pid, SIGKILL);
    s_reap (self);
}

//  ---------------------------------------------------------------------------
//  Pairs

typedef struct {
    char *dir;
    puppet_t a, b;
} couple_t;

//  A port that was free a moment ago.
static int s_port (void)
{
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof (address);
    assert_int_equal (bind (fd, (struct sockaddr *) &address, size), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    close (fd);
    return ntohs (address.sin_port);
}

static couple_t *s_couple_new (int keep)
{
    couple_t *self = zmalloc (sizeof (*self));
    self->dir = kit_dir_new ();
    int one = s_port (), other = s_port ();
    self->a = (puppet_t){.port = one, .peer = other, .node = 1, .keep = keep};
    self->b = (puppet_t){.port = other, .peer = one, .node = 2, .keep = keep};
    self->a.dir = zsys_sprintf ("%s/a", self->dir);
    self->b.dir = zsys_sprintf ("%s/b", self->dir);
    return self;
}

static void s_couple_destroy (couple_t **self_p)
{
    couple_t *self = *self_p;
    if (self->a.pid)
        s_stop (&self->a);
    if (self->b.pid)
        s_stop (&self->b);
    kit_dir_destroy (&self->dir);
    free ((char *) (uintptr_t) self->a.dir);
    free ((char *) (uintptr_t) self->b.dir);
    freen (*self_p);
}

//  Two new nodes; a leads, b follows.
static void s_form (couple_t *self)
{
    s_start (&self->a);
    s_start (&self->b);
    answer_t answer = DO (&self->a, WAIT, ZB_STORE_OPENED);
    assert_true (answer.fresh);
    assert_false (answer.complete);
    DO (&self->b, WAIT, ZB_STORE_OPENED);
    answer = DO (&self->a, LEAD);
    assert_true (answer.fresh);
    assert_true (answer.complete);
    assert_int_equal (answer.generation % 2, 1);
    DO (&self->b, FOLLOW, true);
    DO (&self->a, LINK, ZB_LINK_LIVE);
    answer = DO (&self->b, WAIT, ZB_STORE_COMPLETE);
    assert_true (answer.complete);
}

static couple_t *s_couple_formed (int keep)
{
    couple_t *self = s_couple_new (keep);
    s_form (self);
    return self;
}

//  Restarts a node.
static answer_t s_restart (puppet_t *self)
{
    s_start (self);
    return DO (self, WAIT, ZB_STORE_OPENED);
}

//  Both hold the same rows; returns their number.
static size_t s_assert_same (couple_t *self)
{
    answer_t a = DO (&self->a, DIGEST), b = DO (&self->b, DIGEST);
    assert_int_equal (a.rows, b.rows);
    assert_int_equal (a.hash, b.hash);
    return a.rows;
}

//  ---------------------------------------------------------------------------
//  Files

static bool s_exists (const puppet_t *puppet, const char *name)
{
    char path[300];
    snprintf (path, sizeof (path), "%s/%s", puppet->dir, name);
    return access (path, F_OK) == 0;
}

//  Waits until the pages of the log's table are on their way into this environment.
static void s_await (const puppet_t *self, int environment)
{
    char name[32];
    snprintf (name, sizeof name, "env.%d/table.log", environment);
    int64_t end = zclock_mono () + patience_ms ();
    while (!s_exists (self, name)) {
        if (zclock_mono () > end)
            fail_msg ("no file %s", name);
        zclock_sleep (1);
    }
}

//  ---------------------------------------------------------------------------
//  Tests

static void test_form (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 2000, 200);
    assert_int_equal (s_assert_same (pair), 2002);
    //  A clean restart of both; the other one leads.
    s_stop (&pair->a);
    s_stop (&pair->b);
    answer_t answer = s_restart (&pair->b);
    assert_true (answer.complete);
    assert_false (answer.fresh);
    assert_int_equal (answer.commit, 2000);
    answer = s_restart (&pair->a);
    assert_int_equal (answer.commit, 2000);
    answer = DO (&pair->b, LEAD);
    assert_int_equal (answer.generation % 2, 0);
    DO (&pair->a, FOLLOW, true);
    DO (&pair->b, COMMIT, true, 2001, 2100, 200);
    assert_int_equal (s_assert_same (pair), 2102);
    s_couple_destroy (&pair);
}

//  The client misses some; it gets just these, into the same environment.
static void test_catch_up (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 100, 2000);
    s_kill (&pair->b);
    DO (&pair->a, LINK, ZB_LINK_DOWN);
    DO (&pair->a, COMMIT, false, 101, 1200, 10000);
    answer_t answer = s_restart (&pair->b);
    assert_int_equal (answer.commit, 100);
    DO (&pair->b, FOLLOW, true);
    answer = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_int_equal (answer.current, 1);
    assert_int_equal (answer.commit, 1200);
    DO (&pair->a, LINK, ZB_LINK_LIVE);
    DO (&pair->a, COMMIT, true, 1201, 1300, 2000);
    s_assert_same (pair);
    s_couple_destroy (&pair);
}

//  An answer takes six seconds at the rate that is set: the master does not take its own pause for the client's silence.
static void test_catch_up_slowly (void **state)
{
    (void) state;
    couple_t *pair = s_couple_new (64);
    pair->a.rate = 160;
    s_form (pair);
    s_kill (&pair->b);
    DO (&pair->a, LINK, ZB_LINK_DOWN);
    DO (&pair->a, COMMIT, false, 1, 1, 900000);
    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    uint64_t session = DO (&pair->a, LINK, ZB_LINK_SYNCING).session;
    answer_t answer = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_int_equal (answer.commit, 1);
    assert_true (session == DO (&pair->a, LINK, ZB_LINK_LIVE).session);
    s_assert_same (pair);
    s_couple_destroy (&pair);
}

//  Killed in the middle of a stream.  What was durable there is at the new master; the rest of the old one goes.
static void test_failover (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    s_seen->there = 0;
    s_order (&pair->a, (order_t){STREAM, true, 1, 0, 3000});
    while (atomic_load (&s_seen->there) < 500)
        poll (NULL, 0, 1);
    s_kill (&pair->a);
    uint64_t there = atomic_load (&s_seen->there);
    answer_t answer = DO (&pair->b, LEAD);
    assert_true (answer.commit >= there);
    uint64_t next = answer.commit + 1;
    DO (&pair->b, COMMIT, false, next, next + 50, 999);
    answer = s_restart (&pair->a);
    DO (&pair->a, FOLLOW, true);
    answer = DO (&pair->a, WAIT, ZB_STORE_COMPLETE);
    assert_int_equal (answer.current, 1);
    DO (&pair->b, LINK, ZB_LINK_LIVE);
    DO (&pair->b, COMMIT, true, next + 51, next + 60, 999);
    s_assert_same (pair);
    s_couple_destroy (&pair);
}

//  Both have led alone.  The one that comes back touches nothing until it may.
static void test_diverged (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 10, 500);
    s_kill (&pair->b);
    DO (&pair->a, LINK, ZB_LINK_DOWN);
    DO (&pair->a, COMMIT, false, 11, 30, 500);
    answer_t mine = DO (&pair->a, DIGEST);
    s_kill (&pair->a);
    s_restart (&pair->b);
    DO (&pair->b, LEAD);
    DO (&pair->b, COMMIT, false, 11, 15, 501);
    s_restart (&pair->a);
    DO (&pair->a, FOLLOW, false);
    DO (&pair->a, WAIT, ZB_STORE_DIVERGED);
    answer_t still = DO (&pair->a, DIGEST);
    assert_int_equal (still.rows, 32);
    assert_int_equal (still.hash, mine.hash);
    //  A restart changes nothing of it.
    s_kill (&pair->a);
    s_restart (&pair->a);
    DO (&pair->a, FOLLOW, false);
    DO (&pair->a, WAIT, ZB_STORE_DIVERGED);
    still = DO (&pair->a, DIGEST);
    assert_int_equal (still.hash, mine.hash);
    //  Nor does a master that was lost and is followed again; what is read before it has refused again is answered
    //  then.
    DO (&pair->a, FOLLOW, false);
    still = DO (&pair->a, DIGEST);
    assert_int_equal (still.hash, mine.hash);
    DO (&pair->a, FOLLOW, true);
    answer_t answer = DO (&pair->a, WAIT, ZB_STORE_COMPLETE);
    assert_int_equal (answer.commit, 15);
    assert_int_equal (answer.current, 1);
    DO (&pair->b, COMMIT, true, 16, 20, 501);
    assert_int_equal (s_assert_same (pair), 22);
    s_couple_destroy (&pair);
}

//  The client was away for longer than the log is kept: all of it comes anew, beside the old store, which counts
//  until then, even if the receiver dies in the middle.
static void test_full_resync (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (2);
    DO (&pair->a, COMMIT, true, 1, 100, 2000);
    answer_t old = DO (&pair->b, DIGEST);
    s_stop (&pair->b);
    DO (&pair->a, COMMIT, false, 101, 500, 60000);
    //  A checkpoint, and the old files go: a clean stop and a start do both, surely.
    s_stop (&pair->a);
    s_restart (&pair->a);
    DO (&pair->a, LEAD);
    while (s_exists (&pair->a, "env.1/log.0000000001"))
        poll (NULL, 0, 10);

    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    do
        DO (&pair->b, WAIT, ZB_STORE_PROGRESS);
    while (!s_exists (&pair->b, "env.2"));
    s_kill (&pair->b);
    assert_true (s_exists (&pair->b, "env.1"));
    answer_t answer = s_restart (&pair->b);
    assert_true (answer.complete);
    assert_int_equal (answer.current, 1);
    assert_int_equal (answer.commit, 100);
    assert_false (s_exists (&pair->b, "env.2"));
    answer_t still = DO (&pair->b, DIGEST);
    assert_int_equal (still.hash, old.hash);

    //  It may even lead from the old store, in the middle of a resync; then it is the other's turn.
    DO (&pair->b, FOLLOW, true);
    answer = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_int_equal (answer.current, 2);
    assert_int_equal (answer.commit, 500);
    assert_false (s_exists (&pair->b, "env.1"));
    DO (&pair->a, LINK, ZB_LINK_LIVE);
    DO (&pair->a, COMMIT, true, 501, 550, 2000);
    s_assert_same (pair);
    s_kill (&pair->b);
    answer = s_restart (&pair->b);
    assert_int_equal (answer.current, 2);
    assert_int_equal (answer.commit, 550);
    DO (&pair->b, FOLLOW, true);
    DO (&pair->a, COMMIT, true, 551, 560, 2000);
    s_assert_same (pair);
    s_couple_destroy (&pair);
}

//  What lies in the log alone (io/store/brief.h) comes to one that fetches all: what is in older files of the log than the
//  newest checkpoint's, which it does not get, and, unless a file has just begun, what is in the same file before that.
static void test_brief_values (void **state)
{
    (void) state;
    couple_t *pair = s_couple_new (2);
    s_restart (&pair->a);
    DO (&pair->a, LEAD);
    DO (&pair->a, COMMIT, false, 1, 60, 60000);
    assert_true (s_exists (&pair->a, "env.1/log.0000000003"));
    s_kill (&pair->a);
    s_restart (&pair->a);
    DO (&pair->a, LEAD);
    answer_t all;
    uint64_t commit = 60;
    do {
        DO (&pair->a, COMMIT, false, commit + 1, commit + 1, 9000);
        commit++;
        //  A start ends with a checkpoint, now and then of a file of the log that has just begun.
        s_kill (&pair->a);
        s_restart (&pair->a);
        DO (&pair->a, LEAD);
        all = DO (&pair->a, DIGEST);
    } while (all.brief == 0);
    while (s_exists (&pair->a, "env.1/log.0000000001"))
        poll (NULL, 0, 10);
    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    answer_t answer = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_int_equal (answer.commit, commit);
    assert_false (s_exists (&pair->b, "env.1/log.0000000001"));
    s_kill (&pair->a);
    answer = DO (&pair->b, DIGEST);
    assert_int_equal (answer.hash, all.hash);
    DO (&pair->b, LEAD);
    answer = DO (&pair->b, DIGEST);
    assert_int_equal (answer.hash, all.hash);
    s_couple_destroy (&pair);
}

//  A new node that dies in the middle of its first resync is not complete.
static void test_first_resync (void **state)
{
    (void) state;
    couple_t *pair = s_couple_new (64);
    s_restart (&pair->a);
    DO (&pair->a, LEAD);
    DO (&pair->a, COMMIT, false, 1, 400, 60000);
    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    DO (&pair->b, WAIT, ZB_STORE_PROGRESS);
    s_kill (&pair->b);
    answer_t answer = s_restart (&pair->b);
    assert_false (answer.complete);
    assert_int_equal (answer.current, 0);
    DO (&pair->b, FOLLOW, true);
    answer = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_true (answer.complete);
    assert_int_equal (answer.commit, 400);
    s_assert_same (pair);
    s_couple_destroy (&pair);
}

//  Has a stopped node's file say whether a sync has failed.
static void s_suspect (const puppet_t *self, bool suspect)
{
    zb_node_t node;
    assert_int_equal (zb_node_load (&node, self->dir), ZB_NODE_FOUND);
    node.suspect = suspect;
    assert_int_equal (zb_node_save (&node, self->dir), 0);
}

//  A resync is given up for the lead: from what was complete before.
static void test_lead_in_resync (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 400, 60000);
    answer_t mine = DO (&pair->b, DIGEST);
    s_stop (&pair->b);
    s_suspect (&pair->b, true);
    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    DO (&pair->b, WAIT, ZB_STORE_PROGRESS);
    s_kill (&pair->a);
    answer_t answer = DO (&pair->b, LEAD);
    assert_int_equal (answer.current, 1);
    assert_false (s_exists (&pair->b, "env.2") && answer.current == 2);
    answer_t still = DO (&pair->b, DIGEST);
    assert_int_equal (still.hash, mine.hash);
    s_couple_destroy (&pair);
}

//  The master is lost in the middle of a catch-up: what the client holds by then can be read, and it goes on later.
static void test_read_without_master (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 20, 1000);
    s_stop (&pair->b);
    DO (&pair->a, COMMIT, false, 21, 400, 60000);
    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    DO (&pair->b, WAIT, ZB_STORE_PROGRESS);
    s_kill (&pair->a);
    answer_t answer = DO (&pair->b, DIGEST);
    assert_true (answer.rows > 0);
    s_restart (&pair->a);
    DO (&pair->a, LEAD);
    answer = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_int_equal (answer.commit, 400);
    s_assert_same (pair);
    s_couple_destroy (&pair);
}

//  An fsync has failed once: nothing but a full resync mends that, and not without consent.
static void test_suspect (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 50, 500);
    s_stop (&pair->b);
    s_suspect (&pair->b, true);
    answer_t answer = s_restart (&pair->b);
    assert_true (answer.suspect);
    DO (&pair->b, FOLLOW, false);
    DO (&pair->b, WAIT, ZB_STORE_DIVERGED);
    DO (&pair->b, FOLLOW, true);
    answer = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_false (answer.suspect);
    assert_int_equal (answer.current, 2);
    s_assert_same (pair);
    s_couple_destroy (&pair);
}

static void s_copy (const puppet_t *from, const char *name, const char *to)
{
    char *command = zsys_sprintf ("cp '%s/%s' '%s/%s'", from->dir, name, from->dir, to);
    assert_int_equal (system (command), 0);
    freen (command);
}

//  A sync has failed, and what the log lost is in pages of the tables already: Berkeley DB can't open that any more.  The peer
//  has all that was answered, so it is fetched anew; of a store that nothing is known against, nothing is touched.
static void test_suspect_and_beyond_recovery (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 50, 500);
    s_stop (&pair->b);
    s_copy (&pair->b, "env.1/log.0000000001", "log");
    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    DO (&pair->a, LINK, ZB_LINK_LIVE);
    DO (&pair->a, COMMIT, true, 51, 100, 20000);
    s_stop (&pair->b);
    s_copy (&pair->b, "log", "env.1/log.0000000001");
    for (int suspect = 0; suspect < 2; suspect++) {
        s_suspect (&pair->b, suspect);
        s_start (&pair->b);
        DO (&pair->b, WAIT, ZB_STORE_FAILED);
        s_kill (&pair->b);
        assert_int_equal (s_exists (&pair->b, "env.1"), !suspect);
        assert_int_equal (s_exists (&pair->b, "damaged.1"), suspect);
    }
    answer_t answer = s_restart (&pair->b);
    assert_false (answer.complete);
    DO (&pair->b, FOLLOW, true);
    answer = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_false (answer.suspect);
    s_assert_same (pair);
    s_couple_destroy (&pair);
}

//  The lead changes hands ten times, by death and by consent.
static void test_alternate (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    puppet_t *leader = &pair->a, *other = &pair->b;
    uint64_t next = 1, generation = 0;
    for (int round = 0; round < 10; round++) {
        DO (leader, COMMIT, true, next, next + 19, 700);
        next += 20;
        if (round % 3 == 2) {
            DO (leader, FOLLOW, true);
            answer_t answer = DO (other, LEAD);
            assert_true (answer.generation > generation);
            generation = answer.generation;
        }
        else {
            s_kill (leader);
            answer_t answer = DO (other, LEAD);
            assert_true (answer.generation > generation);
            assert_int_equal (answer.commit, next - 1);
            generation = answer.generation;
            DO (other, COMMIT, false, next, next + 4, 700);
            next += 5;
            s_restart (leader);
            DO (leader, FOLLOW, true);
        }
        DO (leader, WAIT, ZB_STORE_COMPLETE);
        puppet_t *swap = leader;
        leader = other;
        other = swap;
        s_assert_same (pair);
    }
    s_couple_destroy (&pair);
}

//  The client's generation is above the master's when they meet.
static void test_generations (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 10, 700);
    s_kill (&pair->a);
    answer_t high = {0};
    for (int round = 0; round < 3; round++) {
        high = DO (&pair->b, LEAD);
        DO (&pair->b, FOLLOW, true);
    }
    s_stop (&pair->b);
    s_restart (&pair->a);
    answer_t low = DO (&pair->a, LEAD);
    assert_true (low.generation < high.generation);
    DO (&pair->a, COMMIT, false, 11, 20, 700);
    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    DO (&pair->a, LINK, ZB_LINK_LIVE);
    DO (&pair->a, COMMIT, true, 21, 30, 700);
    assert_int_equal (s_assert_same (pair), 32);
    s_couple_destroy (&pair);
}

//  `in sync` is granted for a session and ends with the next one.
static void test_grant (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 10, 700);
    DO (&pair->a, GRANT, 0, 12345);
    s_kill (&pair->b);
    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    answer_t live = DO (&pair->a, LINK, ZB_LINK_LIVE);
    DO (&pair->a, GRANT, 0, live.session);
    DO (&pair->b, GRANTED, true);
    //  The master dies and comes back: a new session.
    s_kill (&pair->a);
    s_restart (&pair->a);
    DO (&pair->a, LEAD);
    DO (&pair->b, GRANTED, false);
    answer_t next = DO (&pair->a, LINK, ZB_LINK_LIVE);
    assert_true (next.session != live.session);
    DO (&pair->a, GRANT, 0, live.session);
    DO (&pair->a, GRANT, 0, next.session);
    DO (&pair->b, GRANTED, true);
    s_couple_destroy (&pair);
}

//  The wire is cut and mended, while both processes live; then in the middle of a full resync.
static void test_cut (void **state)
{
    (void) state;
    couple_t *pair = s_couple_new (64);
    int port = s_port ();
    pair->b.peer = port;
    pid_t proxy = proxy_new (port, pair->a.port);
    s_form (pair);
    DO (&pair->a, COMMIT, true, 1, 100, 30000);
    answer_t live = DO (&pair->b, DIGEST);
    proxy_destroy (&proxy);
    DO (&pair->a, COMMIT, false, 101, 400, 30000);
    proxy = proxy_new (port, pair->a.port);
    answer_t again = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_int_equal (again.current, 1);
    assert_true (again.session != live.session);
    DO (&pair->a, COMMIT, true, 401, 500, 30000);
    s_assert_same (pair);

    s_stop (&pair->b);
    s_suspect (&pair->b, true);
    s_restart (&pair->b);
    DO (&pair->b, FOLLOW, true);
    //  Cut while pages are on their way; each time it begins anew, also if nothing more is stored that would show the gap.
    for (int cut = 0; cut < 3; cut++) {
        s_await (&pair->b, 2 + cut);
        proxy_destroy (&proxy);
        if (cut == 0)
            DO (&pair->a, COMMIT, false, 501, 501, 30000);
        proxy = proxy_new (port, pair->a.port);
    }
    again = DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    assert_int_equal (again.current, 5);
    DO (&pair->a, COMMIT, true, 502, 600, 30000);
    s_assert_same (pair);
    s_couple_destroy (&pair);
    proxy_destroy (&proxy);
}

//  Both lead, and one gives way: the other one's generation is raised above its.
static void test_dual (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 10, 700);
    DO (&pair->b, LEAD);
    DO (&pair->a, COMMIT, false, 11, 20, 700);
    DO (&pair->b, FOLLOW, true);
    DO (&pair->b, WAIT, ZB_STORE_COMPLETE);
    DO (&pair->a, COMMIT, true, 21, 30, 700);
    assert_int_equal (s_assert_same (pair), 32);
    s_couple_destroy (&pair);
}

//  Anything may arrive at the link's port, and nothing of it counts.
static void test_garbage (void **state)
{
    (void) state;
    couple_t *pair = s_couple_formed (64);
    DO (&pair->a, COMMIT, true, 1, 10, 700);
    zsock_t *push[2] = {zsock_new (ZMQ_PUSH), zsock_new (ZMQ_PUSH)};
    uint8_t key[2][ZB_SEAL_KEY_SIZE];
    zb_seal_key (key[0], "test", "another secret");
    zb_seal_key (key[1], "test", "secret");
    for (int side = 0; side < 2; side++) {
        zsock_connect (push[side], "tcp://127.0.0.1:%d", side ? pair->b.port : pair->a.port);
        zsock_set_sndtimeo (push[side], patience_ms ());
    }
    uint64_t seed = 1;
    for (int round = 0; round < 3000; round++) {
        uint8_t frame[400];
        for (size_t i = 0; i < sizeof (frame); i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            frame[i] = (uint8_t) (seed >> 56);
        }
        size_t size = ZB_SEAL_SIZE + round % 200u;
        //  Sealed with a wrong key; with the right one, but not of the session, or from ourselves; plain noise.
        zb_seal_t seal = {
            .kind = (uint8_t) (round % 9), .node = (uint8_t) (1 + seed / 7 % 2), .session = seed, .sequence = seed % 5};
        if (round % 3)
            zb_seal_write (&seal, key[round % 3 - 1], frame, frame + ZB_SEAL_SIZE, size - ZB_SEAL_SIZE);
        int more = round % 50 == 0 ? ZMQ_SNDMORE : 0;
        for (int side = 0; side < 2; side++)
            assert_true (zmq_send (zsock_resolve (push[side]), frame, size, more) >= 0);
    }
    for (int side = 0; side < 2; side++) {
        //  A frame larger than any: ZeroMQ cuts the stranger off.
        size_t size = 8 << 20;
        uint8_t *huge = calloc (1, size);
        zmq_send (zsock_resolve (push[side]), huge, size, 0);
        free (huge);
    }
    DO (&pair->a, COMMIT, true, 11, 500, 700);
    assert_int_equal (s_assert_same (pair), 502);
    zsock_destroy (&push[0]);
    zsock_destroy (&push[1]);
    s_couple_destroy (&pair);
}

int main (int argc, char **argv)
{
    if (argc == 8 && streq (argv[1], "puppet"))
        return s_puppet (argv);
    if (argc == 4 && streq (argv[1], "proxy"))
        return proxy_main (atoi (argv[2]), atoi (argv[3]));
    s_seen_fd = memfd_create ("seen", 0);
    if (s_seen_fd < 0 || ftruncate (s_seen_fd, sizeof (s_seen_t)) != 0)
        return 1;
    s_seen = mmap (NULL, sizeof (*s_seen), PROT_READ | PROT_WRITE, MAP_SHARED, s_seen_fd, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_form),
        cmocka_unit_test (test_catch_up),
        cmocka_unit_test (test_catch_up_slowly),
        cmocka_unit_test (test_failover),
        cmocka_unit_test (test_diverged),
        cmocka_unit_test (test_full_resync),
        cmocka_unit_test (test_brief_values),
        cmocka_unit_test (test_first_resync),
        cmocka_unit_test (test_lead_in_resync),
        cmocka_unit_test (test_read_without_master),
        cmocka_unit_test (test_suspect),
        cmocka_unit_test (test_suspect_and_beyond_recovery),
        cmocka_unit_test (test_alternate),
        cmocka_unit_test (test_generations),
        cmocka_unit_test (test_grant),
        cmocka_unit_test (test_cut),
        cmocka_unit_test (test_dual),
        cmocka_unit_test (test_garbage),
    };
    if (argc == 2)
        cmocka_set_test_filter (argv[1]);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
