/*  =========================================================================
    brokers - what each broker says of itself (STATUS)

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <stdio.h>
#include <string.h>

#include "brokers.h"

int brokers_take (brokers_t *self, const tool_t *tool, zb_client_t *client)
{
    *self = (brokers_t){.client = client};
    if (!client)
        return TOOL_USAGE;
    if (zb_client_brokers (client) > BROKERS_MAX)
        return tool_misused (tool, "more than %d brokers", BROKERS_MAX);
    self->size = zb_client_brokers (client);
    for (size_t index = 0; index < self->size; index++)
        self->endpoint[index] = zb_client_broker (client, index);
    return TOOL_OK;
}

int brokers_open (brokers_t *self, const tool_t *tool)
{
    return brokers_take (self, tool, tool_client (tool));
}

bool brokers_look (brokers_t *self, size_t index, int64_t wait)
{
    const char *text = wait > 0 ? zb_client_status (self->client, index, wait) : NULL;
    json_decref (self->status[index]);
    self->status[index] = text ? json_loads (text, 0, NULL) : NULL;
    return text != NULL;
}

int brokers_ask (brokers_t *self, const tool_t *tool)
{
    int64_t wait = 1000;
    if (tool_number (tool, "wait", 1, 600000, &wait))
        return TOOL_USAGE;
    for (size_t index = 0; index < self->size; index++)
        if (brokers_look (self, index, wait) && !json_is_object (self->status[index]))
            return tool_fail (tool, TOOL_FAILED, "%s answers what is no JSON object", self->endpoint[index]);
    return TOOL_OK;
}

void brokers_close (brokers_t *self)
{
    for (size_t index = 0; index < self->size; index++)
        json_decref (self->status[index]);
    zb_client_destroy (&self->client);
}

size_t brokers_answers (const brokers_t *self)
{
    size_t answers = 0;
    for (size_t index = 0; index < self->size; index++)
        answers += self->status[index] != NULL;
    return answers;
}

json_t *brokers_active (const brokers_t *self)
{
    for (size_t index = 0; index < self->size; index++)
        if (brokers_is_active (self->status[index]))
            return self->status[index];
    return NULL;
}

json_t *brokers_member (json_t *status, const char *path)
{
    char name[64];
    while (status && *path) {
        size_t size = strcspn (path, ".");
        snprintf (name, sizeof name, "%.*s", (int) size, path);
        status = json_object_get (status, name);
        path += size + (path[size] == '.');
    }
    return status;
}

const char *brokers_text (json_t *status, const char *path)
{
    const char *text = json_string_value (brokers_member (status, path));
    return text ? text : "";
}

long long brokers_number (json_t *status, const char *path)
{
    return (long long) json_integer_value (brokers_member (status, path));
}

bool brokers_true (json_t *status, const char *path)
{
    return json_is_true (brokers_member (status, path));
}

bool brokers_is_active (json_t *status)
{
    return strcmp (brokers_text (status, "role"), "active") == 0;
}
