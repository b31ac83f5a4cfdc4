/*  =========================================================================
    phase - how an active broker answers: with its peer, alone, or not yet

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdbool.h>

#include "core/pair/phase.h"

#define ON(event) (1u << ZB_PHASE_##event)
#define IF(fact) (1u << ZB_IF_##fact)
#define DO(kind) (1u << ZB_DO_##kind)

//  Numbers stay as they are: others cite them.  What decides is the order.
static const zb_phase_row_t s_rows[] = {
    {1, ZB_PHASE_IDLE, ON (LEAD), 0, 0, ZB_PHASE_RISING, DO (LEAD) | DO (SAY),
     "Binary Star decided; the store must be the master before anything is answered"},
    {2, ZB_PHASE_RISING, ON (LED), 0, IF (SOLO), ZB_PHASE_RAISING, DO (START),
     "the peer is alive, or there is none: the epoch is raised, nothing is answered without the peer"},
    {3, ZB_PHASE_RISING, ON (LED), IF (SOLO), 0, ZB_PHASE_RAISING, DO (TELL) | DO (SAVE) | DO (START) | DO (BEAT),
     "taking over is going alone: `alone` is on the disk before the first OK solo"},
    {4, ZB_PHASE_RAISING, ON (LOOK), IF (RAISED) | IF (SINGLE), 0, ZB_PHASE_SINGLE, DO (SAY), "no peer to wait for"},
    {5, ZB_PHASE_RAISING, ON (LOOK), IF (RAISED) | IF (ALONE), IF (MUST_WAIT) | IF (BOUND), ZB_PHASE_ALONE,
     DO (SAY) | DO (BEAT), "the epoch and `alone` are on the disk: serve"},
    {6, ZB_PHASE_RAISING, ON (LOOK), IF (RAISED), 0, ZB_PHASE_JOINING, DO (MARK) | DO (SAY) | DO (BEAT),
     "the peer was met, or nothing is answered without it: it must have this epoch before the first OK"},
    {25, ZB_PHASES, ON (LOOK), IF (OUTRANKED), 0, ZB_PHASE_RAISING, DO (RAISE) | DO (SAY) | DO (BEAT),
     "both answered alone, and this one leads: its epoch must be the newest, so that it is the winner for both"},
    {7, ZB_PHASE_ALONE, ON (LOOK), IF (BACK), 0, ZB_PHASE_JOINING, DO (MARK) | DO (SAY),
     "from now on only what both have is answered; what was answered alone is the mark"},
    {8, ZB_PHASE_JOINING, ON (LOOK), IF (CAUGHT_UP) | IF (ALONE), 0, ZB_PHASE_CLEARING,
     DO (CLEAR) | DO (SAVE) | DO (BEAT),
     "the peer has all that was answered alone: `alone` leaves the disk before the peer may lead"},
    {9, ZB_PHASE_JOINING, ON (LOOK), IF (CAUGHT_UP), 0, ZB_PHASE_PAIRED, DO (GRANT) | DO (SAY) | DO (BEAT),
     "all that was ever answered is on both: the peer may take over"},
    {10, ZB_PHASE_JOINING, ON (LOOK), IF (ALONE), IF (LIVE) | IF (MUST_WAIT) | IF (BOUND), ZB_PHASE_ALONE, DO (SAY),
     "the peer was never granted and `alone` still stands: go on without it at once"},
    {11, ZB_PHASE_JOINING, ON (LOOK), IF (STUCK), 0, ZB_PHASE_PROBING, DO (PROBE) | DO (SAY) | DO (BEAT),
     "the timer may have expired while this process was stopped: look again first"},
    {12, ZB_PHASE_CLEARING, ON (SAVED), 0, 0, ZB_PHASE_JOINING, 0,
     "`alone` is off the disk; the mark still holds, so the grant follows unless the peer was lost meanwhile"},
    {13, ZB_PHASE_PAIRED, ON (LOOK), IF (LOST), 0, ZB_PHASE_JOINING, DO (MARK) | DO (SAY),
     "`in sync` holds for one session of the link only"},
    {14, ZB_PHASE_PAIRED, ON (LOOK), IF (STUCK), 0, ZB_PHASE_PROBING, DO (PROBE) | DO (SAY) | DO (BEAT), "as row 11"},
    {15, ZB_PHASE_PROBING, ON (LOOK), IF (PROGRESS) | IF (GRANTED), 0, ZB_PHASE_PAIRED, DO (RENEW) | DO (SAY),
     "only slow, and still in sync"},
    {16, ZB_PHASE_PROBING, ON (LOOK), IF (PROGRESS), 0, ZB_PHASE_JOINING, DO (RENEW) | DO (SAY), "the peer is back"},
    {17, ZB_PHASE_PROBING, ON (LOOK), IF (PROBED) | IF (ALONE), IF (MUST_WAIT) | IF (BOUND), ZB_PHASE_ALONE,
     DO (DEFER) | DO (SAY), "`alone` never left the disk, the peer was never granted: no new epoch is needed"},
    {18, ZB_PHASE_PROBING, ON (LOOK), IF (PROBED) | IF (MUST_WAIT), 0, ZB_PHASE_PROBING, 0,
     "peer-loss = wait: clients are told 503 until the peer's acks move"},
    {19, ZB_PHASE_PROBING, ON (LOOK), IF (PROBED) | IF (BOUND), 0, ZB_PHASE_PROBING, DO (ASK),
     "the witness is asked; until it consents nothing is answered without the peer"},
    {20, ZB_PHASE_PROBING, ON (LOOK), IF (PROBED), 0, ZB_PHASE_SEVERING, DO (TELL) | DO (DEFER) | DO (BEAT) | DO (SAY),
     "the peer is told first: once `alone` is on the disk, only one of the two may lead"},
    {21, ZB_PHASE_SEVERING, ON (LOOK), IF (TOLD), 0, ZB_PHASE_RAISING, DO (SAVE) | DO (RAISE),
     "the peer knows that it may no longer lead, or does not hear us: `alone` and a new epoch before the first OK "
     "solo"},
    {22, ZB_PHASE_PAIRED, ON (YIELD), 0, 0, ZB_PHASE_DRAINING, DO (SAY),
     "the peer shall lead: what was taken is finished on both, clients' next requests wait in their sockets"},
    {23, ZB_PHASE_DRAINING, ON (LOOK), IF (LOST), 0, ZB_PHASE_JOINING, DO (MARK) | DO (SAY),
     "as row 13: the role is handed over only to a peer that is in sync"},
    {24, ZB_PHASE_DRAINING, ON (LOOK), IF (LATE), 0, ZB_PHASE_PAIRED, DO (SAY),
     "not drained within the limit: clients do not wait longer for an operator's wish"},
    {28, ZB_PHASES, ON (DOWN), IF (UNUSED), 0, ZB_PHASE_IDLE,
     DO (CLEAR) | DO (STOP) | DO (SAVE) | DO (FOLLOW) | DO (BEAT) | DO (SAY),
     "as row 26, and nothing was answered in the epoch that was to be raised: there is nothing to keep"},
    {26, ZB_PHASES, ON (DOWN), 0, 0, ZB_PHASE_IDLE, DO (STOP) | DO (FOLLOW) | DO (BEAT) | DO (SAY),
     "from any phase: another leads, or shall lead; what this one OK'd alone is kept from being rolled back"},
    {27, ZB_PHASES, ~0u, 0, 0, ZB_PHASES, 0, "anything else: late news, or not this phase's concern"},
};

const zb_phase_row_t *zb_phase_row (zb_phase_t phase, zb_phase_event_t event, unsigned conditions)
{
    for (size_t index = 0; index < sizeof s_rows / sizeof *s_rows; index++) {
        const zb_phase_row_t *row = &s_rows[index];
        bool here = row->phase == phase || row->phase == ZB_PHASES;
        if (here && (row->events & 1u << event) && (row->when & conditions) == row->when && !(row->unless & conditions))
            return row;
    }
    assert (!"the table is total");
    return NULL;
}

const zb_phase_row_t *zb_phase_rows (size_t *count)
{
    *count = sizeof s_rows / sizeof *s_rows;
    return s_rows;
}

const char *zb_phase_name (zb_phase_t phase)
{
    static const char *const names[ZB_PHASES] = {"idle",     "rising", "raising", "single",   "alone",   "joining",
                                                 "clearing", "paired", "probing", "severing", "draining"};
    return phase < ZB_PHASES ? names[phase] : "any";
}

const char *zb_phase_event_name (zb_phase_event_t event)
{
    static const char *const names[ZB_PHASE_EVENTS] = {"lead", "led", "saved", "yield", "look", "down"};
    return event < ZB_PHASE_EVENTS ? names[event] : "?";
}
