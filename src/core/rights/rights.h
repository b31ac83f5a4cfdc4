/*  =========================================================================
    rights - who may do what: principals, their keys, and their rules

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A principal is a name and a CURVE public key; whoever holds the secret key is this
    principal.  A rule gives it one right on the names that fit a pattern; without a rule
    it may do nothing.  What a request takes is the right in its verb's row
    (core/protocol.h), on the name that it names:

      right    requests                         on
      put      PUT                              the queue or topic; QUEUE with dead-letter, MOVE: the queue that it goes to
      get      GET ACK NACK EXTEND REJECT PEEK  the queue or subscription; PUT with acks: the one that it names there;
                                                MOVE: the one that it comes from
               SUB SEEK, PURGE and DELETE of    the subscription, TOPIC/SUB
               a subscription
               READ                             the topic
      manage   QUEUE TOPIC PURGE DELETE         the queue or topic
      look     LIST; STATUS; EVENTS CLIENTS     LIST's pattern; any name; all (look=*)
      as       HELLO                            the name it comes with; none without a name
      operate  SWITCHOVER PROMOTE UPGRADE KEY   any name
               BACKUP

    Rules may also limit it (core/rights/quota), from level 3 of the store on:

      connections=N            at once that have asked for anything; who comes beyond that is closed
      requests=N, bytes=N      a second; what is more is done later

    In a pattern '*' stands for any characters or none, '?' for one; neither stands for '/'.

    All of it is one row of the table meta, "rights" (core/queue/rows.h), so that it is replicated,
    and is there after a takeover as it was before.  It is text, a line each:

      zbroker rights 1
      NAME KEY EPOCH COMMIT NODE live|revoked RULE...

    KEY is 40 characters of Z85; EPOCH, COMMIT and NODE are the commit that changed it last;
    a RULE is RIGHT=PATTERN.  One that was revoked stays, without rules: after a split it is
    what the other side has to know.  It may go once no store can hold it as it was before, that is,
    once its revocation is on both disks: neither of the two can lead from then on and let it in.
    A store that was set back to an older copy holds it all the same; for that a merge goes by the
    lineages, as it does with messages: what one side has had and has no longer is dropped.

    A change is text, too, a line for each act; all of them are done, or none:

      new NAME KEY
      allow NAME RIGHT PATTERN
      deny NAME RIGHT PATTERN       the rule as it was given; without one it is an error
      allow NAME LIMIT N            in the place of such a limit, if there is one
      deny NAME LIMIT N
      revoke NAME
      drop NAME                     forgets all of this name that were revoked

    Bounds: ZB_PRINCIPALS_MAX, ZB_PRINCIPAL_NAME_MAX, ZB_RULES_MAX, ZB_RIGHTS_MAX.
*/

#ifndef ZB_RIGHTS_H_INCLUDED
#define ZB_RIGHTS_H_INCLUDED

#include "core/base/lineage.h"
#include "core/rights/keyfile.h"
#include "core/wire/request.h"

#define ZB_RIGHTS_WHY 400 //  bytes of a sentence, its zero included

typedef enum { ZB_LIMIT_CONNECTIONS, ZB_LIMIT_REQUESTS, ZB_LIMIT_BYTES, ZB_LIMITS } zb_limit_t;

typedef struct {
    char name[ZB_PRINCIPAL_NAME_MAX + 1];
    char key[ZB_KEY_SIZE + 1];
    bool revoked;
    bool broker; //  one of the pair's two: it may operate, look at all, and REPLAY
    zb_stamp_t changed;
    uint64_t narrowed; //  the serial since which it may do less than before; 0 = none
    char *rules; //  as in the row
    size_t rules_size;
    uint64_t limit[ZB_LIMITS]; //  as its rules say; 0 = none
} zb_principal_t;

typedef struct zb_rights zb_rights_t;

#define ZB_RIGHTS_NOBODY "zbroker rights 1\n" //  the row without principals

//  Nobody is known.
zb_rights_t *zb_rights_new (void);
void zb_rights_destroy (zb_rights_t **self_p);
//  Changes with every change of it.
uint64_t zb_rights_serial (const zb_rights_t *self);
size_t zb_rights_size (const zb_rights_t *self);
//  By key, in ascending order of keys.
const zb_principal_t *zb_rights_at (const zb_rights_t *self, size_t index);
//  NULL if nobody has this key.
const zb_principal_t *zb_rights_find (const zb_rights_t *self, zb_frame_t key);
//  A broker of the pair; it is in no row.  It goes over a principal with its key.
void zb_rights_broker (zb_rights_t *self, const char *name, const char *key);

//  The row, to be freed by the caller; and what it says in place of what was.  Brokers stay.  -1 if it is malformed: then
//  nothing has changed.
char *zb_rights_encode (const zb_rights_t *self, size_t *size);
int zb_rights_decode (zb_rights_t *self, const void *row, size_t size);
//  The level of the store that this change takes.
unsigned zb_rights_level (zb_frame_t change);
//  Makes a change, which `stamp` is the commit of; commits up to `safe` are on every disk that a broker of the pair has.
//  Returns NULL; or what is wrong with it, in `why`, and nothing has changed.
const char *zb_rights_change (zb_rights_t *self, zb_frame_t change, const zb_stamp_t *stamp, uint64_t safe,
                              char why[ZB_RIGHTS_WHY]);

//  Takes what the loser of a split knows.  Whoever is revoked on either side is, and so is whoever was dropped on
//  either: the other side knows it from a commit that this one has had.  Whom this side has never known is added; rules
//  that the loser has changed are taken, unless they were changed here, too.  A name that both sides have given stays
//  this side's.  `has` tells whether this store, or the loser's (`there`), has the commit of a change.  Returns whether
//  anything has changed, which `stamp` is the commit of.  The bounds of a change don't hold; twice ZB_PRINCIPALS_MAX
//  does.
typedef bool (zb_rights_has_fn) (void *context, bool there, const zb_stamp_t *change);
bool zb_rights_merge (zb_rights_t *self, const zb_rights_t *loser, const zb_stamp_t *stamp, zb_rights_has_fn *has,
                      void *context);

//  Whether there is a rule.
bool zb_rights_allow (const zb_principal_t *who, zb_right_t right, zb_frame_t name);
//  NULL if the principal may ask this; else what it lacks, in `why`, which begins with the right's name.  NULL for `who`:
//  nobody has the key.
const char *zb_rights_check (const zb_principal_t *who, const zb_request_t *request, char why[ZB_RIGHTS_WHY]);
//  Whether the name, or all names that the other pattern stands for, fit the pattern.
bool zb_rights_match (zb_frame_t pattern, zb_frame_t name);
//  A right's name in rules; "" for ZB_RIGHT_NONE, and for that to REPLAY, which no rule can give.
const char *zb_right_name (zb_right_t right);

#endif
