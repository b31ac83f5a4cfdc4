/*  =========================================================================
    mutants - rules of the first release, in the place of today's

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The linker puts them before the core's own functions (see Makefile.am).  Each says what
    commit 22dc9e9 did in its place.
*/

#include <assert.h>
#include <stdlib.h>

#include "core/engine/engine_self.h"
#include "core/queue/view.h"
#include "split.h"

old_t split_old;
bool split_taking;

const char *split_old_name (old_t old)
{
    static const char *const names[OLDS] = {"none",       "S1 bits", "S1 purge",  "S1 replayed", "S2 number",
                                            "S3 foreign", "S4 name", "S5 behind", "A1 rollback"};
    return names[old];
}

//  Of the types that the core's headers say.
#define OLD(function) __typeof__ (function) __real_##function, __wrap_##function
OLD (zb_view_done);
OLD (zb_engine_note_all);
OLD (zb_engine_ack_replayed);
OLD (zb_producer_learn);
OLD (zb_engine_foreign);
OLD (zb_lineage_lacks);
OLD (zb_lineage_tail);

//  The winner asks for the bits of a row that it has taken before; nobody does while it takes an item otherwise.
void __wrap_zb_view_done (const zb_view_t *self, zb_spans_t *ids)
{
    __real_zb_view_done (self, ids);
    if (split_old == OLD_BITS && split_taking)
        ids->size = 0;
}

void __wrap_zb_engine_note_all (zb_engine_t *self, zb_frame_t queue)
{
    if (split_old == OLD_PURGE)
        zb_engine_note_done (self, queue, 1, self->newest);
    else
        __real_zb_engine_note_all (self, queue);
}

zb_load_t *__wrap_zb_engine_ack_replayed (zb_engine_t *self, zb_task_t *task, zb_queue_t *queue, bool *refused)
{
    *refused = false;
    return split_old == OLD_REPLAYED ? NULL : __real_zb_engine_ack_replayed (self, task, queue, refused);
}

void __wrap_zb_producer_learn (zb_producer_t *self, const zb_slot_t *slot)
{
    if (split_old != OLD_NUMBER)
        __real_zb_producer_learn (self, slot);
}

bool __wrap_zb_engine_foreign (const zb_engine_t *self, const zb_span_t *span, size_t spans)
{
    if (split_old != OLD_FOREIGN)
        return __real_zb_engine_foreign (self, span, spans);
    for (size_t index = 0; self->lineage.size && index < 2 * spans; index++) {
        uint64_t end = index % 2 ? span[index / 2].last : span[index / 2].first;
        uint64_t number = zb_epoch_number (end);
        bool own = number == self->epoch && zb_epoch_node (end) == self->node;
        if (number && number <= self->epoch && !own && !zb_lineage_had (&self->lineage, end))
            return true;
    }
    return false;
}

bool __wrap_zb_lineage_lacks (const zb_lineage_t *self, const zb_lineage_t *other)
{
    return split_old != OLD_BEHIND && split_old != OLD_NAME && __real_zb_lineage_lacks (self, other);
}

//  A role asks this of a store that is not alone, before it is rolled back: the first release did not ask.
zb_tail_t __wrap_zb_lineage_tail (const zb_lineage_t *self, uint64_t newest, const zb_lineage_t *ours, uint64_t commit)
{
    zb_tail_t tail = __real_zb_lineage_tail (self, newest, ours, commit);
    bool old = split_old == OLD_ROLLBACK || split_old == OLD_NAME;
    return old && tail == ZB_TAIL_LACKED ? ZB_TAIL_UNANSWERED : tail;
}
