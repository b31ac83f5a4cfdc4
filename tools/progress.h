/*  =========================================================================
    progress - how far long work is, on a terminal

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_PROGRESS_H_INCLUDED
#define ZB_PROGRESS_H_INCLUDED

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *what;
    uint64_t total; //  bytes; 0 = not known
    int64_t told;   //  ms, when
    bool shown;
} progress_t;

//  From now on SIGINT, SIGTERM and SIGHUP (not under nohup) go to this handler, and SIGPIPE is ignored: what would end the
//  command lets it take away what it has made.
void progress_handle (void (*handler) (int number));
//  The same, and the signals set zsys_interrupted.
void progress_catch (void);
//  Shows it, a few times a second, if standard error is a terminal.  False if the work shall end: such a signal came.
//  `arg` is a progress_t.
bool progress_show (void *arg, uint64_t done);
//  Takes what was shown away.
void progress_end (progress_t *self);

#endif
