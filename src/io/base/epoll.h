/*  =========================================================================
    epoll - keeps libzmq from ending the process over a connection that breaks

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_EPOLL_H_INCLUDED
#define ZB_EPOLL_H_INCLUDED

#include <stdbool.h>

//  libzmq is not told what comes over this descriptor until it is held no more; its end is told all the same.  Thread:
//  any, as long as the descriptor is open.
void zb_epoll_hold (int descriptor, bool held);

#endif
