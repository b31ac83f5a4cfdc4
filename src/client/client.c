/*  =========================================================================
    client - the object behind zbroker.h

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    An answer that is late although the broker answers PINGs was lost on its way out
    of the broker (it never blocks for a client); after twice the patience the
    connection is given up, and the request is sent again on a new one.
*/

#include "client/client.h"

zb_client_t *zb_client_new (const char *brokers)
{
    if (!brokers)
        brokers = getenv ("ZBROKER");
    if (!brokers || !*brokers)
        brokers = ZBROKER_DEFAULT_BROKERS;
    zb_conn_t *conn = zb_conn_new (brokers);
    if (!conn)
        return NULL;
    zb_client_t *self = (zb_client_t *) zmalloc (sizeof (zb_client_t));
    assert (self);
    self->conn = conn;
    self->window = zb_window_new ();
    self->timeout = 30000;
    self->patience = 2000;
    self->limit = ZB_WINDOW;
    return self;
}

static void s_call_end (zb_call_t *call)
{
    for (size_t index = 0; index < call->args; index++)
        zmq_msg_close (&call->arg[index]);
    memset (call, 0, sizeof (zb_call_t));
}

void zb_client_destroy (zb_client_t **self_p)
{
    assert (self_p);
    if (*self_p) {
        zb_client_t *self = *self_p;
        assert (!self->in_callback);
        s_call_end (&self->call);
        zb_window_destroy (&self->window);
        zb_conn_destroy (&self->conn);
        free (self->status);
        free (self->key);
        free (self);
        *self_p = NULL;
    }
}

//  --- Errors -------------------------------------------------------------------------------------------------------

int zb_client_fail (zb_client_t *self, int error, const char *format, ...)
{
    va_list argptr;
    va_start (argptr, format);
    vsnprintf (self->error_text, sizeof (self->error_text), format, argptr);
    va_end (argptr);
    self->error = error;
    return -1;
}

int zb_client_fail_frame (zb_client_t *self, int error, zb_frame_t text)
{
    int size = text.size > 400 ? 400 : (int) text.size;
    return zb_client_fail (self, error, "%.*s", size, size ? (const char *) text.data : "");
}

int zb_client_fail_late (zb_client_t *self, zb_verb_t verb)
{
    char why[400];
    unsigned code = zb_conn_why (self->conn, why, sizeof (why));
    return zb_client_fail (self, code ? (int) code : ZB_ERR_TIMEOUT, "time ran out: %s: %s", zb_verb_name (verb), why);
}

int zb_client_error (const zb_client_t *self)
{
    assert (self);
    return self->error;
}

const char *zb_client_error_text (const zb_client_t *self)
{
    assert (self);
    return self->error_text;
}

int zb_client_may_wait (zb_client_t *self)
{
    assert (self);
    if (self->in_callback)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "not from a callback");
    return 0;
}

int zb_client_check_queue (zb_client_t *self, const char *queue)
{
    const char *wrong = queue ? zb_place_check (zb_frame (queue)) : "missing";
    return wrong ? zb_client_fail (self, ZB_ERR_ARGUMENT, "queue name: %s", wrong) : 0;
}

//  --- Options ------------------------------------------------------------------------------------------------------

int zb_client_set_name (zb_client_t *self, const char *name)
{
    assert (self);
    const char *wrong = name ? zb_name_check (zb_frame (name)) : "missing";
    if (wrong)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "name: %s", wrong);
    if (zb_conn_started (self->conn) || zb_window_size (self->window) > 0)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "the name comes before the first call");
    zb_conn_set_name (self->conn, name);
    zb_window_set_named (self->window, true);
    self->named = true;
    return 0;
}

int zb_client_set_timeout (zb_client_t *self, int64_t timeout)
{
    assert (self);
    if (timeout < -1)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "a timeout is 0 or more, or -1");
    self->timeout = timeout;
    return 0;
}

int zb_client_set_patience (zb_client_t *self, int64_t patience)
{
    assert (self);
    if (patience < 100 || patience > 3600000)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "patience is 100 to 3600000 ms");
    self->patience = patience;
    zb_conn_set_patience (self->conn, patience);
    return 0;
}

int zb_client_set_window (zb_client_t *self, size_t window)
{
    assert (self);
    if (window < 1 || window > ZB_WINDOW)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "a window has 1 to %d PUTs", ZB_WINDOW);
    if (zb_window_size (self->window) > 0)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "PUTs are in flight");
    self->limit = window;
    return 0;
}

