"""What operators, copies of stores and virtual machines do to a pair, and splits whose end is broken off: more rows, as in
faults.py, which has the rest of them.
"""
import os
import random
import signal
import time

from faults import FAULTS, both, fault, load  # noqa: F401: the rows of both files are in FAULTS
from rig import BACKUP, ONE, OTHER, PRIMARY, Stuck, Waits

STAGES = ("asking", "queues", "messages", "producers", "acknowledgements", "end", "mended", "resync")
SOON = 15                   #  seconds for what takes one or two
LEAST_BODY = 3000           #  a limit below the largest bodies


def expect(condition, what):
    if not condition:
        raise Stuck(what)


def why(node):
    state = node.status
    return state["why"] if state else ""


def epoch(node):
    state = node.status
    return state["epoch"] if state else None


def comes(condition):
    """Waits for it, but not for ever: what has to come is asserted when the round is at rest."""
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def goes_alone(rig, index):
    """The other broker is dead: waits until this one answers without it.  False if it was starved for half a second, and so
    waits for the other one."""
    return comes(lambda: (state := rig.nodes[index].status) and state["alone"])


#  Operators.

@fault(may_split=True, shared=False)
def promote(rig, dice):
    """the broker that went on alone dies; the one that lacks what it answered is promoted; then both are back"""
    lone, lacks = rig.active, 1 - rig.active
    rig.nodes[lacks].kill()
    goes_alone(rig, lone)
    load(dice)
    newest = epoch(rig.nodes[lone])
    rig.nodes[lone].kill()
    rig.nodes[lacks].restart()
    rig.until(lambda: "may hold newer messages" in why(rig.nodes[lacks]), "the %s to say why it waits" % rig.nodes[lacks].role)
    if epoch(rig.nodes[lacks]) == newest:
        rig.ledger.promoted = newest
    rig.until(lambda: rig.nodes[lacks].program("promote", "--accept-loss", "--brokers", rig.nodes[lacks].endpoint)[0] == 0,
              "an operator's word to be taken")
    rig.forget()
    load(dice, 0.5, 2)
    rig.nodes[lone].restart()
    if dice.random() < 0.5:
        load(dice, 0, 0.5)
        rig.nodes[dice.choice((lone, lacks))].kill()


@fault(shared=False)
def wrong_name(rig, dice):
    """a broker that may have answered alone is started under the other one's name, which touches nothing"""
    index = dice.choice((PRIMARY, BACKUP))
    node, other = rig.nodes[index], rig.nodes[1 - index]
    alone = dice.random() < 0.5
    if alone:
        other.kill()
        goes_alone(rig, index)
    load(dice)
    node.kill()
    if alone and dice.random() < 0.5:
        other.restart()
    good = node.options
    node.options = [other.role if word == node.role else word for word in good]
    node.ends(2, "adopt")
    node.options = good


@fault(shared=False)
def node_removed(rig, dice):
    """a dead broker's file `node` is gone: it deletes nothing and ends; it is adopted, or starts with an empty folder"""
    node = rig.nodes[dice.choice((PRIMARY, BACKUP))]
    node.kill()
    load(dice, 0, 1.5)
    os.unlink(node.store + "/node")
    had = sorted(name for name in os.listdir(node.store) if name.startswith("env"))
    node.ends(5, "node")
    expect(sorted(name for name in os.listdir(node.store) if name.startswith("env")) == had, "a store without `node` was touched")
    if dice.random() < 0.5:
        code, text = node.program("adopt", "--accept-loss", "--as", node.role, "--store", node.store)
        expect(code == 0, "adopt: %s" % text)
    else:
        os.rename(node.store, "%s.%d" % (node.store, time.monotonic_ns()))


@fault(backup_config="limits\n    body = %d\n    lease = 4000\n" % LEAST_BODY)
def limits_differ(rig, dice):
    """the backup has lower limits than the primary, and the role goes from one to the other and back"""
    for node in rig.nodes if not rig.shared else ():
        rig.until(lambda node=node: "limits/body" in ((node.status or {"links": {}})["links"].get("differs") or ""),
                  "the %s to name what differs" % node.role)
    for _ in range(3):
        node = rig.nodes[rig.active]
        node.kill()
        load(dice, 0.1, 1.5)
        node.restart()
        rig.in_step()
        load(dice, 0, 0.5)


@fault(witness=True)
def witness_two_pairs(rig, dice):
    """another pair beside the same witness, with clients of its own; both pairs are cut or lose a broker, at random"""
    beside = rig.beside()
    beside.go()
    for one, hosts in dice.sample(((rig, (PRIMARY, BACKUP)), (beside, (ONE, OTHER))), 2):
        what = dice.randrange(3)
        if what == 0:
            both(rig, *hosts)
        else:
            one.nodes[one.active if what == 1 else 1 - one.active].kill()
        load(dice, 0, 1)
    if dice.random() < 0.3:
        rig.witness.kill()
        load(dice)
        rig.witness.restart()
    load(dice, 0.5, 3)
    rig.heal()
    beside.rest()
    wrong = beside.judge()
    wrong += ["%s: %s" % (what, found[:3]) for what, found in beside.ledger.findings.items() if found]
    expect(not wrong and not beside.ledger.merged, "the pair beside: split %s, %s" % (beside.ledger.merged, wrong))
    beside.ledger.new_round()


