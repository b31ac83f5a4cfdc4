/*  =========================================================================
    consent - what a broker knows of the witness's word, and what it wants of it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The broker's half of patterns/witness_fsm, as a value.  A broker that has a witness
    goes on alone only with its consent, which names an epoch.  Consent that is not
    needed after all, or may have been given without our hearing of it, is handed back.
    A wish stands until it is answered; the caller says it as often as it likes.
*/

#ifndef ZB_CONSENT_H_INCLUDED
#define ZB_CONSENT_H_INCLUDED

#include <stdbool.h>
#include <stdint.h>

#include "core/pair/reason.h"
#include "patterns/witness_fsm.h"

typedef struct {
    bool needed;               //  there is a witness
    uint64_t given;            //  the epoch of the consent that we hold; 0 = none
    uint64_t asked;            //  the epoch that was asked for and not answered; 0 = none
    witness_event_t word;      //  how it is asked for: CLAIM, RESUME or FORCE
    witness_verdict_t refused; //  why it was refused last; GRANTED = it was not
    uint64_t seen; //  the newest epoch that the witness's record had, or that may have been raised by its consent
    bool sharing;              //  we say that the peer is up to date, and have no answer yet
    bool follows;              //  we say so since we follow, and hold nothing that the peer must wait for
    bool clean;                //  what this broker may have been given without knowing, an earlier process of it or by an
                               //  answer that was lost, was handed back
    int64_t asked_ms;          //  since when we ask
    int64_t shared_ms;         //  when we began to share last
} zb_consent_t;

//  Whether this broker may go on alone as far as the witness is concerned.  `alone`: it is so already, by its own file;
//  else it is about to raise an epoch above `newest`, the newest of its lineage.
bool zb_consent_given (const zb_consent_t *self, bool alone, uint64_t newest);
//  The epoch to raise next: the one that was consented to, else one that is newer than all that we and the witness know.
uint64_t zb_consent_epoch (const zb_consent_t *self, uint64_t newest);
//  This epoch was consented to, or would have been: what is raised next is above it.
void zb_consent_saw (zb_consent_t *self, uint64_t epoch);
//  Asks for it from now on; or, by an operator's word, takes it.  That word stands until it is answered.
void zb_consent_ask (zb_consent_t *self, bool alone, uint64_t newest, int64_t now);
void zb_consent_force (zb_consent_t *self, uint64_t newest, int64_t now);
//  What it holds it has by an operator's word.
bool zb_consent_forced (const zb_consent_t *self);
//  This broker works together with its peer and will not answer alone without asking again: what was, or may have been,
//  consented to is handed back; with `all`, also what an earlier process may have been given before it died.
//  `follows`: the peer leads, and if the record says that the peer is alone, there is nothing to hand back.
void zb_consent_return (zb_consent_t *self, bool follows, bool all, int64_t now);
//  The peer is up to date from now on.
void zb_consent_share (zb_consent_t *self, int64_t now);
//  It still is: said again now and then, so that a witness that has lost its records knows the pair.
void zb_consent_refresh (zb_consent_t *self, int64_t now);
//  The witness has answered what was said last.
void zb_consent_ruled (zb_consent_t *self, witness_verdict_t verdict, const witness_record_t *record);
//  What is to be said to the witness; false if nothing is.
bool zb_consent_wish (const zb_consent_t *self, uint64_t newest, witness_event_t *event, uint64_t *epoch);
//  A word for operators: "none" (no witness), "given", "refused", "asked", "shared" (the witness knows that both are up
//  to date), "free" (none of these).
const char *zb_consent_name (const zb_consent_t *self);
//  Why the broker has to wait; NONE if the witness was asked so recently (`patience` ms) that it may answer yet.
zb_reason_t zb_consent_reason (const zb_consent_t *self, int64_t patience, int64_t now);
//  The reason that a verdict which refuses gives.
zb_reason_t zb_consent_refusal (witness_verdict_t verdict);

#endif
