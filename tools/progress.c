/*  =========================================================================
    progress - how far long work is, on a terminal

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <signal.h>
#include <unistd.h>

#include "progress.h"

#define SHOW_EVERY 200 //  ms

static void s_on_signal (int number)
{
    (void) number;
    zsys_interrupted = 1;
}

void progress_handle (void (*handler) (int number))
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = handler}, before;
    for (size_t index = 0; index < sizeof ends / sizeof *ends; index++)
        if (sigaction (ends[index], NULL, &before) == 0 && (ends[index] != SIGHUP || before.sa_handler != SIG_IGN))
            sigaction (ends[index], &action, NULL);
    signal (SIGPIPE, SIG_IGN);
}

void progress_catch (void)
{
    progress_handle (s_on_signal);
}

bool progress_show (void *arg, uint64_t done)
{
    progress_t *self = arg;
    int64_t now = zclock_mono ();
    if (isatty (STDERR_FILENO) && now - self->told >= SHOW_EVERY) {
        self->told = now;
        self->shown = true;
        double mib = (double) done / (1 << 20), all = (double) self->total / (1 << 20);
        if (self->total)
            fprintf (stderr, "\r%s: %.1f of %.1f MiB, %.0f %%  ", self->what, mib, all,
                     done < self->total ? 100 * mib / all : 100);
        else
            fprintf (stderr, "\r%s: %.1f MiB  ", self->what, mib);
        fflush (stderr);
    }
    return !zsys_interrupted;
}

void progress_end (progress_t *self)
{
    if (self->shown)
        fputs ("\r\033[K", stderr);
    self->shown = false;
}
