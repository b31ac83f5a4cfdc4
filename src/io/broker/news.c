/*  =========================================================================
    news - what clients meet, as lines of the log

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/broker/news.h"

#define REFUSED_EVERY 10000 //  ms

//  401 and 503 are left out: they are how clients find the broker that serves.
static const struct {
    unsigned code;
    const char *word;
} s_codes[ZB_NEWS_CODES] = {{400, "bad request"}, {403, "forbidden"},  {404, "no such queue"}, {409, "conflict"},
                            {413, "too large"},   {429, "a limit"},    {507, "disk full"}};

//  Counts a 429 under what its text says; false if there are too many texts.
static bool s_limit (zb_news_t *self, const zb_reply_t *reply)
{
    char text[ZB_NEWS_TEXT] = "";
    if (reply->texts)
        snprintf (text, sizeof text, "%.*s", (int) reply->text[0].size, (const char *) reply->text[0].data);
    text[strcspn (text, ":")] = 0;
    for (size_t index = 0; index < ZB_NEWS_LIMITS; index++)
        if (self->limit[index].count == 0 || streq (self->limit[index].text, text)) {
            strcpy (self->limit[index].text, text);
            self->limit[index].count++;
            return true;
        }
    return false;
}

void zb_news_reply (zb_news_t *self, const zb_reply_t *reply, int64_t now)
{
    bool counted = reply->code == 429 && s_limit (self, reply);
    for (size_t index = 0; index < ZB_NEWS_CODES && reply->code && !counted; index++)
        self->refused[index] += reply->code == s_codes[index].code;
    self->unsaid = self->unsaid || reply->code;
    if (reply->kind == ZB_REPLY_FENCED)
        zb_log_rated (&self->fenced, now, ZB_LOG_WARNING,
                      "a client was fenced: a newer process has taken its name, and its requests are refused");
    self->solo_oks += reply->durable == ZB_DURABLE_SOLO && reply->kind != ZB_REPLY_MESSAGES;
}

void zb_news_durable (zb_news_t *self, zb_durable_t durable, int64_t now)
{
    bool solo = durable == ZB_DURABLE_SOLO;
    if (solo == self->solo)
        return;
    self->solo = solo;
    if (solo) {
        self->solo_since = now;
        self->solo_oks = 0;
        zb_log (ZB_LOG_WARNING, "clients are answered alone from now on: OK solo is on one disk");
    }
    else {
        self->solo_ms += now - self->solo_since;
        zb_log (ZB_LOG_NOTICE,
                "clients were answered alone for %" PRIi64 ".%03" PRIi64 " s: %" PRIu64 " requests got OK solo",
                (now - self->solo_since) / 1000, (now - self->solo_since) % 1000, self->solo_oks);
    }
}

uint64_t zb_news_solo (const zb_news_t *self, int64_t now)
{
    return (uint64_t) (self->solo_ms + (self->solo ? now - self->solo_since : 0));
}

void zb_news_tick (zb_news_t *self, int64_t now)
{
    if (!self->unsaid || now < self->next)
        return;
    self->unsaid = false;
    char line[400 + ZB_NEWS_LIMITS * (ZB_NEWS_TEXT + 40)] = "";
    size_t size = 0;
    for (size_t index = 0; index < ZB_NEWS_CODES; index++) {
        if (self->refused[index])
            size += (size_t) snprintf (line + size, sizeof line - size, "%s%" PRIu64 " with %u (%s)", size ? ", " : "",
                                       self->refused[index], s_codes[index].code, s_codes[index].word);
        self->refused[index] = 0;
    }
    for (size_t index = 0; index < ZB_NEWS_LIMITS && self->limit[index].count; index++) {
        size += (size_t) snprintf (line + size, sizeof line - size, "%s%" PRIu64 " with 429 (%s)", size ? ", " : "",
                                   self->limit[index].count, self->limit[index].text);
        self->limit[index].count = 0;
    }
    if (!size)
        return;
    self->next = now + REFUSED_EVERY;
    zb_log (ZB_LOG_NOTICE, "requests were refused: %s", line);
}
