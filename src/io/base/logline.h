/*  =========================================================================
    logline - what a line of the log looks like

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    For who reads it:

      2026-01-31T12:00:00.123+01:00 warning zbroker/primary: the peer is silent for 500 ms

    and for programs, an object of JSON, with the same in it:

      {"time":"2026-01-31T12:00:00.123+01:00","level":"warning","from":"zbroker/primary","text":"the peer ..."}

    Either is one line of UTF-8, whatever the text holds: somebody else may have a say in it.
    Control characters become \u00XX, what is not UTF-8 becomes U+FFFD.

    Thread: any.
*/

#ifndef ZB_LOGLINE_H_INCLUDED
#define ZB_LOGLINE_H_INCLUDED

#include <stddef.h>
#include <time.h>

typedef enum { ZB_LOGLINE_TEXT, ZB_LOGLINE_JSON } zb_logline_form_t;

//  Bytes of a line for a text of so many bytes.
#define ZB_LOGLINE_ROOM(bytes) (6 * (bytes) + 256)

//  Writes a line without its newline.  The time is of CLOCK_REALTIME; level and sender have no special characters and at
//  most 64 bytes each.  What is too long for the room is cut in the text, never in a character.
void zb_logline (char *line, size_t room, zb_logline_form_t form, struct timespec when, const char *level,
                 const char *sender, const char *text);
//  Finds a form by its name: lines or json.  Returns 0, or -1 if there is none of that name.
int zb_logline_form (const char *name, zb_logline_form_t *form);

#endif
