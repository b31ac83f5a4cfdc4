/*  =========================================================================
    api - /api/v1: the pair, its queues, and what can be done to them, as JSON

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    zbroker-api(7) is its manual, and says what a change takes: a login, JSON, a header that
    no form of another site can send, and its own origin.
*/

#ifndef ZB_API_H_INCLUDED
#define ZB_API_H_INCLUDED

#include "io/http/exchange.h"

#define ZB_API "/api/v1/"

//  Answers the request for this path, which begins with ZB_API, or says what is to be asked first.
void zb_api (zb_exchange_t *self, const char *path, const char *method);

//  Whether its cookie is that of a login, whose rights the exchange has then.
bool zb_api_login (zb_exchange_t *self);

//  Has brokers asked with these three arguments (borrowed until the answer), the last one of which may be NULL; `finish`
//  makes the answer of what they say.  Answers 401 itself where it takes a right that nobody has shown.
void zb_api_look (zb_exchange_t *self, zb_verb_t verb, const char *one, const char *two, const char *three,
                  void (*finish) (zb_exchange_t *self));
//  What LIST has said: {"queues": [{"name", and its lines}], "next"}, the caller's.  NULL: it was refused, and the exchange
//  has its answer.
json_t *zb_api_listed (zb_exchange_t *self);

#endif
