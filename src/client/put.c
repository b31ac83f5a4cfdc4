/*  =========================================================================
    put - the public functions that store messages

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include "client/client.h"

//  What a synchronous PUT waits for.
typedef struct {
    zb_receipt_t receipt;
    char text[256];
    bool done;
} sync_t;

static void s_keep (const zb_receipt_t *receipt, void *arg)
{
    sync_t *sync = (sync_t *) arg;
    sync->receipt = *receipt;
    snprintf (sync->text, sizeof (sync->text), "%s", receipt->text);
    sync->done = true;
}

static void s_frame (zmq_msg_t *frame, const void *data, size_t size)
{
    int rc = zmq_msg_init_size (frame, size);
    assert (rc == 0);
    if (size)
        memcpy (zmq_msg_data (frame), data, size);
}

static int s_check (zb_client_t *self, const char *queue, const char *properties, const zb_body_t *bodies, size_t count)
{
    if (zb_client_check_queue (self, queue))
        return -1;
    const char *wrong = properties ? zb_lines_check (zb_frame (properties)) : NULL;
    if (wrong)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "properties: %s", wrong);
    if (!bodies || count == 0)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "a PUT has at least one body");
    for (size_t index = 0; index < count; index++)
        if (!bodies[index].data && bodies[index].size)
            return zb_client_fail (self, ZB_ERR_ARGUMENT, "body %zu is missing", index);
    return 0;
}

//  Waits for room in the window.
static int s_room (zb_client_t *self, int64_t deadline)
{
    while (zb_window_size (self->window) >= self->limit) {
        if (self->in_callback)
            return zb_client_fail (self, ZB_ERR_WINDOW, "the window is full");
        zb_conn_event_t event = zb_client_turn (self, deadline);
        if (zb_window_size (self->window) < self->limit)
            break;
        if (event == ZB_CONN_INTERRUPTED)
            return zb_client_fail (self, ZB_ERR_INTERRUPTED, "interrupted");
        if (zclock_mono () >= deadline)
            return zb_client_fail_late (self, ZB_PUT);
    }
    return 0;
}

//  Adds a PUT to the window and sends it if it can be sent now.
static int s_add (zb_client_t *self, const char *queue, const char *properties, const zb_body_t *bodies, size_t count,
                  int64_t deadline, zb_put_fn *fn, void *arg)
{
    if (s_check (self, queue, properties, bodies, count) || s_room (self, deadline))
        return -1;
    zmq_msg_t *frame = (zmq_msg_t *) malloc ((count + 2) * sizeof (zmq_msg_t));
    assert (frame);
    s_frame (&frame[0], queue, strlen (queue));
    s_frame (&frame[1], properties, properties ? strlen (properties) : 0);
    for (size_t index = 0; index < count; index++)
        s_frame (&frame[index + 2], bodies[index].data, bodies[index].size);
    zb_window_add (self->window, frame, count + 2, deadline, fn, arg);
    return 0;
}

int zb_client_put_async (zb_client_t *self, const char *queue, const char *properties, const zb_body_t *bodies,
                         size_t count, zb_put_fn *fn, void *arg)
{
    assert (self);
    if (s_add (self, queue, properties, bodies, count, zb_client_deadline (self, 0), fn, arg))
        return -1;
    //  Answers are taken as they come, so that the window empties while it is filled.
    if (self->in_callback)
        zb_client_send (self);
    else
        zb_client_turn (self, 0);
    return 0;
}

int zb_client_put_many (zb_client_t *self, const char *queue, const char *properties, const zb_body_t *bodies,
                        size_t count, zb_receipt_t *receipt)
{
    if (zb_client_may_wait (self))
        return -1;
    sync_t sync = {.done = false};
    int64_t deadline = zb_client_deadline (self, 0);
    if (s_add (self, queue, properties, bodies, count, deadline, s_keep, &sync))
        return -1;
    while (!sync.done) {
        //  The deadline is the PUT's own: when it has come, the receipt says so.
        zb_conn_event_t event = zb_client_turn (self, INT64_MAX);
        if (!sync.done && event == ZB_CONN_INTERRUPTED) {
            zb_window_forget (self->window, &sync);
            return zb_client_fail (self, ZB_ERR_INTERRUPTED, "interrupted; the PUT is still in flight");
        }
    }
    int rc = sync.receipt.error ? zb_client_fail (self, sync.receipt.error, "%s", sync.text) : 0;
    if (receipt) {
        *receipt = sync.receipt;
        receipt->text = rc ? self->error_text : "";
    }
    return rc;
}

int zb_client_put (zb_client_t *self, const char *queue, const void *data, size_t size, zb_receipt_t *receipt)
{
    zb_body_t body = {data, size};
    return zb_client_put_many (self, queue, NULL, &body, 1, receipt);
}

size_t zb_client_inflight (const zb_client_t *self)
{
    assert (self);
    return zb_window_size (self->window);
}

size_t zb_client_poll (zb_client_t *self, int64_t wait)
{
    if (zb_client_may_wait (self))
        return zb_window_size (self->window);
    size_t before = zb_window_size (self->window);
    int64_t until = zclock_mono () + (wait > 0 ? wait : 0);
    while (before > 0) {
        zb_conn_event_t event = zb_client_turn (self, until);
        bool more = event == ZB_CONN_REPLY || event == ZB_CONN_READY;
        if (zb_window_size (self->window) < before) {
            //  The rest of what is there, without waiting for more.
            before = zb_window_size (self->window);
            until = 0;
        }
        else if (event == ZB_CONN_INTERRUPTED || (!more && zclock_mono () >= until))
            break;
    }
    return zb_window_size (self->window);
}

int zb_client_flush (zb_client_t *self)
{
    if (zb_client_may_wait (self))
        return -1;
    while (zb_window_size (self->window) > 0)
        if (zb_client_turn (self, INT64_MAX) == ZB_CONN_INTERRUPTED && zb_window_size (self->window) > 0)
            return zb_client_fail (self, ZB_ERR_INTERRUPTED, "interrupted");
    if (!self->flush_error)
        return 0;
    int error = self->flush_error;
    self->flush_error = 0;
    return zb_client_fail (self, error, "%s", self->flush_text);
}
