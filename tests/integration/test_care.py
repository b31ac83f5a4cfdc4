"""Stores that can't be used as they are, and limits of the system: nothing is given up, and there is a way out."""
import glob
import os
import resource
import shutil
import subprocess

import pytest
import zmq

from brokers import PROGRAM, WRAPPER, Broker, Pair, wait_for
from conftest import in_step, two_stores
from patience import PATIENCE
from zb1 import Client, ask, refused, status, way_out

LIMITS = [128, 220, 600, 4096]
CROWD = 800         #  idle clients of each broker, at most
DAMAGED, MOMENT = 5, 8


def run(*words):
    return subprocess.run([*WRAPPER, PROGRAM, *words], capture_output=True, text=True, timeout=PATIENCE)


def digest(folder):
    """Names and contents of all files but the lock's, which says who looked last."""
    found = {}
    for path in sorted(glob.glob(folder + "/**", recursive=True)):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                found[path] = file.read()
    return found


def store_of(pair, index):
    return pair.folder + ("/primary", "/backup")[index]


def put_some(pair, count, queue="q"):
    client = Client(pair.endpoints, "writer")
    client.hello()
    client.request("QUEUE", "a", queue, "")
    client.stream(queue, [b"%d" % number for number in range(count)])
    client.close()


def drain(pair, queue="q"):
    client = Client(pair.endpoints)
    got = client.drain(queue)
    client.close()
    return got


def stop_both(pair):
    for broker in pair.brokers:
        broker.stop()


#  A wrong unit file: the other broker's name on this one's folder.
@two_stores
def test_another_name_touches_nothing(pair):
    put_some(pair, 5)
    stop_both(pair)
    backup = pair.brokers[1]
    before = digest(store_of(pair, 1))
    wrong = Broker(["primary" if word == "backup" else word for word in backup.options], backup.log)
    wrong.start(ready=False)
    wrong.wait_exit(2)
    assert "--as backup" in wrong.tail() and "adopt" in wrong.tail()
    assert digest(store_of(pair, 1)) == before
    alone = Broker(["--store", store_of(pair, 1)], backup.log)
    alone.start(ready=False)
    alone.wait_exit(2)
    assert digest(store_of(pair, 1)) == before
    pair.start()
    in_step(pair)
    assert len(drain(pair)) == 5


#  On purpose it can be moved.
@two_stores
def test_a_store_is_moved_on_purpose(pair):
    put_some(pair, 5)
    stop_both(pair)
    for index, role in ((0, "backup"), (1, "primary")):
        assert run("adopt", "--store", store_of(pair, index), "--as", role).returncode == 0
    os.rename(store_of(pair, 0), pair.folder + "/other")
    os.rename(store_of(pair, 1), store_of(pair, 0))
    os.rename(pair.folder + "/other", store_of(pair, 1))
    pair.start()
    in_step(pair)
    assert len(drain(pair)) == 5


#  The first release's file has no name in it: it is read, and gains it.
@two_stores
def test_a_file_without_a_name_gains_one(pair):
    put_some(pair, 5)
    stop_both(pair)
    path = store_of(pair, 1) + "/node"
    with open(path) as file:
        lines = dict(line.split(" ", 1) for line in file.read().splitlines()[1:-1])
    text = "zbroker node 1\n" + "".join("%s %s\n" % (name, lines[name])
                                        for name in ("complete", "suspect", "alone", "alone-from", "current"))
    check = 0xcbf29ce484222325
    for byte in text.encode():
        check = (check ^ byte) * 0x100000001b3 % 2**64
    with open(path, "w") as file:
        file.write("%scheck %016x\n" % (text, check))
    pair.start()
    in_step(pair)
    with open(path) as file:
        assert "as backup\n" in file.read()
    assert len(drain(pair)) == 5


#  A folder that holds a database is not new, whatever is missing beside it.
@pytest.mark.parametrize("what", ["missing", "damaged"])
def test_a_database_without_its_node_is_kept(pair, what):
    put_some(pair, 5)
    stop_both(pair)
    folder = pair.folder + "/store" if pair.shared else store_of(pair, 1)
    if what == "missing":
        os.remove(folder + "/node")
    else:
        with open(folder + "/node", "r+") as file:
            file.write("nonsense")
    tables = {path: os.stat(path).st_ino for path in glob.glob(folder + "/env.*/table.*")}
    assert tables
    broker = pair.brokers[1]
    broker.start(ready=pair.shared)
    if pair.shared:
        #  It is opened when somebody asks for it.
        ask(pair.endpoints[1], "HELLO", "1")
    wait_for(lambda: broker.process.poll() is not None or (pair.shared and refused(pair.endpoints[1])), "its end, or word")
    if broker.process.poll() is not None:
        broker.wait_exit(DAMAGED)
        assert "WAYS OUT" in broker.tail()
    else:
        broker.stop()
    assert {path: os.stat(path).st_ino for path in glob.glob(folder + "/env.*/table.*")} == tables
    #  The way out: an operator's word, and the store is as it was.
    as_backup = [] if pair.shared else ["--as", "backup"]
    refusal = run("adopt", "--store", folder, *as_backup)
    assert refusal.returncode == 1 and "--accept-loss" in refusal.stderr
    adopted = run("adopt", "--store", folder, *as_backup, "--accept-loss")
    assert adopted.returncode == 0, adopted.stderr
    pair.start()
    in_step(pair)
    assert len(drain(pair)) == 5


