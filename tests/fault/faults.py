"""What can break, one function each: it breaks something while the load goes on, and returns when the rest of the round
may mend it.  The first line of its text is its row in the table.

`rig` is rig.Rig, `dice` a random.Random: the same seed makes the same choices, though not the same run.
"""
import os
import signal
import time

from rig import BACKUP, ONE, OTHER, PRIMARY, WITNESS

FAULTS = {}
LOG_FILE = 32 << 20         #  the broker's default: it refuses PUTs below twice this and a reserve
#  So small a cache and so much to write that tables are written all the time, not only at checkpoints.
WRITES = {"config": "store\n    cache = 1m\n", "body": 100000}
DISK = 640 << 20            #  room for what it needs to take PUTs again, beside the log it keeps


def fault(hold=False, leak=0, unit=4, config="", backup_config="", options=(), exits=(), disk=0, body=5000, witness=False,
          may_split=False, in_torture=True, shared=True):
    """hold, leak, unit: the shim plays the page cache.  exits: codes with which a broker may end by itself.  disk: the size of
    a file system of its own for each store.  body: bytes of a sixth of all bodies.  witness: a third machine has a vote, so that never both answer without each other; else,
    may_split: they may.  shared: it says something of a pair with one store, too."""
    def add(function):
        function.needs = {"hold": hold, "leak": leak, "unit": unit, "config": config, "backup_config": backup_config,
                          "options": options, "disk": disk, "body": body, "witness": witness}
        #  A disk of its own, or a page cache, is what each broker has with a replicated store; the other one needs no vote.
        function.on_shared = in_torture and shared and not (hold or disk or witness)
        function.exits, function.may_split, function.in_torture = set(exits), may_split, in_torture
        FAULTS[function.__name__] = function
        return function
    return add


def load(dice, least=0.3, most=1.0):
    """Lets the clients go on for a while: not a condition that is waited for, but the time in which things happen."""
    time.sleep(dice.uniform(least, most))


def both(rig, source, target, how="blackhole"):
    rig.network.cut(source, target, how)
    rig.network.cut(target, source, how)


#  Processes.

@fault()
def nothing(rig, dice):
    """nothing at all: the load alone"""
    load(dice, 1, 2)


@fault()
def kill_active(rig, dice):
    """kill -9 of the active broker, which comes back later or at once"""
    rig.nodes[rig.active].kill()
    load(dice, 0, 2)


@fault()
def kill_passive(rig, dice):
    """kill -9 of the passive broker, until the active one goes on alone, or less"""
    rig.nodes[1 - rig.active].kill()
    load(dice, 0, 3)


@fault()
def kill_both(rig, dice):
    """kill -9 of both at once, or one shortly after the other"""
    active = rig.active
    order = [active, 1 - active] if dice.random() < 0.5 else [1 - active, active]
    for index in order:
        rig.nodes[index].kill()
        time.sleep(dice.choice((0, 0, 0.05, 0.6, 1.5)))


@fault(exits=(0,))
def terminate(rig, dice):
    """SIGTERM to one of the brokers"""
    rig.nodes[dice.choice((PRIMARY, BACKUP))].signal(signal.SIGTERM)
    load(dice, 0.5, 2)


@fault()
def restart_storm(rig, dice):
    """eight kills in a row, of either broker, each started again at once"""
    for _ in range(8):
        node = rig.nodes[dice.choice((PRIMARY, BACKUP))]
        node.kill()
        node.restart()
        load(dice, 0, 0.8)


@fault()
def kill_in_resync(rig, dice):
    """kill -9 of one broker while the other one catches up, which then is alone and behind"""
    first = dice.choice((PRIMARY, BACKUP))
    rig.nodes[first].kill()
    load(dice, 1.2, 2.5)
    rig.nodes[first].restart()
    load(dice, 0, 0.4)
    rig.nodes[dice.choice((first, 1 - first))].kill()
    load(dice, 0.5, 1.5)


