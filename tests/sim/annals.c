/*  =========================================================================
    annals - a topic that keeps all, up to a number: who writes, who reads, and a subscription that is overtaken

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A writer puts numbered messages into a topic that keeps all, the newest KEPT at least. One reads it with READ, from the
    beginning on. A subscription's consumer is so slow that messages are removed before it has them; now and then it
    goes back to the first one that there is, with SEEK (H18):

      - who reads gets all, in order; a gap is told, and only of what need not be kept any more;
      - behind a SEEK to the first one comes all that is kept, in order;
      - in the end each message that was answered OK was acknowledged, or told as removed, or is still there, and comes once
        for each time that it was sought; LIST has counted it;
      - in the end KEPT messages are there, the newest ones.

    After a split the order is another one, and what a loser has put may be removed at once, or was by the loser itself, of
    which the winner's subscriptions are not told: then only what is there, and that nothing else is lost that nobody told of.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "core/base/limits.h"
#include "plain.h"

#define TOPIC "annals"
#define SUB TOPIC "/late"
#define KEPT 12
#define PUTS_MOST 600
#define MOST 40

static struct {
    uint64_t id;      //  0 = not answered OK yet
    bool twice;       //  perhaps stored by both brokers
    bool asked, told; //  an acknowledgement was sent; it was told as removed
    bool found;       //  in the end
} s_put[PUTS_MOST + 1];

static int s_written;
static bool s_ready, s_sought, s_ended;

//  What a MSG has.
typedef struct {
    int count;
    int number[MOST];
    char id[MOST][24];
    uint64_t first, last; //  ids that are gone
} page_t;

static void s_do (client_t *self, const char *verb, const char *name, const char *argument, const char *body)
{
    plain_do (self, verb, name, argument, body, s_written, &s_put[s_written].twice);
}

static void *s_write (void *arg)
{
    client_t *self = arg;
    char options[40];
    snprintf (options, sizeof options, "keep=all\nkeep-messages=%d", KEPT);
    s_do (self, "TOPIC", TOPIC, options, "");
    s_do (self, "SUB", SUB, "lease=1000\nfrom=first", "");
    s_ready = true;
    while (world_now () < self->until && s_written < PUTS_MOST) {
        char body[24];
        snprintf (body, sizeof body, "<a%d>", ++s_written);
        s_do (self, "PUT", TOPIC, "", body);
        s_put[s_written].id = strtoull (plain_text (self, 5), NULL, 10);
        plain_nap (0, 60 * MS);
    }
    clients_end ();
    return NULL;
}

//  Asks once for messages; false: no answer.
static bool s_ask (client_t *self, const frame_t *frame, size_t frames, page_t *page)
{
    *page = (page_t){0};
    if (!self->socket)
        plain_greet (self);
    if (!plain_ask (self, frame, frames, PATIENCE + 600)) {
        plain_leave (self);
        return false;
    }
    page->count = self->frames > 7 ? self->frames - 7 : 0;
    const char *at = page->count ? plain_text (self, 6) : "";
    const char *skipped = strstr (at, "\tzb-skipped=");
    if (skipped)
        sscanf (skipped, "\tzb-skipped=%" SCNu64 "..%" SCNu64, &page->first, &page->last);
    for (int index = 0; index < page->count; index++) {
        snprintf (page->id[index], 24, "%.*s", (int) strcspn (at, " "), at);
        at += strcspn (at, "\n");
        at += *at == '\n';
    }
    for (int index = 0; index < page->count; index++) {
        int number = page->number[index] = atoi (plain_text (self, 7 + index) + 2);
        if (number < 1 || number > s_written)
            world_finding ("H18: the annals have what nobody has put: %s", plain_text (self, 7 + index));
    }
    return true;
}

static bool s_read (client_t *self, const char *position, const char *wait, page_t *page)
{
    char id[24];
    snprintf (id, sizeof id, "r%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("READ"), TEXT (id), TEXT (TOPIC), TEXT (position), TEXT ("20"), TEXT (wait)};
    return s_ask (self, frame, 7, page);
}

static bool s_get (client_t *self, const char *wait, const char *acks, page_t *page)
{
    char id[24];
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (SUB), TEXT ("8"), TEXT (wait), TEXT (acks)};
    bool answered = s_ask (self, frame, 7, page);
    for (int each = 1; answered && page->first && each <= s_written; each++)
        if (s_put[each].id >= page->first && s_put[each].id <= page->last)
            s_put[each].told = true;
    return answered;
}

//  What comes behind this number; 0: it is the first one that there is.
static void s_check_order (const char *who, int number, const page_t *page)
{
    for (int index = 0; index < page->count && !history_is_split (); index++) {
        int next = page->number[index];
        bool gap = index == 0 && (number == 0 || page->first);
        if (next <= number || (next > number + 1 && !gap))
            world_finding ("H18: %s has message %d behind %d", who, next, number);
        if (next > number + 1 && next - 1 > s_written - KEPT)
            world_finding ("H18: %s begins with message %d, and %d are to be kept of %d", who, next, KEPT, s_written);
        number = next;
    }
}

static void *s_follow (void *arg)
{
    client_t *self = arg;
    char position[24] = "first";
    int number = 0;
    while (!s_ready && world_now () < self->until)
        plain_nap (50 * MS, 100 * MS);
    while (s_ready && world_now () < self->until) {
        page_t page;
        if (s_read (self, position, "300", &page) && page.count) {
            s_check_order ("READ", number, &page);
            number = page.number[page.count - 1];
            snprintf (position, sizeof position, "%s", page.id[page.count - 1]);
        }
        plain_nap (0, world_chance (100) ? 3 * SECOND : 200 * MS);
    }
    clients_end ();
    return NULL;
}

//  Back to the first one: it comes next, and those behind it.
static void s_seek (client_t *self)
{
    page_t page;
    s_do (self, "SEEK", SUB, "first", "");
    s_sought = true;
    //  The newest were there for sure, and come again.  Who asks for the first one is not told what was before.
    for (int each = 1; each <= s_written; each++)
        if (each > s_written - KEPT)
            s_put[each].asked = false;
        else
            s_put[each].told = true;
    if (!self->socket || !s_get (self, "0", "", &page) || history_is_split ())
        return;
    if (page.count == 0 && s_put[1].id)
        world_finding ("H18: nothing is there behind a SEEK to the first message");
    s_check_order ("SEEK", 0, &page);
}

static void *s_lag (void *arg)
{
    client_t *self = arg;
    while (!s_ready && world_now () < self->until)
        plain_nap (50 * MS, 100 * MS);
    while (s_ready && world_now () < self->until) {
        page_t page;
        char acks[MOST * 25] = "";
        s_get (self, "200", "", &page);
        for (int index = 0; index < page.count; index++)
            if (world_chance (700)) {
                snprintf (acks + strlen (acks), 25, "%s%s", *acks ? " " : "", page.id[index]);
                s_put[page.number[index]].asked = true;
            }
        plain_nap (0, 2 * SECOND);
        if (*acks)
            s_do (self, "ACK", SUB, acks, "");
        if (world_chance (200))
            s_seek (self);
    }
    clients_end ();
    return NULL;
}

//  What LIST says that the subscription has left.
static int s_listed (client_t *self)
{
    for (;;) {
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("LIST"), TEXT ("l"), TEXT (""), TEXT (TOPIC), TEXT ("1")};
        if (!self->socket)
            plain_greet (self);
        if (plain_ask (self, frame, 6, PATIENCE) && self->frames > 5) {
            const char *messages = strstr (plain_text (self, 5), "messages=");
            return messages ? atoi (messages + 9) : -1;
        }
        plain_leave (self);
    }
}

//  Reads all that is there, in as many pages as it takes.
static void s_count_all (client_t *self)
{
    page_t page;
    char position[24] = "first";
    int count = 0, newest = 0;
    while (!s_read (self, position, "0", &page))
        continue;
    plain_nap (2 * SECOND, 2 * SECOND);
    do {
        while (!s_read (self, position, "0", &page))
            continue;
        s_check_order ("READ", newest, &page);
        count += page.count;
        if (page.count) {
            newest = page.number[page.count - 1];
            snprintf (position, sizeof position, "%s", page.id[page.count - 1]);
        }
    } while (page.count);
    if (count != (s_written < KEPT ? s_written : KEPT) && (!history_is_split () || count < KEPT))
        world_finding ("H18: %d of %d messages are there, and %d are to be", count, s_written, KEPT);
    if (!history_is_split () && newest != s_written)
        world_finding ("H18: the newest message is %d, not %d", newest, s_written);
}

//  Whether the broker that took a message has taken as many behind it as it has to keep.
static bool s_may_go (int number)
{
    const uint64_t node = (uint64_t) 1 << (ZB_COUNT_BITS - 1);
    int newer = 0;
    for (int each = number + 1; each <= s_written; each++)
        newer += s_put[each].id && (s_put[each].id & node) == (s_put[number].id & node);
    return newer >= KEPT;
}

static void *s_count (void *arg)
{
    client_t *self = arg;
    int taken = 0;
    char acks[MOST * 25] = "";
    if (!s_ready) {
        s_ended = true;
        return NULL;
    }
    s_count_all (self);
    int listed = s_listed (self);
    int64_t quiet = world_now () + 5 * SECOND;
    while (world_now () < quiet || *acks) {
        page_t page;
        if (s_get (self, "500", acks, &page))
            *acks = 0;
        for (int index = 0; index < page.count; index++) {
            bool again = s_put[page.number[index]].found;
            if (again && !(s_put[page.number[index]].twice && history_is_split ()))
                world_finding ("H18: message %d comes twice", page.number[index]);
            s_put[page.number[index]].found = true;
            taken++;
            snprintf (acks + strlen (acks), 25, "%s%s", *acks ? " " : "", page.id[index]);
        }
        if (page.count)
            quiet = world_now () + 5 * SECOND;
    }
    if (taken != listed && !history_is_split ())
        world_finding ("H18: LIST says that %d messages are left, and %d are", listed, taken);
    for (int each = 1; each <= s_written && !(history_is_split () && s_sought); each++)
        if (s_put[each].id && !s_put[each].asked && !s_put[each].told && !s_put[each].found &&
            !((s_put[each].twice || s_may_go (each)) && history_is_split ()))
            world_finding ("H18: message %d is gone, it was not acknowledged, and nobody was told", each);
    world_note ("%d messages of the annals were read to their end", s_written);
    s_ended = true;
    return NULL;
}

void annals_start (int64_t until)
{
    for (int count = 0; count < 3; count++)
        clients_begin ();
    plain_start ("annal", "annalist", 0, s_write, until);
    plain_start ("annal1", "", 0, s_follow, until);
    plain_start ("annal2", "laggard", 0, s_lag, until);
}

void annals_count (void)
{
    plain_start ("annal9", "", 0, s_count, INT64_MAX);
}

bool annals_have_been_counted (void)
{
    return s_ended;
}
