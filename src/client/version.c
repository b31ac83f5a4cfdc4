/*  =========================================================================
    version - which library is this?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#include "zbroker.h"

#define S_TEXT(number) #number
#define S_VERSION(major, minor, patch) S_TEXT (major) "." S_TEXT (minor) "." S_TEXT (patch)

void zbroker_version (int *major, int *minor, int *patch)
{
    if (major)
        *major = ZBROKER_VERSION_MAJOR;
    if (minor)
        *minor = ZBROKER_VERSION_MINOR;
    if (patch)
        *patch = ZBROKER_VERSION_PATCH;
}

const char *zbroker_version_text (void)
{
    return S_VERSION (ZBROKER_VERSION_MAJOR, ZBROKER_VERSION_MINOR, ZBROKER_VERSION_PATCH);
}
