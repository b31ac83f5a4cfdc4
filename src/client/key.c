/*  =========================================================================
    key - whom a client is to the brokers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include <fcntl.h>
#include <sys/stat.h>

#include "client/client.h"

int zb_client_use_key (zb_client_t *self, const zb_keyfile_t *key)
{
    if (zb_conn_started (self->conn) || zb_window_size (self->window) > 0)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "the key comes before the first call");
    for (size_t index = 0; index < zb_client_brokers (self); index++)
        if (!zb_keyfile_broker (key, zb_client_broker (self, index)))
            return zb_client_fail (self, ZB_ERR_ARGUMENT,
                                   "the file with the key names no broker at %s: see 'zbroker key bundle'",
                                   zb_client_broker (self, index));
    free (self->key);
    self->key = (zb_keyfile_t *) zmalloc (sizeof *self->key);
    assert (self->key);
    *self->key = *key;
    zb_conn_set_tune (self->conn, zb_client_tune, self);
    return 0;
}

void zb_client_tune (void *context, void *socket, const char *endpoint)
{
    const zb_keyfile_t *key = ((const zb_client_t *) context)->key;
    const char *broker = zb_keyfile_broker (key, endpoint);
    assert (broker);
    int rc = zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, broker, ZB_KEY_SIZE);
    rc = rc ? rc : zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, key->public_key, ZB_KEY_SIZE);
    rc = rc ? rc : zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, key->secret_key, ZB_KEY_SIZE);
    assert (rc == 0);
}

int zb_client_set_key (zb_client_t *self, const char *file)
{
    assert (self);
    if (!file || !*file)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "the file with the key: missing");
    if (!zmq_has ("curve"))
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "this libzmq has no CURVE");
    char text[ZB_KEYFILE_MAX + 1];
    struct stat info;
    int fd = open (file, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd == -1 || fstat (fd, &info) ? -1 : read (fd, text, ZB_KEYFILE_MAX);
    int error = errno;
    if (fd != -1)
        close (fd);
    if (size < 0)
        return zb_client_fail (self, ZB_ERR_ARGUMENT, "%s: %s", file, strerror (error));
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        return zb_client_fail (self, ZB_ERR_ARGUMENT,
                               "%s has mode %04o, and others can use the key in it: chmod 600 %s", file,
                               (unsigned) info.st_mode & 07777, file);
    text[size] = 0;
    zb_keyfile_t key;
    const char *wrong = zb_keyfile_parse (&key, text);
    if (!wrong && !*key.secret_key)
        wrong = "there is no secret-key in it";
    return wrong ? zb_client_fail (self, ZB_ERR_ARGUMENT, "%s: %s", file, wrong) : zb_client_use_key (self, &key);
}
