/*  =========================================================================
    mutants - bugs that are put into the code on purpose

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The linker puts these before the broker's own functions.  Others are in the world
    itself: who looks at sim_mutant.
*/

#include <stdlib.h>
#include <string.h>

#include "core/engine/engine_self.h"
#include "core/queue/view.h"
#include "core/queue/queue.h"
#include "core/replay/replay.h"
#include "core/pair/role.h"
#include "core/queue/producer.h"
#include "core/queue/timing.h"
#include "faults.h"
#include "history.h"
#include "patterns/witness_fsm.h"

mutant_t sim_mutant;

const char *sim_mutant_name (mutant_t mutant)
{
    static const char *const names[MUTANTS] = {
        [MUTANT_NONE] = "none",         [MUTANT_FORGET] = "forget",     [MUTANT_SYNC] = "sync",
        [MUTANT_ACKS] = "acks",         [MUTANT_PRODUCER] = "producer", [MUTANT_ORDER] = "order",
        [MUTANT_DEATH] = "death",       [MUTANT_EPOCH] = "epoch",       [MUTANT_LINK] = "link",
        [MUTANT_CONSENT] = "consent",   [MUTANT_RECORD] = "record",     [MUTANT_BITS] = "bits",
        [MUTANT_ROWS] = "rows",         [MUTANT_LATE] = "late",         [MUTANT_TWICE] = "twice",
        [MUTANT_MIX] = "mix",           [MUTANT_PURGE] = "purge",       [MUTANT_NAME] = "name",
        [MUTANT_YIELD] = "yield",       [MUTANT_TAIL] = "tail",         [MUTANT_PART] = "part",
        [MUTANT_SHORT] = "short",       [MUTANT_LIMITS] = "limits",     [MUTANT_AGAIN] = "again",
        [MUTANT_COUNT] = "count",       [MUTANT_NOTED] = "noted",       [MUTANT_GONE] = "gone",
        [MUTANT_TORN] = "torn",         [MUTANT_MARK] = "mark",         [MUTANT_FILTER] = "filter",
        [MUTANT_LOCK] = "lock",         [MUTANT_FENCE] = "fence",       [MUTANT_SURE] = "sure",
        [MUTANT_BURIED] = "buried",     [MUTANT_MOVED] = "moved",       [MUTANT_EARLY] = "early",
        [MUTANT_UNTOLD] = "untold",     [MUTANT_READ] = "read",         [MUTANT_SEEK] = "seek",
        [MUTANT_RESTED] = "rested",     [MUTANT_SPENT] = "spent",       [MUTANT_HASTY] = "hasty",
        [MUTANT_UNTIMED] = "untimed",   [MUTANT_GREEDY] = "greedy",     [MUTANT_TAKEN] = "taken",
        [MUTANT_UNPURGED] = "unpurged", [MUTANT_UNLAID] = "unlaid",     [MUTANT_STALE] = "stale",
        [MUTANT_SOON] = "soon",         [MUTANT_EQUAL] = "equal",       [MUTANT_ECHO] = "echo",
        [MUTANT_ALIKE] = "alike",       [MUTANT_RIVAL] = "rival",       [MUTANT_STILL] = "still",
        [MUTANT_ABREAST] = "abreast",   [MUTANT_STUCK] = "stuck",       [MUTANT_EVICTED] = "evicted",
        [MUTANT_SQUATTED] = "squatted", [MUTANT_SOLE] = "sole",         [MUTANT_HURRIED] = "hurried",
    };
    return mutant < MUTANTS ? names[mutant] : NULL;
}

//  The witness consents to all that is asked for.
const witness_row_t *__real_witness_step (witness_record_t *self, witness_event_t event, unsigned node, uint64_t epoch);
const witness_row_t *__wrap_witness_step (witness_record_t *self, witness_event_t event, unsigned node, uint64_t epoch);
const witness_row_t *__wrap_witness_step (witness_record_t *self, witness_event_t event, unsigned node, uint64_t epoch)
{
    return __real_witness_step (self, sim_mutant == MUTANT_CONSENT ? WITNESS_FORCE : event, node, epoch);
}