int zb_client_set_failed (zb_client_t *self, zb_failed_t failed)
{
    assert (self);
    if (failed < ZB_FAILED_GO_ON || failed > ZB_FAILED_WAIT)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "those behind go on, stop or wait");
    if (zb_window_size (self->window) > 0)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "PUTs are in flight");
    zb_window_set_failed (self->window, failed);
    return 0;
}

int zb_client_resume (zb_client_t *self, uint64_t number)
{
    assert (self);
    if (!zb_window_resume (self->window, number))
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "a number that is stored, or the next one; after connect, and before a PUT");
    return 0;
}

const char *zb_client_endpoint (const zb_client_t *self)
{
    assert (self);
    return zb_conn_endpoint (self->conn);
}

const char *zb_client_restored (const zb_client_t *self)
{
    assert (self);
    return zb_conn_restored (self->conn);
}

uint64_t zb_client_last_number (const zb_client_t *self)
{
    assert (self);
    return zb_window_stored (self->window);
}

zb_level_t zb_client_level (const zb_client_t *self)
{
    assert (self);
    return self->level;
}

size_t zb_client_brokers (const zb_client_t *self)
{
    assert (self);
    return pirate_size (zb_conn_pirate (self->conn));
}

const char *zb_client_broker (const zb_client_t *self, size_t index)
{
    return index < zb_client_brokers (self) ? pirate_endpoint (zb_conn_pirate (self->conn), index) : NULL;
}

int64_t zb_client_deadline (const zb_client_t *self, int64_t wait)
{
    if (self->timeout < 0)
        return INT64_MAX;
    //  Both are bounded so that their sum is a time.
    int64_t most = INT64_MAX / 4;
    return zclock_mono () + (self->timeout < most ? self->timeout : most) + (wait < most ? wait : most);
}

//  --- The wheel ----------------------------------------------------------------------------------------------------

static void s_set_arg (zmq_msg_t *arg, const void *data, size_t size)
{
    zmq_msg_close (arg);
    zmq_msg_init_size (arg, size);
    if (size)
        memcpy (zmq_msg_data (arg), data, size);
}

//  The argument of a request that brings messages which says how long it waits; 0: it brings none.
static size_t s_wait_arg (zb_verb_t verb)
{
    return verb == ZB_GET ? 2 : verb == ZB_READ ? 3 : 0;
}

void zb_client_send (zb_client_t *self)
{
    zb_call_t *call = &self->call;
    zb_flight_t *put;
    int64_t now = zclock_mono ();
    while (zb_conn_ready (self->conn) && (put = zb_window_next (self->window)) != NULL) {
        char id[21];
        zb_number_format (put->number, id);
        if (zb_conn_send (self->conn, ZB_PUT, id, put->frame, put->frames))
            zb_window_sent (self->window, put, now);
    }
    if (call->active && !call->sent && zb_conn_ready (self->conn)) {
        if (s_wait_arg (call->verb)) {
            char left[21];
            call->wait = call->until > now ? call->until - now : 0;
            size_t size = zb_number_format ((uint64_t) call->wait, left);
            s_set_arg (&call->arg[s_wait_arg (call->verb)], left, size);
        }
        snprintf (call->id, sizeof (call->id), "c%" PRIu64, ++self->serial);
        call->sent = zb_conn_send (self->conn, call->verb, call->id, call->arg, call->args);
        call->sent_at = now;
    }
}

//  A broker has greeted us.
static void s_ready (zb_client_t *self)
{
    bool fresh = self->generation != zb_conn_generation (self->conn);
    self->generation = zb_conn_generation (self->conn);
    zb_window_greeted (self->window, zb_conn_last_number (self->conn), fresh);
    if (fresh && self->call.sent && !self->call.done) {
        self->call.sent = false;
        self->call.resent = true;
    }
}

//  Nothing can be done under our name, or with our past, any more.
static void s_rejected (zb_client_t *self)
{
    char why[400];
    unsigned code = zb_conn_why (self->conn, why, sizeof (why));
    zb_client_fail (self, (int) code, "%s", why);
    zb_window_fail (self->window, (int) code, why);
}

//  Acts on what the answer to a request says about the broker.  Returns false if it says nothing.
static bool s_verdict (zb_client_t *self, zb_window_verdict_t verdict, const zb_answer_t *answer)
{
    zb_frame_t none = {"", 0};
    switch (verdict) {
    case ZB_WINDOW_GREET:
        zb_conn_greet (self->conn);
        return true;
    case ZB_WINDOW_PAUSE:
        zb_conn_pause (self->conn, answer->code, answer->args > 1 ? answer->arg[1] : none);
        return true;
    case ZB_WINDOW_PASSIVE:
        if (zb_conn_ready (self->conn))
            zb_conn_passive (self->conn, answer->args ? answer->arg[0] : none);
        return true;
    case ZB_WINDOW_REJECTED:
        zb_conn_reject (self->conn, answer->code, answer->args > 1 ? answer->arg[1] : none);
        return true;
    default:
        return false;
    }
}

