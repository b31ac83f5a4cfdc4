/*  =========================================================================
    board - what the core shows to those who only look: the newest STATUS

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The core posts the answer to STATUS once a second, and when its role or phase changes;
    whoever shows it to others (io/http) takes a copy.  So no scrape and no browser costs the
    core a turn, or can make it wait: a post that finds a reader at the board comes later.
    Thread: one that posts, any that read.
*/

#ifndef ZB_BOARD_H_INCLUDED
#define ZB_BOARD_H_INCLUDED

#include <stdbool.h>
#include <stdint.h>

typedef struct zb_board zb_board_t;

#define ZB_BOARD_EVERY 1000 //  ms between two posts

zb_board_t *zb_board_new (void);
void zb_board_destroy (zb_board_t **self_p);

//  Puts a text, made at `now` (ms, zclock_mono), in the place of the one before.  Takes the text, and returns true; or
//  leaves it to the caller, who tries again later.
bool zb_board_post (zb_board_t *self, char *text, int64_t now);
//  A copy, to be freed by the caller, and when it was made; NULL if nothing was posted yet.
char *zb_board_read (zb_board_t *self, int64_t *made);
//  Waits until something was posted.  False: the board was closed before.
bool zb_board_wait (zb_board_t *self);
//  Nobody waits any more.
void zb_board_close (zb_board_t *self);

#endif
