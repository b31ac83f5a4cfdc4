/*  =========================================================================
    letters - consumers that reject what they get, and what becomes of it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    A sender puts numbered letters; carriers get some, acknowledge a part, reject a part, give a part back, and leave the rest, or sleep until
    others have theirs. In every other run the queue has a retry-delay: what was given back, and not called untried, comes to nobody
    before that is over, nor what was given back with a delay, while the same broker leads. In every other run it has max-deliveries: what
    one carrier has given back so often comes to it no more, while the same broker leads, but is among the dead letters. In the end the queue and its dead letters are emptied. Each letter that was answered OK and that
    nobody has acknowledged is in exactly one of the two (H17):

      - in its queue, if nobody has rejected it; among the dead letters, if that was answered OK, or after its tries, but in every
        other run a mover takes some of them back now and then, under new ids;
      - nothing is in both, nothing is there twice, and what was done does not come again.

    After a split it may be in both, or twice; but it is there.
*/

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "plain.h"

#define POST "post"
#define DEAD "post.dead"
#define LETTERS 400
#define CARRIERS 2
#define MOST 6
#define RETRY 100 //  ms
#define TRIES 2

static struct {
    bool ok, aside;           //  answered OK; put aside by the loser of a split
    bool acking, acked;       //  an ACK was sent; it was answered OK
    bool rejecting, rejected; //  the same of a REJECT
    int64_t done;             //  when the first of the two was
    int post;                 //  how often it was found in the end
    history_dead_t dead;
} s_letter[LETTERS + 1];

//  What a carrier has given back, on this connection: nobody gets it before then.
static struct {
    unsigned connection;
    int64_t until;
    int tries; //  so often
} s_rest[CARRIERS][LETTERS + 1];

static int s_sent;
static bool s_ended, s_moves, s_retries, s_dies;
static unsigned s_connections[CARRIERS];
static size_t s_rejects, s_refused, s_moved, s_nacks;

static void s_connect (client_t *self)
{
    if (!self->socket)
        s_connections[self->index]++;
    if (!self->socket)
        plain_greet (self);
}

//  Once; 1: OK, 0: not answered, or not now, -1: refused for good.
static int s_try (client_t *self, const frame_t *frame, size_t frames)
{
    s_connect (self);
    if (plain_ask (self, frame, frames, PATIENCE + 500))
        return 1;
    bool refused =
        self->frames > 5 && strcmp (plain_text (self, 1), "ERR") == 0 && strcmp (plain_text (self, 4), "410") == 0;
    if (!refused)
        plain_leave (self);
    return refused ? -1 : 0;
}

//  Until it is answered; whether it was OK.
static bool s_do (client_t *self, const char *verb, const char *queue, const char *argument)
{
    for (;;) {
        char id[24];
        snprintf (id, sizeof id, "l%" PRIu64, ++self->serial);
        frame_t frame[] = {TEXT ("ZB1"), TEXT (verb), TEXT (id), TEXT (queue), TEXT (argument)};
        int answer = s_try (self, frame, 5);
        if (answer)
            return answer > 0;
    }
}

static void *s_send (void *arg)
{
    client_t *self = arg;
    s_retries = world_chance (500);
    s_dies = world_chance (500);
    char options[100];
    snprintf (options, sizeof options, "lease=1000\n%s\nmax-deliveries=%d",
              s_retries ? "retry-delay=100..1600" : "retry-delay=0", s_dies ? TRIES : 0);
    s_do (self, "QUEUE", POST, options);
    while (world_now () < self->until && s_sent < LETTERS) {
        char body[24], id[24];
        snprintf (body, sizeof body, "<l%d>", ++s_sent);
        snprintf (id, sizeof id, "%d", s_sent);
        frame_t frame[] = {TEXT ("ZB1"), TEXT ("PUT"), TEXT (id), TEXT (POST), TEXT ("stamp=red"), TEXT (body)};
        while (s_try (self, frame, 6) <= 0)
            continue;
        s_letter[s_sent].ok = true;
        plain_nap (0, 80 * MS);
    }
    clients_end ();
    return NULL;
}

