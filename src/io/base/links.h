/*  =========================================================================
    links - what is known of each way to the peer and to the witness

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Two brokers are joined by four ways, and each can be closed alone: heartbeats and log
    records, in either direction; and there may be one to a witness.  Whoever works at a
    way says that something came through, or why what came was refused; this class keeps
    since when each is open or closed and why, for status, and logs each change.

    A way counts as open while something came through within its patience.  What is wrong
    with one that is closed is what was refused on it last; else, where this side connects,
    what `io/base/reach` finds.

    zb_links_passed and zb_links_refused: any thread.  The others: the core's.
*/

#ifndef ZB_LINKS_H_INCLUDED
#define ZB_LINKS_H_INCLUDED

#include "io/base/config.h"

typedef struct zb_links zb_links_t;

typedef enum {
    ZB_WAY_STATE_IN,  //  the peer's heartbeats are heard; this side connects
    ZB_WAY_STATE_OUT, //  ours are heard by the peer; that one connects
    ZB_WAY_SHIP_IN,   //  the peer's frames come; that one connects
    ZB_WAY_SHIP_OUT,  //  ours go out; this side connects
    ZB_WAY_WITNESS,   //  the witness answers; this side connects
    ZB_WAYS
} zb_way_t;

#define ZB_WHY_MAX 400     //  bytes of a sentence
#define ZB_LINKS_EVERY 100 //  ms: it is enough to say so often that something came through

//  Of a pair.  The config must outlive it.
zb_links_t *zb_links_new (const zb_config_t *config);
void zb_links_destroy (zb_links_t **self_p);
//  Something came through.
void zb_links_passed (zb_links_t *self, zb_way_t way, int64_t now);
//  What came was refused; `why` says what to do.  It is forgotten when something comes through.
void zb_links_refused (zb_links_t *self, zb_way_t way, const char *why);
//  The same for a frame that the seal refused, by its text.
void zb_links_unsealed (zb_links_t *self, zb_way_t way, const char *why);
//  The settings of the peer, lines "name = value": those that differ from ours are named.
void zb_links_settings (zb_links_t *self, const char *lines, size_t size);
//  What this broker tells its peer of its own: as many bytes as are returned, 0 if that is more than the room.
size_t zb_links_own (zb_links_t *self, uint8_t *text, size_t room);
//  Its own settings have changed.
void zb_links_tell (zb_links_t *self, const zb_config_t *config);
//  Time passes: call it every turn.
void zb_links_look (zb_links_t *self, int64_t now);
//  What is known of a way; false if there is none.
typedef struct {
    const char *name;     //  "state_in"
    const char *text;     //  for operators
    const char *endpoint; //  where the one who connects has to get to
    bool open;
    bool refused;         //  it is closed, and what came was refused: `why` says what to do
    int64_t since;        //  ms, when it became so
    char why[ZB_WHY_MAX]; //  of one that is closed
} zb_links_view_t;
bool zb_links_view (zb_links_t *self, zb_way_t way, zb_links_view_t *view);
//  What differs between the settings of the two; NULL if nothing does.
const char *zb_links_differs (const zb_links_t *self);

#endif
