/*  =========================================================================
    sim - a virtual world in which the real brokers and clients run

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    All code of the broker and of the client library runs as it is, above a world
    that is made of link-time doubles:

      world     clock, threads as fibers, processes, events: one thread of the machine, one seed
      message   zmq_msg_t
      net       libzmq's sockets over a virtual TCP
      disk      io/store/node, io/store/record and io/store/home: files that lose what was not synced
      lock      io/store/lock and io/store/shared: the lock of a store that both brokers reach
      aside     io/store/salvage
      base      io/store/env and io/store/tables: a replicated log, as Berkeley DB promises it
      stores    what is in it, for the checkers
      system    clock, entropy, logs, threads, exit, and patterns/probe

    Above them, what a run is made of:

      machines  the brokers and their witness, as processes that are started again
      clients   programs that use them; the keeper purges and deletes
      operator  moves the role
      faults    what breaks, and when
      visitors  clients that do all that can be done with one queue, right or wrong
      history   how the two brokers stand to each other, and the checkers of their answers
      ledger    what became of each message, and the checkers of that
      mutants   bugs that the checkers must find
      scribe    what was sent and heard, for the judge of histories

    Whatever happens is decided by the seed, in one order.  Times here are virtual
    microseconds; what the broker sees are milliseconds.
*/

#ifndef SIM_H_INCLUDED
#define SIM_H_INCLUDED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MS 1000
#define SECOND (1000 * MS)

//  Machines: the two brokers', all clients', and the witness's.  An address is 10.0.0.MACHINE.
enum { NOWHERE, PRIMARY, BACKUP, CLIENTS, WITNESS, MACHINES };

typedef struct process process_t;
typedef struct fiber fiber_t;

//  Bugs that are put into the world on purpose, to see that the checkers find them.
typedef enum {
    MUTANT_NONE,
    MUTANT_FORGET,   //  a disk forgets at a crash what it has synced last
    MUTANT_SYNC,     //  a sync does nothing
    MUTANT_ACKS,     //  the peer's store loses acknowledgements
    MUTANT_PRODUCER, //  the peer's store loses producers' numbers
    MUTANT_ORDER,    //  two bodies of a row change their places
    MUTANT_DEATH,    //  a living peer is proven dead, and its heartbeats are lost
    MUTANT_EPOCH,    //  two leaderships get the same epoch
    MUTANT_LINK,     //  a connection between the brokers that has broken is not made again
    MUTANT_CONSENT,  //  the witness consents to all that is asked for
    MUTANT_RECORD,   //  the witness's disk goes back to the record before when the witness dies
    MUTANT_BITS,     //  the loser of a split does not tell what it has acknowledged
    MUTANT_ROWS,     //  the peer's store has no queues
    MUTANT_LATE,     //  the winner of a split takes a row later than it says, or never
    MUTANT_MIX,      //  after a split messages are handed out in no order
    MUTANT_TWICE,    //  the winner of a split does not see that it has a PUT already
    MUTANT_NAME,     //  a store does not say whose it is
    MUTANT_YIELD,    //  an operator's wish that the peer leads is forgotten
    MUTANT_TAIL,     //  what the leader lacks is rolled back
    MUTANT_PURGE,    //  the loser of a split does not tell what it has purged
    MUTANT_AGAIN,    //  a broker does not tell that a PUT was stored before
    MUTANT_COUNT,    //  a broker counts one message too many
    MUTANT_PART,     //  the winner of a split takes each part of a large PUT for a PUT of its own
    MUTANT_SHORT,    //  a broker knows few of the numbers that it has stored
    MUTANT_LIMITS,   //  a PUT that is too large for a broker is not compared with what is stored
    MUTANT_NOTED,    //  a node's file does not name the level of its store
    MUTANT_GONE,     //  a PUT acknowledges what is done already, or another consumer's
    MUTANT_MARK,     //  a new leader takes a subscription for one that has done all
    MUTANT_FILTER,   //  a filter excludes now and then what fits it
    MUTANT_EARLY,    //  a topic that keeps all removes what it is to keep
    MUTANT_UNTOLD,   //  a subscription is not told of what was removed before it had it
    MUTANT_READ,     //  a READ goes on behind what it has not seen
    MUTANT_SEEK,     //  a SEEK leads to the end
    MUTANT_TORN,     //  a PUT is stored, and what it acknowledges is not
    MUTANT_BURIED,   //  what a consumer rejects is done, and goes nowhere now and then
    MUTANT_SPENT,    //  what was tried without success counts as its first try
    MUTANT_LOCK,     //  the lock of a shared store keeps nobody out
    MUTANT_FENCE,    //  a fence does nothing
    MUTANT_SURE,     //  who goes on takes what is ready for ready, whatever the peer has done meanwhile
    MUTANT_MOVED,    //  what is moved stays where it was as well, now and then
    MUTANT_RESTED,   //  what was given back rests for too short a time
    MUTANT_HASTY,    //  a message with a delay is due half a second early
    MUTANT_UNTIMED,  //  the loser of a split does not tell of what is not due
    MUTANT_RIVAL,    //  an exclusive queue is served to whoever comes first
    MUTANT_STILL,    //  its number does not rise while one broker leads
    MUTANT_ABREAST,  //  two messages of one key are delivered at once now and then
    MUTANT_STUCK,    //  a key stays leased now and then when its message is done
    MUTANT_GREEDY,   //  a queue that is full drops all that is ready
    MUTANT_TAKEN,    //  an acknowledgement of what is on its way from the lane into the log is forgotten
    MUTANT_UNPURGED, //  what is purged stays in the lane
    MUTANT_STALE,    //  what is over is delivered
    MUTANT_SOON,     //  it is over in half of its time
    MUTANT_UNLAID,   //  the winner of a split does not see that it has a row already that was in the loser's lane
    MUTANT_EQUAL,    //  a queue with priorities gives the oldest first now and then
    MUTANT_ECHO,     //  a PUT of a message-id is taken for a new one, now and then
    MUTANT_ALIKE,    //  the winner of a split does not see that it has a message-id already
    MUTANT_EVICTED,  //  a use of a queue does not count
    MUTANT_SQUATTED, //  a queue that nobody uses is never deleted
    MUTANT_SOLE,     //  one that is alone deletes what both know
    MUTANT_HURRIED,  //  a lead counts from before it began
    MUTANTS
} mutant_t;

