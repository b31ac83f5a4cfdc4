/*  =========================================================================
    protocol - the requests of ZB1, a row each

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>

#include "core/wire/protocol.h"

#define ANY SIZE_MAX

//  Name, arguments at least and at most, form; who handles it, whether a stranger may say it, whether it takes a
//  subscription, whether it outlives, and its right.
static const zb_protocol_t s_rows[ZB_VERBS] = {
    [ZB_HELLO] = {"HELLO", 0, 3, "HELLO id [name] [token] [instance]", ZB_BY_VOTE, true, false, false, ZB_RIGHT_AS},
    [ZB_PUT] = {"PUT", 3, ANY, "PUT id queue properties body...", ZB_BY_ENGINE, false, false, true, ZB_RIGHT_PUT},
    [ZB_GET] = {"GET", 4, 4, "GET id queue max wait-ms acks", ZB_BY_ENGINE, false, true, true, ZB_RIGHT_GET},
    [ZB_ACK] = {"ACK", 2, 2, "ACK id queue acks", ZB_BY_ENGINE, false, true, true, ZB_RIGHT_GET},
    [ZB_NACK] = {"NACK", 2, 4, "NACK id queue acks [delay-ms] [untried]", ZB_BY_ENGINE, false, true, true,
                 ZB_RIGHT_GET},
    [ZB_EXTEND] = {"EXTEND", 2, 2, "EXTEND id queue acks", ZB_BY_ENGINE, false, true, false, ZB_RIGHT_GET},
    [ZB_REJECT] = {"REJECT", 2, 2, "REJECT id queue acks", ZB_BY_ENGINE, false, true, true, ZB_RIGHT_GET},
    [ZB_MOVE] = {"MOVE", 4, 4, "MOVE id from to last-id max", ZB_BY_ENGINE, false, true, true, ZB_RIGHT_GET},
    [ZB_QUEUE] = {"QUEUE", 2, 2, "QUEUE id queue options", ZB_BY_ENGINE, false, false, true, ZB_RIGHT_MANAGE},
    [ZB_TOPIC] = {"TOPIC", 2, 2, "TOPIC id topic options", ZB_BY_ENGINE, false, false, true, ZB_RIGHT_MANAGE},
    [ZB_SUB] = {"SUB", 2, 2, "SUB id topic/sub options", ZB_BY_ENGINE, false, true, true, ZB_RIGHT_GET},
    [ZB_SEEK] = {"SEEK", 2, 2, "SEEK id topic/sub position", ZB_BY_ENGINE, false, true, true, ZB_RIGHT_GET},
    [ZB_READ] = {"READ", 4, 5, "READ id topic position max wait-ms [filter]", ZB_BY_ENGINE, false, false, false,
                 ZB_RIGHT_GET},
    [ZB_LIST] = {"LIST", 0, 3, "LIST id [pattern] [after] [max]", ZB_BY_ENGINE, false, false, false, ZB_RIGHT_LOOK},
    [ZB_PEEK] = {"PEEK", 3, 3, "PEEK id queue position max", ZB_BY_ENGINE, false, true, false, ZB_RIGHT_GET},
    [ZB_PURGE] = {"PURGE", 1, 1, "PURGE id queue", ZB_BY_ENGINE, false, true, true, ZB_RIGHT_MANAGE},
    [ZB_DELETE] = {"DELETE", 1, 1, "DELETE id queue", ZB_BY_ENGINE, false, true, true, ZB_RIGHT_MANAGE},
    [ZB_STATUS] = {"STATUS", 0, 0, "STATUS id", ZB_BY_BROKER, true, false, false, ZB_RIGHT_LOOK},
    [ZB_EVENTS] = {"EVENTS", 0, 2, "EVENTS id [after] [max]", ZB_BY_BROKER, true, false, false, ZB_RIGHT_LOOK},
    [ZB_CLIENTS] = {"CLIENTS", 0, 3, "CLIENTS id [pattern] [after] [max]", ZB_BY_BROKER, true, false, false, ZB_RIGHT_LOOK},
    [ZB_PING] = {"PING", 0, 0, "PING id", ZB_BY_BROKER, true, false, false, ZB_RIGHT_NONE},
    [ZB_SWITCHOVER] = {"SWITCHOVER", 1, 1, "SWITCHOVER id proof", ZB_BY_OPERATOR, true, false, false, ZB_RIGHT_OPERATE},
    [ZB_PROMOTE] = {"PROMOTE", 1, 3, "PROMOTE id proof accept-loss [witness-proof]", ZB_BY_OPERATOR, true, false, false,
                    ZB_RIGHT_OPERATE},
    [ZB_UPGRADE] = {"UPGRADE", 1, 1, "UPGRADE id proof", ZB_BY_OPERATOR, true, false, false, ZB_RIGHT_OPERATE},
    [ZB_KEY] = {"KEY", 1, 2, "KEY id proof [change]", ZB_BY_OPERATOR, true, false, false, ZB_RIGHT_OPERATE},
    [ZB_COPY] = {"BACKUP", 2, 3, "BACKUP id proof folder [bytes-per-second]", ZB_BY_OPERATOR, true, false, false,
                 ZB_RIGHT_OPERATE},
    [ZB_REPLAY] = {"REPLAY", 2, 2, "REPLAY id item mac", ZB_BY_ENGINE, true, false, false, ZB_RIGHT_REPLAY},
};

const zb_protocol_t *zb_protocol (zb_verb_t verb)
{
    assert (verb < ZB_VERBS);
    return &s_rows[verb];
}

zb_verb_t zb_verb_find (zb_frame_t name)
{
    zb_verb_t verb = ZB_HELLO;
    while (verb < ZB_VERBS && !zb_frame_is (name, s_rows[verb].name))
        verb++;
    return verb;
}

const char *zb_verb_name (zb_verb_t verb)
{
    return verb < ZB_VERBS ? s_rows[verb].name : "?";
}
