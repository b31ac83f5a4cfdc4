/*  =========================================================================
    failure - why something was refused, as a text

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>

#include "io/base/failure.h"

int zb_failure (char **error, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    *error = zsys_vprintf (format, arguments);
    va_end (arguments);
    return -1;
}

int zb_failure_in (char **error, const char *where)
{
    char *text = zsys_sprintf ("%s: %s", where, *error);
    free (*error);
    *error = text;
    return -1;
}
