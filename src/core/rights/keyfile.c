/*  =========================================================================
    keyfile - a file with a CURVE key, as text

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/rights/keyfile.h"

bool zb_key_is (const char *key, size_t size)
{
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    bool is = size == ZB_KEY_SIZE;
    for (size_t index = 0; is && index < size; index++)
        is = memchr (letters, key[index], sizeof letters - 1) != NULL;
    return is;
}

static bool s_take_key (char key[ZB_KEY_SIZE + 1], const char *value, size_t size)
{
    if (!zb_key_is (value, size))
        return false;
    memcpy (key, value, size);
    key[size] = 0;
    return true;
}

//  "ENDPOINT KEY".
static bool s_take_broker (zb_keyfile_t *self, const char *value, size_t size)
{
    const char *space = memchr (value, ' ', size);
    size_t endpoint = space ? (size_t) (space - value) : 0;
    if (endpoint == 0 || endpoint > ZB_KEYFILE_ENDPOINT || self->brokers == ZB_KEYFILE_BROKERS ||
        !s_take_key (self->broker[self->brokers].key, space + 1, size - endpoint - 1))
        return false;
    memcpy (self->broker[self->brokers].endpoint, value, endpoint);
    self->broker[self->brokers++].endpoint[endpoint] = 0;
    return true;
}

//  The names of the other key's two lines.
static const char *const s_others[2][2] = {{"next-public-key", "next-secret-key"},
                                           {"former-public-key", "former-secret-key"}};

//  Whether the line is one of those; *good is false if it is malformed.
static bool s_take_other (zb_keyfile_t *self, const char *name, size_t size, const char *value, size_t length,
                          bool *good)
{
    for (int former = 0; former < 2; former++)
        for (int secret = 0; secret < 2; secret++) {
            const char *other = s_others[former][secret];
            if (size != strlen (other) || memcmp (name, other, size) != 0)
                continue;
            self->former = former;
            *good = s_take_key (secret ? self->other_secret : self->other_public, value, length);
            return true;
        }
    return false;
}

//  One line; false if it is of ours and malformed.  What is not known is not looked at.
static bool s_take (zb_keyfile_t *self, const char *line, size_t size)
{
    while (size && (*line == ' ' || *line == '\t')) {
        line++;
        size--;
    }
    const char *sign = size && *line != '#' ? memchr (line, '=', size) : NULL;
    if (!sign)
        return true;
    size_t name = (size_t) (sign - line);
    while (name && line[name - 1] == ' ')
        name--;
    const char *open = memchr (sign, '"', size - (size_t) (sign - line));
    const char *close = open ? memchr (open + 1, '"', size - (size_t) (open + 1 - line)) : NULL;
    const char *value = open ? open + 1 : "";
    size_t length = close ? (size_t) (close - value) : 0;
    if (name == 10 && memcmp (line, "public-key", name) == 0)
        return s_take_key (self->public_key, value, length);
    if (name == 10 && memcmp (line, "secret-key", name) == 0)
        return s_take_key (self->secret_key, value, length);
    if (name > 7 && memcmp (line, "broker-", 7) == 0)
        return s_take_broker (self, value, length);
    bool good;
    if (s_take_other (self, line, name, value, length, &good))
        return good;
    if (name == 4 && memcmp (line, "name", name) == 0 && length <= ZB_PRINCIPAL_NAME_MAX) {
        memcpy (self->name, value, length);
        self->name[length] = 0;
    }
    return true;
}

const char *zb_keyfile_parse (zb_keyfile_t *self, const char *text)
{
    memset (self, 0, sizeof *self);
    bool good = true;
    while (good && *text) {
        size_t size = strcspn (text, "\n");
        good = s_take (self, text, size);
        text += size + (text[size] == '\n');
    }
    if (!good)
        return "a key is not 40 characters of Z85 in double quotes, or a broker not an endpoint, a space and a key";
    if (!*self->other_public != !*self->other_secret)
        return "of its next or former key one of the two lines is missing";
    return *self->public_key ? NULL : "there is no public-key in it";
}

size_t zb_keyfile_format (const zb_keyfile_t *self, char *text, size_t room)
{
    size_t at =
        (size_t) snprintf (text, room,
                           "#   A CURVE key of zbroker, in the form of CZMQ's certificates.  Whoever can read this\n"
                           "#   file %s.\n"
                           "metadata\n    name = \"%s\"\n",
                           *self->secret_key ? "is whom it names: keep its mode at 0600" : "may", self->name);
    for (size_t index = 0; index < self->brokers; index++)
        at += (size_t) snprintf (text + at, room - at, "    broker-%zu = \"%s %s\"\n", index + 1,
                                 self->broker[index].endpoint, self->broker[index].key);
    at += (size_t) snprintf (text + at, room - at, "curve\n    public-key = \"%s\"\n", self->public_key);
    if (*self->secret_key)
        at += (size_t) snprintf (text + at, room - at, "    secret-key = \"%s\"\n", self->secret_key);
    if (*self->other_secret)
        at += (size_t) snprintf (text + at, room - at, "    %s = \"%s\"\n    %s = \"%s\"\n", s_others[self->former][0],
                                 self->other_public, s_others[self->former][1], self->other_secret);
    assert (at < room);
    return at;
}

const char *zb_keyfile_broker (const zb_keyfile_t *self, const char *endpoint)
{
    for (size_t index = 0; index < self->brokers; index++)
        if (strcmp (self->broker[index].endpoint, endpoint) == 0)
            return self->broker[index].key;
    return NULL;
}
