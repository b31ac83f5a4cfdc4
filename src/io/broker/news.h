/*  =========================================================================
    news - what clients meet, as lines of the log

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Refused requests by code, fenced producers, and the time in which this broker answers
    alone, with a bound for each kind.  All zero is a valid start.  Thread: one only; a
    plain value of its owner.
*/

#ifndef ZB_NEWS_H_INCLUDED
#define ZB_NEWS_H_INCLUDED

#include "core/wire/reply.h"
#include "io/base/log.h"

#define ZB_NEWS_CODES 7
#define ZB_NEWS_LIMITS 8
#define ZB_NEWS_TEXT 80

typedef struct {
    uint64_t refused[ZB_NEWS_CODES]; //  since the last line
    struct {
        char text[ZB_NEWS_TEXT]; //  of a 429, which names its limit: up to a colon
        uint64_t count;
    } limit[ZB_NEWS_LIMITS]; //  likewise; what goes beyond is in `refused`
    bool unsaid;             //  there are some
    int64_t next;                    //  ms, monotonic: no line about them before
    zb_log_rate_t fenced;
    bool solo;
    int64_t solo_since; //  ms
    uint64_t solo_oks;  //  replies
    int64_t solo_ms;    //  ms of all such times that are over
} zb_news_t;

//  A reply goes out.
void zb_news_reply (zb_news_t *self, const zb_reply_t *reply, int64_t now);
//  What an OK says from now on.
void zb_news_durable (zb_news_t *self, zb_durable_t durable, int64_t now);
//  Ms in which it has said solo.
uint64_t zb_news_solo (const zb_news_t *self, int64_t now);
//  To be called now and then: says what was refused meanwhile.
void zb_news_tick (zb_news_t *self, int64_t now);

#endif
