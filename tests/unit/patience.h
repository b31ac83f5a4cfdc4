/*  =========================================================================
    patience - how long unit tests wait for what has to come

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef PATIENCE_H_INCLUDED
#define PATIENCE_H_INCLUDED

#include <stdlib.h>

//  Milliseconds until a test gives up; only a failing test waits that long.  ZBROKER_SLOWER stretches it: how many times
//  slower than a plain build that is which is tested.
static inline int patience_ms (void)
{
    const char *slower = getenv ("ZBROKER_SLOWER");
    double times = slower ? atof (slower) : 1;
    return (int) (60000 * (times > 1 ? times : 1));
}

#endif
