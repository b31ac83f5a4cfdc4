/*  =========================================================================
    history - how the two brokers stand to each other, and what holds of their answers

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    What must hold of a run:

    H1  What is answered OK is on the disks that the answer names, when the broker says so.
    H2  What was answered OK is delivered in the end, or acknowledged (ledger.c, as H3 to H5).
    H3  What was acknowledged with OK is not delivered again.
    H4  The messages of a named producer are handed out in its order, the first time.
    H5  A producer's number has one position, a position one message.
    H6  An epoch has one process that answers in it, a commit of it one content.
    H7  Unless the network was cut, late, or a process stopped, nobody answers after another has taken over.
    H8  When all faults have ended, all of it is stored, delivered and acknowledged, and one broker serves with the
        other one in sync.

        When one of the two is lost after that, the other one goes on alone.
    H9  Beside a witness there is no split, whatever breaks: `alone` is never on both brokers' disks, `solo` is answered
        only by the one whose name is on the witness's disk, nobody answers after another has taken over.
    H10 Each time that the two are in sync, each has what the other one has, row by row; each queue counts the messages that its
        rows hold, and none of these is in its lane and in its log.  H2 and H3 hold for what is on the
        disks then, before anything of it is delivered.
    H11 A broker that is started under the other one's name refuses, and touches nothing.
    H12 At rest the role is handed over when an operator asks, and all is answered `both` meanwhile.
    H15 A shared store is open in one process at a time.
    H13 There is an order of the requests in which every answer is right (tests/history/judge.h, scribe.h).

    H14 What a PUT acknowledges is done, and what it puts is stored, both or neither (forge.c).
    H16 Each subscription of a topic has what was put and it has not acknowledged, once and in order, and nothing else (news.c).
    H18 Who reads a topic that keeps all has all of it, in order, but for what is told as removed; so has a subscription that is moved (annals.c).
    H17 A message that a consumer rejects is among the dead letters, one that none does is in its queue: each is in one. What was
        given back comes to nobody before its delay is over, while the same broker leads (letters.c).
    H19 A message with a delay comes when it is due, not before, once, and is not lost, taken back or not (alarms.c).
    H21 A message that expires is not delivered later than that, is not gone before, and its dead letter is there (offers.c).
    H22 Of a queue with priorities none comes while a higher one waits that was answered OK, nor one of its own that was put before; and
        each is there, once (triage.c).
    H20 A queue that drops its oldest messages has the newest, and no more than it may; where there is a dead-letter none is gone (samples.c).
    H23 What two say under one message-id is there once, also after a split (calls.c).
    H24 An exclusive queue is one consumer's at a time: by its numbers what consumers write to obeys all messages, the first one first (helm.c).
    H25 Messages of one key come one after the other, each when those before it are acknowledged, and others go on (tracks.c).
    H26 A queue with the option unused is there, and all in it, until its time has passed since it was used, and gone in the end; alone a
        broker deletes none that both know (lodger.c).

    Messages of producers without a name may be stored twice: H3 to H5 are for those of named ones.

    What the loser of a split has put aside counts as delivered; H5 says when it may.

    From a split (both brokers have answered what the other one lacks) until both are in sync again, H2 holds for what is
    still on one of the two disks, and what the README takes back is allowed: a message that was acknowledged on one side is
    delivered by the other (H3); what the two sides took is in no common order (H4, which holds for ids of one epoch); a PUT
    that was sent to both sides has an id of each (H5), but not in one store. What was acknowledged before they are in sync
    again comes under that id no more; under its other id it may.

    Who leads may have died before its disk had what it had sent to the other broker, which was not in sync.  Nobody has
    answered that, so there is no split, beside a witness either; but it is replayed under the ids that it has.  What the
    leader has taken of a producer meanwhile comes behind that, also behind later numbers (H4): behind those of the epochs
    that are replayed, no others.
*/

#ifndef SIM_HISTORY_H_INCLUDED
#define SIM_HISTORY_H_INCLUDED

#include "sim.h"

//  The pair has a witness.
void history_witness (void);
//  By the witness's disk one of the two may be alone.
bool history_is_held (void);
//  The world was strained: without that there can be no split.
void history_strain (void);
bool history_is_split (void);
//  Whether the brokers are divided, or were since then.
bool history_was_divided (int64_t since);
//  Whether both know what was acknowledged then: they are not divided, or have become one after it.
bool history_is_settled (int64_t when);
//  When they were last in sync.
int64_t history_parted (void);
//  A broker that follows held what the leader lacks, and nobody had answered it alone: whether its newest epoch was this
//  one, or is between it and that of an id of the leader's.
bool history_was_replayed (uint64_t epoch, uint64_t leader);
//  The dead letters of one message, as they are found.  Two may be one that a peer replayed, and one of the leader's own
//  (README).
typedef struct {
    int found;
    uint64_t low, high; //  ids
} history_dead_t;
void history_dead (history_dead_t *self, uint64_t id);
bool history_died_anew (const history_dead_t *self);
//  A broker's process begins: what the one before it has said is over.
void history_starts (int machine);
//  What a broker says of its role.  Two that both go on alone, or one that has diverged, are a split, too, before (or
//  though) the second one has answered anything.
void history_role (int machine, const char *text);
//  A broker has written its own file.
void history_stood (bool stands);
void history_alone (int machine);
//  An operator is about to have a broker lead: no witness is asked any more.
void history_promotes (void);
//  A broker was told to lead, whatever it lacks: that is a split.  What it holds may come again, though the other one has
//  acknowledged it, or will before the two are in sync.
void history_promoted (int machine);
bool history_was_promoted (void);
//  A disk is about to be set back to a copy; was set back.  What was on it alone is gone.  What it holds again may come
//  again if its broker leads before it has followed.
void history_back (int machine);
void history_was_back (int machine);
//  A disk was set back, and is not level yet.
bool history_is_back (void);
//  A merge is cut off, and its loser leads next.  Whether any was.
void history_cut_off (void);
bool history_was_cut_off (void);

#define HISTORY_EPOCH 1700000000000 //  ms since 1970 at the world's begin
//  The time of the pair, as this broker has it; ms by which any has had it before or behind the world's at most.
uint64_t history_time (int machine);
int64_t history_ahead (void);
int64_t history_behind (void);

//  Figures of a run.
typedef struct {
    size_t epochs, levels;
} history_stats_t;
extern history_stats_t history_stats;

#endif