#  Pauses.

@fault()
def stop_active_short(rig, dice):
    """SIGSTOP of the active broker, for less than every limit"""
    stop(rig, rig.active, dice.uniform(0.05, 0.2))


@fault()
def stop_active_long(rig, dice):
    """SIGSTOP of the active broker, for longer than every limit; then it goes on"""
    stop(rig, rig.active, dice.uniform(1.5, 5))


@fault()
def stop_active_edge(rig, dice):
    """SIGSTOP of the active broker, for about as long as the limits"""
    stop(rig, rig.active, dice.uniform(0.2, 1.3))


@fault()
def stop_passive(rig, dice):
    """SIGSTOP of the passive broker, short or long"""
    stop(rig, 1 - rig.active, dice.choice((0.2, 0.7, 1.1, 3)))


@fault()
def stop_both(rig, dice):
    """SIGSTOP of both, with ends at different times"""
    for node in rig.nodes:
        node.signal(signal.SIGSTOP)
    time.sleep(dice.uniform(0.3, 4))
    rig.nodes[dice.choice((PRIMARY, BACKUP))].signal(signal.SIGCONT)
    time.sleep(dice.choice((0, 0.3, 1, 2.5)))


@fault()
def stop_then_kill(rig, dice):
    """SIGSTOP of the active broker, takeover, then it goes on; shortly after it the other one is killed"""
    active = rig.active
    stop(rig, active, dice.uniform(0.8, 3))
    load(dice, 0, 0.7)
    rig.nodes[1 - active].kill()
    load(dice, 0.5, 2)


@fault()
def stop_client(rig, dice):
    """SIGSTOP of a host's clients, short or longer than the lease"""
    clients = dice.choice(rig.clients)
    clients.process.send_signal(signal.SIGSTOP)
    time.sleep(dice.choice((0.5, 2, 6)))
    clients.process.send_signal(signal.SIGCONT)


def stop(rig, index, seconds):
    rig.nodes[index].signal(signal.SIGSTOP)
    time.sleep(seconds)
    rig.nodes[index].signal(signal.SIGCONT)


#  The network.

@fault(may_split=True)
def cut_brokers(rig, dice):
    """the link between the brokers is cut; all clients reach both"""
    both(rig, PRIMARY, BACKUP, dice.choice(("blackhole", "blackhole", "unreachable")))
    load(dice, 0.3, 5)


@fault(may_split=True)
def reset_brokers(rig, dice):
    """a firewall answers what the brokers send to each other with RST; all clients reach both"""
    both(rig, PRIMARY, BACKUP, "reset")
    load(dice, 0.3, 5)


@fault(may_split=True)
def reset_one_way(rig, dice):
    """a firewall answers what one broker sends to the other with RST; the other way is open"""
    source = dice.choice((PRIMARY, BACKUP))
    rig.network.cut(source, 1 - source, "reset")
    load(dice, 0.5, 5)


@fault(may_split=True)
def cut_one_way(rig, dice):
    """nothing gets from one broker to the other, but the other way"""
    source = dice.choice((PRIMARY, BACKUP))
    rig.network.cut(source, 1 - source)
    load(dice, 0.5, 5)


@fault()
def cut_client(rig, dice):
    """one host's clients can't reach one of the brokers, or nothing"""
    client = dice.choice((ONE, OTHER))
    for broker in dice.choice(((PRIMARY,), (BACKUP,), (PRIMARY, BACKUP))):
        both(rig, client, broker)
    load(dice, 0.5, 5)


@fault()
def cut_client_one_way(rig, dice):
    """the active broker hears one host's clients, who do not hear it; or they hear, and can't speak"""
    client, active = dice.choice((ONE, OTHER)), rig.active
    rig.network.cut(*((client, active) if dice.random() < 0.5 else (active, client)))
    load(dice, 0.5, 4)


