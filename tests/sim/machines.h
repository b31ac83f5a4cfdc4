/*  =========================================================================
    machines - the brokers and the witness of the simulation, and what starts them again

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef SIM_MACHINES_H_INCLUDED
#define SIM_MACHINES_H_INCLUDED

#include "io/base/config.h"
#include "sim.h"

typedef struct {
    const char *name;
    int machine;
    process_t *process;
    char says[128]; //  its last word on standard output
    unsigned starts;
    int64_t started; //  when it was last
    unsigned level; //  the highest that its program reads
    bool lost;
    bool misnamed; //  started as the other one
} machine_t;

//  Draws the pair's configuration, and starts all processes; who ends by himself is started again.
void machines_start (bool witness);
machine_t *machine_of (int machine);
//  What the brokers have in common.
const zb_config_t *machines_config (void);
//  The largest body that both brokers take.
size_t machines_body (void);
machine_t *machine_peer (const machine_t *broker);
//  kill -9, or the loss of its power.  It is started again some time later.
void machine_kill (machine_t *self, bool power);
//  The same, for good.
void machine_lose (machine_t *self, bool power);
//  It runs, and its last word has these words in it.
bool machine_says (int machine, const char *words);
//  The pair has peer-loss = wait; has a witness.
bool machines_wait (void);
bool machines_witness (void);

#endif
