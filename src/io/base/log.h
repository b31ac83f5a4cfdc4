/*  =========================================================================
    log - what the broker tells its operator on standard error, and programs on standard output

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    One line per event, which io/base/logline writes.  Standard output is left to what
    programs read: READY and the changes of role.

    Lines that somebody else can provoke have a bound, zb_log_rated.  Once the log is open nobody
    who logs waits for its reader: lines go through a queue (io/base/writer.h), and how many were
    dropped because the reader stood still is one of the lines.
*/

#ifndef ZB_LOG_H_INCLUDED
#define ZB_LOG_H_INCLUDED

#include <stdint.h>

#include "io/base/logline.h"

typedef enum {
    ZB_LOG_ERROR,   //  the broker can't do its duty
    ZB_LOG_WARNING, //  it can, but somebody should look
    ZB_LOG_NOTICE,  //  changes of role, of the peer, of the store: a quiet broker's whole life
    ZB_LOG_INFO,    //  the default: sessions of operators' interest, resync progress
    ZB_LOG_DEBUG    //  for those who read the source
} zb_log_level_t;

#if defined(__GNUC__)
#define ZB_LOG_FORMAT(text, first) __attribute__ ((format (printf, text, first)))
#else
#define ZB_LOG_FORMAT(text, first)
#endif

//  Starts the threads that write, names each line's sender (copied), and drops what is above `level`.  Call once, before
//  any other thread runs; until then lines are written by zsys, at once, and up to ZB_LOG_INFO.  From then on nobody
//  calls zsys's own functions, which are not safe with several threads.  Returns 0, or -1 and errno.
int zb_log_open (const char *identity, zb_log_level_t level);
//  From now on drops what is above `level`, also without zb_log_open.  Thread: any.
void zb_log_up_to (zb_log_level_t level);
//  From now on lines look so; ZB_LOGLINE_TEXT at first.  Before zb_log_open they are zsys's.  Thread: any.
void zb_log_as (zb_logline_form_t form);
//  Waits until all is written, but not for a reader that stands still: 100 ms at most.  To be called before an exit.
void zb_log_flush (void);
//  The end: as zb_log_flush, with a second.
void zb_log_close (void);
//  Finds a level by its name: error, warning, notice, info, debug.  Returns 0, or -1 if there is no such level.
int zb_log_level (const char *name, zb_log_level_t *level);
//  Logs one line.  Thread: any.
void zb_log (zb_log_level_t level, const char *format, ...) ZB_LOG_FORMAT (2, 3);

//  Prints "WORD TEXT" to standard output, for programs that watch this one.  Thread: one only.
void zb_log_say (const char *word, const char *text);

//  A source of lines that others can provoke (bad frames, refused clients): at most one line in `interval` ms, and the
//  number of lines that were left out.  All zero is a valid start, and means an interval of one second.
//  Thread: one only; it is a plain value of its owner.
typedef struct {
    int64_t interval;
    int64_t next; //  ms, monotonic: no line before this time
    uint64_t left_out;
} zb_log_rate_t;

//  Logs one line at `now` (ms, monotonic) unless the last one was too recent; then only counts it.
void zb_log_rated (zb_log_rate_t *self, int64_t now, zb_log_level_t level, const char *format, ...)
    ZB_LOG_FORMAT (4, 5);

#endif