//  The loser of a split does not tell what it has acknowledged.
void __real_zb_view_done (const zb_view_t *self, zb_spans_t *ids);
void __wrap_zb_view_done (const zb_view_t *self, zb_spans_t *ids);
void __wrap_zb_view_done (const zb_view_t *self, zb_spans_t *ids)
{
    __real_zb_view_done (self, ids);
    if (sim_mutant == MUTANT_BITS)
        ids->size = 0;
}

void __real_zb_engine_note_done (zb_engine_t *self, zb_frame_t queue, uint64_t first, uint64_t last);
void __wrap_zb_engine_note_done (zb_engine_t *self, zb_frame_t queue, uint64_t first, uint64_t last);
void __wrap_zb_engine_note_done (zb_engine_t *self, zb_frame_t queue, uint64_t first, uint64_t last)
{
    if (sim_mutant != MUTANT_BITS)
        __real_zb_engine_note_done (self, queue, first, last);
}

//  Nobody asks whether what a PUT acknowledges is done, or whose it is.

bool __real_zb_engine_may_ack (zb_engine_t *self, const zb_queue_t *queue, const void *task);
bool __wrap_zb_engine_may_ack (zb_engine_t *self, const zb_queue_t *queue, const void *task);
bool __wrap_zb_engine_may_ack (zb_engine_t *self, const zb_queue_t *queue, const void *task)
{
    return __real_zb_engine_may_ack (self, queue, task) || sim_mutant == MUTANT_GONE;
}

//  What it acknowledges is forgotten now and then.
void __real_zb_engine_ack_now (zb_engine_t *self, zb_queue_t *queue, const zb_span_t *span, size_t spans);
void __wrap_zb_engine_ack_now (zb_engine_t *self, zb_queue_t *queue, const zb_span_t *span, size_t spans);
void __wrap_zb_engine_ack_now (zb_engine_t *self, zb_queue_t *queue, const zb_span_t *span, size_t spans)
{
    static unsigned calls;
    //  Not what a REJECT or MOVE acknowledges: that is the concern of another checker.
    bool forgets = (sim_mutant == MUTANT_TORN && zb_frame_is (queue->name, "ore")) ||
                   (sim_mutant == MUTANT_MOVED && zb_frame_is (queue->name, "post.dead"));
    if (!forgets || ++calls % 5)
        __real_zb_engine_ack_now (self, queue, span, spans);
}

//  What was given back rests for too short a time.
int64_t __real_zb_queue_retry (const zb_queue_t *self, uint32_t tries);
int64_t __wrap_zb_queue_retry (const zb_queue_t *self, uint32_t tries);
int64_t __wrap_zb_queue_retry (const zb_queue_t *self, uint32_t tries)
{
    return sim_mutant == MUTANT_RESTED ? 1 : __real_zb_queue_retry (self, tries);
}

//  No try is the last one, but the first.
uint32_t __real_zb_view_try (zb_view_t *self, uint32_t number);
uint32_t __wrap_zb_view_try (zb_view_t *self, uint32_t number);
uint32_t __wrap_zb_view_try (zb_view_t *self, uint32_t number)
{
    uint32_t tries = __real_zb_view_try (self, number);
    return sim_mutant == MUTANT_SPENT ? 1 : tries;
}

//  The loser of a split does not tell of what is not due.
void __real_zb_replayer_make_laid (void *self, const zb_found_t *found);
void __wrap_zb_replayer_make_laid (void *self, const zb_found_t *found);
void __wrap_zb_replayer_make_laid (void *self, const zb_found_t *found)
{
    faults_replays_lane ();
    if (sim_mutant != MUTANT_UNTIMED)
        __real_zb_replayer_make_laid (self, found);
}

//  An acknowledgement of what is on its way from the lane into the log is forgotten.
zb_load_t *__real_zb_engine_ack_laid (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, const zb_span_t *span);
zb_load_t *__wrap_zb_engine_ack_laid (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, const zb_span_t *span);
zb_load_t *__wrap_zb_engine_ack_laid (zb_engine_t *self, zb_queue_t *queue, zb_task_t *task, const zb_span_t *span)
{
    bool forgets = false;
    for (size_t index = 0; index < queue->lane.gones && sim_mutant == MUTANT_TAKEN; index++) {
        const zb_lane_gone_t *gone = &queue->lane.gone[index];
        forgets = forgets || (gone->inserted && gone->commit > self->released && gone->id >= span->first &&
                              gone->id <= span->last);
    }
    if (forgets)
        task->laid = UINT64_MAX;
    return forgets ? NULL : __real_zb_engine_ack_laid (self, queue, task, span);
}

