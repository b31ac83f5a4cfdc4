/*  =========================================================================
    witness - a third machine's vote for any number of pairs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    patterns/witness_fsm with a socket and a disk.  The records of all pairs are one
    small file, FOLDER/pairs, a line each behind the first:

      zbroker witness 1
      orders held 2 7 00112233445566778899aabbccddeeff

    name, state, holder (1 primary, 2 backup, 0 none), epoch, and the pair's id, which is
    missing in a line of the first release until the pair has spoken again.  It is on the
    disk before a ruling that changes it leaves.  Frames as in core/pair/claim.h.

    A record belongs to the pair whose id it has: another one of the same name and secret
    is refused.  An epoch of more than ZB_EPOCH_REACH above the record's is refused, and an
    operator's word without his proof for this session.
*/

#ifndef ZB_WITNESS_H_INCLUDED
#define ZB_WITNESS_H_INCLUDED

#include "io/base/config.h"

//  Runs a witness in the calling thread until SIGTERM or SIGINT, for the pairs that these configurations name (name and
//  secret are read, names differ).  Prints READY and the endpoint when it listens, and logs each claim.  Returns an exit
//  code of io/base/exit_codes.h: BUSY if the address or the folder is in use, STORE if the records can't be read or written,
//  DAMAGED if they are not as they were written.
int zb_witness_run (const char *bind, const char *folder, const zb_config_t *const *pairs, size_t count);
//  Forgets the records of the pair with this name, and prints that.  The witness of this folder must not run.  Returns an
//  exit code as above; USAGE if there is no such record.
int zb_witness_reset (const char *folder, const char *name);

#endif