@fault(may_split=True)
def isolate_active(rig, dice):
    """the active broker's host is cut off from everybody"""
    active = rig.active
    for host in {PRIMARY, BACKUP, ONE, OTHER} - {active}:
        both(rig, active, host)
    load(dice, 0.5, 4)


@fault(may_split=True)
def halves(rig, dice):
    """each broker is left with the clients of one host"""
    both(rig, PRIMARY, BACKUP)
    both(rig, PRIMARY, OTHER)
    both(rig, BACKUP, ONE)
    load(dice, 0.5, 5)


def come_and_go(rig, dice, how, times):
    for _ in range(times):
        source = dice.choice((PRIMARY, BACKUP))
        if dice.random() < 0.5:
            rig.network.cut(source, 1 - source, how)
        else:
            both(rig, PRIMARY, BACKUP, how)
        time.sleep(dice.uniform(0.02, 0.8))
        rig.network.heal()
        time.sleep(dice.uniform(0.02, 0.6))


@fault(may_split=True)
def flap(rig, dice):
    """the link between the brokers comes and goes, one way or both"""
    come_and_go(rig, dice, "blackhole", 8)


@fault(may_split=True)
def reset_flap(rig, dice):
    """a firewall that answers what the brokers send to each other with RST comes and goes, one way or both"""
    come_and_go(rig, dice, "reset", 4)


@fault(may_split=True)
def cut_then_kill(rig, dice):
    """the link between the brokers is cut, then one of them is killed, then the link is mended"""
    both(rig, PRIMARY, BACKUP)
    load(dice, 0, 2)
    victim = rig.nodes[dice.choice((PRIMARY, BACKUP))]
    victim.kill()
    load(dice, 0, 2)
    rig.network.heal()
    load(dice, 0, 1)


#  With a witness.

@fault(witness=True)
def witness_reset_brokers(rig, dice):
    """with a witness, a firewall answers what the brokers send to each other with RST, one way or both"""
    source = dice.choice((PRIMARY, BACKUP))
    rig.network.cut(source, 1 - source, "reset")
    if dice.random() < 0.7:
        rig.network.cut(1 - source, source, "reset")
    load(dice, 0.5, 5)


@fault(witness=True)
def witness_reset_flap(rig, dice):
    """with a witness, a firewall that answers what the brokers send to each other with RST comes and goes, one way or both"""
    come_and_go(rig, dice, "reset", 4)


@fault(witness=True)
def witness_cut_brokers(rig, dice):
    """with a witness, the link between the brokers is cut, one way or both"""
    source = dice.choice((PRIMARY, BACKUP))
    rig.network.cut(source, 1 - source)
    if dice.random() < 0.7:
        rig.network.cut(1 - source, source)
    load(dice, 0.3, 5)


@fault(witness=True)
def witness_isolate_active(rig, dice):
    """the active broker can reach neither its peer nor the witness, only the clients"""
    active = rig.active
    both(rig, active, 1 - active)
    both(rig, active, WITNESS)
    load(dice, 0.5, 4)


@fault(witness=True)
def witness_kill(rig, dice):
    """the witness is killed, then one of the brokers; both come back, in any order"""
    rig.witness.kill()
    load(dice, 0, 1)
    rig.nodes[dice.choice((PRIMARY, BACKUP))].kill()
    load(dice, 0, 2)
    if dice.random() < 0.5:
        rig.witness.restart()
        load(dice, 0, 1)


@fault(witness=True)
def witness_restart(rig, dice):
    """the link between the brokers is cut while the witness is killed and started again"""
    both(rig, PRIMARY, BACKUP)
    for _ in range(4):
        rig.witness.kill()
        load(dice, 0, 0.6)
        rig.witness.restart()
        load(dice, 0, 1)