//  What is purged stays in the lane.
void __real_zb_engine_purged (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read);
void __wrap_zb_engine_purged (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read);
void __wrap_zb_engine_purged (zb_engine_t *self, const zb_load_t *load, const zb_read_t *read)
{
    zb_read_t less = *read;
    if (sim_mutant == MUTANT_UNPURGED && less.ranges > 2)
        less.ranges = 2;
    __real_zb_engine_purged (self, load, &less);
}

//  The winner does not see that it has a row already that was in the loser's lane.
bool __real_zb_log_was_laid (const zb_row_t *row, uint64_t epoch);
bool __wrap_zb_log_was_laid (const zb_row_t *row, uint64_t epoch);
bool __wrap_zb_log_was_laid (const zb_row_t *row, uint64_t epoch)
{
    return __real_zb_log_was_laid (row, epoch) && sim_mutant != MUTANT_UNLAID;
}

//  What is over is delivered.
bool __real_zb_engine_fresh (zb_engine_t *self, zb_queue_t *queue);
bool __wrap_zb_engine_fresh (zb_engine_t *self, zb_queue_t *queue);
bool __wrap_zb_engine_fresh (zb_engine_t *self, zb_queue_t *queue)
{
    uint32_t number = 0;
    return sim_mutant == MUTANT_STALE ? zb_cursor_next (&queue->cursor, &number) != NULL
                                      : __real_zb_engine_fresh (self, queue);
}

//  A message is over in half of its time.
const char *__real_zb_timing_read (zb_timing_t *self, zb_frame_t properties);
const char *__wrap_zb_timing_read (zb_timing_t *self, zb_frame_t properties);
const char *__wrap_zb_timing_read (zb_timing_t *self, zb_frame_t properties)
{
    const char *wrong = __real_zb_timing_read (self, properties);
    //  Not that it would be over before it is due: that is refused.
    if (sim_mutant == MUTANT_SOON && !memmem (properties.data, properties.size, "delay=", 6))
        self->expires /= 2;
    return wrong;
}

//  What is purged is freed as slowly as the world wants.
void __real_zb_engine_free_some (zb_engine_t *self);
void __wrap_zb_engine_free_some (zb_engine_t *self);
void __wrap_zb_engine_free_some (zb_engine_t *self)
{
    if (!faults_free_slowly () || world_chance (20))
        __real_zb_engine_free_some (self);
}

//  A clock is wrong for no longer than a second of a lead.
bool __real_zb_engine_rests (const zb_engine_t *self);
bool __wrap_zb_engine_rests (const zb_engine_t *self);
bool __wrap_zb_engine_rests (const zb_engine_t *self)
{
    bool sure = self->clock.apart <= ZB_PAIRTIME_APART && self->clock.apart >= -ZB_PAIRTIME_APART;
    return __real_zb_engine_rests (self) && !(sure && self->now - self->started > SECOND / MS);
}

//  A use of a queue does not count.
void __real_zb_engine_used (const zb_engine_t *self, zb_queue_t *queue);
void __wrap_zb_engine_used (const zb_engine_t *self, zb_queue_t *queue);
void __wrap_zb_engine_used (const zb_engine_t *self, zb_queue_t *queue)
{
    if (sim_mutant != MUTANT_EVICTED || !queue->used)
        __real_zb_engine_used (self, queue);
}

//  What nobody uses is never deleted.
void __real_zb_engine_watch (zb_engine_t *self, zb_queue_t *queue);
void __wrap_zb_engine_watch (zb_engine_t *self, zb_queue_t *queue);
void __wrap_zb_engine_watch (zb_engine_t *self, zb_queue_t *queue)
{
    if (sim_mutant != MUTANT_SQUATTED)
        __real_zb_engine_watch (self, queue);
}