extern mutant_t sim_mutant;
const char *sim_mutant_name (mutant_t mutant);
//  The first two bodies of the producers change their places.
void swap_bodies (uint8_t *data, size_t size);

//  What a run has beyond its kind of faults.
enum {
    EXTRA_SPLITS = 1,    //  the brokers are cut off from each other for long, clients come and go on both sides
    EXTRA_OPERATOR = 2,  //  one moves the role, and has brokers lead that wait
    EXTRA_NAMES = 4,     //  brokers are started as the other one
    EXTRA_COPIES = 8,    //  disks are set back to copies
    EXTRA_VISITORS = 16, //  three clients use one queue in all ways
    EXTRA_LEVELS = 32,   //  programs of two levels take turns on the machines, and an operator raises the store's
    EXTRA_LARGE = 64,    //  PUTs that take several rows of the log
    EXTRA_OLD = 128,     //  PUTs are sent again long after they were, answered or not
    EXTRA_LIMITS = 256,  //  the two brokers' limits differ, and visitors have bodies that only one of them takes
    EXTRA_CLOCKS = 512,  //  brokers stand still, and their clocks with them
    EXTRA_FORGE = 1024,  //  consumers that put what they make with acks=
    EXTRAS = 11,         //  how many there are that a run may have or not
    EXTRA_SHARED = 2048, //  both brokers use one store: every eighth block of 64 seeds, without the first four of these
    EXTRA_WITNESS = 4096 //  no run has it; who selects seeds means those with a witness
};

//  --- world: time, chance, events ---------------------------------------------------------------------------------

void world_init (uint64_t seed);
//  Whether this run has it, or one of several; all of them.  Of 64 seeds the first 16 have none but EXTRA_SHARED.
bool world_has (unsigned extra);
bool world_has_all (unsigned extras);
//  The one with this name; 0 if there is none.
unsigned world_extra (const char *name);
//  The names of all that it has, each behind a comma.
const char *world_extras (void);
int64_t world_now (void);
//  A number below `below`.
uint64_t world_random (uint64_t below);
//  A time from now on: so long at least, and less than `most`.
int64_t world_some (int64_t least, int64_t most);
//  True that often of a thousand times.
bool world_chance (unsigned permille);
//  From a stream of its own, so that what is secret does not move what is not.
void world_entropy (void *data, size_t size);

