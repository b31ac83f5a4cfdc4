/*  =========================================================================
    get - the public functions that take messages and give them back

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include "client/client.h"
#include "core/wire/filter.h"
#include "core/wire/position.h"

//  The most messages in one GET, by the broker's default limit.
#define S_MESSAGES_MAX 1000

static int s_check_acks (zb_client_t *self, const char *acks)
{
    if (acks && strlen (acks) > ZB_ACKS_MAX)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "more than %d bytes of ids", ZB_ACKS_MAX);
    return 0;
}

zb_messages_t *zb_client_get (zb_client_t *self, const char *queue, size_t max, int64_t wait, const char *acks)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, queue) || s_check_acks (self, acks))
        return NULL;
    if (max < 1 || max > S_MESSAGES_MAX || wait < 0) {
        zb_client_fail (self, ZB_ERR_ARGUMENT, "max is 1 to %d, wait is 0 or more", S_MESSAGES_MAX);
        return NULL;
    }
    int64_t most = INT64_MAX / 4;
    wait = wait < most ? wait : most;
    int64_t deadline = zb_client_deadline (self, wait);
    int64_t until = zclock_mono () + wait;
    char number[21];
    zb_number_format (max, number);
    while (true) {
        int64_t now = zclock_mono ();
        zb_frame_t args[] = {zb_frame (queue), zb_frame (number), zb_frame ("0"), zb_frame (acks ? acks : "")};
        if (zb_client_call (self, ZB_GET, args, 4, until > now ? until - now : 0, deadline) || zb_client_answer (self))
            return NULL;
        //  A GET with acks is answered as soon as these are safe, with or without messages: then wait for some.
        const zb_answer_t *answer = zb_conn_answer (self->conn);
        if (answer->bodies > 0 || zclock_mono () >= until) {
            self->level = zb_level_parse (answer->arg[0]);
            size_t frames;
            zmq_msg_t *frame = zb_conn_take (self->conn, &frames);
            return zb_messages_new (answer, frame, frames);
        }
        if (self->call.interrupted) {
            zb_client_fail (self, ZB_ERR_INTERRUPTED, "interrupted");
            return NULL;
        }
        acks = NULL;
    }
}

zb_messages_t *zb_client_read (zb_client_t *self, const char *topic, const char *position, size_t max, int64_t wait,
                               const char *filter)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, topic))
        return NULL;
    zb_position_t parsed;
    const char *wrong = filter && *filter ? zb_filter_check (zb_frame (filter)) : NULL;
    if (!position || !zb_position_parse (&parsed, zb_frame (position)))
        wrong = "a position is new, first, a message id, or @ and ms since 1970";
    if (max < 1 || max > S_MESSAGES_MAX || wait < 0 || wait > INT32_MAX)
        wrong = "max is 1 to 1000, wait is 0 to 2147483647";
    if (wrong) {
        zb_client_fail (self, ZB_ERR_ARGUMENT, "%s", wrong);
        return NULL;
    }
    char number[21];
    zb_number_format (max, number);
    zb_frame_t args[] = {zb_frame (topic), zb_frame (position), zb_frame (number), zb_frame ("0"),
                         zb_frame (filter ? filter : "")};
    if (zb_client_call (self, ZB_READ, args, 5, wait, zb_client_deadline (self, wait)) || zb_client_answer (self))
        return NULL;
    size_t frames;
    const zb_answer_t *answer = zb_conn_answer (self->conn);
    self->level = zb_level_parse (answer->arg[0]);
    zmq_msg_t *frame = zb_conn_take (self->conn, &frames);
    return zb_messages_new (answer, frame, frames);
}

zb_messages_t *zb_client_peek (zb_client_t *self, const char *queue, const char *position, size_t max)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, queue))
        return NULL;
    if (max < 1 || max > S_MESSAGES_MAX) {
        zb_client_fail (self, ZB_ERR_ARGUMENT, "max is 1 to %d", S_MESSAGES_MAX);
        return NULL;
    }
    char number[21];
    zb_number_format (max, number);
    zb_frame_t args[] = {zb_frame (queue), zb_frame (position ? position : "first"), zb_frame (number)};
    if (zb_client_ask (self, ZB_PEEK, args, 3))
        return NULL;
    size_t frames;
    zmq_msg_t *frame = zb_conn_take (self->conn, &frames);
    return zb_messages_new (zb_conn_answer (self->conn), frame, frames);
}

//  `more`, `most`: two more arguments, or NULL.
static int s_acks (zb_client_t *self, zb_verb_t verb, const char *queue, const char *ids, const char *more,
                   const char *most)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, queue) || s_check_acks (self, ids))
        return -1;
    if (!ids || !*ids)
        return 0;
    zb_frame_t args[] = {zb_frame (queue), zb_frame (ids), zb_frame (more ? more : ""), zb_frame (most ? most : "")};
    return zb_client_ask (self, verb, args, most ? 4 : more ? 3 : 2);
}

int zb_client_ack (zb_client_t *self, const char *queue, const char *ids)
{
    return s_acks (self, ZB_ACK, queue, ids, NULL, NULL);
}

int zb_client_nack (zb_client_t *self, const char *queue, const char *ids)
{
    return s_acks (self, ZB_NACK, queue, ids, NULL, NULL);
}

static int s_nack (zb_client_t *self, const char *queue, const char *ids, int64_t delay, const char *untried)
{
    char number[21];
    if (delay < 0 || delay > INT32_MAX)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "delay is 0 to %d ms", INT32_MAX);
    zb_number_format ((uint64_t) delay, number);
    return s_acks (self, ZB_NACK, queue, ids, number, untried);
}

int zb_client_nack_later (zb_client_t *self, const char *queue, const char *ids, int64_t delay)
{
    return s_nack (self, queue, ids, delay, NULL);
}

int zb_client_nack_untried (zb_client_t *self, const char *queue, const char *ids, int64_t delay)
{
    return s_nack (self, queue, ids, delay, "untried");
}

int zb_client_reject (zb_client_t *self, const char *queue, const char *ids)
{
    return s_acks (self, ZB_REJECT, queue, ids, NULL, NULL);
}

//  Asks once; the number that was moved, and the last id that it was about.
static int s_move (zb_client_t *self, const char *from, const char *to, char last[24], uint64_t most, uint64_t *count)
{
    char number[21];
    zb_number_format (most, number);
    zb_frame_t args[] = {zb_frame (from), zb_frame (to), zb_frame (last), zb_frame (number)};
    if (zb_client_ask (self, ZB_MOVE, args, 4))
        return -1;
    const zb_answer_t *answer = zb_conn_answer (self->conn);
    if (answer->args < 3 || !zb_number_parse (answer->arg[1], most, count) || answer->arg[2].size > 23)
        return zb_client_fail (self, ZB_ERR_BAD_REQUEST, "the broker's answer is malformed");
    snprintf (last, 24, "%.*s", (int) answer->arg[2].size, (const char *) answer->arg[2].data);
    return 0;
}

int zb_client_move (zb_client_t *self, const char *from, const char *to, uint64_t count, uint64_t *moved)
{
    uint64_t sum = 0, some = 0;
    uint64_t *told = moved ? moved : &sum;
    *told = 0;
    if (zb_client_may_wait (self) || zb_client_check_queue (self, from) || zb_client_check_queue (self, to))
        return -1;
    //  What comes later is not meant, however often a request is sent.
    char last[24] = "";
    if (s_move (self, from, to, last, 0, &some))
        return -1;
    do {
        uint64_t most = count && count - *told < S_MESSAGES_MAX ? count - *told : S_MESSAGES_MAX;
        if (s_move (self, from, to, last, most, &some))
            return -1;
        *told += some;
    } while (some && *told != count);
    return 0;
}

int zb_client_extend (zb_client_t *self, const char *queue, const char *ids)
{
    return s_acks (self, ZB_EXTEND, queue, ids, NULL, NULL);
}
