/*  =========================================================================
    salvager - puts messages aside in a thread that may wait for the disk

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    zb_salvage_write syncs a file and its folders; on a disk that stalls that takes as long
    as the disk likes.  A thread of its own does it, one job at a time: a job reads what
    earlier ones have written.  So one salvager belongs to one process, not to one replay,
    and a job that nobody asks for any more is finished all the same.

    Thread of the functions: the owner's.
*/

#ifndef ZB_SALVAGER_H_INCLUDED
#define ZB_SALVAGER_H_INCLUDED

#include "io/store/salvage.h"

typedef struct zb_salvager zb_salvager_t;

//  For the store's folder DIR.
zb_salvager_t *zb_salvager_new (const char *dir);
//  Does not wait for a job that is not done yet.
void zb_salvager_destroy (zb_salvager_t **self_p);
//  Gives it a job, which is copied.  Returns its number; 0 while another one is not done, or the system has no thread left.
uint64_t zb_salvager_give (zb_salvager_t *self, zb_epoch_t loser, const zb_aside_t *aside);
//  Whether a job is done; told once.  `messages` are those that zb_salvage_write has counted; -1, and errno in `error`, if
//  it failed.
bool zb_salvager_done (zb_salvager_t *self, uint64_t *job, int64_t *messages, int *error);

#endif