//  One that is alone deletes what both know.  A new lead has seen no use, and takes that for disuse.
int64_t __real_zb_engine_disuse (zb_engine_t *self);
int64_t __wrap_zb_engine_disuse (zb_engine_t *self);
int64_t __wrap_zb_engine_disuse (zb_engine_t *self)
{
    ZB_RING_EACH (link, after, &self->all_queues)
    if (sim_mutant == MUTANT_SOLE)
        ZB_ITEM (link, zb_queue_t, ring)->alone = self->disuse.alone;
    int64_t next = __real_zb_engine_disuse (self);
    if (sim_mutant == MUTANT_HURRIED && self->disuse.began)
        self->disuse.began = 1;
    return next;
}

//  An exclusive queue is served to whoever comes first.
void *__real_zb_engine_first_get (zb_engine_t *self, zb_queue_t *queue);
void *__wrap_zb_engine_first_get (zb_engine_t *self, zb_queue_t *queue);
void *__wrap_zb_engine_first_get (zb_engine_t *self, zb_queue_t *queue)
{
    zb_mode_t mode = queue->mode;
    if (sim_mutant == MUTANT_RIVAL)
        queue->mode = ZB_MODE_SHARED;
    void *get = __real_zb_engine_first_get (self, queue);
    queue->mode = mode;
    return get;
}

//  Two of a key are delivered at once.
bool __real_zb_keyed_may (zb_keyed_t *self, zb_frame_t properties, uint64_t id);
bool __wrap_zb_keyed_may (zb_keyed_t *self, zb_frame_t properties, uint64_t id);
bool __wrap_zb_keyed_may (zb_keyed_t *self, zb_frame_t properties, uint64_t id)
{
    return __real_zb_keyed_may (self, properties, id) || (sim_mutant == MUTANT_ABREAST && world_chance (100));
}

//  What was behind one that is done stays where it is.
void __real_zb_keyed_free (zb_keyed_t *self, uint64_t id);
void __wrap_zb_keyed_free (zb_keyed_t *self, uint64_t id);
void __wrap_zb_keyed_free (zb_keyed_t *self, uint64_t id)
{
    if (sim_mutant != MUTANT_STUCK || !world_chance (100))
        __real_zb_keyed_free (self, id);
}

//  Its number does not rise while one broker leads.
uint64_t __real_zb_engine_lend (zb_engine_t *self, zb_queue_t *queue, zb_lease_t *lease);
uint64_t __wrap_zb_engine_lend (zb_engine_t *self, zb_queue_t *queue, zb_lease_t *lease);
uint64_t __wrap_zb_engine_lend (zb_engine_t *self, zb_queue_t *queue, zb_lease_t *lease)
{
    uint64_t fence = __real_zb_engine_lend (self, queue, lease);
    return sim_mutant == MUTANT_STILL ? fence | 0xffffff : fence;
}

//  A queue that is full drops all that is ready.
void __real_zb_engine_drop_oldest (zb_engine_t *self, zb_queue_t *queue, const zb_request_t *request,
                                   const zb_queue_t *acked, uint64_t last);
void __wrap_zb_engine_drop_oldest (zb_engine_t *self, zb_queue_t *queue, const zb_request_t *request,
                                   const zb_queue_t *acked, uint64_t last);
void __wrap_zb_engine_drop_oldest (zb_engine_t *self, zb_queue_t *queue, const zb_request_t *request,
                                   const zb_queue_t *acked, uint64_t last)
{
    __real_zb_engine_drop_oldest (self, queue, request, acked, sim_mutant == MUTANT_GREEDY ? UINT64_MAX : last);
}

//  A PUT of a message-id is taken for a new one, now and then.
struct zb_load *__real_zb_engine_find_seen (zb_engine_t *self, zb_queue_t *queue, zb_frame_t id,
                                            const zb_seen_t **found);
struct zb_load *__wrap_zb_engine_find_seen (zb_engine_t *self, zb_queue_t *queue, zb_frame_t id,
                                            const zb_seen_t **found);
struct zb_load *__wrap_zb_engine_find_seen (zb_engine_t *self, zb_queue_t *queue, zb_frame_t id,
                                            const zb_seen_t **found)
{
    static unsigned calls;
    struct zb_load *load = __real_zb_engine_find_seen (self, queue, id, found);
    if (sim_mutant == MUTANT_ECHO && *found && ++calls % 16 == 0)
        *found = NULL;
    return load;
}

