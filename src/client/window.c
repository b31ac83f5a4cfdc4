/*  =========================================================================
    window - a client's PUTs, from the call to the callback

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Numbers in the window are contiguous over the PUTs that are stored or may still
    be: a refused PUT gives its number to the one behind it, which the broker has
    refused, too, because of the gap.
*/

#include <czmq.h>

#include "client/window.h"

struct zb_window {
    zb_flight_t *ring[ZB_WINDOW];
    size_t head;
    size_t size;
    bool named;
    bool known;    //  `next` is what the broker expects, or stored already
    bool resumed;  //  `next` may be stored already
    bool stopped;  //  one failed, and its callback has not run yet
    zb_failed_t failed;
    size_t most;   //  on their way at a time, see rule 4
    uint64_t next; //  the number of the next PUT
    uint64_t stored;
    int64_t heard_at; //  when the last answer came
};

zb_window_t *zb_window_new (void)
{
    zb_window_t *self = (zb_window_t *) zmalloc (sizeof (zb_window_t));
    assert (self);
    self->next = 1;
    self->known = true;
    self->most = ZB_WINDOW;
    return self;
}

void zb_flight_destroy (zb_flight_t **self_p)
{
    assert (self_p);
    if (*self_p) {
        zb_flight_t *self = *self_p;
        for (size_t index = 0; index < self->frames; index++)
            zmq_msg_close (&self->frame[index]);
        free (self->frame);
        free (self);
        *self_p = NULL;
    }
}

static zb_flight_t *s_at (const zb_window_t *self, size_t index)
{
    return self->ring[(self->head + index) % ZB_WINDOW];
}

void zb_window_destroy (zb_window_t **self_p)
{
    assert (self_p);
    if (*self_p) {
        zb_window_t *self = *self_p;
        for (size_t index = 0; index < self->size; index++) {
            zb_flight_t *put = s_at (self, index);
            zb_flight_destroy (&put);
        }
        free (self);
        *self_p = NULL;
    }
}

void zb_window_set_named (zb_window_t *self, bool named)
{
    assert (self->size == 0);
    self->named = named;
    self->known = !named;
}

void zb_window_set_failed (zb_window_t *self, zb_failed_t failed)
{
    assert (self->size == 0);
    self->failed = failed;
}

bool zb_window_resume (zb_window_t *self, uint64_t number)
{
    if (!self->named || !self->known || self->size > 0 || number < 1 || number > self->stored + 1)
        return false;
    self->next = number;
    self->resumed = true;
    return true;
}

size_t zb_window_size (const zb_window_t *self)
{
    return self->size;
}

uint64_t zb_window_stored (const zb_window_t *self)
{
    return self->named ? self->stored : 0;
}

static void s_done (zb_flight_t *put, int error, const char *text, size_t size)
{
    put->done = true;
    put->doomed = false;
    put->sent_as = 0;
    put->receipt.error = error;
    snprintf (put->text, sizeof (put->text), "%.*s", (int) (size < sizeof (put->text) ? size : sizeof (put->text)),
              text);
    put->receipt.text = put->text;
    put->receipt.number = put->number;
}

//  It fails because one before it has; that one's number is free, so that this one is not stored.
static void s_done_behind (zb_flight_t *put)
{
    static const char text[] = "not stored: one before it has failed";
    s_done (put, ZB_ERR_BEHIND, text, sizeof (text) - 1);
}

void zb_window_add (zb_window_t *self, zmq_msg_t *frame, size_t frames, int64_t deadline, zb_put_fn *fn, void *arg)
{
    assert (self->size < ZB_WINDOW && frames >= 3);
    zb_flight_t *put = (zb_flight_t *) zmalloc (sizeof (zb_flight_t));
    assert (put);
    put->frame = frame;
    put->frames = frames;
    put->deadline = deadline;
    put->fn = fn;
    put->arg = arg;
    self->ring[(self->head + self->size) % ZB_WINDOW] = put;
    self->size++;
    if (self->stopped) {
        s_done_behind (put);
        return;
    }
    //  What is stored already was sent, if not by us.
    put->tried = self->resumed && self->known && self->next <= self->stored;
    put->number = self->known ? self->next++ : 0;
}

