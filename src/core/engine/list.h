/*  =========================================================================
    list - the queues that a LIST has found

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_LIST_H_INCLUDED
#define ZB_LIST_H_INCLUDED

#include "core/queue/rows.h"

typedef struct {
    zb_queue_row_t row;
    zb_cursor_row_t cursor;
    zb_frame_t name;
} zb_listed_t;

typedef struct zb_list {
    zb_frame_t pattern;
    zb_frame_t after; //  this name,
    size_t max;       //  so many
    bool pages;       //  the reply says where the next page begins
    uint8_t bytes[2 * ZB_NAME_MAX];
    zb_listed_t *item; //  in the order of their names, one more than `max` if there are more
    size_t items;
    size_t room;
    zb_frame_t beyond; //  the name of that one; empty: there are no more
    uint32_t topic;    //  the newest one whose cursor has come,
    zb_cursor_row_t log; //  and its row: those of its subscriptions may be older
} zb_list_t;

//  What this LIST asks for.
zb_list_t *zb_list_new (const zb_request_t *request);
void zb_list_destroy (zb_list_t **self_p);
//  Whether this one asks for the same.
bool zb_list_is (const zb_list_t *self, const zb_request_t *request);
//  Whether it has all that it can take.
bool zb_list_full (const zb_list_t *self);
//  Adds a row of the table queues, which come in their order, if it fits the pattern and there is room; -1 if it is
//  malformed.
int zb_list_queue (zb_list_t *self, const zb_found_t *found);
//  All queues are there; cursors come now, from this key on.
void zb_list_sort (zb_list_t *self);
void zb_list_first (const zb_list_t *self, uint8_t key[ZB_CURSOR_KEY_SIZE]);
//  Adds what a row of the table cursors says; -1 if it is malformed.
int zb_list_cursor (zb_list_t *self, const zb_found_t *found);
//  Whether a row behind this one may be of use.
bool zb_list_needs (const zb_list_t *self, const zb_found_t *found);

#endif
