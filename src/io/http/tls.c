/*  =========================================================================
    tls - the certificate and the key that the page is served with

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>
#include <czmq.h>

#include "io/base/failure.h"
#include "io/http/tls.h"

#define FILE_MOST 65536 //  bytes

//  Reads a file, which nobody else may read if it is secret.
static int s_read (char **text, const char *setting, const char *file, bool secret, char **error)
{
    struct stat info;
    //  A pipe would have it wait.
    int fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1 || fstat (fd, &info)) {
        zb_failure (error, "%s: %s: %s", setting, file, strerror (errno));
        if (fd != -1)
            close (fd);
        return -1;
    }
    if (!S_ISREG (info.st_mode)) {
        close (fd);
        return zb_failure (error, "%s: %s is no file", setting, file);
    }
    *text = (char *) zmalloc (FILE_MOST + 1);
    ssize_t size = read (fd, *text, FILE_MOST + 1);
    close (fd);
    if (secret && info.st_mode & (S_IRWXG | S_IRWXO))
        return zb_failure (error, "%s: others may read or write %s: chmod 600 it", setting, file);
    if (size < 0 || size > FILE_MOST || strlen (*text) != (size_t) size)
        return zb_failure (error, "%s: %s is no PEM file of 64 KiB at most", setting, file);
    return 0;
}

//  What libmicrohttpd says of it.
__attribute__ ((format (printf, 2, 0))) static void s_hear (void *context, const char *format, va_list arguments)
{
    char *heard = (char *) context;
    if (*heard)
        return;
    vsnprintf (heard, 300, format, arguments);
    heard[strcspn (heard, "\r\n")] = 0;
}

static enum MHD_Result s_nothing (void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data, size_t *size, void **seen)
{
    (void) context, (void) connection, (void) path, (void) method, (void) version, (void) data, (void) size;
    (void) seen;
    return MHD_NO;
}

int zb_tls_load (zb_tls_t *self, const zb_config_t *config, char **error)
{
    memset (self, 0, sizeof *self);
    self->option[0].option = MHD_OPTION_END;
    if (!config->http_certificate)
        return 0;
    if (MHD_is_feature_supported (MHD_FEATURE_TLS) != MHD_YES)
        return zb_failure (error, "http/certificate is set, but this libmicrohttpd was built without TLS");
    if (s_read (&self->certificate, "http/certificate", config->http_certificate, false, error) ||
        s_read (&self->key, "http/key", config->http_key, true, error))
        return -1;
    self->option[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, self->key};
    self->option[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, self->certificate};
    self->option[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
                                              (void *) (uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"};
    self->option[3].option = MHD_OPTION_END;
    //  One that serves nobody tells whether they are what they should be.
    char heard[300] = "";
    struct MHD_Daemon *probe =
        MHD_start_daemon (MHD_USE_TLS | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, NULL, NULL, s_nothing, NULL,
                          MHD_OPTION_EXTERNAL_LOGGER, s_hear, heard, MHD_OPTION_ARRAY, self->option, MHD_OPTION_END);
    if (!probe)
        return zb_failure (error, "http/certificate %s and http/key %s are no certificate and its key: %s",
                           config->http_certificate, config->http_key, heard);
    MHD_stop_daemon (probe);
    return 0;
}

void zb_tls_clear (zb_tls_t *self)
{
    if (self->key)
        sodium_memzero (self->key, FILE_MOST + 1);
    free (self->key);
    free (self->certificate);
    memset (self, 0, sizeof *self);
}
