/*  =========================================================================
    bstar_fsm - Binary Star as a pure value

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The numbers are those of the rows below; what stays where it is isn't drawn.

                  peer passive (10), or orphan's vote (12), or
                  peer pending and neither may nor shall lead (8)
              .-----------------------------------------------------.
              v                                                     |
        .-----------.          peer active (3)               .-------------.
        |  PENDING  |--------------------------------------->|   PASSIVE   |
        |  primary  |                                        |  stands by  |
        | or backup |                                        '-------------'
        '-----------'                                          |         ^
              |                                peer pending,   |         |  both active, and
              | peer pending and this one      and may or      |         |  the peer is
              | preferred (1), or heir's       shall lead (7), |         |  preferred (16):
              | vote (5)                       or heir's vote  |         |  CONFLICT LOST
              |                                (11)            v         |
              |                                              .-------------.
              '--------------------------------------------->|   ACTIVE    |
                                                             |   serves    |
                                                             '-------------'

    An operator's words: from ACTIVE to PENDING (18), from PENDING or PASSIVE to ACTIVE (20, 21).

    Of a pending and a passive one, the passive one decides (4, 7, 8): if both did,
    both could become active at once while they hear each other well.
*/

#include "patterns/bstar_fsm.h"

#include <assert.h>

#define PENDING (BSTAR_BIT (BSTAR_PRIMARY) | BSTAR_BIT (BSTAR_BACKUP))
#define PASSIVE BSTAR_BIT (BSTAR_PASSIVE)
#define ACTIVE BSTAR_BIT (BSTAR_ACTIVE)

#define HEARS_PENDING (BSTAR_BIT (BSTAR_PEER_PRIMARY) | BSTAR_BIT (BSTAR_PEER_BACKUP))
#define HEARS_PASSIVE BSTAR_BIT (BSTAR_PEER_PASSIVE)
#define HEARS_ACTIVE BSTAR_BIT (BSTAR_PEER_ACTIVE)
#define VOTE BSTAR_BIT (BSTAR_CLIENT_VOTE)
#define YIELD BSTAR_BIT (BSTAR_YIELD)
#define PROMOTE BSTAR_BIT (BSTAR_PROMOTE)