//  Gets some of a queue; how many, -1: no answer.
static int s_get (client_t *self, const char *queue, const char *wait, const char *acks, int number[MOST],
                  char ids[MOST][24])
{
    char id[24], line[1024];
    snprintf (id, sizeof id, "g%" PRIu64, ++self->serial);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("GET"), TEXT (id), TEXT (queue), TEXT ("6"), TEXT (wait), TEXT (acks)};
    s_connect (self);
    if (!plain_ask (self, frame, 7, PATIENCE + 600)) {
        //  There are no dead letters yet.
        if (self->frames < 6 || strcmp (plain_text (self, 4), "404"))
            plain_leave (self);
        return -1;
    }
    snprintf (line, sizeof line, "%s", self->frames > 7 ? plain_text (self, 6) : "");
    char *at = line;
    for (int body = 7; body < self->frames; body++) {
        int found = atoi (plain_text (self, body) + 2);
        size_t size = strcspn (at, "\n");
        char *mark = strstr (at, "\tzb-dead=rejected\tzb-from=" POST "\tzb-tries=");
        char *spent = s_dies ? strstr (at, "\tzb-dead=max-deliveries\tzb-from=" POST "\tzb-tries=") : NULL;
        mark = spent && (!mark || spent < mark) ? spent : mark;
        if (found < 1 || found > s_sent)
            world_finding ("H17: %s has what nobody has put: %s", queue, plain_text (self, body));
        if ((mark && mark < at + size) != (strcmp (queue, DEAD) == 0) || !strstr (at, "\tstamp=red"))
            world_finding ("H17: letter %d is in %s as: %.*s", found, queue, (int) size, at);
        number[body - 7] = found;
        snprintf (ids[body - 7], 24, "%.*s", (int) strcspn (at, " "), at);
        at += size + (at[size] == '\n');
    }
    return self->frames > 7 ? self->frames - 7 : 0;
}

static void s_check_back (int number, int64_t asked)
{
    //  An acknowledgement may have been for an id that the letter has no more.
    bool back = s_moves ? s_letter[number].acked && !s_letter[number].rejecting && !s_dies
                        : s_letter[number].acked || s_letter[number].rejected;
    //  Who asked before may be given it, and hear of it after that.
    back = back && s_letter[number].done <= asked;
    if (back && !history_was_divided (asked) && !history_is_split ())
        world_finding ("H17: letter %d comes again, which was %s", number,
                       s_letter[number].acked ? "acknowledged" : "rejected");
}

//  After a rejection, or its tries, it may have another id, by a MOVE.
static void s_check_rest (const client_t *self, int number)
{
    bool knows = s_rest[self->index][number].connection == s_connections[self->index] && !s_letter[number].rejecting &&
                 !(s_dies && s_moves);
    if (knows && s_dies && s_rest[self->index][number].tries >= TRIES && !history_is_split ())
        world_finding ("H17: letter %d comes again after its tries", number);
    int64_t early = s_rest[self->index][number].until - world_now ();
    //  A broker counts whole milliseconds.
    if (knows && early > 2 * MS && !history_is_split ())
        world_finding ("H17: letter %d comes %" PRId64 " ms before its delay is over", number, early / MS);
}

static void s_add (char acks[MOST * 25], const char *id)
{
    size_t size = strlen (acks);
    snprintf (acks + size, MOST * 25 - size, "%s%s", size ? " " : "", id);
}

