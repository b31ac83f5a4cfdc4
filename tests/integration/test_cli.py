"""The command line: its help, its errors, its exit codes, and what it prints for programs."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
import zmq

from brokers import PROGRAM, WRAPPER, free_ports, wait_for
from conftest import in_step
from patience import PATIENCE
from zb1 import Client, ask, status

COMMANDS = ["serve", "put", "get", "queue", "status", "events", "clients", "peek", "doctor", "demo", "bench"]


def fails(zbroker, arguments, code, *words):
    done = zbroker(arguments, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr
    return done


# --- Without a broker ---

def test_help_names_every_command(zbroker):
    for word in ("help", "--help", "-h"):
        text = zbroker([word]).stdout
        for command in COMMANDS:
            assert "\n  %s " % command in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(zbroker, command):
    text = zbroker(["help", command]).stdout
    assert text.startswith("usage: zbroker " + command)
    assert zbroker([command, "--help"]).stdout == text
    assert zbroker([command, "-h"]).stdout == text


def test_version(zbroker):
    assert zbroker(["version"]).stdout.startswith("zbroker 0.")
    assert zbroker(["--version"]).stdout == zbroker(["version"]).stdout


def test_no_command_is_misuse(zbroker):
    fails(zbroker, [], 2, "usage: zbroker")


@pytest.mark.parametrize("word, nearest", [("stauts", "status"), ("sevre", "serve"), ("gte", "get"), ("hlep", "help")])
def test_unknown_command_names_the_nearest(zbroker, word, nearest):
    fails(zbroker, [word], 2, "'%s'" % word, "'%s'" % nearest)


@pytest.mark.parametrize("arguments, words", [
    (["put", "--broker", "x", "q"], ["'--broker'", "'--brokers'"]),
    (["get", "--cuont", "1", "q"], ["'--cuont'", "'--count'"]),
    (["serve", "--peerloss=wait"], ["'--peerloss'", "'--peer-loss'"]),
    (["status", "-j"], ["'-j'", "two dashes"]),
    (["status", "--json=yes"], ["--json takes no value"]),
    (["get", "q", "--count"], ["--count needs a value"]),
    (["get", "q", "--count", "many"], ["--count 'many'", "number"]),
    (["get", "q", "--count", "-1"], ["--count '-1'", "number"]),
    (["get", "q", "--wait", "99999999999999999999"], ["--wait"]),
    (["get"], ["which queue"]),
    (["get", "a", "b"], ["one queue"]),
    (["put"], ["which queue"]),
    (["queue"], ["create, list, purge or delete"]),
    (["queue", "craete", "q"], ["'craete'", "'create'"]),
    (["queue", "create", "q", "nonsense", "--brokers", "tcp://127.0.0.1:1"], ["OPTION=VALUE"]),
    (["status", "x"], ["no arguments"]),
    (["events", "x"], ["no arguments"]),
    (["clients", "a", "b"], ["one pattern"]),
    (["peek"], ["which queue"]),
    (["peek", "a", "b"], ["one queue"]),
    (["peek", "q", "--count", "-1"], ["--count '-1'", "number"]),
    (["events", "--count", "0"], ["--count '0'", "number"]),
    (["doctor"], ["--store DIR"]),
    (["doctor", "x"], ["--store DIR"]),
    (["put", "q", "x", "--brokers", "nonsense"], ["tcp://HOST:PORT"]),
    (["serve", "x"], ["no arguments"]),
    (["serve", "--as", "primray"], ["'primray'", "'primary'"]),
    (["serve", "--as", "primary", "--primary", "tcp://a:1"], ["backup/endpoint"]),
    (["serve", "--primary", "tcp://a:1"], ["--as"]),
    (["serve", "--as", "primary", "--primary", "a:1", "--backup", "tcp://b:1"], ["primary/endpoint", "tcp://HOST:PORT"]),
    (["serve", "--peer-loss", "perhaps"], ["'solo'", "'wait'"]),
    (["serve", "--config", "/nonexistent/zbroker.conf"], ["/nonexistent/zbroker.conf", "No such file"]),
    (["serve", "--shared"], ["--as primary or --as backup"]),
    (["serve", "--shared", "--as", "primary"], ["--store DIR"]),
    (["serve", "--shared", "--as", "primary", "--store", "x", "--peer-loss", "wait"], ["peer-loss = wait"]),
])
def test_misuse(zbroker, arguments, words):
    fails(zbroker, arguments, 2, *words)


def test_unknown_config_key_names_file_key_and_nearest(zbroker, folder):
    path = os.path.join(folder, "zbroker.conf")
    with open(path, "w") as file:
        file.write("limits\n    bdoy = 1\n")
    fails(zbroker, ["serve", "--config", path], 2, path, "'limits/bdoy'", "'limits/body'")


def test_no_broker_is_its_own_exit_code(zbroker):
    brokers = "tcp://127.0.0.1:%d" % free_ports(4)
    fails(zbroker, ["get", "q", "--brokers", brokers, "--timeout", "200"], 6)
    fails(zbroker, ["put", "q", "x", "--brokers", brokers, "--timeout", "200"], 6)


def test_status_without_brokers(zbroker):
    brokers = "tcp://127.0.0.1:%d" % free_ports(4)
    done = zbroker(["status", "--brokers", brokers, "--wait", "100"], check=False)
    assert done.returncode == 6
    assert "no answer" in done.stdout
    done = zbroker(["status", "--json", "--brokers", brokers, "--wait", "100"], check=False)
    assert done.returncode == 6
    assert json.loads(done.stdout)["brokers"] == [{"endpoint": brokers, "answers": False}]


def test_output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "w") as full:
        done = subprocess.run([*WRAPPER, PROGRAM, "help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1


def findings(zbroker, *arguments, code=0):
    done = zbroker(["doctor", "--json", *arguments], check=False)
    assert done.returncode == code, done.stdout
    whole = json.loads(done.stdout)
    return {finding["check"]: finding for finding in whole["findings"]}


def test_doctor(zbroker, folder):
    found = findings(zbroker, "--store", folder, "--shared")
    machine = ["fsync", "open files", "clock"]      #  these may be worth a warning where the test runs
    assert {name: finding["verdict"] for name, finding in found.items() if name not in machine} == dict.fromkeys(
        ["folder", "file system", "lock", "store", "state", "space"], "ok")
    assert set(machine) <= set(found)
    assert found["fsync"]["median_ms"] > 0 and found["space"]["free"] > 0
    text = zbroker(["doctor", "--store", folder]).stdout
    assert [line.split("  ")[0] for line in text.splitlines()] == list(found)
    assert os.listdir(folder) == []


def test_doctor_of_what_is_unfit(zbroker, folder):
    assert findings(zbroker, "--store", folder + "/absent")["folder"]["verdict"] == "ok"
    found = findings(zbroker, "--store", folder + "/absent/deeper", code=1)
    assert found["folder"]["verdict"] == "bad"
    found = findings(zbroker, "--store", "/proc/self/fdinfo", "--shared", code=1)
    assert found["folder"]["verdict"] == "bad" or found["lock"]["verdict"] == "bad"
    with open(folder + "/LOCK", "w") as lock:
        lock.write("mine")
    assert findings(zbroker, "--store", folder, code=1)["store"]["verdict"] == "bad"


def test_doctor_of_a_forged_lock(zbroker, single):
    """A time that is no date, beside a lock that is held."""
    path = single.folder + "/store/LOCK"
    with open(path) as lock:
        text = lock.read()
    lines = ["since 9223372036854775807" if line.startswith("since ") else line for line in text.rstrip("\n").split("\n")]
    with open(path, "r+") as lock:
        lock.write("\n".join(lines).ljust(512, "\n"))
    assert findings(zbroker, "--store", single.folder + "/store")["store"]["verdict"] == "ok"


def test_doctor_of_a_config(zbroker, folder, single):
    """What a config leaves open, and who can be reached."""
    path = folder + "/conf"
    with open(path, "w") as config:
        config.write("pair\n    secret = short\nsingle\n    endpoint = %s\n" % single.endpoints[0])
    os.chmod(path, 0o644)
    os.mkdir(folder + "/store")
    os.chmod(folder + "/store", 0o777)
    text = zbroker(["doctor", "--config", path, "--store", folder + "/store"]).stdout
    assert "5 letters" in text and "chmod 600" in text and "chmod 700" in text
    assert re.search("port +ok +.*%s: reached" % re.escape(single.endpoints[0]), text), text
    assert re.search("open files +(ok|warning)", text) and re.search("clock +(ok|warning)", text)


@pytest.mark.parametrize("words, code, text", [
    (["salvage", "list", "--store", "/nonexistent"], 2, "No such file"),
    (["put", "--brokers", "", "q", "x"], 2, "--brokers is empty"),
    (["status", "--brokers", ""], 2, "--brokers is empty"),
    (["help", "nonsense"], 2, "no command"),
    (["help", "servee"], 2, "nearest one is 'serve'"),
])
def test_words_that_mean_nothing(zbroker, words, code, text):
    done = zbroker(words, check=False)
    assert done.returncode == code and text in done.stderr, done
    assert "nonsense" not in words or "nearest" not in done.stderr


def test_a_witness_that_cannot_listen_leaves_nothing(zbroker, folder):
    with open(folder + "/conf", "w") as config:
        config.write("keys\n    insecure = yes\n")
    done = zbroker(["witness", folder + "/conf", "--bind", "tcp://192.0.2.1:5580", "--store", folder + "/witness"], check=False)
    assert done.returncode == 2 and "can't listen" in done.stderr and not os.path.exists(folder + "/witness")


def test_what_is_not_permitted_is_not_tried_again(zbroker, folder):
    """An exit code that no service manager answers with a restart."""
    open(folder + "/file", "w").close()
    done = zbroker(["serve", "--store", folder + "/file/store"], check=False)
    assert done.returncode == 2 and "Not a directory" in done.stderr, done


# --- With a broker that has no pair ---

def test_put_and_get(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    assert zbroker(["queue", "create", "orders"] + brokers).stdout.startswith("OK")
    done = zbroker(["put", "orders", "one", "two", ""] + brokers)
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and all(line.startswith("OK single ") for line in lines)
    assert len(set(lines)) == 3
    assert zbroker(["get", "orders"] + brokers).stdout == "one\n"
    assert zbroker(["get", "orders", "--count", "2"] + brokers).stdout == "two\n\n"
    done = zbroker(["get", "orders", "--wait", "0"] + brokers, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "0 of 1" in done.stderr


def test_lines_from_standard_input(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "lines"] + brokers)
    text = "".join("line %d\n" % number for number in range(2000))
    done = zbroker(["put", "lines", "--name", "reader"] + brokers, text=text + "without an end")
    assert len(done.stdout.splitlines()) == 2001
    assert zbroker(["get", "lines", "--count", "0", "--wait", "100"] + brokers).stdout == text + "without an end\n"


def test_requeue_leaves_the_messages(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "again"] + brokers)
    zbroker(["put", "again", "a", "b", "c"] + brokers)
    for _ in range(2):
        assert zbroker(["get", "again", "--count", "3", "--requeue"] + brokers).stdout == "a\nb\nc\n"
    assert zbroker(["get", "again", "--count", "3"] + brokers).stdout == "a\nb\nc\n"


def test_requeue_with_a_delay(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "later"] + brokers)
    zbroker(["put", "later", "a", "b"] + brokers)
    assert zbroker(["get", "later", "--requeue", "--delay", "600000"] + brokers).stdout == "a\n"
    assert zbroker(["get", "later", "--count", "0", "--wait", "0", "--requeue"] + brokers).stdout == "b\n"
    assert zbroker(["get", "later", "--requeue", "--delay", "1"] + brokers).stdout == "b\n"
    assert zbroker(["get", "later"] + brokers).stdout == "b\n"
    for wrong in (["--requeue", "--delay", "2147483648"], ["--delay", "1"], ["--requeue", "--delay", "x"]):
        assert zbroker(["get", "later"] + wrong + brokers, check=False).returncode == 2


def test_reject_moves_to_the_dead_letters(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "letters"] + brokers)
    zbroker(["put", "letters", "a", "b", "-H", "colour=red"] + brokers)
    assert zbroker(["get", "letters", "--reject"] + brokers).stdout == "a\n"
    assert zbroker(["get", "letters"] + brokers).stdout == "b\n"
    dead = json.loads(zbroker(["get", "letters.dead", "--json"] + brokers).stdout)
    assert (dead["body"], dead["properties"]) == \
        ("a", {"colour": "red", "zb-dead": "rejected", "zb-from": "letters", "zb-tries": "1"})
    zbroker(["queue", "create", "letters", "dead-letter=bin"] + brokers)
    assert json.loads(zbroker(["queue", "list", "letters", "--json"] + brokers).stdout)[0]["dead-letter"] == "bin"
    assert zbroker(["get", "letters", "--reject", "--requeue"] + brokers, check=False).returncode == 2


def test_move_puts_dead_letters_back(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "parcels"] + brokers)
    zbroker(["put", "parcels", "a", "b", "c", "-H", "colour=red"] + brokers)
    assert zbroker(["get", "parcels", "--count", "2", "--reject"] + brokers).stdout == "a\nb\n"
    assert zbroker(["move", "parcels.dead", "parcels", "--count", "1"] + brokers).stdout == "1 moved\n"
    assert zbroker(["move", "parcels.dead", "parcels"] + brokers).stdout == "1 moved\n"
    assert zbroker(["move", "parcels.dead", "parcels"] + brokers).stdout == "0 moved\n"
    back = [json.loads(line) for line in zbroker(["get", "parcels", "--count", "3", "--json"] + brokers).stdout.splitlines()]
    assert [(one["body"], one["properties"]) for one in back] == [(body, {"colour": "red"}) for body in "cab"]
    for wrong, code in (([], 2), (["parcels"], 2), (["parcels", "parcels"], 1), (["parcels", "none"], 1), (["none", "parcels"], 1),
                        (["parcels", "parcels.dead", "--count", "-1"], 2)):
        assert zbroker(["move"] + wrong + brokers, check=False).returncode == code, wrong


def test_a_queue_that_drops(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    assert zbroker(["queue", "create", "latest", "max-bytes=9", "full=drop-oldest"] + brokers).returncode == 0
    assert zbroker(["put", "latest", "one", "three", "five"] + brokers).returncode == 0
    listed = json.loads(zbroker(["queue", "list", "latest", "--json"] + brokers).stdout)[0]
    assert [listed[name] for name in ("max-bytes", "full", "bytes", "messages")] == [9, "drop-oldest", 9, 2]
    large = zbroker(["put", "latest", "more than nine"] + brokers, check=False)
    assert large.returncode == 1 and "max-bytes" in large.stderr
    assert zbroker(["get", "latest", "--count", "2"] + brokers).stdout == "three\nfive\n"
    for wrong in ("full=oldest", "max-bytes=-1"):
        assert zbroker(["queue", "create", "latest", wrong] + brokers, check=False).returncode == 1


def test_a_queue_of_one_consumer(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    assert zbroker(["queue", "create", "helm", "mode=exclusive", "grace=1"] + brokers).returncode == 0
    assert json.loads(zbroker(["queue", "list", "helm", "--json"] + brokers).stdout)[0]["mode"] == "exclusive"
    zbroker(["put", "helm", "a", "b", "c"] + brokers)
    for name in ("ann", "bob"):
        got = zbroker(["get", "helm", "--wait", "5000", "--name", name] + brokers)
        assert (got.stdout, got.stderr) == ({"ann": "a\n", "bob": "b\n"}[name], "")
    changed = zbroker(["queue", "create", "helm", "mode=shared"] + brokers, check=False)
    assert changed.returncode == 1 and "mode" in changed.stderr
    assert zbroker(["queue", "create", "helm", "mode=one"] + brokers, check=False).returncode == 1


def test_a_queue_by_key(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "tracks", "mode=key"] + brokers)
    zbroker(["put", "tracks", "a1", "a2", "-H", "key=a"] + brokers)
    zbroker(["put", "tracks", "b1", "-H", "key=b"] + brokers)
    listed = json.loads(zbroker(["queue", "list", "tracks", "--json"] + brokers).stdout)[0]
    assert (listed["mode"], listed["blocked"]) == ("key", 0)
    assert zbroker(["get", "tracks", "--count", "3"] + brokers).stdout == "a1\nb1\na2\n"
    changed = zbroker(["queue", "create", "tracks", "mode=keys"] + brokers, check=False)
    assert changed.returncode == 1 and "mode is shared, exclusive or key" in changed.stderr


def test_requeue_untried(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "tries", "retry-delay=600000"] + brokers)
    assert json.loads(zbroker(["queue", "list", "tries", "--json"] + brokers).stdout)[0]["retry-delay"] == 600000
    zbroker(["put", "tries", "a"] + brokers)
    for more in (["--untried"], ["--untried", "--delay", "1"], []):
        assert zbroker(["get", "tries", "--requeue"] + more + brokers).stdout == "a\n"
    assert zbroker(["get", "tries", "--wait", "0"] + brokers, check=False).returncode == 1
    for wrong in (["get", "tries", "--untried"], ["get", "tries", "--reject", "--untried"]):
        assert zbroker(wrong + brokers, check=False).returncode == 2
    assert zbroker(["queue", "create", "tries", "retry-delay=5..1"] + brokers, check=False).returncode == 1


def test_put_acknowledges_what_it_was_made_of(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    for queue in ("orders", "results"):
        zbroker(["queue", "create", queue] + brokers)
    zbroker(["put", "orders", "one", "two"] + brokers)
    made_of = json.loads(zbroker(["get", "orders", "--requeue", "--json"] + brokers).stdout)["id"]
    command = ["put", "results", "made of one", "-H", "acks=orders " + made_of, "-H", "colour=red"] + brokers
    assert zbroker(command).stdout.startswith("OK single ")
    again = zbroker(command, check=False)
    assert again.returncode == 1 and "settled already" in again.stderr and "OK" not in again.stdout
    assert zbroker(["get", "orders", "--count", "0", "--wait", "0"] + brokers).stdout == "two\n"
    results = zbroker(["get", "results", "--count", "0", "--wait", "0", "--json"] + brokers).stdout.splitlines()
    assert [(json.loads(line)["body"], json.loads(line)["properties"]) for line in results] == \
        [("made of one", {"colour": "red"})]


def test_get_into_a_closed_pipe_loses_nothing(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "pipe"] + brokers)
    zbroker(["put", "pipe", "kept"] + brokers)
    end, other = os.pipe()
    os.close(end)
    done = subprocess.run([*WRAPPER, PROGRAM, "get", "pipe"] + brokers, stdout=other, stderr=subprocess.PIPE, text=True)
    os.close(other)
    assert done.returncode == 1
    assert zbroker(["get", "pipe"] + brokers).stdout == "kept\n"


def test_queue_list_purge_delete(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "a"] + brokers)
    zbroker(["queue", "create", "b", "lease=1000"] + brokers)
    zbroker(["put", "b", "x"] + brokers)
    listed = {item["name"]: item for item in json.loads(zbroker(["queue", "list", "--json"] + brokers).stdout)}
    assert set(listed) == {"a", "b"}
    assert listed["b"]["lease"] == 1000
    assert [line.split()[0] for line in zbroker(["queue", "list"] + brokers).stdout.splitlines()] == ["a", "b"]
    zbroker(["queue", "purge", "b"] + brokers)
    assert zbroker(["get", "b", "--wait", "0"] + brokers, check=False).returncode == 1
    zbroker(["queue", "delete", "b"] + brokers)
    fails(zbroker, ["put", "b", "x"] + brokers, 1, "message 1")
    fails(zbroker, ["get", "b", "--wait", "0"] + brokers, 1)


def test_environment_names_the_brokers(zbroker, single):
    environment = {"ZBROKER": single.endpoints[0]}
    zbroker(["queue", "create", "q"], environment=environment)
    assert zbroker(["put", "q", "x"], environment=environment).stdout.startswith("OK single ")


def test_status_of_one(zbroker, single):
    zbroker(["queue", "list", "--brokers", single.endpoints[0]])
    done = zbroker(["status", "--brokers", single.endpoints[0]])
    assert "without a pair is active" in done.stdout
    status = json.loads(zbroker(["status", "--json", "--brokers", single.endpoints[0]]).stdout)["brokers"][0]
    assert (status["node"], status["role"], status["level"]) == ("single", "active", "single")
    assert status["pid"] == single.broker.process.pid


def test_doctor_names_who_uses_the_store(zbroker, single):
    found = findings(zbroker, "--store", single.folder + "/store")["store"]
    assert found["held"] and found["pid"] == single.broker.process.pid and found["kind"] == "single"
    assert "%d" % single.broker.process.pid in found["text"]
    #  A folder of one broker is not for two.
    assert findings(zbroker, "--store", single.folder + "/store", "--shared", code=1)["store"]["verdict"] == "bad"


def test_serve_ends_with_0_on_sigterm_and_sigint(single):
    assert single.broker.stop() == 0
    single.broker.start()
    single.broker.process.send_signal(signal.SIGINT)
    assert single.broker.process.wait(PATIENCE) == 0


def test_serve_tells_that_the_address_is_taken(zbroker, folder):
    port = free_ports(4)
    config = os.path.join(folder, "zbroker.conf")
    with open(config, "w") as file:
        file.write("single\n    endpoint = tcp://127.0.0.1:%d\nstore\n    folder = %s/store\n" % (port, folder))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = zbroker(["serve", "--config", config], check=False)
    assert done.returncode == 3
    assert "READY" not in done.stdout


def test_serve_tells_that_the_store_is_in_use(zbroker, single, folder):
    config = os.path.join(folder, "other.conf")
    with open(config, "w") as file:
        file.write("single\n    endpoint = tcp://127.0.0.1:%d\n" % free_ports(4))
    done = zbroker(["serve", "--config", config, "--store", single.folder + "/store"], check=False)
    assert done.returncode == 3
    assert "READY" not in done.stdout


# --- With a pair ---

def test_status_of_a_pair(zbroker, pair):
    brokers = ["--brokers", ",".join(pair.endpoints)]
    assert zbroker(["status"] + brokers).stdout.splitlines()[-1].startswith("the pair is in sync")
    whole = json.loads(zbroker(["status", "--json"] + brokers).stdout)
    assert sorted(broker["role"] for broker in whole["brokers"]) == ["active", "passive"]
    pair.brokers[1 - in_step(pair)].kill()
    done = zbroker(["status"] + brokers, check=False)
    assert done.returncode == 1
    assert "no answer" in done.stdout


def test_check(zbroker, pair):
    brokers = ["--brokers", ",".join(pair.endpoints), "--timeout", "5000"]

    def check(*question):
        return zbroker(["check", *question, *brokers], check=False).returncode

    active = in_step(pair)
    zbroker(["queue", "create", "orders", "--brokers", ",".join(pair.endpoints)])
    zbroker(["put", "orders", "one", "two", "three", "--brokers", ",".join(pair.endpoints)])
    assert [check(question) for question in ("alive", "ready", "in-sync")] == [0, 0, 0]
    assert [check("disk", "--free", free) for free in ("1", str(1 << 62))] == [0, 1]
    assert check("queue", "orders") == 0
    assert check("queue", "orders", "--warn", "2") == 1
    assert check("queue", "orders", "--most", "2") == 2
    assert check("queue", "nobody's") == 2
    pair.brokers[1 - active].kill()
    zbroker(["put", "orders", "four", "--brokers", ",".join(pair.endpoints)])
    assert [check(question) for question in ("alive", "ready", "in-sync")] == [1, 0, 1]
    pair.brokers[active].kill()
    assert [check(question, "--wait", "100") for question in ("alive", "ready", "in-sync", "disk")] == [2, 2, 2, 2]
    assert [check(*question) for question in ((), ("all",), ("queue",), ("alive", "x"))] == [2, 2, 2, 2]


def test_peek_and_clients(zbroker, single):
    brokers = ["--brokers", single.endpoints[0]]
    zbroker(["queue", "create", "orders", *brokers])
    zbroker(["put", "orders", "one", "\033[31mtwo", *brokers])
    lines = zbroker(["peek", "orders", *brokers]).stdout.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["ready x0  one", "ready x0  .[31mtwo"]
    assert [json.loads(line)["properties"]["zb-state"] for line in zbroker(["peek", "orders", "--json", *brokers]).stdout.splitlines()] == \
        ["ready", "ready"]
    assert len(zbroker(["peek", "orders", "--count", "1", *brokers]).stdout.splitlines()) == 1
    assert zbroker(["peek", "orders", "--from", lines[0].split()[0], "--count", "0", *brokers]).stdout.splitlines() == lines[1:]
    assert zbroker(["peek", "nobody", *brokers], check=False).returncode == 1
    assert zbroker(["get", "orders", "--count", "2", *brokers]).stdout == "one\n\033[31mtwo\n"
    client = Client(single.endpoints, "till")
    client.hello()
    assert "till  principal=-  address=127.0.0.1" in zbroker(["clients", "t*", *brokers]).stdout
    assert json.loads(zbroker(["clients", "--json", *brokers]).stdout)[-1]["name"] == "till"
    assert zbroker(["clients", "x*", *brokers]).stdout == ""
    client.close()


def test_events(zbroker, single):
    zbroker(["queue", "list", "--brokers", single.endpoints[0]])
    lines = zbroker(["events", "--brokers", single.endpoints[0]]).stdout.splitlines()
    assert any(" single  takeover  this broker begins to lead" in line for line in lines), lines
    told = [json.loads(line) for line in zbroker(["events", "--json", "--brokers", single.endpoints[0]]).stdout.splitlines()]
    assert len(told) == len(lines) and {one["node"] for one in told} == {"single"}
    assert len(zbroker(["events", "--count", "1", "--brokers", single.endpoints[0]]).stdout.splitlines()) == 1
    with subprocess.Popen([*WRAPPER, PROGRAM, "events", "--follow", "--json", "--brokers", single.endpoints[0]],
                          stdout=subprocess.PIPE, text=True) as follow:
        for _ in lines:
            follow.stdout.readline()
        assert ask(single.endpoints[0], "SWITCHOVER", 1, "0" * 64)[4] == b"403"
        assert json.loads(follow.stdout.readline())["kind"] == "refused"
        follow.terminate()
    single.broker.kill()
    assert zbroker(["events", "--wait", "100", "--brokers", single.endpoints[0]], check=False).returncode == 6


def test_status_again_and_again(single):
    with subprocess.Popen([*WRAPPER, PROGRAM, "status", "--watch", "--json", "--brokers", single.endpoints[0]],
                          stdout=subprocess.PIPE, text=True) as watch:
        seen = 0
        for line in watch.stdout:
            seen += line.startswith("}")
            if seen == 2:
                watch.terminate()
                break
        watch.stdout.read()
    assert seen == 2


def test_put_kill_get(zbroker, pair):
    brokers = ["--brokers", ",".join(pair.endpoints)]
    zbroker(["queue", "create", "orders"] + brokers)
    assert zbroker(["put", "orders", "kept"] + brokers).stdout.startswith("OK %s " % pair.level("both"))
    pair.brokers[in_step(pair)].kill()
    assert zbroker(["get", "orders"] + brokers).stdout == "kept\n"
    assert zbroker(["put", "orders", "alone"] + brokers).stdout.startswith("OK %s " % pair.level("solo"))


def test_demo(zbroker, folder):
    done = zbroker(["demo"], environment={"TMPDIR": folder})
    assert "OK both" in done.stdout
    assert "kill -9" in done.stdout
    assert "the takeover took" in done.stdout.splitlines()[-1]
    assert os.listdir(folder) == []


def test_queue_list_knows_no_limit(single, zbroker):
    names = ["many.%05d" % number for number in range(10100)]
    with zmq.Context.instance().socket(zmq.DEALER) as sock:
        sock.linger = 0
        sock.connect(single.endpoints[0])
        sock.send_multipart([b"ZB1", b"HELLO", b"h"])
        for name in names:
            sock.send_multipart([b"ZB1", b"QUEUE", b"q", name.encode(), b""])
        for _ in range(len(names) + 1):
            assert sock.recv_multipart()[1] == b"OK"
    out = zbroker(["queue", "list", "many.*", "--json", "--brokers", single.endpoints[0]]).stdout
    assert [queue["name"] for queue in json.loads(out)] == names


def test_get_waits_for_a_broker_no_longer_than_the_timeout(zbroker):
    #  --wait is for messages: where no broker serves there is nothing to wait for.
    started = time.monotonic()
    brokers = "tcp://127.0.0.1:%d" % free_ports(1)
    fails(zbroker, ["get", "q", "--brokers", brokers, "--timeout", "200", "--wait", "%d" % (2000 * PATIENCE)], 6)
    assert time.monotonic() - started < PATIENCE


def test_get_waits_on_through_a_restart(single, zbroker):
    """A broker that comes back within the timeout is no end of the wait; one that does not is."""
    zbroker(["queue", "create", "q", "--brokers", single.endpoints[0]])
    command = [*WRAPPER, PROGRAM, "get", "q", "--brokers", single.endpoints[0], "--wait", "%d" % (2000 * PATIENCE)]
    with subprocess.Popen([*command, "--timeout", "%d" % (1000 * PATIENCE)], stdout=subprocess.PIPE) as patient, \
            subprocess.Popen([*command, "--timeout", "500"], stdout=subprocess.PIPE) as other:
        wait_for(lambda: status(single.endpoints[0])["parked"] == 2, "both GETs to wait")
        single.broker.kill()
        assert other.wait(PATIENCE) == 6
        single.broker.start()
        zbroker(["put", "q", "x", "--brokers", single.endpoints[0]])
        assert patient.wait(PATIENCE) == 0 and patient.stdout.read() == b"x\n"