//  --- Numbers ------------------------------------------------------------------------------------------------------

//  It is to be stored, and needs a number.
static bool s_open (const zb_flight_t *put)
{
    return !put->done && !put->doomed;
}

//  Numbers all that are open from the index on, around those that are stored.
static void s_number (zb_window_t *self, size_t from, uint64_t number)
{
    for (size_t index = from; index < self->size; index++) {
        zb_flight_t *put = s_at (self, index);
        if (s_open (put))
            put->number = number++;
        else if (put->taken)
            number = put->number + 1;
    }
    self->next = number;
}

//  The first that is open; `size` if there is none.
static size_t s_first (const zb_window_t *self)
{
    size_t index = 0;
    while (index < self->size && !s_open (s_at (self, index)))
        index++;
    return index;
}

//  It is not on its way any more.
static void s_unsent (zb_flight_t *put)
{
    put->sent_as = 0;
    if (put->doomed)
        s_done_behind (put);
}

//  The same, and nobody has told what became of it.
static void s_unheard (zb_flight_t *put)
{
    put->unheard = put->unheard || put->sent_as > 0;
    s_unsent (put);
}

//  The one at the index has failed, and its number is free: none of those behind is to be stored.
static void s_stop (zb_window_t *self, size_t index)
{
    s_at (self, index)->stops = true;
    self->stopped = true;
    for (index++; index < self->size; index++) {
        zb_flight_t *put = s_at (self, index);
        if (put->done)
            continue;
        put->doomed = put->sent_as > 0;
        put->number = 0;
        if (!put->doomed)
            s_done_behind (put);
    }
}

void zb_window_greeted (zb_window_t *self, uint64_t last, bool fresh)
{
    for (size_t index = 0; index < self->size && fresh; index++)
        s_unheard (s_at (self, index));
    if (!self->named)
        return;
    //  What was given up unanswered has its answer here; and a broker that knows less than we do is right, too.
    for (size_t index = 0; index < self->size; index++) {
        zb_flight_t *put = s_at (self, index);
        put->taken = (put->taken || (put->done && put->unsure)) && put->number <= last;
        put->unsure = false;
    }
    bool behind = self->resumed && self->known && self->next <= last;
    self->known = true;
    self->stored = last;
    size_t first = s_first (self);
    zb_flight_t *put = first < self->size ? s_at (self, first) : NULL;
    //  What was tried and is not above `last` was stored, and is sent again for its receipt.
    if (put && put->tried && put->number <= last + 1)
        s_number (self, first, put->number);
    else if (put || !behind)
        s_number (self, first, last + 1);
}

//  --- Sending ------------------------------------------------------------------------------------------------------

zb_flight_t *zb_window_next (zb_window_t *self)
{
    size_t most = self->failed != ZB_FAILED_GO_ON && !self->named ? 1 : self->most;
    for (size_t index = 0; index < self->size; index++) {
        zb_flight_t *put = s_at (self, index);
        if (put->done)
            continue;
        if (put->sent_as == 0)
            return put->number ? put : NULL;
        if (put->sent_as != put->number || --most == 0)
            return NULL;
    }
    return NULL;
}

void zb_window_sent (zb_window_t *self, zb_flight_t *put, int64_t now)
{
    assert (put->sent_as == 0 && put->number > 0);
    (void) self;
    put->sent_as = put->number;
    put->sent_at = now;
    put->tried = true;
}

bool zb_window_waiting (const zb_window_t *self, int64_t *since)
{
    for (size_t index = 0; index < self->size; index++) {
        const zb_flight_t *put = s_at (self, index);
        if (!put->done && put->sent_as) {
            *since = put->sent_at > self->heard_at ? put->sent_at : self->heard_at;
            return true;
        }
    }
    return false;
}

//  --- Answers ------------------------------------------------------------------------------------------------------

