/*  =========================================================================
    keys - CURVE at the sockets of this process

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <fcntl.h>
#include <sodium.h>

#include "io/auth/keys.h"
#include "io/base/boxes.h"
#include "io/base/failure.h"

#define ZAP_ENFORCE_DOMAIN 93 //  of libzmq's draft options

//  ---------------------------------------------------------------------------
//  Files

int zb_keys_read (zb_keyfile_t *file, const char *path, char **error)
{
    char text[ZB_KEYFILE_MAX + 1];
    struct stat info;
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return zb_failure (error, "%s: %s; 'zbroker key make %s' makes a new key", path, strerror (errno), path);
    //  Of the file that is read, not of one that has its name by now.
    bool regular = fstat (fd, &info) == 0 && S_ISREG (info.st_mode);
    ssize_t size = regular ? read (fd, text, sizeof text) : -1;
    close (fd);
    if (!regular)
        return zb_failure (error, "%s: not a regular file", path);
    if (info.st_mode & (S_IRWXG | S_IRWXO | S_IXUSR)) {
        sodium_memzero (text, sizeof text);
        return zb_failure (
            error,
            "%s has mode %04o, and others can use the key in it: chmod 600 %s; if somebody may have read it, "
            "make a new key",
            path, (unsigned) info.st_mode & 07777, path);
    }
    const char *wrong = size < 0 ? strerror (errno) : size > ZB_KEYFILE_MAX ? "longer than a file with a key is" : NULL;
    if (!wrong) {
        text[size] = 0;
        wrong = zb_keyfile_parse (file, text);
    }
    sodium_memzero (text, sizeof text);
    return wrong ? zb_failure (error, "%s: %s", path, wrong) : 0;
}

//  Writes it under this name, which is free.  Returns -1 and errno.
static int s_write (const zb_keyfile_t *file, const char *path)
{
    char text[ZB_KEYFILE_MAX];
    size_t size = zb_keyfile_format (file, text, sizeof text);
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd != -1 && write (fd, text, size) == (ssize_t) size && fsync (fd) == 0;
    int failed = errno;
    sodium_memzero (text, sizeof text);
    if (fd != -1 && close (fd) && written) {
        failed = errno;
        written = false;
    }
    if (fd != -1 && !written)
        unlink (path);
    errno = failed;
    return written ? 0 : -1;
}

int zb_keys_write (const zb_keyfile_t *file, const char *path, char **error)
{
    if (s_write (file, path) == 0)
        return 0;
    return zb_failure (error, "%s: %s%s", path, strerror (errno),
                       errno == EEXIST ? "; nothing is written over a key: choose another name" : "");
}

int zb_keys_rewrite (const zb_keyfile_t *file, const char *path, char **error)
{
    char *draft = zsys_sprintf ("%s.new", path);
    assert (draft);
    unlink (draft);
    int rc = s_write (file, draft) == 0 && rename (draft, path) == 0
                 ? 0
                 : zb_failure (error, "%s: %s", path, strerror (errno));
    if (rc)
        unlink (draft);
    free (draft);
    return rc;
}

void zb_keys_draw (zb_keyfile_t *file)
{
    int rc = zmq_curve_keypair (file->public_key, file->secret_key);
    assert (rc == 0);
}

//  ---------------------------------------------------------------------------
//  The process's own

int zb_keys_load (zb_keys_t **self_p, const zb_config_t *config, char **error)
{
    *self_p = NULL;
    if (!config->key_file)
        return 0;
    if (!zmq_has ("curve"))
        return zb_failure (error, "keys are set in the config, and this libzmq has no CURVE");
    zb_keys_t *self = (zb_keys_t *) zmalloc (sizeof *self);
    assert (self);
    const char *peer =
        config->as == ZB_SINGLE ? NULL : config->public_key[config->as == ZB_PRIMARY ? ZB_BACKUP : ZB_PRIMARY];
    const char *other =
        config->as == ZB_SINGLE ? NULL : config->other_key[config->as == ZB_PRIMARY ? ZB_BACKUP : ZB_PRIMARY];
    const char *own = config->as == ZB_SINGLE ? NULL : config->public_key[config->as];
    int rc = zb_keys_read (&self->own, config->key_file, error);
    if (!rc && !*self->own.secret_key)
        rc = zb_failure (error, "%s: there is no secret-key in it", config->key_file);
    if (!rc && own && !zb_keys_is_own (self, own, config->other_key[config->as]))
        rc = zb_failure (error, "%s has the public key %s, and keys/%s is another one: %s", config->key_file,
                         self->own.public_key, config->as == ZB_PRIMARY ? "primary" : "backup", own);
    snprintf (self->peer, sizeof self->peer, "%s", peer ? peer : "");
    snprintf (self->peer_other, sizeof self->peer_other, "%s", other ? other : "");
    snprintf (self->witness, sizeof self->witness, "%s", config->witness_key ? config->witness_key : "");
    *self_p = self;
    if (rc)
        zb_keys_destroy (self_p);
    return rc;
}

bool zb_keys_is_own (const zb_keys_t *self, const char *key, const char *other)
{
    return streq (key, self->own.public_key) || (other && streq (other, self->own.public_key));
}

void zb_keys_destroy (zb_keys_t **self_p)
{
    if (*self_p) {
        sodium_memzero (*self_p, sizeof **self_p);
        free (*self_p);
        *self_p = NULL;
    }
}

//  ---------------------------------------------------------------------------
//  Sockets

const char *zb_keys_domain (zb_gate_t gate)
{
    static const char *const domains[ZB_GATES] = {[ZB_GATE_CLIENTS] = "clients",
                                                  [ZB_GATE_STATE] = "state",
                                                  [ZB_GATE_SHIP] = "ship",
                                                  [ZB_GATE_WITNESS] = "witness"};
    return gate < ZB_GATES ? domains[gate] : "?";
}

static void s_set (void *socket, int option, const void *value, size_t size)
{
    int rc = zmq_setsockopt (socket, option, value, size);
    assert (rc == 0);
}

void zb_keys_serve (const zb_keys_t *self, void *socket, zb_gate_t gate)
{
    if (!self)
        return;
    int yes = 1;
    const char *domain = zb_keys_domain (gate);
    s_set (socket, ZMQ_CURVE_SERVER, &yes, sizeof yes);
    s_set (socket, ZMQ_CURVE_SECRETKEY, self->own.secret_key, ZB_KEY_SIZE);
    s_set (socket, ZMQ_ZAP_DOMAIN, domain, strlen (domain));
    if (*self->own.other_secret)
        zb_boxes_answer (self->own.secret_key, self->own.other_secret);
    //  Without a handler nobody gets in.  A libzmq without its draft options does not know this one, and would let all
    //  in then: the handler is there before the first of these sockets, and after the last.
    zmq_setsockopt (socket, ZAP_ENFORCE_DOMAIN, &yes, sizeof yes);
}

void zb_keys_connect (const zb_keys_t *self, void *socket, const char *to)
{
    if (!self)
        return;
    assert (*to);
    s_set (socket, ZMQ_CURVE_SERVERKEY, to, ZB_KEY_SIZE);
    s_set (socket, ZMQ_CURVE_PUBLICKEY, self->own.public_key, ZB_KEY_SIZE);
    s_set (socket, ZMQ_CURVE_SECRETKEY, self->own.secret_key, ZB_KEY_SIZE);
}