//  The same for the call.
static zb_window_verdict_t s_call_verdict (const zb_answer_t *answer)
{
    if (answer->status == ZB_ANSWER_PASSIVE)
        return ZB_WINDOW_PASSIVE;
    if (answer->status != ZB_ANSWER_ERR)
        return ZB_WINDOW_FINE;
    switch (answer->code) {
    case ZB_NO_HELLO:
        return ZB_WINDOW_GREET;
    case ZB_NOT_READY:
        return ZB_WINDOW_PAUSE;
    case ZB_CONFLICT:
        return ZB_WINDOW_REJECTED;
    default:
        return ZB_WINDOW_FINE;
    }
}

static void s_reply (zb_client_t *self)
{
    const zb_answer_t *answer = zb_conn_answer (self->conn);
    zb_call_t *call = &self->call;
    if (call->active && call->sent && zb_frame_is (answer->id, call->id)) {
        if (s_verdict (self, s_call_verdict (answer), answer))
            call->sent = false;
        else
            call->done =
                answer->status == ZB_ANSWER_ERR ||
                (answer->status == ZB_ANSWER_MSG) == (s_wait_arg (call->verb) > 0 || call->verb == ZB_PEEK);
    }
    else {
        zb_window_verdict_t verdict = zb_window_answer (self->window, answer, zclock_mono ());
        //  It waits for room, as it was told to, however long that takes.
        if (verdict == ZB_WINDOW_PAUSE && (answer->code == ZB_QUEUE_FULL || answer->code == ZB_DISK_FULL))
            zb_window_extend (self->window, zb_client_deadline (self, 0));
        s_verdict (self, verdict, answer);
    }
}

//  Since when has the oldest question been without an answer?  The end of patience with it; INT64_MAX if none.
static int64_t s_overdue (const zb_client_t *self)
{
    int64_t overdue = INT64_MAX;
    if (!zb_conn_ready (self->conn))
        return overdue;
    int64_t since;
    if (zb_window_waiting (self->window, &since))
        overdue = since + 2 * self->patience;
    const zb_call_t *call = &self->call;
    if (call->active && call->sent && !call->done) {
        int64_t limit = call->sent_at + call->wait + 2 * self->patience;
        overdue = limit < overdue ? limit : overdue;
    }
    return overdue;
}

//  Time has passed.
static void s_expire (zb_client_t *self)
{
    int64_t now = zclock_mono ();
    if (now >= zb_window_deadline (self->window)) {
        char why[400] = "time ran out: PUT: ";
        size_t used = strlen (why);
        unsigned code = zb_conn_why (self->conn, why + used, sizeof (why) - used);
        if (zb_window_expire (self->window, now, code ? (int) code : ZB_ERR_TIMEOUT, why))
            zb_conn_leave (self->conn, "did not answer in time");
    }
    if (now >= s_overdue (self))
        zb_conn_leave (self->conn, "did not answer in time");
}

//  Tells what became of the oldest PUTs.
static void s_callbacks (zb_client_t *self)
{
    zb_flight_t *put;
    while ((put = zb_window_pop (self->window)) != NULL) {
        if (put->receipt.error && !self->flush_error) {
            self->flush_error = put->receipt.error;
            snprintf (self->flush_text, sizeof (self->flush_text), "%s", put->text);
        }
        if (put->fn) {
            self->in_callback = true;
            put->fn (&put->receipt, put->arg);
            self->in_callback = false;
        }
        zb_flight_destroy (&put);
    }
}

zb_conn_event_t zb_client_turn (zb_client_t *self, int64_t until)
{
    zb_client_send (self);
    int64_t limit = zb_window_deadline (self->window);
    int64_t overdue = s_overdue (self);
    limit = overdue < limit ? overdue : limit;
    int64_t since;
    int64_t waiting = zb_window_waiting (self->window, &since) ? 0
                      : self->call.active && self->call.sent   ? self->call.wait
                                                               : -1;
    zb_conn_event_t event = zb_conn_wait (self->conn, until < limit ? until : limit, waiting);
    switch (event) {
    case ZB_CONN_REPLY:
        s_reply (self);
        break;
    case ZB_CONN_READY:
        s_ready (self);
        break;
    case ZB_CONN_NOTHING:
        s_expire (self);
        break;
    case ZB_CONN_REJECTED:
        s_rejected (self);
        break;
    case ZB_CONN_INTERRUPTED:
        break;
    }
    s_callbacks (self);
    return event;
}