//  The winner of a split does not look at them.
bool __real_zb_engine_seen_twice (const zb_engine_t *self, const zb_queue_t *queue, const zb_row_t *row,
                                  const zb_piece_t *piece);
bool __wrap_zb_engine_seen_twice (const zb_engine_t *self, const zb_queue_t *queue, const zb_row_t *row,
                                  const zb_piece_t *piece);
bool __wrap_zb_engine_seen_twice (const zb_engine_t *self, const zb_queue_t *queue, const zb_row_t *row,
                                  const zb_piece_t *piece)
{
    return __real_zb_engine_seen_twice (self, queue, row, piece) && sim_mutant != MUTANT_ALIKE;
}

//  A dead letter is not stored now and then.  What has a delay is due early.
void __real_zb_log_put (zb_log_t *self, const zb_log_head_t *head, zb_piece_t *piece, const zb_frame_t *body,
                        size_t bodies);
void __wrap_zb_log_put (zb_log_t *self, const zb_log_head_t *head, zb_piece_t *piece, const zb_frame_t *body,
                        size_t bodies);
void __wrap_zb_log_put (zb_log_t *self, const zb_log_head_t *head, zb_piece_t *piece, const zb_frame_t *body,
                        size_t bodies)
{
    static unsigned calls;
    bool dead = sim_mutant == MUTANT_BURIED && piece->properties.size &&
                memmem (piece->properties.data, piece->properties.size, "zb-dead=", 8);
    zb_log_head_t early = *head;
    if (sim_mutant == MUTANT_HASTY && !self->head_only && head->n)
        early.n -= 500;
    if (!dead || ++calls % 16)
        __real_zb_log_put (self, &early, piece, body, bodies);
}

//  A new leader takes a subscription for one that has done all.
void __real_zb_cursor_restore (zb_cursor_t *self, const zb_cursor_row_t *row);
void __wrap_zb_cursor_restore (zb_cursor_t *self, const zb_cursor_row_t *row);
void __wrap_zb_cursor_restore (zb_cursor_t *self, const zb_cursor_row_t *row)
{
    __real_zb_cursor_restore (self, row);
    if (sim_mutant == MUTANT_MARK && self->log->head_only)
        zb_cursor_begin (self, self->log->tail, self->log->put);
}

//  A filter excludes now and then what fits it.
bool __real_zb_filter_takes (zb_frame_t filter, zb_frame_t properties);
bool __wrap_zb_filter_takes (zb_frame_t filter, zb_frame_t properties);
bool __wrap_zb_filter_takes (zb_frame_t filter, zb_frame_t properties)
{
    static unsigned calls;
    return __real_zb_filter_takes (filter, properties) &&
           (sim_mutant != MUTANT_FILTER || filter.size == 0 || ++calls % 16);
}

//  A topic that keeps all removes what it is to keep.
uint64_t __real_zb_queue_depth (const zb_queue_t *self);
uint64_t __wrap_zb_queue_depth (const zb_queue_t *self);
uint64_t __wrap_zb_queue_depth (const zb_queue_t *self)
{
    uint64_t depth = __real_zb_queue_depth (self);
    return sim_mutant == MUTANT_EARLY && self->most && depth ? depth + 5 : depth;
}

//  A subscription is not told of what was removed before it had it.
bool __real_zb_cursor_overtaken (zb_cursor_t *self, zb_commit_t *commit);
bool __wrap_zb_cursor_overtaken (zb_cursor_t *self, zb_commit_t *commit);
bool __wrap_zb_cursor_overtaken (zb_cursor_t *self, zb_commit_t *commit)
{
    bool writes = __real_zb_cursor_overtaken (self, commit);
    if (sim_mutant == MUTANT_UNTOLD)
        self->lost = (zb_span_t){0, 0};
    return writes;
}

//  A READ goes on behind what it has not seen.
bool __real_zb_engine_have_read (zb_engine_t *self, void *load, zb_read_t *read);
bool __wrap_zb_engine_have_read (zb_engine_t *self, void *load, zb_read_t *read);
bool __wrap_zb_engine_have_read (zb_engine_t *self, void *load, zb_read_t *read)
{
    size_t less = sim_mutant == MUTANT_READ && read->count[0] > 1;
    read->found[0] += less;
    read->count[0] -= less;
    bool good = __real_zb_engine_have_read (self, load, read);
    read->found[0] -= less;
    read->count[0] += less;
    return good;
}