static const bstar_row_t s_rows[] = {
    {1, "lead", PENDING, HEARS_PENDING, BSTAR_IF_PREFERRED, BSTAR_GO_ACTIVE, BSTAR_NONE,
     "both wait, and this one is preferred"},
    {2, "give way", PENDING, HEARS_PENDING, BSTAR_IF_NOT_PREFERRED, BSTAR_STAY, BSTAR_NONE,
     "both wait; the other one will lead, and this one follows when it hears so"},
    {3, "follow", PENDING, HEARS_ACTIVE, BSTAR_ALWAYS, BSTAR_GO_PASSIVE, BSTAR_NONE, "the peer serves"},
    {4, "let decide", PENDING, HEARS_PASSIVE, BSTAR_ALWAYS, BSTAR_STAY, BSTAR_NONE,
     "the peer has lost its active; when it hears that this one waits, it leads or waits, too"},
    {5, "lead alone", PENDING, VOTE, BSTAR_IF_HEIR, BSTAR_GO_ACTIVE, BSTAR_ACCEPT,
     "a client came here, the peer is gone, and this one may serve without it"},
    {6, "wait", PENDING, VOTE, BSTAR_IF_NOT_HEIR, BSTAR_STAY, BSTAR_REJECT,
     "the peer may be active, or know more than this one"},
    {7, "succeed", PASSIVE, HEARS_PENDING, BSTAR_IF_ENTITLED, BSTAR_GO_ACTIVE, BSTAR_NONE,
     "the active one has restarted, and waits for this one to lead"},
    {8, "unseat", PASSIVE, HEARS_PENDING, BSTAR_IF_NOT_ENTITLED, BSTAR_GO_PENDING, BSTAR_NONE,
     "the active one has restarted, and this one may not lead: both wait, and the preferred one leads"},
    {9, "stand by", PASSIVE, HEARS_ACTIVE, BSTAR_ALWAYS, BSTAR_STAY, BSTAR_NONE, "the peer serves"},
    {10, "dual passive", PASSIVE, HEARS_PASSIVE, BSTAR_ALWAYS, BSTAR_GO_PENDING, BSTAR_NONE,
     "both follow, and nobody leads: both wait, and the preferred one leads"},
    {11, "take over", PASSIVE, VOTE, BSTAR_IF_HEIR, BSTAR_GO_ACTIVE, BSTAR_ACCEPT,
     "a client came here, the active one is gone, and this one may serve without it"},
    {12, "orphan", PASSIVE, VOTE, BSTAR_IF_ORPHAN, BSTAR_GO_PENDING, BSTAR_REJECT,
     "the active one is gone, but this one may not serve without it: it waits"},
    {13, "refuse", PASSIVE, VOTE, BSTAR_IF_HEARD, BSTAR_STAY, BSTAR_REJECT, "the peer is there: the client goes to it"},
    {14, "go on", ACTIVE, HEARS_PENDING | HEARS_PASSIVE, BSTAR_ALWAYS, BSTAR_STAY, BSTAR_NONE,
     "the peer follows, or will when it hears this one"},
    {15, "split", ACTIVE, HEARS_ACTIVE, BSTAR_IF_PREFERRED, BSTAR_STAY, BSTAR_CONFLICT_WON,
     "both served without each other; this one goes on"},
    {16, "split", ACTIVE, HEARS_ACTIVE, BSTAR_IF_NOT_PREFERRED, BSTAR_GO_PASSIVE, BSTAR_CONFLICT_LOST,
     "both served without each other; this one steps back, and what it did meanwhile its peer lacks"},
    {17, "serve", ACTIVE, VOTE, BSTAR_ALWAYS, BSTAR_STAY, BSTAR_ACCEPT, "this one serves"},
    {18, "hand over", ACTIVE, YIELD, BSTAR_ALWAYS, BSTAR_GO_PENDING, BSTAR_NONE,
     "the operator wants the peer to lead: this one waits, and the passive one succeeds it"},
    {19, "nothing to hand over", PENDING | PASSIVE, YIELD, BSTAR_ALWAYS, BSTAR_STAY, BSTAR_NONE,
     "this one does not serve"},
    {20, "promote", PENDING, PROMOTE, BSTAR_ALWAYS, BSTAR_GO_ACTIVE, BSTAR_NONE,
     "the operator answers for what the peer may know more"},
    {21, "promote", PASSIVE, PROMOTE, BSTAR_IF_GONE, BSTAR_GO_ACTIVE, BSTAR_NONE,
     "the active one is gone, and the operator answers for what it may know more"},
    {22, "not needed", PASSIVE, PROMOTE, BSTAR_IF_HEARD, BSTAR_STAY, BSTAR_NONE, "the active one is there"},
    {23, "not needed", ACTIVE, PROMOTE, BSTAR_ALWAYS, BSTAR_STAY, BSTAR_NONE, "this one leads already"},
};

bstar_fsm_t bstar_fsm (bstar_state_t home)
{
    assert (home == BSTAR_PRIMARY || home == BSTAR_BACKUP);
    return (bstar_fsm_t){.home = home, .state = home};
}

bool bstar_guard_holds (bstar_guard_t guard, const bstar_facts_t *facts)
{
    switch (guard) {
    case BSTAR_ALWAYS:
        return true;
    case BSTAR_IF_PREFERRED:
        return facts->preferred;
    case BSTAR_IF_NOT_PREFERRED:
        return !facts->preferred;
    case BSTAR_IF_ENTITLED:
        return facts->may_lead || facts->preferred;
    case BSTAR_IF_NOT_ENTITLED:
        return !(facts->may_lead || facts->preferred);
    case BSTAR_IF_HEIR:
        return facts->peer_gone && facts->may_lead;
    case BSTAR_IF_NOT_HEIR:
        return !(facts->peer_gone && facts->may_lead);
    case BSTAR_IF_ORPHAN:
        return facts->peer_gone && !facts->may_lead;
    case BSTAR_IF_GONE:
        return facts->peer_gone;
    case BSTAR_IF_HEARD:
        return !facts->peer_gone;
    }
    assert (!"a guard of the enumeration");
    return false;
}

