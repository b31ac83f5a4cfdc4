/*  =========================================================================
    metrics - the figures of a broker, a row each

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    STATUS shows them, and /metrics (io/http/exposition) what STATUS says, by the table in
    metrics.c.  A new figure is a row there, and a word in PROTOCOL.md.
*/

#ifndef ZB_METRICS_H_INCLUDED
#define ZB_METRICS_H_INCLUDED

#include "io/broker/status.h"

typedef enum {
    ZB_GAUGE,   //  how many there are now
    ZB_COUNTER, //  how many there were since the broker started
    ZB_STATES,  //  which of a few words it is: one row for each, 0 or 1
    ZB_DELAYED  //  a spread of delays
} zb_metric_type_t;

#define ZB_METRIC_SOURCES 3
typedef struct {
    const char *group; //  the member of STATUS that it is in; NULL: the object itself
    const char *name;  //  its name there
    const char *help;
    zb_metric_type_t type;
    //  Its name in /metrics behind "zbroker_", perhaps with a label, name{label="value"}; rows that differ in the label
    //  alone follow each other.  NULL: it is not there.
    const char *metric;
    unsigned per;       //  how many of STATUS's units make one of the metric's
    const char *states; //  of ZB_STATES: the words, a space between
    //  What it is read from, in zb_status_t: the sum of these.  Size 0: no more.  Without any, STATUS says it where it
    //  says more.
    struct {
        size_t offset, size;
    } source[ZB_METRIC_SOURCES];
} zb_metric_t;

//  The row at this index, in the order in which STATUS shows them; NULL behind the last.
const zb_metric_t *zb_metric (size_t index);
//  Whether there is a source.
bool zb_metric_counts (const zb_metric_t *self);
uint64_t zb_metric_read (const zb_metric_t *self, const zb_status_t *status);
//  What the rows with labels of this name are about, together; NULL for other names.  The name is the part before the
//  label.
const char *zb_metric_family (const char *metric, size_t size);

#endif
