/*  =========================================================================
    exit_codes - why a broker or a witness has ended

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_EXIT_CODES_H_INCLUDED
#define ZB_EXIT_CODES_H_INCLUDED

//  Exit codes of a broker, and of `zbroker serve`.
enum {
    ZB_EXIT_OK = 0,          //  stopped by SIGTERM or SIGINT
    ZB_EXIT_USAGE = 2,       //  command line, configuration, or permissions: a restart does not help
    ZB_EXIT_BUSY = 3,        //  an address or the store is in use by another process
    ZB_EXIT_STORE = 4,       //  the store failed (I/O error, disk full, panic): restart; the peer takes over
    ZB_EXIT_DAMAGED = 5,     //  a checksum of the store is wrong, or the node's own file is: an operator may be needed
    ZB_EXIT_LOCK = 7,        //  the lock on the shared store was lost: another broker may have the store
    ZB_EXIT_MOMENT = 8       //  the system had no descriptor, memory or thread left: the text names the limit
};

#endif