//  Gives these back, some with a delay, some untried.
static void s_give_back (client_t *self, int count, const int number[MOST], const char *acks)
{
    char id[24], delay[24] = "";
    snprintf (id, sizeof id, "b%" PRIu64, ++self->serial);
    bool later = world_chance (300), untried = world_chance (300);
    int64_t least = later ? 50 + (int64_t) world_random (1000) : s_retries && !untried ? RETRY : 0;
    if (later)
        snprintf (delay, sizeof delay, "%" PRId64, least);
    frame_t frame[] = {TEXT ("ZB1"), TEXT ("NACK"), TEXT (id), TEXT (POST), TEXT (acks), TEXT (delay), TEXT ("untried")};
    int64_t now = world_now ();
    //  Where the leases of some have ended, which ones is not told.
    if (s_try (self, frame, untried ? 7 : 6) <= 0 || atoi (plain_text (self, 4)) != count)
        return;
    s_nacks++;
    for (int index = 0; index < count; index++) {
        bool same = s_rest[self->index][number[index]].connection == s_connections[self->index];
        s_rest[self->index][number[index]].tries = (same ? s_rest[self->index][number[index]].tries : 0) + !untried;
        s_rest[self->index][number[index]].connection = s_connections[self->index];
        s_rest[self->index][number[index]].until = now + least * MS;
    }
}

//  What it does with each: acknowledges it, rejects it, gives it back, leaves it.
static void s_dispose (client_t *self, int count, const int number[MOST], char ids[MOST][24])
{
    char acks[MOST * 25] = "", rejects[MOST * 25] = "", backs[MOST * 25] = "";
    int choice[MOST] = {0}, back[MOST], given = 0;
    for (int index = 0; index < count; index++) {
        choice[index] = (int) world_random (6);
        s_letter[number[index]].acking = s_letter[number[index]].acking || choice[index] < 2;
        s_letter[number[index]].rejecting =
            s_letter[number[index]].rejecting || choice[index] == 2 || choice[index] == 3;
        if (choice[index] < 4)
            s_add (choice[index] < 2 ? acks : rejects, ids[index]);
        if (choice[index] == 4) {
            s_add (backs, ids[index]);
            back[given++] = number[index];
        }
    }
    if (given)
        s_give_back (self, given, back, backs);
    bool rejected = *rejects && s_do (self, "REJECT", POST, rejects);
    s_rejects += rejected;
    s_refused += *rejects && !rejected;
    if (*acks)
        s_do (self, "ACK", POST, acks);
    for (int index = 0; index < count; index++) {
        s_letter[number[index]].acked = s_letter[number[index]].acked || choice[index] < 2;
        s_letter[number[index]].rejected =
            s_letter[number[index]].rejected || (rejected && (choice[index] == 2 || choice[index] == 3));
        bool done = s_letter[number[index]].acked || s_letter[number[index]].rejected;
        if (done && !s_letter[number[index]].done)
            s_letter[number[index]].done = world_now ();
    }
}

static void *s_carry (void *arg)
{
    client_t *self = arg;
    int number[MOST];
    char ids[MOST][24];
    while (world_now () < self->until) {
        int64_t asked = world_now ();
        int count = s_get (self, POST, "200", "", number, ids);
        for (int index = 0; index < count; index++) {
            s_check_back (number[index], asked);
            s_check_rest (self, number[index]);
        }
        plain_nap (0, world_chance (60) ? 2 * SECOND : 60 * MS);
        if (count > 0)
            s_dispose (self, count, number, ids);
        else if (count < 0)
            plain_nap (20 * MS, 100 * MS);
        if (self->socket && world_chance (60))
            plain_leave (self);
    }
    clients_end ();
    return NULL;
}

