/*  =========================================================================
    reason - why a broker serves or does not, and the way out

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <assert.h>

#include "core/pair/reason.h"

#define PROMOTE "if that one is lost for good: zbroker promote --accept-loss"

static const zb_reason_row_t s_rows[ZB_REASONS] = {
    [ZB_REASON_NONE] = {"none", ZB_STANDS_BRIEFLY, "", NULL, false},

    [ZB_REASON_RISING] = {"rising", ZB_STANDS_BRIEFLY, "active: the store is being made the master", NULL, false},
    [ZB_REASON_TAKING] = {"taking", ZB_STANDS_BRIEFLY,
                          "active: the lock of the shared store is being taken, the fence run, the store recovered",
                          NULL, false},
    [ZB_REASON_RAISING] = {"raising", ZB_STANDS_BRIEFLY, "active: the new epoch is on its way to the disk", NULL,
                           false},
    [ZB_REASON_SINGLE] = {"single", ZB_STANDS_SERVING, "active without a pair", NULL, false},
    [ZB_REASON_SHARED] = {"shared", ZB_STANDS_SERVING, "active on the shared store", NULL, false},
    [ZB_REASON_ALONE] = {"alone", ZB_STANDS_SERVING, "active without its peer", NULL, false},
    [ZB_REASON_JOINING] = {"joining", ZB_STANDS_SERVING, "active: the peer is catching up", NULL, false},
    [ZB_REASON_CLEARING] = {"clearing", ZB_STANDS_SERVING, "active: the peer has caught up", NULL, false},
    [ZB_REASON_PAIRED] = {"paired", ZB_STANDS_SERVING, "active, the peer is in sync", NULL, false},
    [ZB_REASON_PROBING] = {"probing", ZB_STANDS_BRIEFLY, "active: the peer does not acknowledge", NULL, false},
    [ZB_REASON_SEVERING] = {"severing", ZB_STANDS_BRIEFLY, "active: telling the peer that it is left behind", NULL,
                            false},
    [ZB_REASON_DRAINING] = {"draining", ZB_STANDS_BRIEFLY, "active: handing over, nothing new is taken", NULL, false},

    [ZB_REASON_OVERTAKEN] = {"stopped", ZB_STANDS_WAITING,
                             "waiting for the peer: this process was stopped, and the peer may have answered meanwhile",
                             "start the other broker, or mend the network between the two: it goes on when they hear "
                             "each other; " PROMOTE,
                             true},
    [ZB_REASON_PEER_LOSS] = {"peer-loss", ZB_STANDS_WAITING,
                             "the other broker does not acknowledge, and peer-loss = wait",
                             "start the other broker; if that one is lost for good: start this one with "
                             "--peer-loss solo, then zbroker promote --accept-loss",
                             false},
    [ZB_REASON_PEER_LOSS_REPLAY] = {"peer-loss-replay", ZB_STANDS_WAITING,
                                    "the other broker holds commits that this one lacks, as after a folder was set "
                                    "back to an older copy, or two kills in a row; and peer-loss = wait: only a broker "
                                    "that goes on alone takes them",
                                    "start the active broker, which is this one, with --peer-loss solo: it takes what "
                                    "the other one holds, and until both are in sync it answers OK solo, and "
                                    "settings-differ is said; then start it as before",
                                    false},
    [ZB_REASON_WITNESS_SILENT] = {"witness-silent", ZB_STANDS_WAITING, "waiting: the witness does not answer",
                                  "start the witness or the other broker, or mend the network; if both are lost for "
                                  "good: start this one without witness in its config file, then, if it still waits, "
                                  "zbroker promote --accept-loss",
                                  false},
    [ZB_REASON_WITNESS_OTHER] = {"witness-other", ZB_STANDS_WAITING,
                                 "waiting: the witness keeps the record of another pair of this name. Give one of the "
                                 "two another pair/name; or, if that pair is gone, stop the witness and say 'zbroker "
                                 "witness reset' with the name",
                                 "give one of the two pairs another pair/name; or, if the other pair is gone, stop the "
                                 "witness, say zbroker witness reset with the name, start it again, and the other "
                                 "broker: both make themselves known when they are in sync",
                                 false},
    [ZB_REASON_WITNESS_BEYOND] = {"witness-beyond", ZB_STANDS_WAITING,
                                  "waiting: the witness has a record that is far behind this pair's epochs. Stop the "
                                  "witness and say 'zbroker witness reset' with the pair's name",
                                  "stop the witness, say zbroker witness reset with the pair's name, start it again, "
                                  "and the other broker: both make themselves known when they are in sync",
                                  false},
    [ZB_REASON_WITNESS_UNPROVEN] = {"witness-unproven", ZB_STANDS_WAITING,
                                    "waiting: the witness has not believed that an operator has said that; say "
                                    "'zbroker promote' again",
                                    "say zbroker promote --accept-loss again, with the brokers' own config file", true},
    [ZB_REASON_WITNESS_TAKEN] = {"witness-taken", ZB_STANDS_WAITING,
                                 "waiting: the witness has let the other broker go on alone",
                                 "start the other broker, which has what this one lacks; " PROMOTE, true},
    [ZB_REASON_WITNESS_STRANGER] = {"witness-stranger", ZB_STANDS_WAITING,
                                    "waiting for the peer: the witness does not know this pair yet, both must meet "
                                    "once",
                                    "start the other broker: when both are in sync the witness knows them; " PROMOTE,
                                    true},

    [ZB_REASON_OPENING] = {"opening", ZB_STANDS_BRIEFLY, "the store is being opened", NULL, false},
    [ZB_REASON_IN_STEP] = {"in-step", ZB_STANDS_BY, "passive, in sync", NULL, false},
    [ZB_REASON_CATCHING_UP] = {"catching-up", ZB_STANDS_BY, "passive, catching up", NULL, false},
    [ZB_REASON_READY] = {"ready", ZB_STANDS_BY, "ready to take over", NULL, false},
    [ZB_REASON_YIELDED] = {"yielded", ZB_STANDS_BRIEFLY,
                           "waiting: the role was handed over, the other broker is about to lead", NULL, false},
    [ZB_REASON_AGREEING] = {"agreeing", ZB_STANDS_BRIEFLY, "waiting: the brokers are agreeing who leads", NULL, false},
    [ZB_REASON_AHEAD] = {"ahead", ZB_STANDS_BY,
                         "diverged: this store holds commits that the peer lacks, as if one of the two had been set "
                         "back to an older copy; they are replayed while the peer leads, and nothing is deleted before "
                         "that",
                         NULL, false},
    [ZB_REASON_AHEAD_WAITS] = {"ahead-waits", ZB_STANDS_WAITING,
                               "diverged: this store holds commits that the peer lacks, as if one of the two had been "
                               "set back to an older copy; they are replayed when the peer leads again, and nothing is "
                               "deleted before that",
                               "start the other broker; " PROMOTE, true},
    [ZB_REASON_DIVERGED] = {"diverged", ZB_STANDS_BY,
                            "diverged: this store holds what was answered without the peer and what the peer lacks; it "
                            "is replayed while the peer leads, and nothing is deleted before that",
                            NULL, false},
    [ZB_REASON_DIVERGED_WAITS] = {"diverged-waits", ZB_STANDS_WAITING,
                                  "diverged: this store holds what was answered without the peer and what the peer "
                                  "lacks; it is replayed when the peer leads again, and nothing is deleted before that",
                                  "start the other broker; " PROMOTE, true},
    [ZB_REASON_SUSPECT] = {"suspect", ZB_STANDS_WAITING,
                           "waiting for the peer: this store is not trusted, a sync to this disk failed or it was "
                           "damaged",
                           "start the other broker, and all is fetched from it; if that one is lost for good, or waits "
                           "for the same: stop this one, zbroker adopt --store DIR --accept-loss (with damaged.N where "
                           "it was put aside), start it, then zbroker promote --accept-loss",
                           false},
    [ZB_REASON_INCOMPLETE] = {"incomplete", ZB_STANDS_WAITING, "waiting for the peer: this store is not complete",
                              "start the other broker, and the rest is fetched from it; if that one is lost for good, "
                              "and there is a folder damaged.N: stop this one, zbroker adopt --store DIR --accept-loss "
                              "damaged.N, start it, then zbroker promote --accept-loss",
                              false},
    [ZB_REASON_NEW] = {"new", ZB_STANDS_WAITING, "waiting for the peer: a new pair forms when both brokers meet",
                       "start the other broker, or mend the network between the two; if there is a store already, "
                       "name its folder",
                       false},
    [ZB_REASON_PEER_LOSS_WAITS] =
        {"peer-loss-waits", ZB_STANDS_WAITING, "waiting for the peer: peer-loss = wait",
         "start the other broker; if that one is lost for good: start this one with --peer-loss solo, "
         "then, if it still waits, zbroker promote --accept-loss",
         false},
    [ZB_REASON_BEHIND] = {"behind", ZB_STANDS_WAITING,
                          "waiting for the peer: it was heard to have led in an epoch that this store lacks; promote "
                          "--accept-loss gives up what it holds more",
                          "start the other broker; " PROMOTE, true},
    [ZB_REASON_UNKNOWN] = {"peer-unknown", ZB_STANDS_WAITING,
                           "waiting for the peer: this broker was not in sync when it was last heard, so the peer may "
                           "hold newer messages",
                           "start the other broker, or mend the network between the two: the pair comes back by "
                           "itself; " PROMOTE,
                           true},
    [ZB_REASON_MISFIT] = {"versions", ZB_STANDS_WAITING, "waiting: the two brokers' versions make no pair",
                          "update the broker that is named", false},
    [ZB_REASON_OTHER_PAIR] = {"other-pair", ZB_STANDS_WAITING,
                              "waiting: the other broker's store belongs to another pair",
                              "start each broker with its right folder; or stop the one that is to be a copy, move its "
                              "folder away, and start it with an empty one",
                              false},
    [ZB_REASON_PEER_SUSPECT] = {"peer-suspect", ZB_STANDS_WAITING,
                                "waiting: the other broker has answered OK what this one lacks, and its store is not "
                                "trusted",
                                "on the other machine: stop that broker, zbroker adopt --store DIR --accept-loss, "
                                "start it; or, to give up what it has answered alone: zbroker promote --accept-loss "
                                "with this one's endpoint",
                                true},
    [ZB_REASON_PEER_UNFIT] = {"peer-unfit", ZB_STANDS_WAITING,
                              "waiting: this store is empty, and the other broker's is not trusted or not complete",
                              "on the other machine: stop that broker, zbroker adopt --store DIR --accept-loss, start "
                              "it: the two agree by themselves; or, if nothing is to be kept, start it with an empty "
                              "folder, too: a new pair forms",
                              false},

    [ZB_REASON_SHARED_IN_STEP] = {"shared-in-step", ZB_STANDS_BY,
                                  "passive, in sync: only the other broker has the shared store open", NULL, false},
    [ZB_REASON_SHARED_NEW] = {"shared-new", ZB_STANDS_BY, "passive: the shared store is new", NULL, false},
    [ZB_REASON_SHARED_UNSEEN] = {"shared-unseen", ZB_STANDS_BY,
                                 "passive: the other broker was not seen yet to hold the lock of this folder and serve",
                                 NULL, false},
    [ZB_REASON_SHARED_READY] = {"shared-ready", ZB_STANDS_BY, "ready to take the shared store over", NULL, false},
    [ZB_REASON_LOCK_HELD] = {"lock-held", ZB_STANDS_WAITING, "waiting: the lock of the shared store is held",
                             "have the process that is named go on, or end it; if its machine is out, the lock is free "
                             "when the file system knows it",
                             false},
    [ZB_REASON_LOCK_UNREAD] = {"lock-unread", ZB_STANDS_WAITING, "waiting: the lock of the shared store can't be read",
                               "mount the file system, or let this user read and write DIR/LOCK", false},
    [ZB_REASON_LOCK_DOUBT] = {"lock-doubt", ZB_STANDS_WAITING,
                              "waiting: the other broker serves, and nobody is seen to hold the lock: this is another "
                              "folder, or the file system's locks do not reach the other machine",
                              "name the folder that the other broker uses, on a file system whose locks reach both; if "
                              "that one is lost for good and this is the right folder: stop this one, remove DIR/LOCK, "
                              "and start it",
                              false},
    [ZB_REASON_LOCK_LOST] = {"lock-lost", ZB_STANDS_WAITING,
                             "waiting: the other broker has lost the lock of the shared store, and has to end before "
                             "anybody takes it",
                             "end the other broker's process; one that runs ends by itself", false},
    [ZB_REASON_DENIED] = {"denied", ZB_STANDS_WAITING, "waiting: the shared store could not be opened",
                          "mend what is named: the folder, its file system, or store/fence; it is tried again by "
                          "itself",
                          false},
    [ZB_REASON_NOT_SHARED] = {"not-shared", ZB_STANDS_WAITING,
                              "waiting: the other broker's store is not a shared one: start both with --shared, or "
                              "neither",
                              "start both brokers with --shared, or neither", false},
    [ZB_REASON_OTHER_FOLDER] = {"other-folder", ZB_STANDS_WAITING,
                                "waiting: the other broker uses another folder: both must name the same one",
                                "start both brokers with the same folder", false},
    [ZB_REASON_OLDER_FOLDER] = {"older-folder", ZB_STANDS_WAITING,
                                "waiting: the folder holds an older copy of the store that the other broker has served "
                                "from",
                                "name the folder that the other broker has served from; if that one is lost for good: "
                                "start this broker again, and it leads with the copy",
                                false},

    [ZB_REASON_LINK_REFUSED] = {"link-refused", ZB_STANDS_WAITING, "what comes over a link is refused",
                                "mend what is named", false},
    [ZB_REASON_SETTINGS_DIFFER] = {"settings-differ", ZB_STANDS_WAITING, "the two brokers are set up differently",
                                   "give both the same config file, and start the passive one again, then, after "
                                   "zbroker switchover, the other",
                                   false},
    [ZB_REASON_REPLAY_WAITS] = {"replay-waits", ZB_STANDS_WAITING, "the replay waits for the winner of the split",
                                "do at the winner what its words name; if it can't tell what it has had, move the "
                                "messages by hand, see salvage in zbroker(1)",
                                false},
    [ZB_REASON_PUT_ASIDE] = {"put-aside", ZB_STANDS_WAITING,
                             "messages that the winner of the split could not take are kept in DIR/salvage",
                             "zbroker salvage list --store DIR, then zbroker salvage replay --store DIR", false},
    [ZB_REASON_DISK_FULL] = {"disk-full", ZB_STANDS_WAITING, "the disk is nearly full: PUT is refused with 507",
                             "make room on the disk of the store, or have consumers take messages: PUT is taken again "
                             "by itself",
                             false},
    [ZB_REASON_CONNECTIONS_FULL] = {"connections-full", ZB_STANDS_WAITING,
                                    "all connections that are let in are taken: new clients are refused",
                                    "raise limits/connections and the limit of open files, or close connections",
                                    false},
};

const zb_reason_row_t *zb_reason_row (zb_reason_t reason)
{
    assert (reason < ZB_REASONS && s_rows[reason].name);
    return &s_rows[reason];
}
