/*  =========================================================================
    witness_fsm - a third vote for pairs, as a pure value

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The numbers are those of the rows below; what stays where it is isn't drawn.

        .-----------.   share (3)       .----------.  claim or resume of
        |  UNKNOWN  |------------------>|  SHARED  |  a newer epoch (9)
        '-----------'                   '----------'-----------.
              |                              ^                 |
              | resume (1)                   | the holder      |
              |                              | shares (6)      v
              |                              |            .----------.
              '------------------------------+----------->|   HELD   |
                                                          '----------'
    An operator's word (13) leads to HELD from anywhere.
*/

#include "patterns/witness_fsm.h"

#include <assert.h>

#define UNKNOWN WITNESS_BIT (WITNESS_UNKNOWN)
#define SHARED WITNESS_BIT (WITNESS_SHARED)
#define HELD WITNESS_BIT (WITNESS_HELD)

#define CLAIM WITNESS_BIT (WITNESS_CLAIM)
#define RESUME WITNESS_BIT (WITNESS_RESUME)
#define SHARE WITNESS_BIT (WITNESS_SHARE)
#define FORCE WITNESS_BIT (WITNESS_FORCE)

static const witness_row_t s_rows[] = {
    {1, "resume unknown", UNKNOWN, RESUME, WITNESS_ALWAYS, WITNESS_HELD, WITNESS_GRANTED,
     "whoever was alone last holds all that was answered; the witness is new, or has lost its disk"},
    {2, "stranger", UNKNOWN, CLAIM, WITNESS_ALWAYS, WITNESS_UNKNOWN, WITNESS_STRANGER,
     "the other node may have been granted what this witness has forgotten"},
    {3, "first share", UNKNOWN, SHARE, WITNESS_ALWAYS, WITNESS_SHARED, WITNESS_GRANTED, "a pair makes itself known"},
    {4, "hold on", HELD, CLAIM | RESUME, WITNESS_IF_HOLDER, WITNESS_HELD, WITNESS_GRANTED,
     "said again, or restarted and alone as before"},
    {5, "late claim", HELD, CLAIM | RESUME, WITNESS_IF_HOLDER_OLDER, WITNESS_HELD, WITNESS_LATE,
     "the holder has claimed a newer epoch since"},
    {6, "share", HELD, SHARE, WITNESS_IF_HOLDER, WITNESS_SHARED, WITNESS_GRANTED,
     "the holder is no longer alone, and its peer has all that it answered"},
    {7, "late share", HELD, SHARE, WITNESS_IF_HOLDER_OLDER, WITNESS_HELD, WITNESS_LATE,
     "the holder has claimed a newer epoch since: it is alone again"},
    {8, "taken", HELD, CLAIM | RESUME | SHARE, WITNESS_IF_OTHER, WITNESS_HELD, WITNESS_TAKEN,
     "the holder may be alone, and answers what this node lacks"},
    {9, "claim", SHARED, CLAIM | RESUME, WITNESS_IF_NEWER, WITNESS_HELD, WITNESS_GRANTED,
     "both are up to date, and this one is the first to ask"},
    {10, "old claim", SHARED, CLAIM | RESUME, WITNESS_IF_NOT_NEWER, WITNESS_SHARED, WITNESS_LATE,
     "from before the pair was whole: whoever claims must name a new epoch"},
    {11, "share again", SHARED, SHARE, WITNESS_IF_NOT_OLDER, WITNESS_SHARED, WITNESS_GRANTED,
     "said again, or a new leader whose peer is up to date"},
    {12, "old share", SHARED, SHARE, WITNESS_IF_OLDER, WITNESS_SHARED, WITNESS_LATE, "somebody has led since"},
    {13, "force", UNKNOWN | SHARED | HELD, FORCE, WITNESS_ALWAYS, WITNESS_HELD, WITNESS_GRANTED,
     "an operator knows that the other node is gone for good"},
};

int witness_guard_holds (const witness_record_t *self, witness_guard_t guard, unsigned node, uint64_t epoch)
{
    switch (guard) {
    case WITNESS_ALWAYS:
        return 1;
    case WITNESS_IF_HOLDER:
        return node == self->holder && epoch >= self->epoch;
    case WITNESS_IF_HOLDER_OLDER:
        return node == self->holder && epoch < self->epoch;
    case WITNESS_IF_OTHER:
        return node != self->holder;
    case WITNESS_IF_NEWER:
        return epoch > self->epoch;
    case WITNESS_IF_NOT_NEWER:
        return epoch <= self->epoch;
    case WITNESS_IF_NOT_OLDER:
        return epoch >= self->epoch;
    case WITNESS_IF_OLDER:
        return epoch < self->epoch;
    }
    assert (!"a guard of the enumeration");
    return 0;
}

const witness_row_t *witness_step (witness_record_t *self, witness_event_t event, unsigned node, uint64_t epoch)
{
    assert (self->state <= WITNESS_HELD && event < WITNESS_EVENTS && (node == 1 || node == 2));
    const witness_row_t *row = s_rows;
    while (!(row->states & WITNESS_BIT (self->state)) || !(row->events & WITNESS_BIT (event)) ||
           !witness_guard_holds (self, row->guard, node, epoch)) {
        row++;
        assert (row < s_rows + sizeof s_rows / sizeof *s_rows);
    }
    if (row->verdict == WITNESS_GRANTED) {
        self->state = row->next;
        self->holder = node;
        //  An operator may name an epoch that is older than the record's: what is late stays so.
        self->epoch = epoch > self->epoch ? epoch : self->epoch;
    }
    return row;
}

const witness_row_t *witness_rows (size_t *count)
{
    *count = sizeof s_rows / sizeof *s_rows;
    return s_rows;
}

//  The word with this number, or "?".
static const char *s_word (const char *const *words, size_t count, unsigned number)
{
    return number < count && words[number] ? words[number] : "?";
}

#define WORD(words, number) s_word (words, sizeof words / sizeof words[0], (unsigned) (number))

const char *witness_state_name (witness_state_t state)
{
    static const char *const words[] = {"unknown", "shared", "held"};
    return WORD (words, state);
}

const char *witness_event_name (witness_event_t event)
{
    static const char *const words[] = {"claim", "resume", "share", "force"};
    return WORD (words, event);
}

const char *witness_guard_name (witness_guard_t guard)
{
    static const char *const words[] = {
        [WITNESS_ALWAYS] = "always",
        [WITNESS_IF_HOLDER] = "the holder, same or newer epoch",
        [WITNESS_IF_HOLDER_OLDER] = "the holder, older epoch",
        [WITNESS_IF_OTHER] = "not the holder",
        [WITNESS_IF_NEWER] = "newer epoch",
        [WITNESS_IF_NOT_NEWER] = "same or older epoch",
        [WITNESS_IF_NOT_OLDER] = "same or newer epoch",
        [WITNESS_IF_OLDER] = "older epoch",
    };
    return WORD (words, guard);
}

const char *witness_verdict_name (witness_verdict_t verdict)
{
    static const char *const words[] = {"granted", "stranger", "taken", "late", "again", "other", "unproven", "beyond"};
    return WORD (words, verdict);
}