#  Copies.

@fault(may_split=True, shared=False)
def copy_restored(rig, dice):
    """one broker's folder is set back to a copy of a moment before, while the other one runs, or is dead, too"""
    index = dice.choice((PRIMARY, BACKUP))
    node, other = rig.nodes[index], rig.nodes[1 - index]
    copy = "%s/copy-%d" % (rig.folder, time.monotonic_ns())
    copied = time.monotonic()
    node.copy(copy)
    rig.in_step()
    load(dice, 0.3, 2)
    state = node.status
    node.kill()
    lone = not state or state["alone"]
    #  What it has answered alone since would be on this disk and no other.
    if not lone:
        rig.ledger.copied = copied
        rig.scribe.note("copy")
        if dice.random() < 0.6:
            load(dice, 0, 1.5)
            other.kill()
        node.set_back(copy)
    for one in dice.sample((node, other), 2):
        one.restart()
        rig.forget()
        load(dice, 0, 2)

    def at_rest():
        states = rig.states()
        for one, said in zip(rig.nodes, states):
            if said and said["replay"] and "operator" in (said["replay"]["waits"] or ""):
                #  Both lives of the copy have used one epoch, which happens once in 64 times.
                raise Waits("%s: %s" % (one.role, said["replay"]["waits"]))
        return all(said and said["in_step"] for said in states)
    rig.until(at_rest, "the pair to be in sync, or to say that it waits for an operator")


#  Virtual machines that are moved, or whose memory is saved: packets to them are lost, and their clocks show nothing.

def stands(rig, dice, indexes, meanwhile=None):
    """These brokers stand still, with a backlog that others drain."""
    rig.tell("pause", "consumers")
    load(dice, 0.4, 0.8)
    for index in indexes:
        rig.nodes[index].stop_unseen()
    both(rig, PRIMARY, BACKUP)
    rig.tell("go", "consumers")
    load(dice, 0.8, 3)
    if meanwhile:
        meanwhile()
    for index in indexes:
        rig.scribe.note("stood", "AB"[index])
        rig.nodes[index].go_on_unseen()
    for _ in range(4):
        rig.forget()
        load(dice, 0.05, 0.12)
    rig.network.heal()
    load(dice, 0.2, 1)


@fault(may_split=True)
def unseen_pause_active(rig, dice):
    """the active broker's machine stands, its clocks too; what was acknowledged meanwhile is asked of it when it goes on"""
    stands(rig, dice, [rig.active])


@fault(may_split=True)
def unseen_pause_passive(rig, dice):
    """the passive broker's machine stands, its clocks too; the active one goes on alone, and may be dead when it comes back"""
    active = rig.active
    dies = dice.random() < 0.5
    stands(rig, dice, [1 - active], rig.nodes[active].kill if dies else None)


@fault(may_split=True)
def unseen_pause_both(rig, dice):
    """both brokers' machines stand, their clocks too"""
    stands(rig, dice, dice.sample((PRIMARY, BACKUP), 2))


@fault(witness=True)
def witness_unseen_pause(rig, dice):
    """with a witness, either broker's machine stands, its clocks too; nothing that was acknowledged may come again"""
    active = rig.active
    stands(rig, dice, [dice.choice((active, active, 1 - active))])


#  Splits whose end is broken off.

def at_stage(rig, stage):
    """Whether the merge has come so far: what the loser sends, what the winner says, or the fetching of what is new."""
    states = rig.states()
    if stage == "mended":
        return rig.look_for_merges()
    for state in states:
        if not state:
            continue
        if stage == "resync" and state["role"] == "passive" and state["resync"]:
            return True
        if state["replay"] and state["replay"]["stage"] == stage:
            return True
    #  It is over before it was seen.
    return all(state and state["in_step"] for state in states)


@fault(may_split=True, shared=False)
def merge_cut(rig, dice):
    """a split is mended, which is broken off at any of its stages, by a cut or by kills, and taken up by either side"""
    both(rig, PRIMARY, BACKUP)
    both(rig, PRIMARY, OTHER)
    both(rig, BACKUP, ONE)
    if not all([goes_alone(rig, index) for index in (PRIMARY, BACKUP)]):
        return
    load(dice, 0.3, 1.5)
    for _ in range(dice.randint(1, 3)):
        #  So that there is time to see it: each item is synced by the winner.
        for node in rig.nodes:
            node.knob("delay_us", dice.choice((0, 5000, 30000)))
        rig.network.heal()
        stage = dice.choice(STAGES)
        comes(lambda stage=stage: at_stage(rig, stage))
        load(dice, 0, 0.05)
        victims = dice.choice(((), (), (PRIMARY,), (BACKUP,), (PRIMARY, BACKUP)))
        rig.ledger.broken_off = True
        both(rig, PRIMARY, BACKUP)
        for index in victims:
            rig.nodes[index].kill()
        load(dice, 0, 1)
        for index in random.Random(dice.random()).sample(victims, len(victims)):
            rig.nodes[index].restart()
        load(dice, 0.2, 1.5)
