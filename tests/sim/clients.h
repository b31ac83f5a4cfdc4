/*  =========================================================================
    clients - programs that use a pair, as its protocol says

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef SIM_CLIENTS_H_INCLUDED
#define SIM_CLIENTS_H_INCLUDED

#include "history.h"

//  Starts producers and consumers.  Producers put until `until`, and end when all is answered.
void clients_start (int64_t until);
//  Starts one more producer, to be used once.
void clients_more (int64_t until);
//  One more that has to end; one of them has ended.
void clients_begin (void);
void clients_end (void);
//  Some that use a queue of their own in all ways.
void visitors_start (int64_t until);
//  The keeper; then one that counts what is in its queue.
void *keeper_run (void *arg);
void keeper_count (void);
bool keeper_has_counted (void);
//  A miner, and smiths who put what they make with acks=; then one that counts what is there.
void forge_start (int64_t until);
void forge_count (void);
bool forge_has_counted (void);
//  A topic's writer and readers; then one that counts what they have left.
void news_start (int64_t until);
void news_count (void);
bool news_have_been_counted (void);
//  Who writes into a topic that keeps all, who reads it, and who is too slow; then one that counts what is there.
void annals_start (int64_t until);
void annals_count (void);
bool annals_have_been_counted (void);
//  A sender of letters, and carriers who reject some; then one that counts what is left and what is dead.
void letters_start (int64_t until);
void letters_count (void);
bool letters_have_been_counted (void);
//  A setter of alarms, and who gets them when they are due; then one that counts what is left.
void alarms_start (int64_t until);
void alarms_count (void);
bool alarms_have_been_counted (void);
//  A meter whose queue drops the oldest samples, and who plots some; then one that counts what is there.
void samples_start (int64_t until);
void samples_count (void);
bool samples_have_been_counted (void);
//  A captain, and helmsmen of whom one has the queue at a time; then one that counts what is left.
void helm_start (int64_t until);
void helm_count (void);
bool helm_has_been_counted (void);
//  One of them was put aside.
void helm_aside (const void *body, size_t size);
//  A dispatcher of trains, and signalmen who let them through one after the other on each track; then one that counts what is left.
void tracks_start (int64_t until);
void tracks_count (void);
bool tracks_have_been_counted (void);
//  One of them was put aside.
void tracks_aside (const void *body, size_t size);
//  A lodger who uses queues with unused, or does not; then one that counts what is left.
void lodger_start (int64_t until);
void lodger_count (void);
bool lodger_has_counted (void);
//  A seller of offers that expire, and who buys them; then one that counts what is left.
void offers_start (int64_t until);
void offers_count (void);
bool offers_have_been_counted (void);
//  A broker hands out a message of this queue.
void offers_hand_out (int machine, const void *body, size_t size, const char *queue);
//  A nurse who puts by priority, and a doctor who gets; then one that counts what is left.
void triage_start (int64_t until);
void triage_count (void);
bool triage_has_counted (void);
void triage_aside (const void *body, size_t size);
//  Two who say the same; then one that counts what is there.
void calls_start (int64_t until);
void calls_count (void);
bool calls_have_been_counted (void);
//  A call was put aside.
void calls_aside (const void *body, size_t size);
//  One of them was put aside.
void offers_aside (const void *body, size_t size);
void alarms_aside (const void *body, size_t size);
void samples_aside (const void *body, size_t size);
//  A letter was put aside.
void letters_aside (const void *body, size_t size);
//  A message of the forge was put aside.
void forge_aside (const void *body, size_t size);
//  An operator who moves the role and promotes until then; then one that moves it once, and whether it was moved.
void operator_start (int64_t until);
void operator_move (void);
bool operator_has_asked (bool *moved);
//  One who knows of nothing gets messages from this broker, until then.
void stray_start (int machine, int64_t until);
//  All producers have ended.
bool clients_are_done (void);

//  One who raises the level of the store as often as it can be raised, until then.
void updater_start (int64_t until);

#endif
