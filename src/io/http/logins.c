/*  =========================================================================
    logins - who may change something over HTTP

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>
#include <czmq.h>

#include "io/base/log.h"
#include "io/http/logins.h"

#define FILE_MOST 65536 //  bytes

//  Reads the file; NULL, and the log says why, if that is not possible or others may read it.
static char *s_read (const char *file)
{
    char *text = (char *) zmalloc (FILE_MOST + 1);
    struct stat info;
    int fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool fit =
        fd != -1 && fstat (fd, &info) == 0 && S_ISREG (info.st_mode) && !(info.st_mode & (S_IRWXG | S_IRWXO | S_IXUSR));
    ssize_t size = fit ? read (fd, text, FILE_MOST + 1) : -1;
    if (fd == -1)
        zb_log (ZB_LOG_ERROR, "http/login: %s: %s", file, strerror (errno));
    else if (!fit)
        zb_log (ZB_LOG_ERROR, "http/login: others may read or write %s: chmod 600 it", file);
    if (fd != -1)
        close (fd);
    if (size >= 0 && size <= FILE_MOST)
        return text;
    free (text);
    return NULL;
}

//  The words of the line that begins with this name: its hash and key, NULL if there is none.
static char *s_find (char *text, const char *name, char **key)
{
    char *rest = NULL;
    for (char *line = strtok_r (text, "\n", &rest); line; line = strtok_r (NULL, "\n", &rest)) {
        char *more = NULL, *word = strtok_r (line, " \t", &more);
        if (!word || *word == '#' || !streq (word, name))
            continue;
        char *hash = strtok_r (NULL, " \t", &more);
        *key = strtok_r (NULL, " \t", &more);
        return hash;
    }
    return NULL;
}

unsigned zb_login_check (const char *file, const char *name, const char *password, char **key)
{
    //  Of nobody's password: a name that is not there takes as long as one that is.
    static const char nobody[] = "$argon2id$v=19$m=65536,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    char hash[crypto_pwhash_STRBYTES] = "";
    *key = NULL;
    char *text = s_read (file), *found = NULL;
    if (!text)
        return 503;
    const char *known = s_find (text, name, &found);
    snprintf (hash, sizeof hash, "%s", known ? known : nobody);
    bool right = crypto_pwhash_str_verify (hash, password, strlen (password)) == 0 && known;
    if (right && found)
        *key = strdup (found);
    sodium_memzero (text, FILE_MOST + 1);
    free (text);
    return right ? 0 : 403;
}

static void s_end (zb_login_t *login)
{
    free (login->key);
    sodium_memzero (login, sizeof *login);
}

const zb_login_t *zb_logins_begin (zb_logins_t *self, const char *cookie, const char *name, char *key, int64_t now)
{
    zb_login_t *place = &self->login[0];
    for (size_t index = 1; index < ZB_HTTP_LOGINS; index++)
        if (self->login[index].used < place->used)
            place = &self->login[index];
    s_end (place);
    uint8_t bytes[ZB_COOKIE_SIZE / 2];
    randombytes_buf (bytes, sizeof bytes);
    sodium_bin2hex (place->cookie, sizeof place->cookie, bytes, sizeof bytes);
    if (cookie)
        memcpy (place->cookie, cookie, sizeof place->cookie);
    snprintf (place->name, sizeof place->name, "%s", name);
    place->key = key;
    place->used = now;
    return place;
}

const zb_login_t *zb_logins_find (zb_logins_t *self, const char *cookie, bool lasts, int64_t now)
{
    if (!cookie || strlen (cookie) != ZB_COOKIE_SIZE)
        return NULL;
    for (size_t index = 0; index < ZB_HTTP_LOGINS; index++) {
        zb_login_t *login = &self->login[index];
        if (!login->used || sodium_memcmp (login->cookie, cookie, ZB_COOKIE_SIZE))
            continue;
        if (now - login->used > ZB_HTTP_LOGIN_IDLE) {
            s_end (login);
            return NULL;
        }
        if (lasts)
            login->used = now;
        return login;
    }
    return NULL;
}

void zb_logins_name (const uint8_t secret[ZB_COOKIE_SIZE / 2], const char *name, const char *password,
                     char cookie[ZB_COOKIE_SIZE + 1])
{
    uint8_t digest[ZB_COOKIE_SIZE / 2];
    crypto_generichash_state state;
    crypto_generichash_init (&state, secret, ZB_COOKIE_SIZE / 2, sizeof digest);
    //  With the zero between them, which neither has.
    crypto_generichash_update (&state, (const uint8_t *) name, strlen (name) + 1);
    crypto_generichash_update (&state, (const uint8_t *) password, strlen (password));
    crypto_generichash_final (&state, digest, sizeof digest);
    sodium_bin2hex (cookie, ZB_COOKIE_SIZE + 1, digest, sizeof digest);
}

void zb_logins_end (zb_logins_t *self, const char *cookie, int64_t now)
{
    const zb_login_t *login = zb_logins_find (self, cookie, true, now);
    if (login)
        s_end (&self->login[login - self->login]);
}

void zb_logins_clear (zb_logins_t *self)
{
    for (size_t index = 0; index < ZB_HTTP_LOGINS; index++)
        s_end (&self->login[index]);
}
