/*  =========================================================================
    exposition - the figures of STATUS as Prometheus and OpenMetrics read them

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The rows of io/broker/metrics, and what the system says of this process.  A figure that
    STATUS does not tell now (of the peer of a broker without a pair) is left out.
*/

#ifndef ZB_EXPOSITION_H_INCLUDED
#define ZB_EXPOSITION_H_INCLUDED

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

//  The media types.
#define ZB_EXPOSITION_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define ZB_EXPOSITION_OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"

//  What STATUS does not know.
typedef struct {
    double started;           //  s since 1970, when this process began
    uint64_t wrong_passwords; //  of logins over HTTP
} zb_exposed_t;

//  Returns the text, to be freed by the caller.  `queues`: what LIST said of each (io/http/api.h), NULL for none.
char *zb_exposition (const json_t *status, const json_t *queues, bool open, zb_exposed_t more, size_t *size);

#endif
