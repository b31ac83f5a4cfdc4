/*  =========================================================================
    links - what is known of each way to the peer and to the witness

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <pthread.h>

#include "core/wire/seal.h"
#include "io/base/config_pair.h"
#include "io/base/links.h"
#include "io/base/log.h"
#include "io/base/reach.h"

#define GRACE 3000         //  ms after the start in which a closed way is no news
#define LOG_EVERY 10000    //  ms between two lines about one way
#define ASK_EVERY 5000     //  ms between two looks at an endpoint
#define PATIENCE 2000      //  ms without anything on a way that is open
#define PATIENCE_LONG 4000 //  the same of the witness, which is looked at once a second

static const struct {
    const char *name; //  in JSON
    const char *text;
} s_ways[ZB_WAYS] = {
    [ZB_WAY_STATE_IN] = {"state_in", "heartbeats from the other broker"},
    [ZB_WAY_STATE_OUT] = {"state_out", "heartbeats to the other broker"},
    [ZB_WAY_SHIP_IN] = {"ship_in", "log records from the other broker"},
    [ZB_WAY_SHIP_OUT] = {"ship_out", "log records to the other broker"},
    [ZB_WAY_WITNESS] = {"witness", "the witness"},
};

typedef struct {
    const char *endpoint; //  where the one who connects has to get to; NULL: there is no such way
    bool asks;            //  this side connects
    int64_t passed;       //  when something came last, 0 = never
    bool open;
    int64_t since;
    char refused[ZB_WHY_MAX]; //  what was refused since something came through, "" if nothing
    char reach[ZB_WHY_MAX];   //  why it can't be reached, "" if it can or is not known
    bool told;                //  the log says that it is closed,
    int64_t told_ms;          //  since then,
    char told_why[ZB_WHY_MAX];
} way_t;

struct zb_links {
    pthread_mutex_t guard; //  of the ways
    way_t way[ZB_WAYS];
    int64_t began, asked;
    zb_reach_t *reach;
    zb_way_t asking;
    bool asks;
    char *own, *theirs; //  settings
    size_t own_size;
    char *differs;      //  a sentence; NULL if nothing does
};

zb_links_t *zb_links_new (const zb_config_t *config)
{
    assert (config->as != ZB_SINGLE);
    const zb_host_t *own = &config->host[config->as];
    const zb_host_t *peer = &config->host[config->as == ZB_PRIMARY ? ZB_BACKUP : ZB_PRIMARY];
    zb_links_t *self = (zb_links_t *) zmalloc (sizeof *self);
    pthread_mutex_init (&self->guard, NULL);
    self->began = zclock_mono ();
    self->way[ZB_WAY_STATE_IN] = (way_t){.endpoint = peer->state, .asks = true};
    self->way[ZB_WAY_STATE_OUT] = (way_t){.endpoint = own->state};
    if (!config->shared) {
        self->way[ZB_WAY_SHIP_IN] = (way_t){.endpoint = own->ship};
        self->way[ZB_WAY_SHIP_OUT] = (way_t){.endpoint = peer->ship, .asks = true};
    }
    self->way[ZB_WAY_WITNESS] = (way_t){.endpoint = config->witness, .asks = true};
    for (int way = 0; way < ZB_WAYS; way++)
        self->way[way].since = self->began;
    self->own = zb_config_tell (config);
    self->own_size = strlen (self->own);
    self->reach = zb_reach_new ();
    return self;
}

void zb_links_destroy (zb_links_t **self_p)
{
    assert (self_p);
    zb_links_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    zb_reach_destroy (&self->reach);
    pthread_mutex_destroy (&self->guard);
    free (self->own);
    free (self->theirs);
    free (self->differs);
    free (self);
}

void zb_links_passed (zb_links_t *self, zb_way_t way, int64_t now)
{
    pthread_mutex_lock (&self->guard);
    self->way[way].passed = now;
    self->way[way].refused[0] = 0;
    pthread_mutex_unlock (&self->guard);
}

void zb_links_refused (zb_links_t *self, zb_way_t way, const char *why)
{
    pthread_mutex_lock (&self->guard);
    snprintf (self->way[way].refused, ZB_WHY_MAX, "%s", why);
    pthread_mutex_unlock (&self->guard);
}

void zb_links_unsealed (zb_links_t *self, zb_way_t way, const char *why)
{
    bool key = strstr (why, "another pair") != NULL;
    zb_links_refused (self, way,
                      streq (why, ZB_SEAL_OLDER) ? "what comes is of zbroker 0.1, which makes no pair with this one, "
                                                   "zbroker " PACKAGE_VERSION
                                                   ": stop it, and start it with this version"
                      : streq (why, ZB_SEAL_NEWER) ? "what comes is of a newer zbroker, which makes no pair with this "
                                                     "one, zbroker " PACKAGE_VERSION ": update this one"
                      : key ? "what comes is sealed with another name or secret: pair/name and pair/secret must be the "
                              "same in both config files"
                            : "what comes is not from a broker: look whether the port belongs to something else");
}

size_t zb_links_own (zb_links_t *self, uint8_t *text, size_t room)
{
    pthread_mutex_lock (&self->guard);
    size_t size = self->own_size <= room ? self->own_size : 0;
    memcpy (text, self->own, size);
    pthread_mutex_unlock (&self->guard);
    return size;
}

//  What the two have otherwise than each other.
static void s_compare (zb_links_t *self)
{
    char *text = zb_config_differs (self->own, self->theirs);
    bool news = text && (!self->differs || !streq (text, self->differs));
    free (self->differs);
    self->differs = text;
    if (news)
        zb_log (ZB_LOG_WARNING, "the two brokers are set up differently: %s", text);
}

void zb_links_tell (zb_links_t *self, const zb_config_t *config)
{
    char *own = zb_config_tell (config);
    pthread_mutex_lock (&self->guard);
    free (self->own);
    self->own = own;
    self->own_size = strlen (own);
    pthread_mutex_unlock (&self->guard);
    if (self->theirs)
        s_compare (self);
}

void zb_links_settings (zb_links_t *self, const char *lines, size_t size)
{
    if (self->theirs && strlen (self->theirs) == size && memcmp (self->theirs, lines, size) == 0)
        return;
    free (self->theirs);
    self->theirs = strndup (lines, size);
    assert (self->theirs);
    s_compare (self);
}

//  Why a way is closed.
static void s_why (const zb_links_t *self, zb_way_t number, char *text)
{
    const way_t *way = &self->way[number];
    if (*way->refused)
        snprintf (text, ZB_WHY_MAX, "%s", way->refused);
    else if (*way->reach)
        snprintf (text, ZB_WHY_MAX, "%s", way->reach);
    else if (way->asks)
        snprintf (text, ZB_WHY_MAX, "%s is being tried", way->endpoint);
    else
        snprintf (text, ZB_WHY_MAX, "the other broker is down, or can't connect to %s here; its own status tells why",
                  way->endpoint);
}

//  A change is told once it has lasted a moment, and a reason when it is another one; rarely.
static void s_tell (zb_links_t *self, zb_way_t number, int64_t now)
{
    way_t *way = &self->way[number];
    char why[ZB_WHY_MAX];
    if (way->open && way->told) {
        zb_log (ZB_LOG_NOTICE, "%s: open again after %" PRId64 " s", s_ways[number].text, (now - way->told_ms) / 1000);
        way->told = false;
    }
    if (way->open || now - way->since < GRACE || now - self->began < GRACE)
        return;
    s_why (self, number, why);
    if (way->told && (now - way->told_ms < LOG_EVERY || streq (why, way->told_why)))
        return;
    zb_log (ZB_LOG_WARNING, "%s: closed for %" PRId64 " s; %s", s_ways[number].text, (now - way->since) / 1000, why);
    way->told = true;
    way->told_ms = now;
    snprintf (way->told_why, ZB_WHY_MAX, "%s", why);
}

//  Looks for itself where this side can't connect, one endpoint after the other.
static void s_ask (zb_links_t *self, int64_t now)
{
    if (self->asks && zb_reach_answer (self->reach, self->way[self->asking].reach, ZB_WHY_MAX)) {
        self->asks = false;
        if (!*self->way[self->asking].reach)
            snprintf (
                self->way[self->asking].reach, ZB_WHY_MAX,
                "%s takes connections, but nothing comes of it: what listens there hangs, or is set up for another "
                "pair",
                self->way[self->asking].endpoint);
    }
    for (int step = 1; !self->asks && now - self->asked >= ASK_EVERY / ZB_WAYS && step <= ZB_WAYS; step++) {
        zb_way_t next = (zb_way_t) ((self->asking + (zb_way_t) step) % ZB_WAYS);
        const way_t *way = &self->way[next];
        if (way->endpoint && way->asks && !way->open && now - way->since >= GRACE / 2 &&
            zb_reach_ask (self->reach, way->endpoint)) {
            self->asks = true;
            self->asking = next;
            self->asked = now;
        }
    }
}

void zb_links_look (zb_links_t *self, int64_t now)
{
    pthread_mutex_lock (&self->guard);
    for (int number = 0; number < ZB_WAYS; number++) {
        way_t *way = &self->way[number];
        if (!way->endpoint)
            continue;
        int64_t patience = number == ZB_WAY_WITNESS ? PATIENCE_LONG : PATIENCE;
        bool open = way->passed && now - way->passed < patience;
        if (open != way->open) {
            way->open = open;
            way->since = open ? now : way->passed;
            way->reach[0] = 0;
        }
        s_tell (self, (zb_way_t) number, now);
    }
    s_ask (self, now);
    pthread_mutex_unlock (&self->guard);
}

bool zb_links_view (zb_links_t *self, zb_way_t number, zb_links_view_t *view)
{
    const way_t *way = &self->way[number];
    if (!way->endpoint)
        return false;
    pthread_mutex_lock (&self->guard);
    *view = (zb_links_view_t){.name = s_ways[number].name,
                              .text = s_ways[number].text,
                              .endpoint = way->endpoint,
                              .open = way->open,
                              .refused = !way->open && *way->refused,
                              .since = way->since};
    s_why (self, number, view->why);
    pthread_mutex_unlock (&self->guard);
    return true;
}

const char *zb_links_differs (const zb_links_t *self)
{
    return self->differs;
}
