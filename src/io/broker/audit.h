/*  =========================================================================
    audit - who was refused what, and what operators have done

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Each event has a principal, the address it came from, and a text.  All of them go through one
    function, and become lines of the log, and events (io/broker/events); what anybody can provoke
    has a bound for each kind.  (A handshake that is refused is told by io/auth/auth, in its own thread.)

    All zero is a valid start.  Thread: one only; a plain value of its owner.
*/

#ifndef ZB_AUDIT_H_INCLUDED
#define ZB_AUDIT_H_INCLUDED

#include "core/rights/rights.h"
#include "io/base/log.h"
#include "io/broker/events.h"

typedef enum {
    ZB_AUDIT_DENIED,   //  a request that its principal has no right to,
    ZB_AUDIT_UNPROVEN, //  or an operator's whose proof is wrong
    ZB_AUDIT_CROWDED,  //  a connection beyond the principal's limit
    ZB_AUDIT_DONE,     //  an operator's request, before it is carried out: a notice, and not rated
    ZB_AUDITS
} zb_audit_kind_t;

typedef struct {
    zb_log_rate_t rate[ZB_AUDITS];
    zb_events_t *events; //  borrowed; NULL: nobody looks
} zb_audit_t;

//  Something has happened at `now` (ms).  `who` is NULL where nobody is known; `from` is an IPv4 address in the byte
//  order of this machine, 0 if it is not known.  Lines of the text become one; a long one is cut.
void zb_audit (zb_audit_t *self, zb_audit_kind_t kind, const zb_principal_t *who, uint32_t from, const char *verb,
               zb_frame_t text, int64_t now);

#endif
