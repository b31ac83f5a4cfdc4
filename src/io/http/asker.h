/*  =========================================================================
    asker - asks both brokers what HTTP is asked, as a client of theirs

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A thread of its own, which may wait: for a broker that does not answer, or for a password's
    hash.  What it asks has the rights of the key that it comes with; without keys, of
    anybody.  It says HELLO only to a broker that is known to be active: who only looks at a
    pair is no reason for a takeover.

    Questions are answered one after the other; at most ZB_HTTP_CONNECTIONS wait.
*/

#ifndef ZB_ASKER_H_INCLUDED
#define ZB_ASKER_H_INCLUDED

#include "core/wire/protocol.h"
#include "io/auth/keys.h"
#include "io/broker/board.h"

#define ZB_QUESTION_ARGUMENTS 4 //  of MOVE

typedef struct {
    //  Either a verb that an active broker takes (EVENTS: this one), with its arguments (borrowed),
    zb_verb_t verb;
    const char *argument[ZB_QUESTION_ARGUMENTS];
    size_t arguments;
    const char *key; //  and the file of the key that it comes with; NULL: the broker's own;
    //  or a login, if there is a file: see io/http/logins.h.
    const char *file, *name, *password;
    uint32_t address; //  of whoever tries
    //  Called in the asker's thread when the answer is there.
    void (*done) (void *context);
    void *context;
    //  The answer: 0 or the code of an error; its texts, or the error's.  The caller clears it.
    unsigned code;
    char **text;  //  each with a zero behind it,
    size_t *size; //  and its bytes without that
    size_t texts;
    char *found;      //  of a login: its key's file,
    uint64_t edition; //  and which edition of the file of logins has it
} zb_question_t;

void zb_question_clear (zb_question_t *self);

typedef struct zb_asker zb_asker_t;

//  Keys may be NULL: there are none.  Returns NULL and errno if there is no thread.
zb_asker_t *zb_asker_new (const zb_config_t *config, const zb_keys_t *keys, zb_board_t *board);
//  Answers what waits with 503, and nothing is taken any more.
void zb_asker_close (zb_asker_t *self);
void zb_asker_destroy (zb_asker_t **self_p);

//  Takes a question, which stays the caller's; false: too many wait.
bool zb_asker_ask (zb_asker_t *self, zb_question_t *question);
//  How many passwords were wrong.
uint64_t zb_asker_wrong (zb_asker_t *self);
//  How often the file of logins has become another one, which is looked at each second: a login holds for its edition.
uint64_t zb_asker_edition (zb_asker_t *self);
//  The other broker's newest STATUS, to be freed by the caller, and when it came (ms, zclock_mono); NULL if none has
//  come, or without a pair.  It is asked each second while this is called at least every ten.
char *zb_asker_peer (zb_asker_t *self, int64_t *came);

#endif
