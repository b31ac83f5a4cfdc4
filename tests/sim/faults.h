/*  =========================================================================
    faults - what breaks in the simulation, and when

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef SIM_FAULTS_H_INCLUDED
#define SIM_FAULTS_H_INCLUDED

#include "sim.h"

//  What a run may break.
typedef enum { KILLS, SLOW, CUTS, PAUSES, EVERYTHING, POWER, ERRORS, FLAPS, KINDS } kind_t;

const char *fault_name (kind_t kind);
//  Faults of this kind come between these times.
void faults_start (kind_t kind, int64_t from, int64_t to);
//  All is mended; no fault comes any more.
void faults_end (void);
//  What is purged is freed slowly, and who begins to lead is told of one tombstone at a time.
bool faults_free_slowly (void);
//  The loser of a split has begun to send what is not due.
void faults_replays_lane (void);

#endif
