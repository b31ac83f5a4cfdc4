/*  =========================================================================
    fuzz - what libFuzzer and run_corpus call

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================
*/

#ifndef FUZZ_H_INCLUDED
#define FUZZ_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

//  Tries one input; stops the program where it breaks a rule.  Returns 0.  The name is libFuzzer's.
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#endif
