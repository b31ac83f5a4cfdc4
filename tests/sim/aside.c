/*  =========================================================================
    aside - what the loser of a split puts aside, on the disk of its machine

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Stands in for io/store/salvage.
*/

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "io/store/salvage.h"
#include "ledger.h"

//  Hands each message that is named to the ledger; returns how many they are.
static int64_t s_messages (const zb_aside_t *aside)
{
    int64_t messages = 0;
    size_t offset = 0;
    zb_piece_t piece;
    zb_row_t *row = zb_row_new (aside->row.size);
    memcpy (row->data, aside->row.data, aside->row.size);
    row->size = (uint32_t) aside->row.size;
    while (zb_log_next (row, &offset, &piece) == 1) {
        const uint8_t *body = row->data + piece.bodies;
        for (uint32_t index = 0; index < piece.count; index++) {
            size_t size = zb_get32 (row->data + piece.sizes + 4 * index);
            if (zb_spans_have (aside->span, aside->spans, piece.first + index)) {
                ledger_aside (body, size, aside->word);
                messages++;
            }
            body += size;
        }
    }
    zb_row_unref (&row);
    return messages;
}

int64_t zb_salvage_write (const char *dir, zb_epoch_t loser, const zb_aside_t *aside)
{
    (void) dir;
    (void) loser;
    if (disk_sync ())
        return s_messages (aside);
    errno = EIO;
    return -1;
}
