/*  =========================================================================
    reason - why a broker serves or does not, and the way out

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One table: each reason with a name that does not change, a sentence, what it means for
    clients, and, where nothing but an operator's hand may help, what that hand can do.
    zb_role_reason says which one holds of the pair; what else an operator is waited for (a
    full disk, a refused link) io/broker/status adds.

    The table is in zbroker(1) as well, under WAYS OUT, by the same names.
*/

#ifndef ZB_REASON_H_INCLUDED
#define ZB_REASON_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    ZB_REASON_NONE,
    //  An active broker, by its phase.
    ZB_REASON_RISING,
    ZB_REASON_TAKING, //  the same with a shared store
    ZB_REASON_RAISING,
    ZB_REASON_SINGLE,
    ZB_REASON_SHARED,
    ZB_REASON_ALONE,
    ZB_REASON_JOINING,
    ZB_REASON_CLEARING,
    ZB_REASON_PAIRED,
    ZB_REASON_PROBING,
    ZB_REASON_SEVERING,
    ZB_REASON_DRAINING,
    //  One that is active or would be, and may not answer.
    ZB_REASON_OVERTAKEN,
    ZB_REASON_PEER_LOSS,
    ZB_REASON_PEER_LOSS_REPLAY, //  the same, and the peer has what is lacked here
    ZB_REASON_WITNESS_SILENT,
    ZB_REASON_WITNESS_OTHER,
    ZB_REASON_WITNESS_BEYOND,
    ZB_REASON_WITNESS_UNPROVEN,
    ZB_REASON_WITNESS_TAKEN,
    ZB_REASON_WITNESS_STRANGER,
    //  One that is not active.
    ZB_REASON_OPENING,
    ZB_REASON_IN_STEP,
    ZB_REASON_CATCHING_UP,
    ZB_REASON_READY,
    ZB_REASON_YIELDED,
    ZB_REASON_AGREEING,
    ZB_REASON_AHEAD,       //  diverged, and was not alone: the peer leads,
    ZB_REASON_AHEAD_WAITS, //  or it does not
    ZB_REASON_DIVERGED,    //  diverged, and was alone
    ZB_REASON_DIVERGED_WAITS,
    ZB_REASON_SUSPECT,
    ZB_REASON_INCOMPLETE,
    ZB_REASON_NEW,
    ZB_REASON_PEER_LOSS_WAITS,
    ZB_REASON_BEHIND,
    ZB_REASON_UNKNOWN,
    ZB_REASON_MISFIT,
    ZB_REASON_OTHER_PAIR,
    ZB_REASON_PEER_SUSPECT,
    ZB_REASON_PEER_UNFIT,
    //  The same with a shared store.
    ZB_REASON_SHARED_IN_STEP,
    ZB_REASON_SHARED_NEW,
    ZB_REASON_SHARED_UNSEEN,
    ZB_REASON_SHARED_READY,
    ZB_REASON_LOCK_HELD,
    ZB_REASON_LOCK_UNREAD,
    ZB_REASON_LOCK_DOUBT,
    ZB_REASON_LOCK_LOST,
    ZB_REASON_DENIED,
    ZB_REASON_NOT_SHARED,
    ZB_REASON_OTHER_FOLDER,
    ZB_REASON_OLDER_FOLDER,
    //  Beside the role: an operator is waited for, whoever leads.
    ZB_REASON_LINK_REFUSED,
    ZB_REASON_SETTINGS_DIFFER,
    ZB_REASON_REPLAY_WAITS,
    ZB_REASON_PUT_ASIDE,
    ZB_REASON_DISK_FULL,
    ZB_REASON_CONNECTIONS_FULL,
    ZB_REASONS
} zb_reason_t;

//  What a reason means for clients.
typedef enum {
    ZB_STANDS_SERVING, //  they are served here
    ZB_STANDS_BY,      //  they are served by the other one, or here as soon as one of them asks
    ZB_STANDS_BRIEFLY, //  they are not; it passes by itself, within the pair's limits
    ZB_STANDS_WAITING  //  it may not pass by itself: there is a way out
} zb_stands_t;

typedef struct {
    const char *name; //  "peer-unknown"
    zb_stands_t stands;
    const char *why;     //  a sentence; of some reasons the role has a better one (zb_role_why)
    const char *way_out; //  what an operator can do; NULL unless waiting
    bool promote;        //  zbroker promote is, or may be, one of these: it is not refused as not needed
} zb_reason_row_t;

//  The row of the table.
const zb_reason_row_t *zb_reason_row (zb_reason_t reason);

#endif
