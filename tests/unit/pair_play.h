/*  =========================================================================
    pair_play - transcripts on the model of a pair

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A transcript is a list of acts, P and B are primary and backup: "put P, kill B, time P * 3".
    Stores and their link do at once what is to be done.
*/

#ifndef PAIR_PLAY_H_INCLUDED
#define PAIR_PLAY_H_INCLUDED

#include "pair_model.h"

//  So much of everything that no transcript comes to an end of it.
extern const bounds_t play_bounds;

//  Plays "act node, act node, ..."; "act node * 3" three times.  Each act must be possible, and safe.
void play (model_t *self, const char *acts);
//  The primary serves, the backup is in sync, and one message has been answered.
model_t play_pair (bool wait);
//  The same, each with the smallest limit of silence that may be learned.
model_t play_learned (void);
//  Fails the test unless the node leads, or does not.
void play_leads (const node_t *node, bool leads);
//  Takes all that the role wants done; whether this was among it.
bool play_does (zb_role_t *role, zb_do_kind_t kind);
//  How a client without a token is answered.
zb_vote_t play_ask (model_t *model, int at);

#define P (&model.node[0])
#define B (&model.node[1])

#endif