//  The library's levels are the wire's.
_Static_assert((int) ZB_LEVEL_NONE == (int) ZB_DURABLE_NONE && (int) ZB_LEVEL_BOTH == (int) ZB_DURABLE_BOTH &&
                   (int) ZB_LEVEL_SOLO == (int) ZB_DURABLE_SOLO && (int) ZB_LEVEL_SHARED == (int) ZB_DURABLE_SHARED &&
                   (int) ZB_LEVEL_SINGLE == (int) ZB_DURABLE_SINGLE,
               "one number each");

zb_level_t zb_level_parse (zb_frame_t word)
{
    return (zb_level_t) zb_durable_parse (word);
}

const char *zb_level_name (zb_level_t level)
{
    return zb_durable_name ((zb_durable_t) level);
}

static bool s_copy_id (char id[32], zb_frame_t frame)
{
    if (frame.size == 0 || frame.size > 31)
        return false;
    memcpy (id, frame.data, frame.size);
    id[frame.size] = 0;
    return true;
}

//  OK level first last ["duplicate"]
static zb_window_verdict_t s_stored (zb_window_t *self, zb_flight_t *put, const zb_answer_t *answer)
{
    zb_receipt_t *receipt = &put->receipt;
    if (answer->args < 3 || (receipt->level = zb_level_parse (answer->arg[0])) == ZB_LEVEL_NONE ||
        !s_copy_id (receipt->first, answer->arg[1]) || !s_copy_id (receipt->last, answer->arg[2]))
        return ZB_WINDOW_STRANGE;
    receipt->duplicate = answer->args > 3 && zb_frame_is (answer->arg[3], "duplicate");
    put->number = put->sent_as;
    put->taken = true;
    s_done (put, ZB_ERR_NONE, "", 0);
    self->most = self->most < ZB_WINDOW / 2 ? self->most * 2 : ZB_WINDOW;
    if (put->number > self->stored)
        self->stored = put->number;
    return ZB_WINDOW_FINE;
}

//  It has failed for good.  Its number is free for the next one, unless it is `taken`.
static void s_failed (zb_window_t *self, size_t index, int error, zb_frame_t text, bool taken)
{
    zb_flight_t *put = s_at (self, index);
    put->taken = taken;
    s_done (put, error, (const char *) text.data, text.size);
    if (self->failed != ZB_FAILED_GO_ON)
        s_stop (self, index);
    if (self->named && !taken)
        s_number (self, index, put->number);
}

//  409 has three meanings: the text is the number that the broker expects, or says "fenced", or else this number holds
//  another PUT.
static zb_window_verdict_t s_conflict (zb_window_t *self, size_t index, zb_frame_t text)
{
    zb_flight_t *put = s_at (self, index);
    uint64_t expected;
    bool gap = zb_number_parse (text, INT64_MAX, &expected);
    if (gap && put->doomed) {
        s_unsent (put);
        return ZB_WINDOW_FINE;
    }
    if (gap && expected <= put->sent_as) {
        bool ours = put->sent_as == put->number && index == s_first (self);
        put->sent_as = 0;
        //  Behind a refused one that is as it should be; the first one knows better only after a HELLO.
        self->most = 1;
        return ours ? ZB_WINDOW_PAUSE : ZB_WINDOW_FINE;
    }
    if (text.size >= 6 && memcmp (text.data, "fenced", 6) == 0)
        return ZB_WINDOW_REJECTED;
    if (gap)
        text = zb_frame ("another message was stored under this number, or it is too long ago to tell");
    s_failed (self, index, ZB_ERR_CONFLICT, text, true);
    return ZB_WINDOW_FINE;
}