int zb_client_connect (zb_client_t *self)
{
    if (zb_client_may_wait (self))
        return -1;
    int64_t deadline = zb_client_deadline (self, 0);
    while (true) {
        zb_conn_event_t event = zb_client_turn (self, zb_conn_ready (self->conn) ? 0 : deadline);
        if (event == ZB_CONN_REJECTED)
            return -1;
        if (event == ZB_CONN_INTERRUPTED)
            return zb_client_fail (self, ZB_ERR_INTERRUPTED, "interrupted");
        if (zb_conn_ready (self->conn) && event != ZB_CONN_REPLY)
            return 0;
        if (zclock_mono () >= deadline)
            return zb_client_fail_late (self, ZB_HELLO);
    }
}

//  --- Calls --------------------------------------------------------------------------------------------------------

//  Turns until the call is answered, or there is a reason not to wait any longer: the deadline, which a GET's own wait puts
//  off, or that no broker has had the call for the timeout.
static int s_await (zb_client_t *self, int64_t deadline, bool stop_at_signal)
{
    int64_t lost = zb_client_deadline (self, 0);
    while (!self->call.done) {
        bool served = self->call.sent && zb_conn_ready (self->conn);
        int64_t limit = served || deadline < lost ? deadline : lost;
        zb_conn_event_t event = zb_client_turn (self, limit);
        if (event == ZB_CONN_REJECTED)
            return -1;
        if (event == ZB_CONN_INTERRUPTED && stop_at_signal)
            return zb_client_fail (self, ZB_ERR_INTERRUPTED, "interrupted");
        if (served)
            lost = zb_client_deadline (self, 0);
        if (!self->call.done && zclock_mono () >= (self->call.sent && zb_conn_ready (self->conn) ? deadline : limit))
            return zb_client_fail_late (self, self->call.verb);
    }
    return 0;
}

//  Asks the broker to answer a parked GET at once, so that messages that are on their way to us are not lost to
//  everybody until their leases end.
static int s_cancel_get (zb_client_t *self)
{
    zmq_msg_t arg[ZB_CALL_ARGS];
    for (size_t index = 0; index < ZB_CALL_ARGS; index++)
        zmq_msg_init (&arg[index]);
    zmq_msg_copy (&arg[0], &self->call.arg[0]);
    s_set_arg (&arg[1], "0", 1);
    s_set_arg (&arg[2], "0", 1);
    int rc = -1;
    if (zb_conn_send (self->conn, ZB_GET, "x", arg, 4))
        rc = s_await (self, zclock_mono () + self->patience, false);
    for (size_t index = 0; index < ZB_CALL_ARGS; index++)
        zmq_msg_close (&arg[index]);
    return rc;
}

int zb_client_call (zb_client_t *self, zb_verb_t verb, const zb_frame_t *args, size_t count, int64_t wait,
                    int64_t deadline)
{
    assert (count <= ZB_CALL_ARGS);
    zb_call_t *call = &self->call;
    s_call_end (call);
    call->active = true;
    call->verb = verb;
    call->until = zclock_mono () + wait;
    for (; call->args < count; call->args++) {
        zmq_msg_init (&call->arg[call->args]);
        s_set_arg (&call->arg[call->args], args[call->args].data, args[call->args].size);
    }
    int rc = s_await (self, deadline, true);
    if (rc && verb == ZB_GET && call->sent && zb_conn_ready (self->conn)) {
        call->interrupted = self->error == ZB_ERR_INTERRUPTED;
        if (call->interrupted && s_cancel_get (self) == 0)
            rc = 0;
        //  Whatever it brings later must not be leased to somebody who has gone away.
        else if (zb_conn_ready (self->conn))
            zb_conn_leave (self->conn, "did not answer in time");
        if (rc && call->interrupted)
            zb_client_fail (self, ZB_ERR_INTERRUPTED, "interrupted");
    }
    call->active = false;
    return rc;
}

int zb_client_answer (zb_client_t *self)
{
    const zb_answer_t *answer = zb_conn_answer (self->conn);
    if (answer->status != ZB_ANSWER_ERR)
        return 0;
    return zb_client_fail_frame (self, (int) answer->code, answer->args > 1 ? answer->arg[1] : (zb_frame_t){"", 0});
}

int zb_client_ask (zb_client_t *self, zb_verb_t verb, const zb_frame_t *args, size_t count)
{
    if (zb_client_call (self, verb, args, count, 0, zb_client_deadline (self, 0)) || zb_client_answer (self))
        return -1;
    const zb_answer_t *answer = zb_conn_answer (self->conn);
    self->level = answer->args > 0 ? zb_level_parse (answer->arg[0]) : ZB_LEVEL_NONE;
    return 0;
}
