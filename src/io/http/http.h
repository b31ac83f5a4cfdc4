/*  =========================================================================
    http - what a broker shows to browsers and monitors

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Serves HTTP/1.1 by libmicrohttpd, in threads of its own:

      /                 the page, for people: io/http/page
      /health/live      200 if the broker turns
      /health/ready     200 if it serves clients
      /health/in-sync   200 if either broker may be lost: the other one has everything
      /metrics          Prometheus text, or OpenMetrics if Accept says so
      /api/v1/...       JSON: io/http/api

    What is told of this broker is what the core posts on its board, so that no request costs
    the core a turn.  What is older than ZB_HTTP_STALE is not shown: 503.  What else there is to
    ask, io/http/asker asks both brokers as a client of theirs.

    A request names a host that is this one's (Host), or is refused: a page of another site
    whose name was made to lead here gets nothing.  Bounds: ZB_HTTP_* of limits.h.

    Beyond this machine, which takes TLS (io/http/tls), who has not logged in gets nothing but the
    page's files and the login.  A monitor has no page for that: it sends name and password with
    each request (Basic), which are looked at once an hour; so it does where a request takes a right.
*/

#ifndef ZB_HTTP_H_INCLUDED
#define ZB_HTTP_H_INCLUDED

#include "io/base/config.h"
#include "io/broker/board.h"

typedef struct zb_http zb_http_t;

#define ZB_HTTP_STALE 5000 //  ms

//  Listens where the config says; is served when something is posted on the board.  NULL and errno if it can't;
//  EKEYREJECTED: the certificate or its key is not fit, which the log says.
zb_http_t *zb_http_new (const zb_config_t *config, zb_board_t *board);
//  Waits for requests that are being answered.
void zb_http_destroy (zb_http_t **self_p);

#endif