//  Dead letters go back now and then, and may die again.
static void *s_move_back (void *arg)
{
    client_t *self = arg;
    while (world_now () < self->until) {
        char last[24] = "";
        plain_nap (500 * MS, 4 * SECOND);
        for (int turn = 0; turn < 3; turn++) {
            char id[24];
            snprintf (id, sizeof id, "m%" PRIu64, ++self->serial);
            frame_t frame[] = {TEXT ("ZB1"), TEXT ("MOVE"),          TEXT (id), TEXT (DEAD), TEXT (POST),
                               TEXT (last),  TEXT (turn ? "4" : "0")};
            s_moves = s_moves || turn;
            s_connect (self);
            bool good = plain_ask (self, frame, 7, PATIENCE + 500);
            //  There are no dead letters yet.
            if (!good && (self->frames < 6 || strcmp (plain_text (self, 4), "404")))
                plain_leave (self);
            if (!good)
                break;
            s_moved += (size_t) atoi (plain_text (self, 5));
            snprintf (last, sizeof last, "%s", plain_text (self, 6));
        }
    }
    clients_end ();
    return NULL;
}

//  Takes all of a queue, until nothing has come for longer than a lease.
static void s_empty (client_t *self, const char *queue)
{
    int number[MOST];
    char ids[MOST][24], acks[MOST * 25] = "";
    int64_t quiet = world_now () + 5 * SECOND;
    while (world_now () < quiet || *acks) {
        int count = s_get (self, queue, "500", acks, number, ids);
        if (count >= 0)
            *acks = 0;
        else
            plain_nap (50 * MS, 100 * MS);
        for (int index = 0; index < count; index++) {
            if (strcmp (queue, DEAD) == 0)
                history_dead (&s_letter[number[index]].dead, strtoull (ids[index], NULL, 10));
            else
                s_letter[number[index]].post++;
            s_add (acks, ids[index]);
        }
        if (count > 0)
            quiet = world_now () + 5 * SECOND;
    }
}

static void s_check (int number)
{
    bool split = history_is_split ();
    int post = s_letter[number].post, dead = s_letter[number].dead.found;
    if (post + dead > 1 && !split && (post || !history_died_anew (&s_letter[number].dead)))
        world_finding ("H17: letter %d is %d times in its queue, and %d times dead", number, post, dead);
    if (!s_letter[number].ok || s_letter[number].acking || s_letter[number].aside)
        return;
    if (post + dead == 0)
        world_finding ("H17: letter %d is gone, and nobody has acknowledged it%s", number,
                       s_letter[number].rejecting ? "; it was rejected" : "");
    if (dead && !s_letter[number].rejecting && !s_dies)
        world_finding ("H17: letter %d is dead, and nobody has rejected it", number);
    if (!dead && s_letter[number].rejected && !split && !s_moves)
        world_finding ("H17: letter %d was rejected with OK, and is in its queue", number);
}

static void *s_count (void *arg)
{
    client_t *self = arg;
    size_t dead = 0;
    s_empty (self, POST);
    s_empty (self, DEAD);
    for (int number = 1; number <= s_sent; number++) {
        s_check (number);
        dead += s_letter[number].dead.found > 0;
    }
    world_note ("%d letters, %zu dead, %zu rejections were OK and %zu refused, %zu moved back, %zu given back", s_sent, dead, s_rejects,
                s_refused, s_moved, s_nacks);
    s_ended = true;
    return NULL;
}

void letters_aside (const void *body, size_t size)
{
    char text[24] = "";
    memcpy (text, body, size < sizeof text - 1 ? size : sizeof text - 1);
    int number = atoi (text + 2);
    assert (number > 0 && number <= LETTERS);
    s_letter[number].aside = true;
}

void letters_start (int64_t until)
{
    static const char *const process[CARRIERS] = {"carrier0", "carrier1"}, *const name[CARRIERS] = {"carrier", ""};
    clients_begin ();
    plain_start ("sender", "sender", 0, s_send, until);
    for (int carrier = 0; carrier < CARRIERS; carrier++) {
        clients_begin ();
        plain_start (process[carrier], name[carrier], carrier, s_carry, until);
    }
    if (world_chance (500)) {
        clients_begin ();
        plain_start ("mover", "", 0, s_move_back, until);
    }
}

void letters_count (void)
{
    plain_start ("carrier9", "", 0, s_count, INT64_MAX);
}

bool letters_have_been_counted (void)
{
    return s_ended;
}
