/*  =========================================================================
    exchange - a request over HTTP, and its answer

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Plain values of the page's thread, but for the question while it is the asker's.
*/

#ifndef ZB_EXCHANGE_H_INCLUDED
#define ZB_EXCHANGE_H_INCLUDED

#include <jansson.h>
#include <microhttpd.h>

#include "io/http/asker.h"
#include "io/http/logins.h"
#include "io/http/sorted.h"

//  What all requests have in common.
typedef struct {
    const zb_config_t *config;
    zb_board_t *board;
    zb_asker_t *asker;
    zb_logins_t logins;
    uint64_t edition; //  of the file that they are of
    zb_sorted_t sorted;
    bool keyed;     //  the brokers have keys
    bool secure;    //  by TLS
    bool beyond;    //  others than this machine can reach it: nothing is told to who has not logged in
    char host[256]; //  where it listens, without the port
    double started; //  s since 1970
    uint8_t secret[ZB_COOKIE_SIZE / 2]; //  of this process: see zb_logins_name
} zb_site_t;

typedef struct zb_exchange zb_exchange_t;
struct zb_exchange {
    zb_site_t *site;
    struct MHD_Connection *connection;
    char body[ZB_HTTP_BODY + 1];
    size_t size;
    bool beyond;                     //  the body is larger
    json_t *status;                  //  the newest one of this broker; NULL: there is none that is fresh
    json_t *said;                    //  the body of a change
    char who[ZB_LOGIN_NAME_MAX + 1]; //  has logged in, else ""
    char *key;                       //  and the file of that one's key, else NULL
    //  The answer, if there is a code.
    unsigned code;
    const char *allow; //  of a 405: the methods that the path takes
    const char *type;
    char *text;
    size_t text_size;
    char cookie[ZB_COOKIE_SIZE + 100]; //  to be set, else ""
    //  Else what is to be asked first; `finish` makes the answer of what was said.
    zb_question_t question;
    char *argument[ZB_QUESTION_ARGUMENTS]; //  freed with the exchange
    bool asked;
    void (*route) (zb_exchange_t *self); //  of what is no file and no API
    void (*finish) (zb_exchange_t *self);
};

#define ZB_CHANGED "the file of logins has just changed: try again"
#define ZB_CROWDED "too many ask at a time: try again"
#define ZB_PLAIN "text/plain; charset=utf-8"
#define ZB_JSON "application/json"

//  Takes over who has logged in, and that one's key.
void zb_exchange_is (zb_exchange_t *self, const zb_login_t *login);
//  The IPv4 address that the request comes from.
uint32_t zb_exchange_address (const zb_exchange_t *self);
//  Answers with a line of text.
void zb_exchange_say (zb_exchange_t *self, unsigned code, const char *text);
//  Answers with an object; takes it.
void zb_exchange_json (zb_exchange_t *self, unsigned code, json_t *object);
//  A member of the status, or of another object, as text; "" if it is none.
const char *zb_exchange_text (const json_t *object, const char *name);

#endif