//  A SEEK leads to the end.
void __real_zb_cursor_move (zb_cursor_t *self, uint32_t id, uint64_t from, uint64_t count);
void __wrap_zb_cursor_move (zb_cursor_t *self, uint32_t id, uint64_t from, uint64_t count);
void __wrap_zb_cursor_move (zb_cursor_t *self, uint32_t id, uint64_t from, uint64_t count)
{
    bool end = sim_mutant == MUTANT_SEEK;
    __real_zb_cursor_move (self, id, end ? self->log->tail : from, end ? self->log->put : count);
}

//  Nor what it has purged and deleted.
void __real_zb_engine_note_all (zb_engine_t *self, zb_frame_t queue);
void __wrap_zb_engine_note_all (zb_engine_t *self, zb_frame_t queue);
void __wrap_zb_engine_note_all (zb_engine_t *self, zb_frame_t queue)
{
    if (sim_mutant != MUTANT_PURGE)
        __real_zb_engine_note_all (self, queue);
}

//  What is ready is handed out, whatever the peer has done since the GET came.
bool __real_zb_engine_sure (const zb_engine_t *self, uint64_t since);
bool __wrap_zb_engine_sure (const zb_engine_t *self, uint64_t since);
bool __wrap_zb_engine_sure (const zb_engine_t *self, uint64_t since)
{
    return __real_zb_engine_sure (self, since) || sim_mutant == MUTANT_SURE;
}

//  The winner takes a row some rows later than it says, or never.
void __real_zb_queue_insert (zb_queue_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit);
void __wrap_zb_queue_insert (zb_queue_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit);
void __wrap_zb_queue_insert (zb_queue_t *self, zb_row_t *row, uint64_t last, zb_row_t *bits, zb_commit_t *commit)
{
    static struct {
        const zb_queue_t *queue;
        zb_row_t *row;
        uint64_t last;
        int calls;
        bool done;
    } held;
    if (sim_mutant == MUTANT_LATE && !held.row && !held.done && !bits) {
        held.queue = self;
        held.row = zb_row_ref (row);
        held.last = last;
        return;
    }
    __real_zb_queue_insert (self, row, last, bits, commit);
    if (held.row && held.queue == self && ++held.calls == 2) {
        __real_zb_queue_insert (self, held.row, held.last, NULL, commit);
        held.row = NULL;
        held.done = true;
    }
}

//  A broker knows few of the numbers that it has stored.
zb_put_t __real_zb_producer_check (const zb_producer_t *self, uint64_t number, uint64_t digest);
zb_put_t __wrap_zb_producer_check (const zb_producer_t *self, uint64_t number, uint64_t digest);
zb_put_t __wrap_zb_producer_check (const zb_producer_t *self, uint64_t number, uint64_t digest)
{
    zb_put_t put = __real_zb_producer_check (self, number, digest);
    return sim_mutant == MUTANT_SHORT && put == ZB_PUT_AGAIN && number + 40 < self->last ? ZB_PUT_PAST : put;
}

//  A PUT that is too large for a broker is not compared with what is stored.
uint64_t __real_zb_put_digest (const zb_request_t *request, const uint8_t key[ZB_MAP_KEY_SIZE]);
uint64_t __wrap_zb_put_digest (const zb_request_t *request, const uint8_t key[ZB_MAP_KEY_SIZE]);
uint64_t __wrap_zb_put_digest (const zb_request_t *request, const uint8_t key[ZB_MAP_KEY_SIZE])
{
    return __real_zb_put_digest (request, key) ^ (sim_mutant == MUTANT_LIMITS && request->over);
}

//  The winner takes each part of a large PUT for one of its own.
int __real_zb_log_next (const zb_row_t *row, size_t *offset, zb_piece_t *piece);
int __wrap_zb_log_next (const zb_row_t *row, size_t *offset, zb_piece_t *piece);
int __wrap_zb_log_next (const zb_row_t *row, size_t *offset, zb_piece_t *piece)
{
    int more = __real_zb_log_next (row, offset, piece);
    if (sim_mutant == MUTANT_PART && more == 1) {
        piece->part = false;
        piece->total = piece->count;
        piece->before = 0;
    }
    return more;
}

