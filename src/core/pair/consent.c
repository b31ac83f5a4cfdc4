/*  =========================================================================
    consent - what a broker knows of the witness's word, and what it wants of it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/pair/consent.h"

#define SHARE_AGAIN 5000 //  ms

static uint64_t s_max (uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

bool zb_consent_given (const zb_consent_t *self, bool alone, uint64_t newest)
{
    if (!self->needed)
        return true;
    return alone ? self->given > 0 : self->given > newest;
}

uint64_t zb_consent_epoch (const zb_consent_t *self, uint64_t newest)
{
    return self->given > newest ? self->given : s_max (newest, s_max (self->seen, self->asked)) + 1;
}

void zb_consent_saw (zb_consent_t *self, uint64_t epoch)
{
    self->seen = s_max (self->seen, epoch);
}

static void s_ask (zb_consent_t *self, witness_event_t word, uint64_t newest, int64_t now)
{
    self->sharing = false;
    self->word = word;
    if (self->asked > newest)
        return; //  asked already
    self->asked = zb_consent_epoch (self, newest);
    self->asked_ms = now;
    self->refused = WITNESS_GRANTED;
}

void zb_consent_ask (zb_consent_t *self, bool alone, uint64_t newest, int64_t now)
{
    bool forcing = self->asked > newest && self->word == WITNESS_FORCE;
    if (!forcing)
        s_ask (self, alone ? WITNESS_RESUME : WITNESS_CLAIM, newest, now);
}

void zb_consent_force (zb_consent_t *self, uint64_t newest, int64_t now)
{
    s_ask (self, WITNESS_FORCE, newest, now);
}

bool zb_consent_forced (const zb_consent_t *self)
{
    return self->given && self->word == WITNESS_FORCE;
}

void zb_consent_return (zb_consent_t *self, bool follows, bool all, int64_t now)
{
    if (!self->given && !self->asked && (self->clean || !all))
        return;
    zb_consent_share (self, now);
    self->follows = follows;
}

void zb_consent_share (zb_consent_t *self, int64_t now)
{
    //  What is said from now on is newer than what was asked for, whether that has arrived or not.
    zb_consent_saw (self, s_max (self->given, self->asked));
    self->given = self->asked = 0;
    self->refused = WITNESS_GRANTED;
    self->sharing = self->needed;
    self->follows = false;
    self->clean = true;
    self->shared_ms = now;
}

void zb_consent_refresh (zb_consent_t *self, int64_t now)
{
    if (now - self->shared_ms >= SHARE_AGAIN)
        zb_consent_share (self, now);
}

void zb_consent_ruled (zb_consent_t *self, witness_verdict_t verdict, const witness_record_t *record)
{
    zb_consent_saw (self, record->epoch);
    if (self->sharing) {
        //  Refused as late: what we say next names the newer epoch that we have just seen.
        bool of_the_peer = self->follows && verdict == WITNESS_TAKEN;
        self->sharing = verdict != WITNESS_GRANTED && record->state != WITNESS_SHARED && !of_the_peer;
        if (of_the_peer)
            self->shared_ms = 0;
        return;
    }
    if (!self->asked)
        return;
    self->refused = verdict == WITNESS_LATE ? WITNESS_GRANTED : verdict;
    //  The operator has to say it again.  It may have been granted when it was said before, and that answer was lost: what
    //  may have been given is to be handed back.
    if (verdict == WITNESS_UNPROVEN) {
        self->asked = 0;
        self->clean = false;
    }
    if (verdict == WITNESS_GRANTED) {
        self->given = record->epoch;
        self->asked = 0;
    }
    else if (verdict == WITNESS_LATE)
        self->asked = self->seen + 1;
}

bool zb_consent_wish (const zb_consent_t *self, uint64_t newest, witness_event_t *event, uint64_t *epoch)
{
    *event = self->sharing ? WITNESS_SHARE : self->word;
    *epoch = self->sharing ? s_max (newest, self->seen) : self->asked;
    return self->sharing || self->asked;
}

const char *zb_consent_name (const zb_consent_t *self)
{
    if (!self->needed)
        return "none";
    if (self->given)
        return "given";
    if (self->asked)
        return self->refused ? "refused" : "asked";
    return self->shared_ms && !self->sharing ? "shared" : "free";
}

zb_reason_t zb_consent_refusal (witness_verdict_t verdict)
{
    switch (verdict) {
    case WITNESS_OTHER:
        return ZB_REASON_WITNESS_OTHER;
    case WITNESS_BEYOND:
        return ZB_REASON_WITNESS_BEYOND;
    case WITNESS_UNPROVEN:
        return ZB_REASON_WITNESS_UNPROVEN;
    case WITNESS_TAKEN:
        return ZB_REASON_WITNESS_TAKEN;
    default:
        return ZB_REASON_WITNESS_STRANGER;
    }
}

zb_reason_t zb_consent_reason (const zb_consent_t *self, int64_t patience, int64_t now)
{
    if (self->refused)
        return zb_consent_refusal (self->refused);
    return self->asked && now - self->asked_ms >= patience ? ZB_REASON_WITNESS_SILENT : ZB_REASON_NONE;
}
