/*  =========================================================================
    glance - what a cursor knows of the messages of a row, for who only looks

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The row was read from the store; what memory knows of it is newer and goes before what was
    read.  Nothing of the cursor changes.

    Of a row that memory knows nothing of, the store's bitmap may lack what was acknowledged since
    it was asked, or a moment before: such a message may be seen once more.
*/

#ifndef ZB_GLANCE_H_INCLUDED
#define ZB_GLANCE_H_INCLUDED

#include "core/queue/cursor.h"

typedef struct {
    const zb_cursor_t *cursor;
    zb_view_t *view;
    bool own; //  the view is of this glance alone
} zb_glance_t;

//  Looks at a row of the cursor's log that is shown, with this last id, and its bitmap or NULL, as a read has found them.
//  Returns 1; 0 if all of it is done; -1 if it is malformed.  After 1 it has to be closed, before the cursor changes.
int zb_glance_open (zb_glance_t *self, const zb_cursor_t *cursor, zb_row_t *row, uint64_t last, const zb_row_t *bits);
void zb_glance_close (zb_glance_t *self);
//  Where the messages are.
const zb_places_t *zb_glance_places (const zb_glance_t *self);
//  Whether the message with this number is not done; then what covers it, NULL = it is ready, and how often it was delivered.
bool zb_glance_at (const zb_glance_t *self, uint32_t number, const zb_lease_t **lease, uint32_t *deliveries);

#endif
