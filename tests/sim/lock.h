/*  =========================================================================
    lock - the lock of a shared store, and what becomes of it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Stands in for io/store/lock and io/store/shared.  There is one folder, on a disk that
    both brokers' machines reach: of one file system, which keeps a lock as long as its
    process is there, or of a network's, which takes it from who is silent for long; there
    a fence switches the last holder's machine off.
*/

#ifndef SIM_LOCK_H_INCLUDED
#define SIM_LOCK_H_INCLUDED

#include "sim.h"

//  ms: of the brokers' config, and how long the network's file system waits for who is silent.
#define LOCK_LEASE 2000
#define LOCK_SILENT (3 * SECOND)

//  Whether the folder lies on a network file system; said once, before a broker starts.
void lock_on_network (bool network);
bool lock_is_on_network (void);
//  Somebody removes the file; the file system forgets who has the lock, which one of a single machine's does not.
void lock_remove (void);
void lock_forget (void);
bool lock_was_lost (void); //  one of the two has happened
//  Somebody has removed it a moment ago: who had it may have to learn of that.
bool lock_is_in_doubt (void);
//  A holder may end for its lock: one of the two has happened in this run, the disk has failed under the file, or a
//  network is between, where a lock is not renewed in time.
bool lock_may_be_lost (void);

#endif
