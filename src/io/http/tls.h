/*  =========================================================================
    tls - the certificate and the key that the page is served with

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Files in PEM, http/certificate and http/key of the config; the key's has mode 0600 or 0400.
    They are read once: a new certificate takes a restart.  TLS is libmicrohttpd's, 1.2 and 1.3.
*/

#ifndef ZB_TLS_H_INCLUDED
#define ZB_TLS_H_INCLUDED

#include <microhttpd.h>

#include "io/base/config.h"

typedef struct {
    char *certificate, *key;
    struct MHD_OptionItem option[4]; //  for MHD_OPTION_ARRAY; none if there is no certificate
} zb_tls_t;

//  Reads them, and looks whether they fit together.  Returns 0; or -1, and *error, to be freed by the caller.
int zb_tls_load (zb_tls_t *self, const zb_config_t *config, char **error);
void zb_tls_clear (zb_tls_t *self);

#endif