#  A store that was put aside comes back, also if the other one is lost for good.
@two_stores
def test_what_was_put_aside_comes_back(pair):
    put_some(pair, 5)
    stop_both(pair)
    shutil.rmtree(store_of(pair, 0))
    folder = store_of(pair, 1)
    os.rename(folder + "/env.1", folder + "/damaged.1")
    backup = pair.brokers[1]
    backup.start()
    assert "not trusted" in refused(pair.endpoints[1]) or "waiting" in refused(pair.endpoints[1])
    assert any("zbroker adopt" in text for text in way_out(pair.endpoints[1], "suspect"))
    backup.stop()
    #  Moved by hand it is not deleted, and not taken either.
    os.rename(folder + "/damaged.1", folder + "/env.7")
    backup.start()
    backup.stop()
    assert os.path.exists(folder + "/env.7/table.log")
    adopted = run("adopt", "--store", folder, "--accept-loss", "env.7")
    assert adopted.returncode == 0, adopted.stderr
    backup.start()
    wait_for(lambda: run("promote", "--accept-loss", "--brokers", pair.endpoints[1]).returncode == 0, "the operator's word")
    assert len(drain(pair)) == 5


#  What is on files without a name is on no disk.
@two_stores
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_folder_that_goes_away_is_no_disk(pair, how):
    active = in_step(pair)
    client = Client(pair.endpoints, "writer")
    client.hello()
    client.request("QUEUE", "a", "q", "")
    assert client.request("PUT", 1, "q", "", b"one")[0] == b"both"
    folder = store_of(pair, 1 - active)
    if how == "removed":
        shutil.rmtree(folder)
    else:
        os.rename(folder, folder + ".moved")
        shutil.copytree(folder + ".moved", folder)
    assert client.request("PUT", 2, "q", "", b"two")[0] == b"solo"
    passive = pair.brokers[1 - active]
    passive.wait_exit(4)
    assert "removed or replaced" in passive.tail()
    client.close()
    passive.start()
    in_step(pair)
    assert drain(pair) == [b"one", b"two"]


def test_a_single_broker_ends_with_its_folder(single):
    client = Client(single.endpoints)
    client.hello()
    client.request("QUEUE", "a", "q", "")
    assert client.request("PUT", 1, "q", "", b"one")[0] == b"single"
    shutil.rmtree(single.folder + "/store")
    single.broker.wait_exit(4)
    assert "removed or replaced" in single.broker.tail()
    client.close()
    single.broker.start()


def limited(pair, most):
    """Both brokers may have so many descriptors."""
    for broker in pair.brokers:
        broker.wrapper = ["prlimit", "--nofile=%d:%d" % (most, most), *WRAPPER]


def test_fewer_than_128_descriptors_are_refused(pair):
    stop_both(pair)
    limited(pair, 127)
    broker = pair.brokers[0]
    broker.start(ready=False)
    broker.wait_exit(MOMENT)
    assert "127" in broker.tail() and "ulimit -n" in broker.tail()


#  Idle connections take all descriptors that they can get, and brokers are killed and end by themselves.
@pytest.mark.skipif(bool(WRAPPER), reason="what watches over a process needs descriptors of its own")
@pytest.mark.parametrize("most", LIMITS)
@pytest.mark.parametrize("store", ["replicated", "shared"])
def test_no_descriptor_is_no_damage(store, most):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pair = Pair(store=store)
    limited(pair, most)
    context = zmq.Context()
    context.max_sockets = 2 * CROWD + 10
    idle = []
    try:
        pair.start()
        in_step(pair)
        put_some(pair, 20)
        for turn in range(2):
            while len(idle) < 2 * min(most + 180, CROWD):
                idle += crowd(context, pair.ports[len(idle) % 2], 1)
            try_put(pair, "full-%d" % turn)
            victim = pair.brokers[turn % 2]
            if victim.alive:
                victim.kill()
            #  Somebody asks the other one to take over, which needs a file.
            try_put(pair, "over-%d" % turn)
            come_back(pair)
        for sock in idle:
            sock.close()
        come_back(pair, must=True)
        in_step(pair)
        assert not glob.glob(pair.folder + "/*/damaged.*")
        got = drain(pair)
        assert got[:20] == [b"%d" % number for number in range(20)]
    finally:
        context.destroy(0)
        pair.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def try_put(pair, name):
    """A PUT that may find no place: then it is not answered OK."""
    client = Client(pair.endpoints, name)
    try:
        client.hello(2)
        client.request("PUT", 1, "q", "", name.encode(), patience=2)
    except (AssertionError, zmq.ZMQError):
        pass
    client.close()


def crowd(context, port, count):
    """Clients that say nothing, and come back whenever they are sent away."""
    socks = []
    for _ in range(count):
        sock = context.socket(zmq.DEALER)
        sock.linger = 0
        sock.reconnect_ivl = 10
        sock.connect("tcp://127.0.0.1:%d" % port)
        socks.append(sock)
    return socks


def come_back(pair, must=False):
    """Starts what has ended, as a service manager does.  It ends by our hand, or for want of something, and says of what."""
    def serve():
        for broker in pair.brokers:
            if broker.process and broker.process.poll() is not None:
                assert broker.process.returncode == MOMENT, broker.tail()
                assert "limit" in broker.tail()
                broker.process = None
            if not broker.process:
                broker.start(ready=False)
        return not must or all(status(endpoint) for endpoint in pair.endpoints)
    wait_for(serve, "both to answer")