zb_window_verdict_t zb_window_answer (zb_window_t *self, const zb_answer_t *answer, int64_t now)
{
    uint64_t number;
    if (!zb_number_parse (answer->id, INT64_MAX, &number) || number == 0)
        return ZB_WINDOW_STRANGE;
    size_t index = 0;
    while (index < self->size && s_at (self, index)->sent_as != number)
        index++;
    if (index == self->size)
        return ZB_WINDOW_STRANGE;
    zb_flight_t *put = s_at (self, index);
    self->heard_at = now;

    switch (answer->status) {
    case ZB_ANSWER_OK:
        return s_stored (self, put, answer);
    case ZB_ANSWER_PASSIVE:
        s_unheard (put);
        return ZB_WINDOW_PASSIVE;
    case ZB_ANSWER_ERR:
        break;
    default:
        return ZB_WINDOW_STRANGE;
    }
    zb_frame_t text = answer->args > 1 ? answer->arg[1] : (zb_frame_t){"", 0};
    switch (answer->code) {
    case ZB_NO_HELLO:
        s_unsent (put);
        return ZB_WINDOW_GREET;
    case ZB_NOT_READY:
        s_unheard (put);
        self->most = 1;
        return ZB_WINDOW_PAUSE;
    case ZB_CONFLICT:
        if (self->named)
            return s_conflict (self, index, text);
        break;
    case ZB_QUEUE_FULL:
    case ZB_DISK_FULL:
        self->most = 1;
        if (self->failed == ZB_FAILED_WAIT || (self->named && put->unheard)) {
            s_unsent (put);
            return ZB_WINDOW_PAUSE;
        }
        break;
    default:
        break;
    }
    if (put->doomed)
        s_unsent (put);
    else
        s_failed (self, index, (int) answer->code, text, false);
    return ZB_WINDOW_FINE;
}

//  --- Ends ---------------------------------------------------------------------------------------------------------

int64_t zb_window_deadline (const zb_window_t *self)
{
    int64_t deadline = INT64_MAX;
    for (size_t index = 0; index < self->size; index++) {
        const zb_flight_t *put = s_at (self, index);
        if (!put->done && put->deadline < deadline)
            deadline = put->deadline;
    }
    return deadline;
}

bool zb_window_expire (zb_window_t *self, int64_t now, int error, const char *text)
{
    bool unsure = false;
    size_t first = self->size;
    for (size_t index = 0; index < self->size; index++) {
        zb_flight_t *put = s_at (self, index);
        bool stopped = first < self->size && self->failed != ZB_FAILED_GO_ON;
        if (put->done || (now < put->deadline && !stopped))
            continue;
        if (stopped && !put->tried) {
            s_done_behind (put);
            continue;
        }
        //  Of one before it that was not answered nobody knows, so nobody knows of this one.
        s_done (put, error, text, strlen (text));
        put->taken = put->number > 0 && put->number <= self->stored;
        put->unsure = put->tried && !put->taken;
        unsure = unsure || put->unsure;
        first = first < self->size ? first : index;
    }
    if (first < self->size && self->failed != ZB_FAILED_GO_ON) {
        s_at (self, first)->stops = true;
        self->stopped = true;
    }
    if (!self->named || first == self->size)
        return false;
    //  What was never sent leaves no gap behind; what was sent leaves a question.
    if (!unsure && self->known)
        s_number (self, first, s_at (self, first)->number);
    else
        self->known = false;
    return unsure;
}

void zb_window_extend (zb_window_t *self, int64_t deadline)
{
    for (size_t index = 0; index < self->size && self->failed == ZB_FAILED_WAIT; index++) {
        zb_flight_t *put = s_at (self, index);
        put->deadline = put->deadline > deadline ? put->deadline : deadline;
    }
}

void zb_window_fail (zb_window_t *self, int error, const char *text)
{
    for (size_t index = 0; index < self->size; index++) {
        zb_flight_t *put = s_at (self, index);
        if (!put->done)
            s_done (put, error, text, strlen (text));
    }
    self->known = !self->named;
}

zb_flight_t *zb_window_pop (zb_window_t *self)
{
    if (self->size == 0 || !s_at (self, 0)->done)
        return NULL;
    zb_flight_t *put = s_at (self, 0);
    self->head = (self->head + 1) % ZB_WINDOW;
    self->size--;
    self->stopped = self->stopped && !put->stops;
    return put;
}

void zb_window_forget (zb_window_t *self, const void *arg)
{
    for (size_t index = 0; index < self->size; index++)
        if (s_at (self, index)->arg == arg)
            s_at (self, index)->fn = NULL;
}
