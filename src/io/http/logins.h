/*  =========================================================================
    logins - who may change something over HTTP

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A file (http/login in the config, mode 0600 or 0400) has a line for each:

      NAME HASH [KEYFILE]

    HASH is argon2id as libsodium writes it; `zbroker login NAME` makes such a line.  KEYFILE
    is the key of the principal that this login is to the brokers: with keys on it has to be
    there, so that nobody has more rights here than on the wire.  # begins a comment.

    Whoever has logged in has a session, which a cookie names, until it is not used for
    ZB_HTTP_LOGIN_IDLE.  They are in memory alone: a restart ends them, and so does a change of the file.
*/

#ifndef ZB_LOGINS_H_INCLUDED
#define ZB_LOGINS_H_INCLUDED

#include <stdbool.h>
#include <stdint.h>

#include "core/base/limits.h"

#define ZB_LOGIN_NAME_MAX 64
#define ZB_COOKIE_SIZE 64 //  hexadecimal digits

//  Looks the name up and checks the password, which takes some 50 ms and 64 MiB, whether the name is there or not.  Returns
//  0 and the key's file in *key, to be freed by the caller, NULL if the line has none; 403: it is not right; or 503: the
//  file can't be read, or is not fit, which the log says.  Any thread, one at a time.
unsigned zb_login_check (const char *file, const char *name, const char *password, char **key);

typedef struct {
    char cookie[ZB_COOKIE_SIZE + 1];
    char name[ZB_LOGIN_NAME_MAX + 1];
    char *key;    //  NULL: none
    int64_t used; //  ms, 0 = the place is free
} zb_login_t;

typedef struct {
    zb_login_t login[ZB_HTTP_LOGINS];
} zb_logins_t;

//  Begins a session, in the place of the one that was not used for the longest time if there are too many; takes the key.
//  Its cookie is a new one, or this one, which nobody else can know.
const zb_login_t *zb_logins_begin (zb_logins_t *self, const char *cookie, const char *name, char *key, int64_t now);
//  The session of this cookie; NULL if there is none, or it has expired.  If `lasts`, it lasts longer for being used.
const zb_login_t *zb_logins_find (zb_logins_t *self, const char *cookie, bool lasts, int64_t now);
//  The cookie that a name and a password stand for in this process, for who sends them with each request.
void zb_logins_name (const uint8_t secret[ZB_COOKIE_SIZE / 2], const char *name, const char *password,
                     char cookie[ZB_COOKIE_SIZE + 1]);
void zb_logins_end (zb_logins_t *self, const char *cookie, int64_t now);
void zb_logins_clear (zb_logins_t *self);

#endif
