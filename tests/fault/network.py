"""Hosts on one machine: network namespaces, each with a link to a router, that can be cut one way or both.

All of it lives in namespaces of the test's own process (see isolated), so that the kernel takes it away with the
process, however that ends: nothing outside is touched, and nothing is left.
"""
import os
import subprocess
import sys

NEEDED = ("unshare", "nsenter", "ip")


def missing():
    """Why hosts can't be made here; empty if they can."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    for tool in NEEDED:
        if not any(os.access(os.path.join(path, tool), os.X_OK) for path in os.environ["PATH"].split(":")):
            return "needs %s (Debian: util-linux, iproute2)" % tool
    trial = subprocess.run([*ISOLATED, "sh", "-c", "ip link add veth0 type veth peer name veth1 && ip rule add from 10.77.1.2 to "
                            "10.77.2.2 blackhole && mount -t tmpfs none /mnt"], capture_output=True, text=True)
    return "" if trial.returncode == 0 else "no namespaces here: " + trial.stderr.strip()


ISOLATED = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]


def isolated(program, *arguments):
    """The command that runs this Python program where hosts can be made."""
    return [*ISOLATED, sys.executable, program, *arguments]


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, "%s: %s" % (" ".join(words), done.stderr)


class Host:
    def __init__(self, number):
        self.address = "10.77.%d.2" % number
        router, link = "10.77.%d.1" % number, "host%d" % number
        self.keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE)
        self.keeper.stdout.readline()
        self.inside = ["nsenter", "--net=/proc/%d/ns/net" % self.keeper.pid, "--"]
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self.keeper.pid))
        run("ip", "addr", "add", router + "/24", "dev", link)
        run("ip", "link", "set", link, "up")
        run(*self.inside, "ip", "link", "set", "lo", "up")
        run(*self.inside, "ip", "addr", "add", self.address + "/24", "dev", "eth0")
        run(*self.inside, "ip", "link", "set", "eth0", "up")
        run(*self.inside, "ip", "route", "add", "default", "via", router)


class Network:
    """The test itself sits on the router, and reaches every host whatever is cut."""

    def __init__(self, size):
        run("ip", "link", "set", "lo", "up")
        with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
            file.write("1")
        self.hosts = [Host(number + 1) for number in range(size)]
        self.rules = []
        #  In a host's own table its address is the router's: who is sent there is answered by the router, on which nobody
        #  listens, in the host's name.
        for number, host in enumerate(self.hosts):
            run("ip", "route", "add", "local", host.address, "dev", "lo", "table", str(100 + number))

    def cut(self, source, target, how="blackhole"):
        """No packet of the source reaches the target any more: `blackhole` says nothing, `unreachable` tells the sender,
        `reset` answers in the target's name with RST, as a firewall does that rejects with a TCP reset."""
        what = ["iif", "host%d" % (source + 1), "lookup", str(100 + target)] if how == "reset" else [how]
        rule = ["from", self.hosts[source].address, "to", self.hosts[target].address, *what]
        if rule not in self.rules:
            run("ip", "rule", "add", *rule)
            self.rules.append(rule)

    def heal(self):
        for rule in self.rules:
            run("ip", "rule", "del", *rule)
        self.rules = []
