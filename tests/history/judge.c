/*  =========================================================================
    judge - is there an order of the requests in which every answer is right?

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "judge.h"

void judge_find (judge_t *self, const char *format, ...)
{
    if (*self->finding)
        return;
    va_list list;
    va_start (list, format);
    vsnprintf (self->finding, sizeof self->finding, format, list);
    va_end (list);
}

void judge_take (judge_t *self, const char *what, const search_t *search, size_t operations, const exchange_t *stuck)
{
    self->objects++;
    self->operations += operations;
    self->steps += search->steps;
    self->undecided += search->end == SEARCH_UNDECIDED;
    char text[600];
    if (search->end == SEARCH_UNDECIDED && !*self->doubt)
        snprintf (self->doubt, sizeof self->doubt, "%s: not decided in %zu steps: %s; %s", what, search->steps,
                  reading_text (stuck, text, sizeof text), search->why);
    if (search->end != SEARCH_NONE)
        return;
    judge_find (self, "%s: there is no order in which this answer is right: %s; where it comes latest, %s", what,
                reading_text (stuck, text, sizeof text), search->why);
}

judge_t judge_history (const reading_t *reading, size_t most)
{
    judge_t self = {0};
    if (*reading->wrong)
        judge_find (&self, "%s", reading->wrong);
    judge_producers (&self, reading, most);
    judge_queues (&self, reading, most);
    return self;
}
