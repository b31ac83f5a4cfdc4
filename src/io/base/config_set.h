/*  =========================================================================
    config_set - the settings, and their values as texts

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One table says what can be set: each setting has a path, "section/key", a kind, bounds, and a field of
    zb_config_t.  Files, command lines, and what is told of a config go through it.  A new setting is a row.
*/

#ifndef ZB_CONFIG_SET_H_INCLUDED
#define ZB_CONFIG_SET_H_INCLUDED

#include <stddef.h>

#include "io/base/config.h"

//  Sets one setting, as a file or the command line does; the path "as" (primary or backup) is for the command line alone.
//  Returns 0; else -1, nothing has changed, and *error is a text that names path and remedy (and the nearest known path),
//  to be freed by the caller.
int zb_config_set (zb_config_t *self, const char *path, const char *value, char **error);
//  Says that this path, or section, is none, as above.  Returns -1.
int zb_config_unknown (const char *path, char **error);
//  Whether there are settings of this section.
bool zb_config_is_section (const char *name);

//  How many settings there are; they have indexes from 0 on, in the order of zbroker.conf(5).
size_t zb_config_settings (void);
const char *zb_config_path (size_t index);
//  A setting's value as zb_config_set takes it, numbers without a unit, "none" for a text that is not set; to be freed
//  by the caller.
char *zb_config_text (const zb_config_t *self, size_t index);
//  Takes a setting's value from another config: one of a number or of the log's, which are no texts.
void zb_config_copy (zb_config_t *self, const zb_config_t *from, size_t index);

#endif