//  Calls fn (arg, number) at that time, outside of any fiber.
typedef void (world_fn) (void *arg, uint64_t number);
void world_at (int64_t when, world_fn *fn, void *arg, uint64_t number);
//  Runs what happens until then.
void world_run (int64_t until);

//  A line of the transcript: time, process, text.  Transcripts of equal seeds are equal.
void world_note (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
extern bool world_verbose;
//  Something that must not happen.  The first one ends the run.
void world_finding (const char *format, ...) __attribute__ ((format (printf, 1, 2), noreturn));

//  --- world: processes and fibers ---------------------------------------------------------------------------------

typedef void *(fiber_fn) (void *arg);

struct process {
    const char *name;
    int machine;
    unsigned serial;
    bool alive, paused;
    int64_t stopped, resumed; //  when it was stopped, and went on, last
    int64_t stood;    //  how long its clock has not gone
    int stop;         //  zsys_interrupted, as this process sees it
    bool interrupted; //  a call of it has returned for that
    int code;         //  how it ended
    fiber_t *fibers;
    process_t *next;
};

//  The process whose fiber runs; NULL outside.
process_t *process_self (void);
process_t *process_start (const char *name, int machine, fiber_fn *fn, void *arg);
//  kill -9: its sockets close, its memory is gone.
void process_kill (process_t *self);
//  SIGSTOP, SIGCONT, SIGTERM.
void process_pause (process_t *self, bool paused);
//  As a virtual machine that goes on: its clock has stood meanwhile.
void process_go_on (process_t *self);
void process_stop (process_t *self);
//  Ends the process from inside.
void process_exit (int code) __attribute__ ((noreturn));

fiber_t *fiber_self (void);
fiber_t *fiber_new (fiber_fn *fn, void *arg);
//  Waits until the other one has ended; what it returned.
void *fiber_join (fiber_t *self);
//  The running fiber sleeps until then, or until it is woken.
void fiber_sleep (int64_t until);
void fiber_wake (fiber_t *self);

//  --- net ---------------------------------------------------------------------------------------------------------

//  Frames from one machine to another pass, or wait.
void net_cut (int from, int to, bool cut);
bool net_is_cut (int from, int to);
//  Longest delay of a frame now, us.
void net_delay (int64_t most);
//  Breaks all connections between two machines.
void net_reset (int one, int other);
//  Called by processes: all sockets of this one close.
void net_close_all (process_t *process, bool power);
//  A process goes on.
void net_resumed (process_t *process);
//  Somebody listens there and its machine can be reached.
bool net_refuses (int from, int machine, unsigned port);
//  --- disk and base -----------------------------------------------------------------------------------------------

//  Longest time that a sync takes now, us; and whether the next one fails.
void disk_delay (int machine, int64_t most);
void disk_fail (int machine);
bool disk_fails (int machine);
void disk_full (int machine, bool full);
//  The process that used this disk is gone; `power`: also what the system had not written.
void disk_crash (int machine, bool power);

//  Whether the store that counts on this disk holds the commit, on the disk.
bool base_holds (int machine, uint64_t record);
//  The record (a number that is never used twice) that this machine's store holds as this commit of this epoch; 0 if
//  none.
uint64_t base_record (int machine, uint64_t epoch, unsigned node, uint64_t commit);
//  Whether a message with this body is in a log row of the store that counts.
bool base_has_body (int machine, const char *body);
//  In how many places of such rows it is.
size_t base_count (int machine, const char *body);
//  Calls fn for each message that the store that counts holds, on the disk; `done`: it is acknowledged.
typedef void (base_fn) (const void *body, size_t size, uint64_t id, bool done);
void base_each (int machine, base_fn *fn);
//  The two are in sync: what the passive one holds is what the active one held a moment ago, row by row.
void base_compare (int active, int passive);
//  A line about the disk.
void base_print (int machine, char *line, size_t size);
//  Makes a copy of it, in place of an earlier one; sets it back to that, while its process is down: false if there is none.
void disk_copy (int machine);
//  When that was done last.
int64_t disk_copied (int machine);
bool disk_set_back (int machine);
//  A broker has begun to use it.  Whether what is on it is what was there when it was marked.
bool disk_is_used (int machine);
void disk_mark (int machine);
bool disk_is_as_marked (int machine);
//  The node's own file.
bool disk_alone (int machine);
bool disk_suspect (int machine);
//  The witness's records, as a power loss would leave them; NULL if there are none.
const char *disk_record (int machine);

#endif
