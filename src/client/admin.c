/*  =========================================================================
    admin - the public functions for queues and brokers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include "client/client.h"
#include "core/wire/position.h"

int zb_client_create_queue (zb_client_t *self, const char *queue, const char *options)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, queue))
        return -1;
    const char *wrong = options ? zb_lines_check (zb_frame (options)) : NULL;
    if (wrong)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "options: %s", wrong);
    zb_frame_t args[] = {zb_frame (queue), zb_frame (options ? options : "")};
    return zb_client_ask (self, ZB_QUEUE, args, 2);
}

//  TOPIC, or SUB.
static int s_make (zb_client_t *self, zb_verb_t verb, const char *name, const char *wrong, const char *options)
{
    if (wrong)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "%s", wrong);
    wrong = options ? zb_lines_check (zb_frame (options)) : NULL;
    if (wrong)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "options: %s", wrong);
    zb_frame_t args[] = {zb_frame (name), zb_frame (options ? options : "")};
    return zb_client_ask (self, verb, args, 2);
}

int zb_client_topic (zb_client_t *self, const char *topic, const char *options)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, topic))
        return -1;
    return s_make (self, ZB_TOPIC, topic, strchr (topic, '/') ? "a topic's name has no '/'" : NULL, options);
}

int zb_client_subscribe (zb_client_t *self, const char *subscription, const char *options)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, subscription))
        return -1;
    const char *wrong = strchr (subscription, '/') ? NULL : "a subscription's name is TOPIC/SUBSCRIPTION";
    return s_make (self, ZB_SUB, subscription, wrong, options);
}

int zb_client_seek (zb_client_t *self, const char *subscription, const char *position)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, subscription))
        return -1;
    zb_position_t parsed;
    if (!strchr (subscription, '/'))
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "a subscription's name is TOPIC/SUBSCRIPTION");
    if (!position || !zb_position_parse (&parsed, zb_frame (position)) || parsed.how == ZB_AT_NEW)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "a position is first, a message id, or @ and ms since 1970");
    zb_frame_t args[] = {zb_frame (subscription), zb_frame (position)};
    return zb_client_ask (self, ZB_SEEK, args, 2);
}

int zb_client_purge_queue (zb_client_t *self, const char *queue)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, queue))
        return -1;
    zb_frame_t args[] = {zb_frame (queue)};
    return zb_client_ask (self, ZB_PURGE, args, 1);
}

int zb_client_delete_queue (zb_client_t *self, const char *queue)
{
    if (zb_client_may_wait (self) || zb_client_check_queue (self, queue))
        return -1;
    zb_frame_t args[] = {zb_frame (queue)};
    int rc = zb_client_ask (self, ZB_DELETE, args, 1);
    //  Asked twice, the second finds what the first has left: nothing.
    if (rc && self->error == ZB_ERR_NOT_FOUND && self->call.resent)
        rc = 0;
    return rc;
}

//  Asks for queues behind this name (NULL: as a client of the first release does, for all that fit into one reply), and
//  adds them; with `all` topics and subscriptions, too.  Returns how many, or -1.
static long s_list (zb_client_t *self, zb_frame_t pattern, char after[ZB_NAME_MAX + 1], bool all, zb_queues_t *queues)
{
    char most[21];
    zb_number_format (ZB_LIST_MAX, most);
    zb_frame_t args[] = {pattern, zb_frame (after ? after : ""), zb_frame (most)};
    if (zb_client_ask (self, ZB_LIST, args, after ? 3 : 1))
        return -1;
    const zb_answer_t *answer = zb_conn_answer (self->conn);
    size_t size = zb_queues_size (queues);
    zb_frame_t next = after && answer->args ? answer->arg[answer->args - 1] : zb_frame ("");
    if (zb_queues_add (queues, answer, after != NULL, all) || next.size > ZB_NAME_MAX) {
        zb_client_fail (self, ZB_ERR_BAD_REQUEST, "the broker's answer is malformed");
        return -1;
    }
    if (after)
        snprintf (after, ZB_NAME_MAX + 1, "%.*s", (int) next.size, (const char *) next.data);
    return (long) (zb_queues_size (queues) - size);
}

static zb_queues_t *s_list_all (zb_client_t *self, const char *pattern, bool all)
{
    if (zb_client_may_wait (self))
        return NULL;
    const char *wrong = pattern ? zb_pattern_check (zb_frame (pattern)) : NULL;
    if (wrong) {
        zb_client_fail (self, ZB_ERR_ARGUMENT, "pattern: %s", wrong);
        return NULL;
    }
    zb_frame_t which = zb_frame (pattern ? pattern : "");
    zb_queues_t *queues = zb_queues_new ();
    char after[ZB_NAME_MAX + 1] = "";
    long rc = all ? s_list (self, which, after, all, queues) : s_list (self, which, NULL, all, queues);
    //  What does not fit into one reply comes in pages.
    if (!all && rc == ZB_LIST_MAX)
        snprintf (after, sizeof after, "%s", zb_queues_name (queues, ZB_LIST_MAX - 1));
    while (rc >= 0 && *after)
        rc = s_list (self, which, after, all, queues);
    if (rc < 0)
        zb_queues_destroy (&queues);
    return queues;
}

zb_queues_t *zb_client_list_queues (zb_client_t *self, const char *pattern)
{
    return s_list_all (self, pattern, false);
}

zb_queues_t *zb_client_list_topics (zb_client_t *self, const char *pattern)
{
    return s_list_all (self, pattern, true);
}

//  Keeps the text of the answer; returns NULL if it is no OK with one.
static const char *s_text (zb_client_t *self, zmsg_t *reply, zb_verb_t verb)
{
    size_t count = zmsg_size (reply);
    zb_frame_t *frame = (zb_frame_t *) calloc (count + 1, sizeof (zb_frame_t));
    assert (frame);
    size_t index = 0;
    for (zframe_t *part = zmsg_first (reply); part; part = zmsg_next (reply)) {
        frame[index].data = zframe_data (part);
        frame[index++].size = zframe_size (part);
    }
    zb_answer_t answer;
    const char *status = NULL;
    if (zb_wire_parse_reply (&answer, frame, count) == 0 && answer.status == ZB_ANSWER_OK && answer.args > 0) {
        free (self->status);
        self->status = (char *) malloc (answer.arg[0].size + 1);
        assert (self->status);
        memcpy (self->status, answer.arg[0].data, answer.arg[0].size);
        self->status[answer.arg[0].size] = 0;
        status = self->status;
    }
    else if (answer.status == ZB_ANSWER_ERR && answer.args > 1)
        zb_client_fail_frame (self, (int) answer.code, answer.arg[1]);
    else if (answer.status == ZB_ANSWER_PASSIVE)
        zb_client_fail (self, ZB_ERR_NOT_READY, "it does not lead, or no longer: ask the other broker");
    else
        zb_client_fail (self, ZB_ERR_BAD_REQUEST, "the broker's answer to %s is not one", zb_verb_name (verb));
    free (frame);
    return status;
}

//  Asks this broker, whatever it is, on a connection of its own.  Args end with NULL.
static const char *s_ask (zb_client_t *self, size_t index, zb_verb_t verb, const char *const *args, int64_t wait)
{
    if (zb_client_may_wait (self))
        return NULL;
    const char *endpoint = zb_client_broker (self, index);
    if (!endpoint || wait < 0) {
        zb_client_fail (self, ZB_ERR_ARGUMENT, endpoint ? "wait is 0 or more" : "no such broker");
        return NULL;
    }
    pirate_t *pirate = pirate_new (endpoint);
    assert (pirate);
    if (self->key)
        pirate_set_tune (pirate, zb_client_tune, self);
    pirate_set_timeout (pirate, wait);
    //  What moves the role is not sent twice because it takes its time.
    if (verb != ZB_STATUS)
        pirate_set_patience (pirate, wait + 1);
    zmsg_t *message = zmsg_new ();
    zmsg_addstr (message, "ZB1");
    zmsg_addstr (message, zb_verb_name (verb));
    zmsg_addstr (message, "1");
    for (; *args; args++)
        zmsg_addstr (message, *args);
    zmsg_t *reply = pirate_request (pirate, &message);
    const char *status = NULL;
    if (reply)
        status = s_text (self, reply, verb);
    else if (errno == EINTR)
        zb_client_fail (self, ZB_ERR_INTERRUPTED, "interrupted");
    else
        zb_client_fail (self, ZB_ERR_TIMEOUT, "%s %s", endpoint,
                        pirate_connected (pirate, 0) ? "does not answer" : "cannot be reached");
    zmsg_destroy (&reply);
    pirate_destroy (&pirate);
    return status;
}

const char *zb_client_status (zb_client_t *self, size_t index, int64_t wait)
{
    return s_ask (self, index, ZB_STATUS, (const char *const[]){NULL}, wait);
}

const char *zb_client_events (zb_client_t *self, size_t index, const char *after, const char *max, int64_t wait)
{
    return s_ask (self, index, ZB_EVENTS, (const char *const[]){after ? after : "", max ? max : "", NULL}, wait);
}

const char *zb_client_clients (zb_client_t *self, size_t index, const char *pattern, const char *after, int64_t wait)
{
    return s_ask (self, index, ZB_CLIENTS, (const char *const[]){pattern ? pattern : "", after ? after : "", NULL}, wait);
}

const char *zb_client_operate (zb_client_t *self, size_t index, zb_verb_t verb, const char *proof, bool accept_loss,
                               const char *witness_proof, int64_t wait)
{
    const char *const args[] = {proof, accept_loss ? "accept-loss" : NULL, witness_proof, NULL};
    return s_ask (self, index, verb, args, wait);
}

const char *zb_client_backup (zb_client_t *self, size_t index, const char *proof, const char *folder, const char *rate,
                              int64_t wait)
{
    return s_ask (self, index, ZB_COPY, (const char *const[]){proof, folder, rate, NULL}, wait);
}

const char *zb_client_key (zb_client_t *self, size_t index, const char *proof, const char *change, int64_t wait)
{
    return s_ask (self, index, ZB_KEY, (const char *const[]){proof, *change ? change : NULL, NULL}, wait);
}
