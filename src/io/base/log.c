/*  =========================================================================
    log - what the broker tells its operator on standard error, and programs on standard output

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <pthread.h>
#include <time.h>

#include "io/base/log.h"
#include "io/base/writer.h"

#define LINE_MAX_BYTES 1024
#define RATE_INTERVAL 1000
#define LINES 1000        //  that wait for a reader
#define FLUSH_LONGEST 100 //  ms
#define CLOSE_LONGEST 1000

//  Set by one thread while others log.
static _Atomic zb_log_level_t s_level = ZB_LOG_INFO;
static _Atomic zb_logline_form_t s_form = ZB_LOGLINE_TEXT;
static char *s_identity;
static zb_writer_t *s_log, *s_out; //  once the log is open

static const char *const s_names[] = {"error", "warning", "notice", "info", "debug"};

static void s_format (char *line, size_t room, zb_log_level_t level, const char *text)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    zb_logline (line, room, s_form, now, s_names[level], s_identity, text);
}

//  In the writer's thread.
static void s_notice (char *line, size_t room, uint64_t dropped)
{
    char text[128];
    snprintf (text, sizeof text, "%" PRIu64 " lines were dropped: whoever reads the log stood still", dropped);
    s_format (line, room - 1, ZB_LOG_WARNING, text);
    strcat (line, "\n");
}

void zb_log_up_to (zb_log_level_t level)
{
    s_level = level;
}

void zb_log_as (zb_logline_form_t form)
{
    s_form = form;
}

int zb_log_open (const char *identity, zb_log_level_t level)
{
    s_level = level;
    s_identity = strdup (identity);
    assert (s_identity);
    s_log = zb_writer_new (STDERR_FILENO, LINES, s_notice);
    s_out = s_log ? zb_writer_new (STDOUT_FILENO, LINES, NULL) : NULL;
    return s_out ? 0 : -1;
}

void zb_log_flush (void)
{
    if (s_out)
        zb_writer_flush (s_out, FLUSH_LONGEST);
    if (s_log)
        zb_writer_flush (s_log, FLUSH_LONGEST);
}

void zb_log_close (void)
{
    zb_writer_destroy (&s_out, CLOSE_LONGEST);
    zb_writer_destroy (&s_log, CLOSE_LONGEST);
    freen (s_identity);
}

int zb_log_level (const char *name, zb_log_level_t *level)
{
    for (size_t index = 0; index < sizeof s_names / sizeof *s_names; index++)
        if (streq (name, s_names[index])) {
            *level = (zb_log_level_t) index;
            return 0;
        }
    return -1;
}

static void s_write (zb_log_level_t level, const char *text)
{
    if (s_log) {
        char line[ZB_LOGLINE_ROOM (LINE_MAX_BYTES)];
        s_format (line, sizeof line, level, text);
        zb_writer_put (s_log, line);
        return;
    }
    switch (level) {
    case ZB_LOG_ERROR:
        zsys_error ("%s", text);
        break;
    case ZB_LOG_WARNING:
        zsys_warning ("%s", text);
        break;
    case ZB_LOG_NOTICE:
        zsys_notice ("%s", text);
        break;
    case ZB_LOG_INFO:
        zsys_info ("%s", text);
        break;
    case ZB_LOG_DEBUG:
        zsys_debug ("%s", text);
        break;
    }
}

void zb_log_say (const char *word, const char *text)
{
    if (!s_out) {
        printf ("%s %s\n", word, text);
        fflush (stdout);
        return;
    }
    char *line = zsys_sprintf ("%s %s", word, text);
    assert (line);
    zb_writer_put (s_out, line);
    freen (line);
    uint64_t dropped = zb_writer_dropped (s_out);
    if (dropped)
        zb_log (ZB_LOG_WARNING,
                "%" PRIu64 " lines for standard output were dropped: its reader stands still, or is gone", dropped);
}

void zb_log (zb_log_level_t level, const char *format, ...)
{
    if (level > s_level)
        return;
    char line[LINE_MAX_BYTES];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (line, sizeof line, format, arguments);
    va_end (arguments);
    s_write (level, line);
}

void zb_log_rated (zb_log_rate_t *self, int64_t now, zb_log_level_t level, const char *format, ...)
{
    if (level > s_level)
        return;
    if (now < self->next) {
        self->left_out++;
        return;
    }
    char line[LINE_MAX_BYTES];
    va_list arguments;
    va_start (arguments, format);
    int size = vsnprintf (line, sizeof line, format, arguments);
    va_end (arguments);
    if (self->left_out && size >= 0 && (size_t) size < sizeof line)
        snprintf (line + size, sizeof line - (size_t) size, " (and %" PRIu64 " more like this)", self->left_out);
    self->left_out = 0;
    self->next = now + (self->interval ? self->interval : RATE_INTERVAL);
    s_write (level, line);
}
