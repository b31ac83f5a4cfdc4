/*  =========================================================================
    test_client - does the client keep its word whatever the brokers do?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <cmocka.h>

#include "fake_broker.h"
#include "patience.h"
#include "zbroker.h"

#define MANY 300

//  A pair and a client of it.
typedef struct {
    fake_t *fake;
    zactor_t *actor;
    zb_client_t *client;
    //  What the callbacks of put_async told.
    size_t calls;
    size_t failed;
    int error;
    bool disordered;
    uint64_t number;
} pair_t;

//  How long a test waits for what never comes.
#define IMPATIENT 300

static pair_t *s_start (script_fn *script, const char *name)
{
    pair_t *self = (pair_t *) zmalloc (sizeof (pair_t));
    self->fake = fake_new (script);
    self->actor = fake_run (self->fake);
    char brokers[160];
    snprintf (brokers, sizeof (brokers), "%s,%s", self->fake->endpoint[0], self->fake->endpoint[1]);
    self->client = zb_client_new (brokers);
    assert_non_null (self->client);
    if (name)
        assert_int_equal (zb_client_set_name (self->client, name), 0);
    zb_client_set_timeout (self->client, patience_ms ());
    zb_client_set_patience (self->client, script ? IMPATIENT : 5000);
    return self;
}

//  Ends both; the fake can be looked at then.
static void s_stop (pair_t *self)
{
    zb_client_destroy (&self->client);
    fake_stop (self->fake, &self->actor);
    assert_int_equal (self->fake->bad, 0);
}

static void s_free (pair_t **self_p)
{
    fake_destroy (&(*self_p)->fake);
    free (*self_p);
    *self_p = NULL;
}

static void s_end (pair_t *self)
{
    s_stop (self);
    s_free (&self);
}

//  --- Streams of PUTs ----------------------------------------------------------------------------------------------

typedef struct {
    pair_t *pair;
    size_t index;
} note_t;

static void s_told (const zb_receipt_t *receipt, void *arg)
{
    note_t *note = (note_t *) arg;
    pair_t *pair = note->pair;
    pair->disordered |= note->index != pair->calls;
    pair->calls++;
    if (receipt->error) {
        pair->failed++;
        pair->error = receipt->error;
    }
    else {
        pair->disordered |= receipt->number <= pair->number;
        pair->number = receipt->number;
    }
}

//  Puts many messages through a pair that follows the script.  All that are answered OK have to be stored once and in
//  order, and each callback runs once and in order.
static fake_t *s_stream (script_fn *script, const char *name, size_t may_fail, size_t window)
{
    pair_t *pair = s_start (script, name);
    if (window)
        zb_client_set_window (pair->client, window);
    static note_t note[MANY];
    for (size_t index = 0; index < MANY; index++) {
        char text[16];
        snprintf (text, sizeof (text), "m%zu", index);
        zb_body_t body = {text, strlen (text)};
        note[index] = (note_t){pair, index};
        //  The script's victim is message 20.
        const char *queue = may_fail && index == 20 ? "missing" : "orders";
        assert_int_equal (zb_client_put_async (pair->client, queue, NULL, &body, 1, s_told, &note[index]), 0);
    }
    int rc = zb_client_flush (pair->client);
    if (!may_fail && rc)
        print_message ("%d %s\n", zb_client_error (pair->client), zb_client_error_text (pair->client));
    assert_int_equal (rc, may_fail ? -1 : 0);
    assert_int_equal (zb_client_flush (pair->client), 0);
    assert_int_equal (zb_client_inflight (pair->client), 0);
    assert_int_equal (pair->calls, MANY);
    assert_false (pair->disordered);
    assert_int_equal (pair->failed, may_fail);
    if (name)
        assert_int_equal (zb_client_last_number (pair->client), MANY - may_fail);
    s_stop (pair);
    fake_t *fake = pair->fake;
    free (pair);

    if (name) {
        assert_int_equal (fake->messages, MANY - may_fail);
        for (size_t index = 0, at = 0; index < MANY; index++) {
            if (may_fail && index == 20)
                continue;
            char text[16];
            snprintf (text, sizeof (text), "m%zu", index);
            assert_string_equal (fake->message[at++].body, text);
        }
    }
    return fake;
}

//  Whether there were just as many HELLOs as the script makes necessary.  On a machine that is very busy, silence may
//  be taken for trouble: then more is sent than these tests count.
static bool s_calm (const fake_t *fake, size_t hellos)
{
    return fake->seen[ZB_HELLO] == hellos;
}

static bool s_first_time (fake_t *self, int stage)
{
    bool first = !(self->stage & (1 << stage));
    self->stage |= 1 << stage;
    return first;
}

static void test_stream (void **state)
{
    (void) state;
    fake_t *fake = s_stream (NULL, "p", 0, 0);
    if (s_calm (fake, 1))
        assert_int_equal (fake->seen[ZB_PUT], MANY);
    fake_destroy (&fake);
}

static void test_stream_window (void **state)
{
    (void) state;
    fake_t *fake = s_stream (NULL, "p", 0, 1);
    if (s_calm (fake, 1))
        assert_int_equal (fake->seen[ZB_PUT], MANY);
    fake_destroy (&fake);
}

static void test_stream_nameless (void **state)
{
    (void) state;
    fake_t *fake = s_stream (NULL, NULL, 0, 0);
    if (s_calm (fake, 1))
        assert_int_equal (fake->messages, MANY);
    fake_destroy (&fake);
}

//  The connection breaks in mid-stream; what was answered last is lost.
static deed_t s_breaks (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    if (request->verb == ZB_PUT && request->number == 100 && s_first_time (self, 0))
        return DO_CLOSE;
    if (request->verb == ZB_PUT && request->number > 90 && request->number < 100 && !(self->stage & 1))
        return DO_LOSE;
    return DO_SERVE;
}

static void test_stream_breaks (void **state)
{
    (void) state;
    fake_t *fake = s_stream (s_breaks, "p", 0, 0);
    assert_true (fake->duplicates >= 10);
    assert_int_equal (fake->presented, 1);
    fake_destroy (&fake);
}

static void test_stream_breaks_nameless (void **state)
{
    (void) state;
    fake_t *fake = s_stream (s_breaks, NULL, 0, 0);
    assert_true (fake->messages >= MANY);
    fake_destroy (&fake);
}

//  The active one dies.  The other one needs a while until it takes over.
static deed_t s_takeover (fake_t *self, size_t broker, const zb_request_t *request)
{
    if (request->verb == ZB_PUT && request->number == 50 && broker == 0)
        return DO_DIE;
    if (self->router[0])
        return DO_SERVE;
    if (request->verb == ZB_HELLO && self->hellos[1] < 5)
        return DO_PASSIVE;
    if (request->verb == ZB_HELLO && self->hellos[1] < 8) {
        self->code = 503;
        self->text = "taking over";
        return DO_ERR;
    }
    self->active = 1;
    return DO_SERVE;
}

static void test_stream_takeover (void **state)
{
    (void) state;
    fake_t *fake = s_stream (s_takeover, "p", 0, 0);
    //  It was shown what the first one had told us, and did not take us for a new process.
    assert_int_equal (fake->presented, 1);
    assert_int_equal (fake->instance, 1);
    assert_true (fake->hellos[1] >= 8);
    //  On a machine that is very busy the second one is asked once more, and shown its own.
    assert_memory_equal (fake->token, fake->hellos[1] == 8 ? "token-0-" : "token-1-", 8);
    fake_destroy (&fake);
}

//  The active one steps down.
static deed_t s_steps_down (fake_t *self, size_t broker, const zb_request_t *request)
{
    if (request->verb == ZB_PUT && request->number == 50 && broker == 0)
        self->active = 1;
    return DO_SERVE;
}

static void test_stream_steps_down (void **state)
{
    (void) state;
    fake_t *fake = s_stream (s_steps_down, "p", 0, 0);
    if (s_calm (fake, 2))
        assert_int_equal (fake->duplicates, 0);
    fake_destroy (&fake);
}

//  Replies get lost although the connection stands.
static deed_t s_loses (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    if (request->verb == ZB_PUT && request->number == 7 && s_first_time (self, 0))
        return DO_LOSE;
    if (request->verb == ZB_PUT && request->number == 200 && s_first_time (self, 1))
        return DO_IGNORE;
    return DO_SERVE;
}

static void test_stream_loses (void **state)
{
    (void) state;
    fake_t *fake = s_stream (s_loses, "p", 0, 0);
    fake_destroy (&fake);
}

static deed_t s_odd (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    if (request->verb == ZB_PUT && request->number == 11 && s_first_time (self, 0))
        return DO_GARBAGE;
    if (request->verb == ZB_PUT && request->number == 33 && s_first_time (self, 1))
        return DO_WRONG_ID;
    if (request->verb == ZB_HELLO && s_first_time (self, 2))
        return DO_GARBAGE;
    if (request->verb == ZB_PUT && request->number % 3 == 0)
        return DO_TWICE;
    return DO_SERVE;
}

static void test_stream_odd (void **state)
{
    (void) state;
    fake_t *fake = s_stream (s_odd, "p", 0, 0);
    fake_destroy (&fake);
}

static deed_t s_forgets (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    if (request->verb == ZB_PUT && request->number == 40 && s_first_time (self, 0))
        return DO_FORGET;
    return DO_SERVE;
}

static void test_stream_forgets (void **state)
{
    (void) state;
    fake_t *fake = s_stream (s_forgets, "p", 0, 0);
    assert_true (fake->seen[ZB_HELLO] >= 2);
    if (s_calm (fake, 2))
        assert_int_equal (fake->duplicates, 0);
    fake_destroy (&fake);
}

static void test_stream_forgets_nameless (void **state)
{
    (void) state;
    fake_t *fake = s_stream (s_forgets, NULL, 0, 0);
    if (s_calm (fake, 2))
        assert_int_equal (fake->messages, MANY);
    fake_destroy (&fake);
}

//  One is refused; those behind it take its number.
static void test_stream_refuses (void **state)
{
    (void) state;
    fake_t *fake = s_stream (NULL, "p", 1, 0);
    if (s_calm (fake, 1))
        assert_int_equal (fake->duplicates, 0);
    fake_destroy (&fake);
}

static void test_stream_refuses_nameless (void **state)
{
    (void) state;
    fake_t *fake = s_stream (NULL, NULL, 1, 0);
    if (s_calm (fake, 1))
        assert_int_equal (fake->messages, MANY - 1);
    fake_destroy (&fake);
}

static deed_t s_not_ready (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    if (request->verb == ZB_PUT && request->number == 60 && self->stage < 10) {
        self->stage++;
        self->code = 503;
        self->text = "waits for its peer";
        return DO_ERR;
    }
    return DO_SERVE;
}

static void test_stream_not_ready (void **state)
{
    (void) state;
    fake_t *fake = s_stream (s_not_ready, "p", 0, 0);
    assert_int_equal (fake->stage, 10);
    //  One at a time while it is not ready: not the whole window again and again.
    assert_true (fake->seen[ZB_PUT] < 2 * MANY + 20);
    fake_destroy (&fake);
}

//  A broker that has lost the name's numbers: all that is not answered is numbered anew.
static deed_t s_amnesia (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    if (request->verb == ZB_PUT && request->number == 50 && s_first_time (self, 0))
        self->last = 9;
    return DO_SERVE;
}

static void test_stream_amnesia (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_amnesia, "p");
    for (size_t index = 0; index < 60; index++)
        assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), 0);
    assert_int_equal (zb_client_last_number (pair->client), 20);
    s_stop (pair);
    assert_int_equal (pair->fake->messages, 60);
    s_free (&pair);
}

//  --- Single PUTs --------------------------------------------------------------------------------------------------

static void test_put (void **state)
{
    (void) state;
    pair_t *pair = s_start (NULL, "p");
    zb_receipt_t receipt;
    assert_int_equal (zb_client_put (pair->client, "orders", "coffee", 6, &receipt), 0);
    assert_int_equal (receipt.error, 0);
    assert_string_equal (receipt.text, "");
    assert_int_equal (receipt.level, ZB_LEVEL_BOTH);
    assert_false (receipt.duplicate);
    assert_int_equal (receipt.number, 1);
    assert_string_equal (receipt.first, "1");
    zb_body_t bodies[] = {{"a", 1}, {NULL, 0}, {"c", 1}};
    assert_int_equal (zb_client_put_many (pair->client, "orders", "colour=red", bodies, 3, &receipt), 0);
    assert_string_equal (receipt.first, "2");
    assert_string_equal (receipt.last, "4");
    assert_string_equal (zb_client_endpoint (pair->client), pair->fake->endpoint[0]);
    //  An error is the call's; the next one goes on.
    assert_int_equal (zb_client_put (pair->client, "missing", "x", 1, &receipt), -1);
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_NOT_FOUND);
    assert_string_equal (zb_client_error_text (pair->client), "no such queue");
    assert_string_equal (receipt.text, "no such queue");
    assert_int_equal (zb_client_put (pair->client, "orders", "y", 1, &receipt), 0);
    assert_int_equal (receipt.number, 3);
    s_end (pair);
}

static void test_arguments (void **state)
{
    (void) state;
    assert_null (zb_client_new ("nonsense"));
    assert_null (zb_client_new ("tcp://127.0.0.1:5560,"));
    pair_t *pair = s_start (NULL, NULL);
    zb_client_t *client = pair->client;
    zb_body_t none = {NULL, 5};
    assert_int_equal (zb_client_put (client, "no good", "x", 1, NULL), -1);
    assert_int_equal (zb_client_error (client), ZB_ERR_ARGUMENT);
    assert_int_equal (zb_client_put_many (client, "q", NULL, &none, 1, NULL), -1);
    assert_int_equal (zb_client_put_many (client, "q", NULL, &none, 0, NULL), -1);
    assert_int_equal (zb_client_put_many (client, "q", "novalue", &none, 1, NULL), -1);
    assert_null (zb_client_get (client, "q", 0, 0, NULL));
    assert_null (zb_client_get (client, "q", 1001, 0, NULL));
    assert_null (zb_client_get (client, NULL, 1, 0, NULL));
    assert_null (zb_client_get (client, "q", 1, -1, NULL));
    assert_int_equal (zb_client_set_window (client, 0), -1);
    assert_int_equal (zb_client_set_window (client, 257), -1);
    assert_int_equal (zb_client_set_name (client, "a b"), -1);
    assert_int_equal (zb_client_set_timeout (client, -2), -1);
    assert_int_equal (zb_client_set_patience (client, 1), -1);
    assert_int_equal (zb_client_create_queue (client, "q", "bad"), -1);
    assert_null (zb_client_status (client, 2, 0));
    assert_null (zb_client_broker (client, 2));
    assert_int_equal (zb_client_connect (client), 0);
    assert_int_equal (zb_client_set_name (client, "late"), -1);
    assert_int_equal (zb_client_error (client), ZB_ERR_ARGUMENT);
    s_end (pair);
}

//  Nobody listens: the error says so, and nothing hangs.
static void test_nobody (void **state)
{
    (void) state;
    zb_client_t *client = zb_client_new ("tcp://127.0.0.1:1,tcp://127.0.0.1:2");
    zb_client_set_timeout (client, 50);
    assert_int_equal (zb_client_put (client, "orders", "x", 1, NULL), -1);
    assert_int_equal (zb_client_error (client), ZB_ERR_TIMEOUT);
    assert_non_null (strstr (zb_client_error_text (client), "no connection"));
    assert_int_equal (zb_client_inflight (client), 0);
    assert_int_equal (zb_client_ack (client, "orders", "1"), -1);
    assert_int_equal (zb_client_error (client), ZB_ERR_TIMEOUT);
    assert_int_equal (zb_client_connect (client), -1);
    assert_null (zb_client_status (client, 0, 20));
    assert_int_equal (zb_client_error (client), ZB_ERR_TIMEOUT);
    zb_client_destroy (&client);
    zb_client_destroy (&client);
}

//  A client that is older than its brokers.
static void test_early (void **state)
{
    (void) state;
    fake_t *fake = fake_new (NULL);
    fake_open (fake, 0);
    zsock_destroy (&fake->router[0]);
    zb_client_t *client = zb_client_new (fake->endpoint[0]);
    zb_body_t body = {"x", 1};
    assert_int_equal (zb_client_put_async (client, "orders", NULL, &body, 1, NULL, NULL), 0);
    assert_int_equal (zb_client_poll (client, 50), 1);
    zactor_t *actor = fake_run (fake);
    assert_int_equal (zb_client_flush (client), 0);
    zb_client_destroy (&client);
    fake_stop (fake, &actor);
    assert_int_equal (fake->messages, 1);
    fake_destroy (&fake);
}

static deed_t s_never_ready (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    self->code = 503;
    self->text = "waits for its peer";
    return request->verb == ZB_HELLO ? DO_ERR : DO_SERVE;
}

static deed_t s_not_ready_for_puts (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    self->code = 503;
    self->text = "waits for its peer";
    return request->verb == ZB_PUT ? DO_ERR : DO_SERVE;
}

static void s_times_out (script_fn *script)
{
    pair_t *pair = s_start (script, "p");
    //  On a machine that is very busy nobody may answer in so short a time.
    int timeout = 100;
    do {
        timeout *= 2;
        zb_client_set_timeout (pair->client, timeout);
        assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), -1);
    } while (zb_client_error (pair->client) == ZB_ERR_TIMEOUT && timeout < patience_ms ());
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_NOT_READY);
    assert_non_null (strstr (zb_client_error_text (pair->client), "waits for its peer"));
    s_end (pair);
}

static void test_never_ready (void **state)
{
    (void) state;
    s_times_out (s_never_ready);
    s_times_out (s_not_ready_for_puts);
}

static deed_t s_passive (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) self;
    (void) broker;
    return request->verb == ZB_HELLO ? DO_POINT : DO_SERVE;
}

//  Two brokers that send us to each other, for ever: an error in time, and no storm.
static void test_circle (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_passive, NULL);
    zb_client_set_timeout (pair->client, 300);
    assert_int_equal (zb_client_connect (pair->client), -1);
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_NOT_READY);
    s_stop (pair);
    assert_true (pair->fake->seen[ZB_HELLO] > 1);
    assert_true (pair->fake->seen[ZB_HELLO] < 40);
    s_free (&pair);
}

static deed_t s_forbids (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    (void) request;
    self->code = 403;
    self->text = "the token is of another pair";
    return DO_ERR;
}

static void test_forbidden (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_forbids, NULL);
    assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), -1);
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_FORBIDDEN);
    assert_non_null (strstr (zb_client_error_text (pair->client), "another pair"));
    assert_null (zb_client_get (pair->client, "orders", 1, 0, NULL));
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_FORBIDDEN);
    s_end (pair);
}

//  The newer process wins; the older one learns it at its next PUT and stays out.
static void test_fenced (void **state)
{
    (void) state;
    pair_t *pair = s_start (NULL, "p");
    assert_int_equal (zb_client_put (pair->client, "orders", "old", 3, NULL), 0);
    //  It has proven that it lives before it asked for anything: a first HELLO alone fences nobody.
    assert_int_equal (pair->fake->presented, 1);
    assert_int_equal (pair->fake->hellos[0], 2);
    zb_client_t *newer = zb_client_new (pair->fake->endpoint[0]);
    zb_client_set_name (newer, "p");
    zb_receipt_t receipt;
    assert_int_equal (zb_client_put (newer, "orders", "new", 3, &receipt), 0);
    assert_int_equal (receipt.number, 2);
    assert_int_equal (zb_client_put (pair->client, "orders", "late", 4, NULL), -1);
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_CONFLICT);
    assert_non_null (strstr (zb_client_error_text (pair->client), "fenced"));
    assert_int_equal (zb_client_connect (pair->client), -1);
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_CONFLICT);
    assert_int_equal (zb_client_put (newer, "orders", "newer", 5, NULL), 0);
    zb_client_destroy (&newer);
    s_stop (pair);
    assert_int_equal (pair->fake->messages, 3);
    s_free (&pair);
}

static deed_t s_holds (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    return request->verb == ZB_PUT && request->number == 3 && s_first_time (self, 0) ? DO_LOSE : DO_SERVE;
}

//  A PUT that was given up may have been stored: the numbers go on behind it.
static void test_given_up (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_holds, "p");
    zb_client_set_patience (pair->client, 2000);
    assert_int_equal (zb_client_put (pair->client, "orders", "1", 1, NULL), 0);
    assert_int_equal (zb_client_put (pair->client, "orders", "2", 1, NULL), 0);
    zb_client_set_timeout (pair->client, 100);
    assert_int_equal (zb_client_put (pair->client, "orders", "3", 1, NULL), -1);
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_TIMEOUT);
    zb_client_set_timeout (pair->client, patience_ms ());
    zb_receipt_t receipt;
    assert_int_equal (zb_client_put (pair->client, "orders", "4", 1, &receipt), 0);
    assert_int_equal (receipt.number, 4);
    s_stop (pair);
    assert_int_equal (pair->fake->messages, 4);
    s_free (&pair);
}

//  --- Callbacks ----------------------------------------------------------------------------------------------------

static void s_chain (const zb_receipt_t *receipt, void *arg)
{
    pair_t *pair = (pair_t *) arg;
    zb_body_t body = {"x", 1};
    assert_int_equal (receipt->error, 0);
    assert_int_equal (zb_client_connect (pair->client), -1);
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_ARGUMENT);
    if (++pair->calls < 10) {
        assert_int_equal (zb_client_put_async (pair->client, "orders", NULL, &body, 1, s_chain, pair), 0);
        assert_int_equal (zb_client_put_async (pair->client, "orders", NULL, &body, 1, s_chain, pair), -1);
        assert_int_equal (zb_client_error (pair->client), ZB_ERR_WINDOW);
    }
}

static void test_callback_puts (void **state)
{
    (void) state;
    pair_t *pair = s_start (NULL, "p");
    zb_client_set_window (pair->client, 1);
    zb_body_t body = {"x", 1};
    assert_int_equal (zb_client_put_async (pair->client, "orders", NULL, &body, 1, s_chain, pair), 0);
    while (zb_client_poll (pair->client, 1000) > 0)
        ;
    assert_int_equal (pair->calls, 10);
    s_stop (pair);
    assert_int_equal (pair->fake->messages, 10);
    s_free (&pair);
}

static deed_t s_swallows_puts (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) self;
    (void) broker;
    return request->verb == ZB_PUT ? DO_IGNORE : DO_SERVE;
}

//  Ends with PUTs in flight: no callback, no leak.
static void test_destroy_in_flight (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_swallows_puts, "p");
    zb_body_t body = {"x", 1};
    for (int index = 0; index < 20; index++)
        assert_int_equal (zb_client_put_async (pair->client, "orders", NULL, &body, 1, s_chain, pair), 0);
    assert_int_equal (zb_client_poll (pair->client, 0), 20);
    s_stop (pair);
    assert_int_equal (pair->calls, 0);
    s_free (&pair);
}

//  --- Getting ------------------------------------------------------------------------------------------------------

static void test_get (void **state)
{
    (void) state;
    pair_t *pair = s_start (NULL, "p");
    zb_client_t *client = pair->client;
    zb_body_t bodies[] = {{"one", 3}, {"", 0}, {"three", 5}};
    assert_int_equal (zb_client_put_many (client, "orders", "colour=red\nsize=9", bodies, 3, NULL), 0);
    assert_int_equal (zb_client_put (client, "orders", "four", 4, NULL), 0);

    zb_messages_t *messages = zb_client_get (client, "orders", 10, 1000, NULL);
    assert_non_null (messages);
    assert_int_equal (zb_messages_size (messages), 4);
    assert_string_equal (zb_messages_queue (messages), "orders");
    assert_string_equal (zb_messages_ids (messages), "1 2 3 4");
    const zb_message_t *message = zb_messages_at (messages, 2);
    assert_string_equal (message->id, "3");
    assert_int_equal (message->size, 5);
    assert_memory_equal (message->body, "three", 5);
    assert_int_equal (message->deliveries, 1);
    assert_string_equal (message->properties, "colour=red\nsize=9");
    char value[8];
    assert_string_equal (zb_message_property (message, "size", value, sizeof (value)), "9");
    assert_string_equal (zb_message_property (message, "colour", value, 3), "re");
    assert_null (zb_message_property (message, "shape", value, sizeof (value)));
    assert_int_equal (zb_messages_at (messages, 1)->size, 0);
    assert_string_equal (zb_messages_at (messages, 3)->properties, "");
    assert_null (zb_messages_at (messages, 4));

    assert_int_equal (zb_client_ack (client, "orders", "1"), 0);
    assert_int_equal (zb_client_level (client), ZB_LEVEL_BOTH);
    assert_int_equal (zb_client_extend (client, "orders", "2 3"), 0);
    assert_int_equal (zb_client_nack (client, "orders", "2"), 0);
    assert_int_equal (zb_client_nack_later (client, "orders", "2", 0), 0);
    assert_int_equal (zb_client_nack_later (client, "orders", "2", -1), -1);
    assert_int_equal (zb_client_error (client), ZB_ERR_ARGUMENT);
    assert_int_equal (zb_client_nack_later (client, "orders", "2", (int64_t) INT32_MAX + 1), -1);
    assert_int_equal (zb_client_nack_untried (client, "orders", "2", 0), 0);
    assert_int_equal (zb_client_nack_untried (client, "orders", "2", INT32_MAX), 0);
    assert_int_equal (zb_client_nack_untried (client, "orders", "2", -1), -1);
    assert_int_equal (zb_client_error (client), ZB_ERR_ARGUMENT);
    size_t seen = pair->fake->seen[ZB_REJECT];
    assert_int_equal (zb_client_reject (client, "orders", "2"), 0);
    assert_int_equal (zb_client_level (client), ZB_LEVEL_BOTH);
    assert_int_equal (pair->fake->seen[ZB_REJECT], seen + 1);

    //  Step by step, after the one that tells the newest id.
    uint64_t moved = 0;
    pair->fake->movable = 3500;
    assert_int_equal (zb_client_move (client, "orders", "bin", 1200, &moved), 0);
    assert_int_equal (moved, 1200);
    assert_int_equal (pair->fake->seen[ZB_MOVE], 3);
    assert_int_equal (zb_client_move (client, "orders", "bin", 0, NULL), 0);
    assert_int_equal (pair->fake->movable, 0);
    assert_int_equal (pair->fake->seen[ZB_MOVE], 3 + 5);
    assert_int_equal (zb_client_move (client, "missing", "bin", 0, &moved), -1);
    assert_int_equal (zb_client_error (client), ZB_ERR_NOT_FOUND);
    assert_int_equal (moved, 0);
    assert_int_equal (zb_client_move (client, "orders", "a b", 0, NULL), -1);
    assert_int_equal (zb_client_error (client), ZB_ERR_ARGUMENT);
    zb_messages_destroy (&messages);

    messages = zb_client_get (client, "orders", 10, 1000, "3");
    assert_int_equal (zb_messages_size (messages), 1);
    assert_int_equal (zb_messages_at (messages, 0)->deliveries, 2);
    //  Acks alone are answered at once, with nothing; the rest of the wait is still waited for.
    int64_t before = zclock_mono ();
    zb_messages_t *none = zb_client_get (client, "orders", 10, 50, zb_messages_ids (messages));
    assert_int_equal (zb_messages_size (none), 0);
    assert_true (zclock_mono () - before >= 50);
    zb_messages_destroy (&none);
    zb_messages_destroy (&messages);
    messages = zb_client_get (client, "orders", 10, 0, NULL);
    assert_int_equal (zb_messages_size (messages), 0);
    assert_null (zb_messages_ids (messages));
    zb_messages_destroy (&messages);
    assert_null (zb_messages_ids (NULL));
    s_stop (pair);
    assert_true (pair->fake->message[0].acked && pair->fake->message[1].acked && pair->fake->message[2].acked);
    assert_false (pair->fake->message[3].acked);
    s_free (&pair);
}

static void s_nothing (int number)
{
    (void) number;
}

//  A signal ends a get that waits, and tells the broker so.
static void test_get_interrupted (void **state)
{
    (void) state;
    pair_t *pair = s_start (NULL, NULL);
    assert_int_equal (zb_client_connect (pair->client), 0);
    struct sigaction action = {.sa_handler = s_nothing};
    struct sigaction previous;
    sigaction (SIGALRM, &action, &previous);
    struct itimerval timer = {{0, 20000}, {0, 20000}};
    setitimer (ITIMER_REAL, &timer, NULL);
    zb_messages_t *messages = zb_client_get (pair->client, "orders", 1, 100000, NULL);
    struct itimerval off = {{0, 0}, {0, 0}};
    setitimer (ITIMER_REAL, &off, NULL);
    sigaction (SIGALRM, &previous, NULL);
    assert_null (messages);
    assert_int_equal (zb_client_error (pair->client), ZB_ERR_INTERRUPTED);
    assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), 0);
    messages = zb_client_get (pair->client, "orders", 1, 1000, NULL);
    assert_int_equal (zb_messages_size (messages), 1);
    zb_messages_destroy (&messages);
    s_stop (pair);
    assert_int_equal (pair->fake->cancels, 1);
    //  The GET has ended in peace: its connection was not given up.  Before it, the passive broker may have been asked, if
    //  its connection was the first to stand.
    assert_int_equal (pair->fake->hellos[0], 1);
    s_free (&pair);
}

//  The reply to a GET is lost with its connection: the GET is asked again at the other broker.
static deed_t s_get_breaks (fake_t *self, size_t broker, const zb_request_t *request)
{
    if (request->verb == ZB_GET && broker == 0) {
        self->active = 1;
        return DO_DIE;
    }
    return DO_SERVE;
}

static void test_get_takeover (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_get_breaks, "p");
    assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), 0);
    zb_messages_t *messages = zb_client_get (pair->client, "orders", 5, 100, NULL);
    assert_non_null (messages);
    assert_int_equal (zb_messages_size (messages), 1);
    zb_messages_destroy (&messages);
    assert_string_equal (zb_client_endpoint (pair->client), pair->fake->endpoint[1]);
    s_end (pair);
}

//  A broker that is stuck although its transport lives: PING tells.
static deed_t s_stuck (fake_t *self, size_t broker, const zb_request_t *request)
{
    if (broker == 0 && (request->verb == ZB_GET || self->stage)) {
        self->stage = 1;
        self->active = 1;
        return DO_IGNORE;
    }
    return DO_SERVE;
}

static void test_get_stuck (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_stuck, "p");
    assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), 0);
    zb_messages_t *messages = zb_client_get (pair->client, "orders", 5, 100000, NULL);
    assert_int_equal (zb_messages_size (messages), 1);
    zb_messages_destroy (&messages);
    s_stop (pair);
    assert_true (pair->fake->seen[ZB_PING] >= 1);
    s_free (&pair);
}

//  A broker that is stopped, and another one that takes over after a while.  No patience would end in time.
static uint64_t s_asked, s_missed;
static deed_t s_stopped (fake_t *self, size_t broker, const zb_request_t *request)
{
    self->stage = self->stage || (broker == 0 && request->verb == ZB_PUT);
    if (self->stage == 0)
        return DO_SERVE;
    if (broker == 0)
        return DO_IGNORE;
    if (self->hellos[1] < 4) {
        //  The client counts what it asks: none has gone to nobody.
        uint64_t serial = 0;
        zb_number_parse ((zb_frame_t){(const char *) request->from.id.data + 1, request->from.id.size - 1}, INT64_MAX,
                         &serial);
        s_missed += self->hellos[1] > 1 ? serial - s_asked - 1 : 0;
        s_asked = serial;
        return DO_PASSIVE;
    }
    self->active = 1;
    return DO_SERVE;
}

static void test_a_silent_broker_is_not_left_before_another_one_serves (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_stopped, "p");
    assert_int_equal (zb_client_set_patience (pair->client, 3600000), 0);
    assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), 0);
    assert_string_equal (zb_client_endpoint (pair->client), pair->fake->endpoint[1]);
    s_stop (pair);
    //  While the other one said PASSIVE it was asked again, and this one was not.
    assert_true (pair->fake->hellos[1] >= 4);
    assert_int_equal (s_missed, 0);
    assert_true (pair->fake->hellos[0] <= 2);
    assert_int_equal (pair->fake->messages, 1);
    s_free (&pair);
}

//  A broker that answers late, as one that waits for its peer's disk, or whose link to it is cut; the other one would lead if
//  it was asked to.
static deed_t s_slow (fake_t *self, size_t broker, const zb_request_t *request)
{
    if (broker == 1)
        self->active = 1;
    else if (request->verb == ZB_PUT)
        return DO_HOLD;
    if (self->seen[ZB_PING] == 3)
        fake_release (self);
    return DO_SERVE;
}

static void test_a_slow_broker_is_not_left (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_slow, "p");
    assert_int_equal (zb_client_set_patience (pair->client, 3600000), 0);
    assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), 0);
    assert_string_equal (zb_client_endpoint (pair->client), pair->fake->endpoint[0]);
    s_stop (pair);
    assert_int_equal (pair->fake->hellos[1], 0);
    assert_int_equal (pair->fake->seen[ZB_PING], 3);
    assert_int_equal (pair->fake->seen[ZB_PUT], 1);
    s_free (&pair);
}

//  A broker that was silent goes on.  That the other one would have served comes too late.
static deed_t s_goes_on (fake_t *self, size_t broker, const zb_request_t *request)
{
    if (broker == 1 && request->verb == ZB_HELLO && self->stage == 1) {
        self->stage = 2;
        fake_release (self);
        self->active = 1;
        return DO_HOLD;
    }
    if (self->stage == 2) {
        fake_release (self);
        self->active = 0;
        self->stage = 3;
    }
    if (broker == 0 && request->verb == ZB_PUT && self->stage == 0) {
        self->stage = 1;
        return DO_HOLD;
    }
    return self->stage == 1 ? DO_IGNORE : DO_SERVE;
}

static void test_a_broker_that_goes_on_is_not_left (void **state)
{
    (void) state;
    enum { PUTS = 20 };
    pair_t *pair = s_start (s_goes_on, "p");
    assert_int_equal (zb_client_set_patience (pair->client, 3600000), 0);
    for (int index = 0; index < PUTS; index++) {
        assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), 0);
        assert_string_equal (zb_client_endpoint (pair->client), pair->fake->endpoint[0]);
    }
    s_stop (pair);
    assert_int_equal (pair->fake->stage, 3);
    assert_int_equal (pair->fake->seen[ZB_PUT], PUTS);
    s_free (&pair);
}

//  The other one was asked whether it serves, and its answer comes when it has become ours, after this one has answered once
//  more: of that the other one may know nothing, as in a split.
static deed_t s_answers_late (fake_t *self, size_t broker, const zb_request_t *request)
{
    bool hello = request->verb == ZB_HELLO;
    if (self->stage == 0 && broker == 0 && request->verb == ZB_PUT) {
        self->stage = 1;
        return DO_HOLD;
    }
    if (self->stage == 1 && broker == 1 && hello) {
        self->stage = 2;
        fake_release (self);
        self->active = 1;
        return DO_HOLD;
    }
    if (self->stage == 2 && broker == 1 && hello) {
        self->stage = 3;
        fake_release (self);
        self->code = ZB_NOT_READY;
        self->text = "merging";
        return DO_ERR;
    }
    if (self->stage == 1)
        return DO_IGNORE;
    if (self->stage >= 2 && broker == 0)
        return DO_POINT;
    return DO_SERVE;
}

static void test_a_late_answer_tells_no_token (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_answers_late, "p");
    assert_int_equal (zb_client_set_patience (pair->client, 3600000), 0);
    assert_int_equal (zb_client_put (pair->client, "orders", "x", 1, NULL), 0);
    assert_int_equal (zb_client_put (pair->client, "orders", "y", 1, NULL), 0);
    assert_string_equal (zb_client_endpoint (pair->client), pair->fake->endpoint[1]);
    s_stop (pair);
    assert_int_equal (pair->fake->stage, 3);
    assert_string_equal (pair->fake->token, "token-0-1");
    s_free (&pair);
}

//  --- Queues and brokers -------------------------------------------------------------------------------------------

static deed_t s_delete_breaks (fake_t *self, size_t broker, const zb_request_t *request)
{
    (void) broker;
    if (request->verb != ZB_DELETE)
        return DO_SERVE;
    if (s_first_time (self, 0))
        return DO_CLOSE;
    self->code = 404;
    self->text = "no such queue";
    return DO_ERR;
}

static void test_queues (void **state)
{
    (void) state;
    pair_t *pair = s_start (s_delete_breaks, NULL);
    zb_client_t *client = pair->client;
    assert_int_equal (zb_client_create_queue (client, "orders", "lease=1000"), 0);
    assert_int_equal (zb_client_level (client), ZB_LEVEL_NONE);
    assert_int_equal (zb_client_purge_queue (client, "orders"), 0);
    assert_int_equal (zb_client_level (client), ZB_LEVEL_BOTH);
    zb_queues_t *queues = zb_client_list_queues (client, "o*");
    assert_int_equal (zb_queues_size (queues), 2);
    assert_string_equal (zb_queues_name (queues, 0), "orders");
    assert_string_equal (zb_queues_lines (queues, 0), "lease=30000\nmessages=0");
    assert_string_equal (zb_queues_name (queues, 1), "empty");
    assert_string_equal (zb_queues_lines (queues, 1), "");
    assert_null (zb_queues_name (queues, 2));
    zb_queues_destroy (&queues);
    assert_int_equal (zb_client_purge_queue (client, "missing"), -1);
    assert_int_equal (zb_client_error (client), ZB_ERR_NOT_FOUND);
    //  Done once, its answer lost, and asked again: done is done.
    assert_int_equal (zb_client_delete_queue (client, "orders"), 0);
    assert_int_equal (zb_client_delete_queue (client, "orders"), -1);

    assert_int_equal (zb_client_brokers (client), 2);
    assert_string_equal (zb_client_broker (client, 1), pair->fake->endpoint[1]);
    assert_string_equal (zb_client_status (client, 0, 1000), "{\"broker\": 0}");
    assert_string_equal (zb_client_status (client, 1, 1000), "{\"broker\": 1}");
    s_end (pair);
}

static void test_version (void **state)
{
    (void) state;
    int major = -1;
    int minor = -1;
    int patch = -1;
    zbroker_version (&major, &minor, &patch);
    char text[32];
    snprintf (text, sizeof (text), "%d.%d.%d", major, minor, patch);
    assert_string_equal (zbroker_version_text (), text);
    zbroker_version (NULL, NULL, NULL);
    assert_string_equal (zb_level_name (ZB_LEVEL_SHARED), "shared");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (test_version),
        cmocka_unit_test (test_arguments),
        cmocka_unit_test (test_nobody),
        cmocka_unit_test (test_early),
        cmocka_unit_test (test_put),
        cmocka_unit_test (test_stream),
        cmocka_unit_test (test_stream_window),
        cmocka_unit_test (test_stream_nameless),
        cmocka_unit_test (test_stream_breaks),
        cmocka_unit_test (test_stream_breaks_nameless),
        cmocka_unit_test (test_stream_takeover),
        cmocka_unit_test (test_stream_steps_down),
        cmocka_unit_test (test_stream_loses),
        cmocka_unit_test (test_stream_odd),
        cmocka_unit_test (test_stream_forgets),
        cmocka_unit_test (test_stream_forgets_nameless),
        cmocka_unit_test (test_stream_refuses),
        cmocka_unit_test (test_stream_refuses_nameless),
        cmocka_unit_test (test_stream_not_ready),
        cmocka_unit_test (test_stream_amnesia),
        cmocka_unit_test (test_never_ready),
        cmocka_unit_test (test_circle),
        cmocka_unit_test (test_forbidden),
        cmocka_unit_test (test_fenced),
        cmocka_unit_test (test_given_up),
        cmocka_unit_test (test_callback_puts),
        cmocka_unit_test (test_destroy_in_flight),
        cmocka_unit_test (test_get),
        cmocka_unit_test (test_get_interrupted),
        cmocka_unit_test (test_get_takeover),
        cmocka_unit_test (test_get_stuck),
        cmocka_unit_test (test_a_late_answer_tells_no_token),
        cmocka_unit_test (test_a_silent_broker_is_not_left_before_another_one_serves),
        cmocka_unit_test (test_a_slow_broker_is_not_left),
        cmocka_unit_test (test_a_broker_that_goes_on_is_not_left),
        cmocka_unit_test (test_queues),
    };
    zsys_handler_set (NULL);
    return cmocka_run_group_tests_name ("client", tests, NULL, NULL);
}
