/*  =========================================================================
    failure - why something was refused, as a text

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What reads or checks what a person wrote returns -1 and a sentence that says what to do.  The sentence is the
    caller's, who frees it.
*/

#ifndef ZB_FAILURE_H_INCLUDED
#define ZB_FAILURE_H_INCLUDED

//  Writes the sentence to *error, which had none.  Returns -1.
int zb_failure (char **error, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
//  Puts where it happened before the sentence at *error, and a colon.  Returns -1.
int zb_failure_in (char **error, const char *where);

#endif