@fault(witness=True)
def witness_stop(rig, dice):
    """the witness is stopped while the link between the brokers is cut, and goes on with what it was asked meanwhile"""
    rig.witness.signal(signal.SIGSTOP)
    load(dice, 0, 0.5)
    both(rig, PRIMARY, BACKUP)
    load(dice, 0.3, 2)
    rig.witness.signal(signal.SIGCONT)
    load(dice, 0.3, 2)


@fault(witness=True)
def witness_cut(rig, dice):
    """the witness hears one broker, or is not heard by it, or is cut off; then the link between the brokers is cut, too"""
    for broker in dice.choice(((PRIMARY,), (BACKUP,), (PRIMARY, BACKUP))):
        rig.network.cut(*((broker, WITNESS) if dice.random() < 0.5 else (WITNESS, broker)))
    load(dice, 0, 1)
    both(rig, PRIMARY, BACKUP)
    load(dice, 0.3, 3)


@fault(witness=True)
def witness_flap(rig, dice):
    """links between the three come and go, one way or both"""
    for _ in range(8):
        one, other = dice.sample((PRIMARY, BACKUP, WITNESS), 2)
        rig.network.cut(one, other)
        if dice.random() < 0.5:
            rig.network.cut(other, one)
        load(dice, 0.02, 0.8)
        if dice.random() < 0.6:
            rig.network.heal()
            load(dice, 0.02, 0.6)


@fault(witness=True)
def witness_stop_active(rig, dice):
    """with a witness, SIGSTOP of the active broker, takeover, then the other one is cut off or killed when it goes on"""
    active = rig.active
    stop(rig, active, dice.uniform(0.4, 2.5))
    load(dice, 0, 0.3)
    if dice.random() < 0.5:
        both(rig, PRIMARY, BACKUP)
    else:
        rig.nodes[1 - active].kill()
    load(dice, 0.5, 2)


#  Disks.

@fault(hold=True, **WRITES)
def power_active(rig, dice):
    """power cut of the active broker: unsynced writes are gone"""
    rig.nodes[rig.active].cut_power()
    load(dice, 0, 2)


@fault(hold=True, **WRITES)
def power_both(rig, dice):
    """power cut of both at once"""
    for node in rig.nodes:
        node.cut_power()


@fault(hold=True, leak=40, **WRITES)
def power_mixed(rig, dice):
    """power cut of the active broker, with any mixture of written and unwritten pages of 16 KiB"""
    power_active(rig, dice)


@fault(hold=True, leak=40, **WRITES)
def power_both_mixed(rig, dice):
    """power cut of both, with any mixture of written and unwritten pages of 16 KiB"""
    power_both(rig, dice)


@fault(hold=True, leak=40, unit=1, **WRITES)
def power_torn(rig, dice):
    """power cut of one broker, with any mixture of written and unwritten blocks of 4 KiB: pages are torn"""
    rig.nodes[dice.choice((PRIMARY, BACKUP))].cut_power()
    load(dice, 0, 2)


@fault(hold=True, leak=40, unit=1, **WRITES)
def power_both_torn(rig, dice):
    """power cut of both at once, with any mixture of written and unwritten blocks of 4 KiB"""
    power_both(rig, dice)


@fault(exits=(4,))
def fsync_fails(rig, dice):
    """syncs of one broker's disk fail until it is mended"""
    broken_disk(rig, dice.choice((PRIMARY, BACKUP)), "fail_sync", 1, dice)


@fault(hold=True, exits=(4,), **WRITES)
def fsync_fails_once(rig, dice):
    """one sync fails, and its pages are lost as in Linux: later syncs say 0"""
    node = rig.nodes[dice.choice((PRIMARY, BACKUP))]
    node.knob("fail_sync", 1)
    load(dice, 0.1, 0.5)
    node.knob("fail_sync", 0)
    load(dice, 0.3, 1)


@fault(exits=(4,))
def write_fails(rig, dice):
    """writes to one broker's disk fail until it is mended"""
    broken_disk(rig, dice.choice((PRIMARY, BACKUP)), "fail_write", 1, dice)


