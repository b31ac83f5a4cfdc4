/*  =========================================================================
    writer - lines for a descriptor, written by a thread of its own

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    Whoever reads a pipe may stop reading it, or go away.  The first must not stop a
    program that serves, the second must not end it.  So lines go to a bounded queue,
    and only the writer's thread waits for the reader.  What finds no room, or nobody to
    read it, is dropped and counted.

    Thread: any, but for zb_writer_new and zb_writer_destroy.
*/

#ifndef ZB_WRITER_H_INCLUDED
#define ZB_WRITER_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

typedef struct zb_writer zb_writer_t;

//  Makes the line that tells of dropped ones, with its newline.  Thread: the writer's.
typedef void (zb_writer_notice_fn) (char *line, size_t room, uint64_t dropped);

//  Starts the thread, for a descriptor that outlives it and a queue of `most` lines.  When the reader goes on, `notice`, if
//  there is one, tells it how many lines it has missed.  From then on SIGPIPE is ignored in this process.  Returns NULL and
//  errno if there is no thread to be had.
zb_writer_t *zb_writer_new (int fd, size_t most, zb_writer_notice_fn *notice);
//  Waits `ms` at most until all is written.  If the reader stands still, the thread is left behind: it ends with the
//  process.
void zb_writer_destroy (zb_writer_t **self_p, int64_t ms);
//  Gives it a line, which is copied and gets its newline.  Never waits.
void zb_writer_put (zb_writer_t *self, const char *line);
//  Waits `ms` at most until all that was given is written.
void zb_writer_flush (zb_writer_t *self, int64_t ms);
//  Lines that were dropped, and of which nobody was told yet; told now.
uint64_t zb_writer_dropped (zb_writer_t *self);

#endif