const bstar_row_t *bstar_peek (const bstar_fsm_t *self, bstar_event_t event, const bstar_facts_t *facts)
{
    assert (self->state >= BSTAR_PRIMARY && self->state <= BSTAR_PASSIVE);
    assert (event >= BSTAR_PEER_PRIMARY && event <= BSTAR_PROMOTE);
    for (size_t i = 0; i < sizeof s_rows / sizeof s_rows[0]; i++) {
        const bstar_row_t *row = &s_rows[i];
        if ((row->states & BSTAR_BIT (self->state)) && (row->events & BSTAR_BIT (event)) &&
            bstar_guard_holds (row->guard, facts))
            return row;
    }
    assert (!"the table is total");
    return NULL;
}

const bstar_row_t *bstar_step (bstar_fsm_t *self, bstar_event_t event, const bstar_facts_t *facts)
{
    const bstar_row_t *row = bstar_peek (self, event, facts);
    switch (row->next) {
    case BSTAR_STAY:
        break;
    case BSTAR_GO_ACTIVE:
        self->state = BSTAR_ACTIVE;
        break;
    case BSTAR_GO_PASSIVE:
        self->state = BSTAR_PASSIVE;
        break;
    case BSTAR_GO_PENDING:
        self->state = self->home;
        break;
    }
    return row;
}

bool bstar_event_of_peer (int state, bstar_event_t *event)
{
    if (state < BSTAR_PRIMARY || state > BSTAR_PASSIVE)
        return false;
    *event = (bstar_event_t) state;
    return true;
}

bool bstar_pending (const bstar_fsm_t *self)
{
    return self->state == self->home;
}

const bstar_row_t *bstar_rows (size_t *count)
{
    *count = sizeof s_rows / sizeof s_rows[0];
    return s_rows;
}

//  The word with this number, or "?".
static const char *s_word (const char *const *words, size_t count, int number)
{
    return number >= 0 && (size_t) number < count && words[number] ? words[number] : "?";
}

#define WORD(words, number) s_word (words, sizeof words / sizeof words[0], (int) (number))

const char *bstar_state_name (bstar_state_t state)
{
    static const char *const words[] = {
        [BSTAR_PRIMARY] = "primary", [BSTAR_BACKUP] = "backup", [BSTAR_ACTIVE] = "active", [BSTAR_PASSIVE] = "passive"};
    return WORD (words, state);
}

const char *bstar_event_name (bstar_event_t event)
{
    static const char *const words[] = {[BSTAR_PEER_PRIMARY] = "peer primary",
                                        [BSTAR_PEER_BACKUP] = "peer backup",
                                        [BSTAR_PEER_ACTIVE] = "peer active",
                                        [BSTAR_PEER_PASSIVE] = "peer passive",
                                        [BSTAR_CLIENT_VOTE] = "client vote",
                                        [BSTAR_YIELD] = "yield",
                                        [BSTAR_PROMOTE] = "promotion"};
    return WORD (words, event);
}

const char *bstar_guard_name (bstar_guard_t guard)
{
    static const char *const words[] = {[BSTAR_ALWAYS] = "always",
                                        [BSTAR_IF_PREFERRED] = "preferred",
                                        [BSTAR_IF_NOT_PREFERRED] = "not preferred",
                                        [BSTAR_IF_ENTITLED] = "may lead or preferred",
                                        [BSTAR_IF_NOT_ENTITLED] = "neither may lead nor preferred",
                                        [BSTAR_IF_HEIR] = "peer gone and may lead",
                                        [BSTAR_IF_NOT_HEIR] = "not (peer gone and may lead)",
                                        [BSTAR_IF_ORPHAN] = "peer gone and may not lead",
                                        [BSTAR_IF_GONE] = "peer gone",
                                        [BSTAR_IF_HEARD] = "peer not gone"};
    return WORD (words, guard);
}

const char *bstar_next_name (bstar_next_t next)
{
    static const char *const words[] = {[BSTAR_STAY] = "stay",
                                        [BSTAR_GO_ACTIVE] = "active",
                                        [BSTAR_GO_PASSIVE] = "passive",
                                        [BSTAR_GO_PENDING] = "pending"};
    return WORD (words, next);
}

const char *bstar_verdict_name (bstar_verdict_t verdict)
{
    static const char *const words[] = {[BSTAR_NONE] = "none",
                                        [BSTAR_ACCEPT] = "accept",
                                        [BSTAR_REJECT] = "reject",
                                        [BSTAR_CONFLICT_WON] = "conflict won",
                                        [BSTAR_CONFLICT_LOST] = "conflict lost"};
    return WORD (words, verdict);
}