@fault()
def disk_slow(rig, dice):
    """syncs of one broker's disk take 20 to 3000 ms"""
    node = rig.nodes[dice.choice((PRIMARY, BACKUP))]
    node.knob("delay_us", dice.choice((20, 200, 700, 1500, 3000)) * 1000)
    load(dice, 2, 5)


@fault(exits=(4,))
def disk_slow_then_kill(rig, dice):
    """syncs of the passive's disk take 300 to 1500 ms; then the active one is killed"""
    active = rig.active
    rig.nodes[1 - active].knob("delay_us", dice.choice((300, 800, 1500)) * 1000)
    load(dice, 0.5, 3)
    rig.nodes[active].kill()
    load(dice, 0.5, 2)


@fault(disk=DISK)
def disk_nearly_full(rig, dice):
    """one broker's disk falls below the low-water mark: PUT is refused, consumers go on, and it recovers"""
    fill_disk(rig, dice.choice((PRIMARY, BACKUP)), leave=40 << 20)
    load(dice, 1.5, 3)


@fault(disk=DISK, exits=(4,))
def disk_full(rig, dice):
    """one broker's disk is full from one moment to the next"""
    fill_disk(rig, dice.choice((PRIMARY, BACKUP)), leave=0)
    load(dice, 1, 3)


@fault(exits=(4, 5), in_torture=False)
def bit_flip_log(rig, dice):
    """a bit of a dead broker's log is not what it was"""
    flip(rig, dice, "log.")


@fault(exits=(4, 5), in_torture=False)
def bit_flip_tables(rig, dice):
    """a bit of a dead broker's tables is not what it was"""
    flip(rig, dice, ".db", "queues", "meta", "log", "producers", "acks", "cursors")


#  Clocks.

@fault()
def clock_steps(rig, dice):
    """the wall clocks of both brokers jump by hours, forth and back"""
    for _ in range(4):
        for node in rig.nodes:
            node.knob("clock_ns", dice.choice((-86400, -3600, -1, 1, 3600, 864000)) * 1000000000)
        load(dice, 0.1, 0.5)


@fault()
def clock_step_then_kill(rig, dice):
    """the active broker's wall clock jumps, then it is killed"""
    active = rig.active
    rig.nodes[active].knob("clock_ns", dice.choice((-3600, 3600)) * 1000000000)
    load(dice, 0.3, 1)
    rig.nodes[active].kill()
    load(dice, 0.3, 1)


#  Parts of them.

def broken_disk(rig, index, knob, value, dice):
    rig.nodes[index].knob(knob, value)
    load(dice, 1, 3)


def fill_disk(rig, index, leave):
    """A file takes all of the broker's file system but `leave` bytes."""
    disk = os.statvfs(rig.nodes[index].store)
    left = disk.f_bavail * disk.f_frsize - leave
    with open(rig.nodes[index].store + "/filler", "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while left >= size:
                    left -= file.write(bytes(size))
            except OSError:
                #  The broker was quicker with some of it; smaller pieces may still fit.
                continue


def flip(rig, dice, *names):
    """One bit, in one of the files with such a name, of a broker that is down."""
    index = dice.choice((PRIMARY, BACKUP))
    node = rig.nodes[index]
    node.kill()
    files = []
    for folder, _, found in os.walk(node.store):
        files += [os.path.join(folder, name) for name in found
                  if any(word in name for word in names) and not name.startswith("__db") and "env." in folder]
    path = dice.choice(sorted(path for path in files if os.path.getsize(path)))
    with open(path, "r+b") as file:
        content = file.read()
        used = len(content.rstrip(b"\0"))
        at = dice.randrange(max(used, 1))
        file.seek(at)
        file.write(bytes([content[at] ^ 1 << dice.randrange(8)]))
    rig.notes.append("bit flipped in %s at %d of %d" % (os.path.relpath(path, node.store), at, used))
    load(dice, 0.3, 1)
