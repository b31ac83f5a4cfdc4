/*  =========================================================================
    scribe - writes down what clients send and hear, for the judge of histories

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "scribe.h"
#include "tests/history/judge.h"

#define MOST 100 //  steps for each operation
#define PUT_BODIES 5
#define MSG_BODIES 7

static reading_t *s_reading;
static FILE *s_file;
static char *s_text;
static size_t s_used, s_room;

static void s_add (const void *data, size_t size)
{
    if (s_used + size + 1 > s_room) {
        s_room = 2 * (s_used + size + 1);
        s_text = realloc (s_text, s_room);
        assert (s_text);
    }
    memcpy (s_text + s_used, data, size);
    s_used += size;
    s_text[s_used] = 0;
}

static void s_add_text (const char *text)
{
    s_add (text, strlen (text));
}

static void s_begin (const sock_t *sock, const char *kind)
{
    char text[80];
    s_used = 0;
    snprintf (text, sizeof text, "%.6f\t%s", (double) world_now () / SECOND, sock ? sock->process->name : "-");
    s_add_text (text);
    if (sock)
        snprintf (text, sizeof text, "/%u\t%s", sock->serial, kind);
    else
        snprintf (text, sizeof text, "\t%s", kind);
    s_add_text (text);
}

static void s_write (void)
{
    if (!s_reading)
        s_reading = reading_new ();
    reading_line (s_reading, s_text);
    if (s_file)
        fprintf (s_file, "%s\n", s_text);
}

static void s_add_word (const uint8_t *data, size_t size)
{
    s_add ("\t", 1);
    for (size_t index = 0; index < size; index++) {
        char text[4];
        bool plain = data[index] > ' ' && data[index] < 127 && data[index] != '%';
        if (!plain)
            snprintf (text, sizeof text, "%%%02X", data[index]);
        s_add (plain ? (const void *) &data[index] : text, plain ? 1 : 3);
    }
}

//  The world's bodies begin with a name of their own, "<...>", and end with what fills them up.
static void s_add_body (const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr (data, '>', size) : NULL;
    s_add_word (data, end ? (size_t) (end - data) + 1 : size);
}

static bool s_is_client (const sock_t *sock)
{
    //  The judge knows no topics.
    bool topic = strncmp (sock->process->name, "news", 4) == 0 || strncmp (sock->process->name, "annal", 5) == 0;
    return sock->process->machine == CLIENTS && sock->type == ZMQ_DEALER && !topic;
}

static bool s_is (const buffer_t *frame, const char *word)
{
    return frame->size == strlen (word) && memcmp (frame->data, word, frame->size) == 0;
}

static void s_message (const sock_t *sock, const packet_t *packet, const char *kind, size_t bodies)
{
    if (!s_is_client (sock) || packet->frames < 3 || !s_is (packet->frame[0], "ZB1"))
        return;
    s_begin (sock, kind);
    for (size_t index = 1; index < packet->frames; index++) {
        const buffer_t *frame = packet->frame[index];
        if (index >= bodies)
            s_add_body (frame->data, frame->size);
        else
            s_add_word (frame->data, frame->size);
    }
    s_write ();
}

void scribe_sent (const sock_t *sock, const packet_t *packet)
{
    bool put = packet->frames > PUT_BODIES && s_is (packet->frame[1], "PUT");
    s_message (sock, packet, ">", put ? PUT_BODIES : SIZE_MAX);
}

void scribe_heard (const sock_t *sock, const packet_t *packet)
{
    bool msg = packet->frames > MSG_BODIES && s_is (packet->frame[1], "MSG");
    s_message (sock, packet, "<", msg ? MSG_BODIES : SIZE_MAX);
}

void scribe_connected (const sock_t *sock, int machine)
{
    if (!s_is_client (sock))
        return;
    s_begin (sock, "+");
    s_add_text (machine == PRIMARY ? "\tA" : "\tB");
    s_write ();
}

void scribe_closed (const sock_t *sock)
{
    if (!s_is_client (sock))
        return;
    s_begin (sock, "x");
    s_write ();
}

void scribe_note (const char *what)
{
    s_begin (NULL, what);
    s_write ();
}

void scribe_aside (const void *body, size_t size)
{
    s_begin (NULL, "aside");
    s_add_body (body, size);
    s_write ();
}

void scribe_file (const char *path)
{
    s_file = fopen (path, "w");
    if (s_file)
        setvbuf (s_file, NULL, _IOLBF, 0);
    assert (s_file);
}

size_t scribe_end (void)
{
    if (s_file)
        fclose (s_file);
    //  What a copy or a promotion takes with it no answer tells.
    if (world_has (EXTRA_COPIES) || world_has (EXTRA_OPERATOR))
        return 0;
    reading_end (s_reading);
    judge_t judge = judge_history (s_reading, MOST);
    if (*judge.finding)
        world_finding ("H13: %s", judge.finding);
    world_note ("judged: %zu requests, %zu operations on %zu objects, %zu steps", s_reading->exchanges,
                judge.operations, judge.objects, judge.steps);
    return judge.undecided;
}