//  After a split, of two messages that are ready the second one is handed out first.  The oldest goes first, whatever its
//  priority.
zb_view_t *__real_zb_cursor_next (zb_cursor_t *self, uint32_t *number);
zb_view_t *__wrap_zb_cursor_next (zb_cursor_t *self, uint32_t *number);
zb_view_t *__wrap_zb_cursor_next (zb_cursor_t *self, uint32_t *number)
{
    static unsigned calls;
    zb_view_t *view = __real_zb_cursor_next (self, number);
    if (sim_mutant == MUTANT_EQUAL && view && self->ranks && !self->flat && self->ready && ++calls % 8 == 0) {
        self->flat = true;
        view = __real_zb_cursor_next (self, number);
        self->flat = false;
    }
    if (sim_mutant == MUTANT_MIX && view && history_is_split () && *number + 1 < view->places->count &&
        zb_view_is_ready (view, *number + 1))
        ++*number;
    return view;
}

//  The winner does not see that a PUT was sent to both.
static void s_forget_numbers (zb_item_t *item)
{
    zb_row_t *row = zb_row_new (item->row.size);
    memcpy (row->data, item->row.data, item->row.size);
    row->size = (uint32_t) item->row.size;
    size_t offset = 0, at = zb_log_head_size (row->data[0]);
    for (zb_piece_t piece; zb_log_next (row, &offset, &piece) == 1; at = offset)
        if (!piece.part) {
            //  The name becomes a property.
            zb_put64 (row->data + at + 8, 0);
            zb_put32 (row->data + at + 16, (uint32_t) (piece.properties.size + piece.name.size));
            row->data[at + 20] = 0;
        }
    item->row.data = row->data;
}

const char *__real_zb_item_decode (zb_item_t *self, zb_spans_t *ids, zb_frame_t data);
const char *__wrap_zb_item_decode (zb_item_t *self, zb_spans_t *ids, zb_frame_t data);
const char *__wrap_zb_item_decode (zb_item_t *self, zb_spans_t *ids, zb_frame_t data)
{
    const char *wrong = __real_zb_item_decode (self, ids, data);
    if (sim_mutant == MUTANT_TWICE && !wrong && self->kind == ZB_REPLAY_ROW)
        s_forget_numbers (self);
    return wrong;
}

//  Whatever a store has that its leader lacks is rolled back.
zb_tail_t __real_zb_lineage_tail (const zb_lineage_t *self, uint64_t newest, const zb_lineage_t *ours, uint64_t commit);
zb_tail_t __wrap_zb_lineage_tail (const zb_lineage_t *self, uint64_t newest, const zb_lineage_t *ours, uint64_t commit);
zb_tail_t __wrap_zb_lineage_tail (const zb_lineage_t *self, uint64_t newest, const zb_lineage_t *ours, uint64_t commit)
{
    zb_tail_t tail = __real_zb_lineage_tail (self, newest, ours, commit);
    return sim_mutant == MUTANT_TAIL && tail == ZB_TAIL_LACKED ? ZB_TAIL_HELD : tail;
}

//  An operator's wish that the peer leads is taken, and forgotten.
const char *__real_zb_role_yield (zb_role_t *self, int64_t now, int *code);
const char *__wrap_zb_role_yield (zb_role_t *self, int64_t now, int *code);
const char *__wrap_zb_role_yield (zb_role_t *self, int64_t now, int *code)
{
    return sim_mutant == MUTANT_YIELD ? NULL : __real_zb_role_yield (self, now, code);
}

void swap_bodies (uint8_t *data, size_t size)
{
    uint8_t *one = memmem (data, size, "<p", 2);
    uint8_t *other = one ? memmem (one + 1, size - (size_t) (one + 1 - data), "<p", 2) : NULL;
    size_t length = one ? strcspn ((char *) one, ">") : 0;
    if (other && strcspn ((char *) other, ">") == length)
        for (size_t index = 0; index < length; index++) {
            uint8_t byte = one[index];
            one[index] = other[index];
            other[index] = byte;
        }
}
