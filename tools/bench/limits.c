/*  =========================================================================
    bench_limits - what the machine itself can do with the same bytes

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <czmq.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/wire/seal.h"
#include "io/auth/keys.h"
#include "io/store/store.h"
#include "tools/bench/limits.h"
#include "tools/bench/load.h"
#include "tools/pair.h"

#define SECOND 1000000000LL
#define LONG_RUN SECOND
#define SHORT_RUN (SECOND / 2)
#define PATIENCE 20000 //  ms for the two stores to meet, and for any commit

//  Another process: it does its work when it gets an order, until its end of the pipe is closed.
typedef struct {
    pid_t pid;
    int pipe;
} part_t;

//  What the second store is told.
typedef struct {
    int own, peer; //  ports
} order_t;

struct bench_limits {
    const tool_t *tool;
    const char *folder;
    part_t relay, peer;
    zb_keys_t *keys; //  that the relay and its clients share; NULL without
    void *context;
    void *source, *sink;
    zb_store_t *store;
    uint64_t commit; //  the newest
};

//  Says what is wrong, unless it is that the user wants no more.
static int s_broken (const bench_limits_t *self, const char *what)
{
    return pair_interrupted () ? TOOL_FAILED : tool_fail (self->tool, TOOL_FAILED, "%s", what);
}

//  ---------------------------------------------------------------------------
//  The other processes

//  Sends what comes from anybody on to the sink; what comes from the sink goes back to it.
static void s_relay (int pipe, const bench_limits_t *self)
{
    char endpoint[64] = "";
    size_t size = sizeof endpoint;
    int none = 0;
    if (read (pipe, endpoint, 1) != 1)
        return;
    void *context = zmq_ctx_new ();
    void *router = zmq_socket (context, ZMQ_ROUTER);
    zmq_setsockopt (router, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt (router, ZMQ_RCVHWM, &none, sizeof none);
    //  Without a handler of ZAP it takes any client: what is measured is CURVE.
    if (self->keys) {
        zmq_setsockopt (router, ZMQ_CURVE_SERVER, &(int){1}, sizeof (int));
        zmq_setsockopt (router, ZMQ_CURVE_SECRETKEY, self->keys->own.secret_key, ZB_KEY_SIZE);
    }
    if (zmq_bind (router, "tcp://127.0.0.1:*") || zmq_getsockopt (router, ZMQ_LAST_ENDPOINT, endpoint, &size) ||
        write (pipe, endpoint, sizeof endpoint) != sizeof endpoint)
        return;
    zmq_msg_t message;
    zmq_msg_init (&message);
    char sink[256];
    size_t room = 0;
    while (zmq_msg_recv (&message, router, 0) != -1) {
        //  Whoever has spoken first.
        if (room == 0) {
            room = zmq_msg_size (&message) < sizeof sink ? zmq_msg_size (&message) : sizeof sink;
            memcpy (sink, zmq_msg_data (&message), room);
        }
        //  In the place of the sender's routing id: the sink's.
        if (zmq_send (router, sink, room, ZMQ_SNDMORE) == -1)
            return;
        for (bool more = true; more;) {
            if (zmq_msg_recv (&message, router, 0) == -1)
                return;
            more = zmq_msg_more (&message);
            if (zmq_msg_send (&message, router, more ? ZMQ_SNDMORE : 0) == -1)
                return;
        }
    }
}

static zb_store_t *s_store_new (const char *folder, unsigned node, int own, int peer)
{
    //  What stores log is of no interest here: a failure is an event.
    zsys_init ();
    zsys_set_logstream (NULL);
    char dir[PATH_MAX], bind[64], connect[64];
    snprintf (dir, sizeof dir, "%s/limit-%u", folder, node);
    snprintf (bind, sizeof bind, "tcp://127.0.0.1:%d", own);
    snprintf (connect, sizeof connect, "tcp://127.0.0.1:%d", peer);
    zb_store_args_t args = {.dir = dir,
                            .paired = true,
                            .node = node,
                            .bind = bind,
                            .peer = connect,
                            .cache = 64 << 20,
                            .log_file = 64 << 20,
                            .log_keep = 1 << 30};
    zb_seal_key (args.key, "bench", "");
    return zb_store_new (&args);
}

//  The second store: follows the first one until it is killed.
static void s_follow (int pipe, const bench_limits_t *self)
{
    order_t order;
    if (read (pipe, &order, sizeof order) != sizeof order)
        return;
    zb_store_t *store = s_store_new (self->folder, 2, order.own, order.peer);
    for (;;) {
        zmq_pollitem_t item = {zb_store_socket (store), 0, ZMQ_POLLIN, 0};
        zmq_poll (&item, 1, -1);
        zb_store_event_t *event;
        while ((event = zb_store_recv (store))) {
            if (event->kind == ZB_STORE_OPENED)
                zb_store_follow (store, true);
            else if (event->kind == ZB_STORE_FAILED)
                return;
            zb_store_event_destroy (&event);
        }
    }
}

static int s_start (part_t *self, void (*work) (int pipe, const bench_limits_t *limits), const bench_limits_t *limits)
{
    int pipes[2];
    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipes))
        return -1;
    self->pid = fork ();
    if (self->pid == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        signal (SIGINT, SIG_IGN);
        close (pipes[0]);
        work (pipes[1], limits);
        _exit (TOOL_FAILED);
    }
    close (pipes[1]);
    self->pipe = pipes[0];
    return self->pid == -1 ? -1 : 0;
}

static void s_stop (part_t *self)
{
    if (self->pid > 0) {
        kill (self->pid, SIGKILL);
        waitpid (self->pid, NULL, 0);
        close (self->pipe);
    }
    self->pid = 0;
}

bench_limits_t *bench_limits_new (const tool_t *tool, const char *folder, bool keyed)
{
    bench_limits_t *self = (bench_limits_t *) zmalloc (sizeof *self);
    self->tool = tool;
    self->folder = folder;
    if (keyed) {
        self->keys = (zb_keys_t *) zmalloc (sizeof *self->keys);
        zb_keys_draw (&self->keys->own);
    }
    if (s_start (&self->relay, s_relay, self) || s_start (&self->peer, s_follow, self)) {
        tool_fail (tool, TOOL_FAILED, "start: %s", strerror (errno));
        bench_limits_destroy (&self);
    }
    return self;
}

void bench_limits_destroy (bench_limits_t **self_p)
{
    assert (self_p);
    bench_limits_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    s_stop (&self->relay);
    s_stop (&self->peer);
    zb_keys_destroy (&self->keys);
    free (self);
}

//  ---------------------------------------------------------------------------
//  The relay

static void *s_dealer (bench_limits_t *self, const char *endpoint)
{
    void *socket = zmq_socket (self->context, ZMQ_DEALER);
    assert (socket);
    int none = 0, patience = PATIENCE;
    zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt (socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt (socket, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt (socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zb_keys_connect (self->keys, socket, self->keys ? self->keys->own.public_key : NULL);
    int rc = zmq_connect (socket, endpoint);
    assert (rc == 0);
    return socket;
}

//  Takes one message, and as many as there are behind it.  Returns their number, 0 if none came.
static size_t s_take (void *socket)
{
    size_t count = 0;
    zmq_msg_t message;
    zmq_msg_init (&message);
    while (zmq_msg_recv (&message, socket, count ? ZMQ_DONTWAIT : 0) != -1) {
        while (zmq_msg_more (&message))
            zmq_msg_recv (&message, socket, 0);
        count++;
    }
    zmq_msg_close (&message);
    return count;
}

//  Sends PUTs for a while with so many in flight.  Returns PUTs per second; 0 if the relay is gone.
static double s_relay_run (bench_limits_t *self, const char *body, size_t size, size_t batch, size_t window,
                           int64_t duration, histogram_t *trip)
{
    static const char *const head[] = {"ZB1", "PUT", "123456", "bench-1234-0", ""};
    int64_t start = bench_now (), now = start;
    uint64_t sent = 0, got = 0;
    while ((now - start < duration || got < sent) && !pair_interrupted ()) {
        int64_t before = now;
        for (; sent - got < window && now - start < duration; sent++) {
            for (size_t index = 0; index < sizeof head / sizeof *head; index++)
                zmq_send (self->source, head[index], strlen (head[index]), ZMQ_SNDMORE);
            for (size_t index = 0; index < batch; index++)
                zmq_send_const (self->source, body, size, index + 1 < batch ? ZMQ_SNDMORE : 0);
        }
        size_t taken = s_take (self->sink);
        if (taken == 0)
            return 0;
        got += taken;
        now = bench_now ();
        if (trip)
            histogram_record (trip, (uint64_t) (now - before), 1);
    }
    return (double) got * SECOND / (double) (now - start);
}

static int s_measure_relay (bench_limits_t *self, size_t size, size_t batch, size_t window, bench_limit_t *limit)
{
    char endpoint[64];
    if (write (self->relay.pipe, "", 1) != 1 || read (self->relay.pipe, endpoint, sizeof endpoint) != sizeof endpoint)
        return s_broken (self, "the relay did not start");
    self->context = zmq_ctx_new ();
    assert (self->context);
    self->source = s_dealer (self, endpoint);
    self->sink = s_dealer (self, endpoint);
    char *body = (char *) zmalloc (size + 1);
    zmq_send (self->sink, "", 0, 0);
    //  Back again, it has been the first.
    if (s_take (self->sink)) {
        limit->relay = s_relay_run (self, body, size, batch, window, LONG_RUN, NULL) * (double) batch;
        s_relay_run (self, body, size, batch, 1, SHORT_RUN, &limit->trip);
    }
    zmq_close (self->source);
    zmq_close (self->sink);
    zmq_ctx_term (self->context);
    free (body);
    s_stop (&self->relay);
    return limit->relay > 0 ? TOOL_OK : s_broken (self, "the relay ended");
}

//  ---------------------------------------------------------------------------
//  The commits

//  Waits for the store's next event; NULL if none comes, or if it failed.
static zb_store_event_t *s_next (bench_limits_t *self)
{
    zb_store_event_t *event = zb_store_recv (self->store);
    int64_t limit = zclock_mono () + PATIENCE;
    while (!event && zclock_mono () < limit && !pair_interrupted ()) {
        zmq_pollitem_t item = {zb_store_socket (self->store), 0, ZMQ_POLLIN, 0};
        zmq_poll (&item, 1, 100);
        event = zb_store_recv (self->store);
    }
    if (event && event->kind == ZB_STORE_FAILED) {
        tool_fail (self->tool, TOOL_FAILED, "the store: %s", event->text);
        zb_store_event_destroy (&event);
    }
    return event;
}

//  Opens the first store and waits until the second one is level with it.
static int s_meet (bench_limits_t *self)
{
    int port[2];
    if (pair_find_ports (port, 2))
        return s_broken (self, "no free ports on 127.0.0.1");
    order_t order = {.own = port[1], .peer = port[0]};
    if (write (self->peer.pipe, &order, sizeof order) != sizeof order)
        return s_broken (self, "the second store did not start");
    self->store = s_store_new (self->folder, 1, port[0], port[1]);
    for (bool live = false; !live;) {
        zb_store_event_t *event = s_next (self);
        if (!event)
            return s_broken (self, "the two stores do not meet");
        if (event->kind == ZB_STORE_OPENED)
            zb_store_lead (self->store, 0);
        live = event->kind == ZB_STORE_LINK && event->link == ZB_LINK_LIVE;
        zb_store_event_destroy (&event);
    }
    return TOOL_OK;
}

//  A commit as the engine makes it: rows of the log, and the commit's number.
static zb_batch_t *s_batch (uint64_t commit, zb_row_t *row, size_t rows)
{
    zb_batch_t *batch = zb_batch_new ();
    uint8_t key[14] = {0}, number[8];
    zb_put64 (number, commit);
    memcpy (key + 4, number, sizeof number);
    for (size_t index = 0; index < rows; index++) {
        key[12] = (uint8_t) (index >> 8);
        key[13] = (uint8_t) index;
        zb_batch_put_row (batch, ZB_LOG, key, sizeof key, row);
    }
    zb_batch_put (batch, ZB_META, "commit", 6, number, sizeof number);
    zb_batch_set_commit (batch, commit);
    return batch;
}

//  Commits for a while with so many under way, and waits for the last.  Returns commits per second; 0 on a failure.
static double s_commit_run (bench_limits_t *self, zb_row_t *row, size_t rows, size_t inflight, int64_t duration,
                            histogram_t *one)
{
    zb_batch_t *batch[16] = {NULL};
    assert (inflight <= sizeof batch / sizeof *batch);
    uint64_t first = self->commit, here = first, done = first;
    int64_t start = bench_now (), now = start, given = start;
    bool good = true;
    while (good && (now - start < duration || done < self->commit)) {
        for (; self->commit - done < inflight && now - start < duration; given = now) {
            uint64_t next = ++self->commit;
            batch[next % inflight] = s_batch (next, row, rows);
            zb_store_commit (self->store, batch[next % inflight]);
        }
        zb_store_event_t *event = s_next (self);
        now = bench_now ();
        good = event && (event->kind != ZB_STORE_LINK || event->link != ZB_LINK_DOWN);
        if (event && event->kind == ZB_STORE_SYNCED) {
            while (here < event->here && here < self->commit)
                zb_batch_destroy (&batch[++here % inflight]);
            uint64_t both = event->there < here ? event->there : here;
            if (one && both > done)
                histogram_record (one, (uint64_t) (now - given), 1);
            done = both > done ? both : done;
        }
        zb_store_event_destroy (&event);
    }
    return good ? (double) (done - first) * SECOND / (double) (now - start) : 0;
}

static zb_row_t *s_row (size_t size)
{
    zb_row_t *row = zb_row_new (size);
    for (size_t index = 0; index < size; index++)
        row->data[index] = (uint8_t) (' ' + index * 31 % 94);
    row->size = (uint32_t) size;
    return row;
}

static int s_measure_commits (bench_limits_t *self, size_t body, size_t batch, size_t window, bench_limit_t *limit)
{
    const zb_limits_t bounds = ZB_LIMITS_DEFAULT;
    int code = s_meet (self);
    if (code != TOOL_OK)
        return code;
    zb_row_t *row = s_row (body * batch);
    limit->commits = s_commit_run (self, row, 1, bounds.inflight, LONG_RUN, NULL) * (double) batch;
    s_commit_run (self, row, 1, 1, SHORT_RUN, &limit->commit);
    zb_row_unref (&row);
    //  The same number of messages in flight, but in as many commits as a broker has under way.
    limit->group = batch * (window > bounds.inflight ? window / bounds.inflight : 1);
    size_t most = bounds.batch / (body + 1);
    if (limit->group > most)
        limit->group = most > batch ? most : batch;
    size_t rows = (body * limit->group + ZB_ROW_MAX - 1) / ZB_ROW_MAX;
    row = s_row (body * limit->group / (rows ? rows : 1));
    limit->grouped = s_commit_run (self, row, rows ? rows : 1, bounds.inflight, LONG_RUN, NULL) * (double) limit->group;
    zb_row_unref (&row);
    zb_store_destroy (&self->store);
    s_stop (&self->peer);
    if (limit->commits <= 0 || limit->grouped <= 0)
        return s_broken (self, "the commits of two stores did not go on");
    return TOOL_OK;
}

//  ---------------------------------------------------------------------------
//  The disk

static int s_measure_syncs (bench_limits_t *self, size_t size, bench_limit_t *limit)
{
    char name[PATH_MAX];
    snprintf (name, sizeof name, "%s/limit-sync", self->folder);
    int file = open (name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char *data = (char *) zmalloc (size + 1);
    int64_t start = bench_now (), now = start;
    uint64_t count = 0;
    bool good = file != -1;
    while (good && now - start < SHORT_RUN) {
        good = write (file, data, size + 1) == (ssize_t) size + 1 && fdatasync (file) == 0;
        count++;
        now = bench_now ();
    }
    limit->syncs = good ? (double) count * SECOND / (double) (now - start) : 0;
    int error = errno;
    free (data);
    if (file != -1)
        close (file);
    return good ? TOOL_OK : tool_fail (self->tool, TOOL_FAILED, "%s: %s", name, strerror (error));
}

int bench_limits_measure (bench_limits_t *self, size_t body, size_t batch, size_t window, bench_limit_t *limit)
{
    memset (limit, 0, sizeof *limit);
    int code = s_measure_relay (self, body, batch, window, limit);
    if (code == TOOL_OK)
        code = s_measure_commits (self, body, batch, window, limit);
    if (code == TOOL_OK)
        code = s_measure_syncs (self, body * batch, limit);
    return code;
}
