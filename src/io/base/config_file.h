/*  =========================================================================
    config_file - a configuration file, and how it can mislead

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The file is ZPL (ZeroMQ RFC 4), read with CZMQ's zconfig; man page zbroker.conf(5).  One file serves both machines;
    the command line says which one this is.  What ZPL would silently read otherwise than it is meant is an error here:
    a key that is there twice, a # in a value, quotes of a word processor.
*/

#ifndef ZB_CONFIG_FILE_H_INCLUDED
#define ZB_CONFIG_FILE_H_INCLUDED

#include "io/base/config.h"

//  Reads a file over what is set.  Returns 0; else -1 and *error is a text that names file, key and remedy, to be freed
//  by the caller.  After an error part of the file may have been set.
int zb_config_load (zb_config_t *self, const char *file, char **error);

#endif
