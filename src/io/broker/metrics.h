/*  =========================================================================
    metrics - the figures of a broker, a row each

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    STATUS shows them by the table in metrics.c.  A new figure is a row there, and a word in
    PROTOCOL.md.
*/

#ifndef ZB_METRICS_H_INCLUDED
#define ZB_METRICS_H_INCLUDED

#include "io/broker/status.h"

typedef enum {
    ZB_GAUGE,  //  how many there are now
    ZB_COUNTER //  how many there were since the broker started
} zb_metric_type_t;

#define ZB_METRIC_SOURCES 3
typedef struct {
    const char *name;
    const char *help;
    zb_metric_type_t type;
    bool dropped; //  of what was dropped: STATUS has these in an object of their own
    //  What it is read from, in zb_status_t: the sum of these.  Size 0: no more.
    struct {
        size_t offset, size;
    } source[ZB_METRIC_SOURCES];
} zb_metric_t;

//  The row at this index, in the order in which STATUS shows them; NULL behind the last.
const zb_metric_t *zb_metric (size_t index);
uint64_t zb_metric_read (const zb_metric_t *self, const zb_status_t *status);

#endif
