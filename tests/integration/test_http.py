"""Do monitors get true figures and answers over HTTP, and can nobody who asks there slow a broker or get in its way?"""
import base64
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.parse

import pytest

from brokers import PROGRAM, Broker, single_config, wait_for
from conftest import in_step, two_stores
from patience import PATIENCE
from keyed import Keyed
from zb1 import Refused, status

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"

pytestmark = pytest.mark.skipif("libmicrohttpd" not in subprocess.run(["ldd", PROGRAM], stdout=subprocess.PIPE, text=True).stdout,
                                reason="built without the page")


def port_of(endpoint):
    return int(endpoint.rsplit(":", 1)[1]) + 3


def get(endpoint, path, method="GET", headers=None, body=None, tls=None, source=None):
    """Returns code, headers and text."""
    if tls:
        connection = http.client.HTTPSConnection("127.0.0.1", port_of(endpoint), timeout=PATIENCE, context=tls,
                                                 source_address=source and (source, 0))
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(endpoint), timeout=PATIENCE,
                                                source_address=source and (source, 0))
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def figures(endpoint, path="/metrics"):
    """Each sample of /metrics; {} while it is not served."""
    code, _, text = get(endpoint, path)
    return {name: float(value) for name, value in re.findall(r"^([^# ]\S*) (\S+)$", text, re.M)} if code == 200 else {}


def wait_figure(endpoint, name, value):
    try:
        wait_for(lambda: figures(endpoint).get(name) == value, name)
    except AssertionError as error:
        raise AssertionError("%s is %s, not %s" % (name, figures(endpoint).get(name), value)) from error


def test_figures_are_those_of_status(single, client):
    endpoint = single.endpoints[0]
    c = client(single)
    c.request("QUEUE", 1, b"q", b"")
    c.request("PUT", 2, b"q", b"", b"one", b"two")
    with pytest.raises(Refused):
        c.request("PUT", 3, b"none", b"", b"x")
    first = c.request("GET", 4, b"q", b"1", b"0", b"")[2].split()[0]
    c.request("NACK", 5, b"q", first)
    c.request("GET", 6, b"q", b"2", b"0", b"")
    wait_figure(endpoint, "zbroker_messages_delivered_total", 3)
    wait_figure(endpoint, "zbroker_messages_redelivered_total", 1)
    wait_figure(endpoint, "zbroker_messages_stored_total", 2)
    wait_figure(endpoint, 'zbroker_messages_refused_total{code="404"}', 1)
    found, told = figures(endpoint), status(endpoint)
    assert found["zbroker_queues"] == told["queues"] == 1
    assert found["zbroker_epoch"] == told["epoch"]
    assert found['zbroker_level{level="single"}'] == 1 and found['zbroker_level{level="both"}'] == 0
    assert found['zbroker_role{role="active"}'] == 1
    assert found['zbroker_takeovers_total{cause="start"}'] == 1
    assert found["zbroker_sync_seconds_count"] == found['zbroker_sync_seconds_bucket{le="+Inf"}'] > 0
    assert 0 < found["zbroker_sync_seconds_sum"] < PATIENCE
    #  One PUT was answered OK, and one was not.
    assert found["zbroker_put_seconds_count"] == 1 and 0 < found["zbroker_put_seconds_sum"] < PATIENCE
    assert found["zbroker_log_bytes_total"] == told["log_bytes"] > 6
    assert found["process_open_fds"] > 10 and found["process_resident_memory_bytes"] > 1 << 20
    assert 'version="%s"' % told["version"] in get(endpoint, "/metrics")[2]


def test_figures_of_queues(pair, client):
    """Each queue if asked, and of the broker that serves it."""
    c = client(pair)
    for name in (b"q", b"other", b'say"so'):
        c.request("QUEUE", name, name, b"")
    c.request("PUT", 1, b"q", b"", b"one", b"two", b"three")
    c.request("GET", 2, b"q", b"1", b"0", b"")
    c.request("QUEUE", 3, b"other", b"max-bytes=9")
    c.request("PUT", 4, b"other", b"", b"five5")
    active = in_step(pair)
    endpoint, other = pair.endpoints[active], pair.endpoints[1 - active]
    found = figures(endpoint, "/metrics?queues=")
    assert {name: value for name, value in found.items() if 'queue="q"' in name} == {
        'zbroker_queue_messages{queue="q"}': 3, 'zbroker_queue_ready{queue="q"}': 2, 'zbroker_queue_leased{queue="q"}': 1,
        'zbroker_queue_gets_waiting{queue="q"}': 0}
    assert found['zbroker_queue_bytes{queue="other"}'] == 5
    assert found['zbroker_queue_messages{queue="say\\"so"}'] == 0 and "zbroker_epoch" in found
    c.request("QUEUE", 5, b"later", b"delay=0")
    c.request("PUT", 6, b"later", b"delay=600000", b"one", b"two")
    c.request("PUT", 7, b"later", b"", b"now")
    found = figures(endpoint, "/metrics?queues=later")
    assert {name: value for name, value in found.items() if "queue=" in name} == {
        'zbroker_queue_messages{queue="later"}': 3, 'zbroker_queue_ready{queue="later"}': 1, 'zbroker_queue_leased{queue="later"}': 0,
        'zbroker_queue_delayed{queue="later"}': 2, 'zbroker_queue_gets_waiting{queue="later"}': 0}
    assert [name for name in figures(endpoint, "/metrics?queues=o*") if "queue=" in name][:1] == ['zbroker_queue_messages{queue="other"}']
    for one, path in ((endpoint, "/metrics"), (other, "/metrics?queues=")):
        assert not [name for name in figures(one, path) if "queue=" in name], path
    assert get(endpoint, "/metrics?queues=a/b")[0] == 400


def test_both_forms(single):
    endpoint = single.endpoints[0]
    wait_for(lambda: figures(endpoint), "figures")
    _, headers, text = get(endpoint, "/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE zbroker_puts_total counter" in text and "# EOF" not in text
    _, headers, text = get(endpoint, "/metrics", headers={"Accept": OPEN + ",text/plain;q=0.5"})
    assert headers["Content-Type"] == OPEN
    assert "# TYPE zbroker_puts counter" in text and text.endswith("# EOF\n")
    #  Each family is there once, and its samples follow it.
    families = re.findall(r"^# TYPE (\S+)", text, re.M)
    assert len(families) == len(set(families)) > 30
    for block in text.split("# HELP ")[1:]:
        name = block.split()[0]
        for line in block.splitlines():
            assert line.startswith("#") or line.startswith(name), line


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (Debian: prometheus)")
def test_promtool_has_nothing_to_say(pair, client):
    client(pair).request("QUEUE", 1, b"q", b"")
    for endpoint in pair.endpoints:
        wait_for(lambda: figures(endpoint), "figures")
        done = subprocess.run(["promtool", "check", "metrics"], input=get(endpoint, "/metrics?queues=")[2], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0 and not done.stdout.strip(), done.stdout


SOURCE = os.environ.get("ZBROKER_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
RULES = os.path.join(SOURCE, "packaging", "prometheus", "zbroker.rules.yml")
BOARD = os.path.join(SOURCE, "packaging", "grafana", "zbroker.json")

#  What the figures of two brokers are, minute by minute, and the alerts that are on after ten minutes.
CASES = [
    ("all is well", "1x20", "1x20", "1x20", "0x20", []),
    ("alone", "1x20", "0x20", "1x20", "0x20", ["ZbrokerNotInSync"]),
    ("nobody serves", "0x20", "0x20", "1x20", "0x20", ["ZbrokerNobodyServes", "ZbrokerNotInSync"]),
    ("split", "1x20", "0x20", "1x20", "1x20", ["ZbrokerNotInSync", "ZbrokerTwoLead"]),
]


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (Debian: prometheus)")
def test_alerts(folder):
    done = subprocess.run(["promtool", "check", "rules", RULES], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and "SUCCESS: 12 rules found" in done.stdout, done.stdout
    names = re.findall(r"alert: (\w+)", open(RULES).read())
    manual = open(os.path.join(SOURCE, "tools", "zbroker-operating.7")).read()
    assert [name for name in names if name not in manual] == []
    tests = []
    for name, both, in_sync, one, two, alerts in CASES:
        series = [('zbroker_level{job="zb",level="both"}', both), ('zbroker_level{job="zb",level="hold"}', "1x20"),
                  ('zbroker_in_sync{job="zb"}', in_sync), ('zbroker_role{job="zb",role="active",instance="a"}', one),
                  ('zbroker_role{job="zb",role="active",instance="b"}', two)]
        tests.append({"name": name, "interval": "1m",
                      "input_series": [{"series": what, "values": values.replace("x", "+0x")} for what, values in series],
                      "promql_expr_test": [{"eval_time": "10m", "expr": 'sort(count by (alertname) (ALERTS{alertstate="firing"}))',
                                            "exp_samples": [{"labels": '{alertname="%s"}' % alert, "value": 1} for alert in alerts]}]})
    with open(folder + "/test.yml", "w") as file:
        json.dump({"rule_files": [os.path.abspath(RULES)], "evaluation_interval": "1m", "tests": tests}, file)
    done = subprocess.run(["promtool", "test", "rules", folder + "/test.yml"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@two_stores
def test_rules_and_board_ask_for_what_there_is(pair):
    board = json.load(open(BOARD))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) > 8
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    asked += " ".join(re.findall(r"expr: (.*)", open(RULES).read()))
    names = set(re.findall(r"\b(?:zbroker|process)_[a-z_]+", asked))
    assert len(names) > 15
    here = wait_for(lambda: figures(pair.endpoints[0]), "figures")
    assert names - {name.split("{")[0] for name in here} == set()


#  What monitors have been told that there is: a name that goes breaks somebody's board.
NAMES = """
    zbroker_build_info zbroker_role zbroker_level zbroker_in_sync zbroker_epoch zbroker_takeovers_total zbroker_solo_seconds_total
    zbroker_replication_lag_bytes zbroker_replication_lag_seconds zbroker_peer_silence_seconds zbroker_peer_silence_limit_seconds
    zbroker_messages_stored_total zbroker_messages_delivered_total zbroker_messages_redelivered_total
    zbroker_messages_acknowledged_total zbroker_messages_duplicate_total zbroker_messages_expired_total
    zbroker_messages_refused_total zbroker_messages_dead_lettered_total
    zbroker_put_seconds_bucket zbroker_put_seconds_sum zbroker_put_seconds_count
    zbroker_sync_seconds_bucket zbroker_sync_seconds_sum zbroker_sync_seconds_count
    zbroker_queues zbroker_sessions zbroker_connections zbroker_gets_waiting zbroker_disk_free_bytes zbroker_disk_full
    zbroker_log_bytes_total zbroker_dropped_total zbroker_auth_failures_total
    zbroker_queue_messages zbroker_queue_ready zbroker_queue_leased
    process_cpu_seconds_total process_resident_memory_bytes process_open_fds process_max_fds process_start_time_seconds
""".split()


@two_stores
def test_the_names_stay(pair, client):
    client(pair).request("QUEUE", 1, b"q", b"")
    endpoint = pair.endpoints[in_step(pair)]

    def missing():
        return set(NAMES) - {name.split("{")[0] for name in figures(endpoint, "/metrics?queues=")}
    try:
        wait_for(lambda: not missing(), "all names")
    except AssertionError:
        raise AssertionError(missing()) from None


class Site:
    """The API of one broker, as a program uses it."""

    def __init__(self, endpoint, tls=None):
        self.endpoint = endpoint
        self.tls = tls
        self.cookie = ""

    def get(self, path):
        code, _, text = get(self.endpoint, "/api/v1/" + path, headers={"Cookie": self.cookie}, tls=self.tls)
        return code, json.loads(text)

    def post(self, path, said, **headers):
        sent = {"Cookie": self.cookie, "X-Zbroker": "1", "Content-Type": "application/json"}
        sent.update((name.replace("_", "-"), value) for name, value in headers.items())
        sent = {name: value for name, value in sent.items() if value is not None}
        code, headers, text = get(self.endpoint, "/api/v1/" + path, "POST", sent, said if isinstance(said, bytes) else json.dumps(said), self.tls)
        if headers["Set-Cookie"]:
            assert ("; Secure" in headers["Set-Cookie"]) == headers["Set-Cookie"].startswith("__Host-zbroker=") == (self.tls is not None)
            assert ("Max-Age=0" in headers["Set-Cookie"]) == (path == "logout")
            assert "HttpOnly" in headers["Set-Cookie"] and "SameSite=Strict" in headers["Set-Cookie"]
            self.cookie = headers["Set-Cookie"].split(";")[0]
        return code, json.loads(text)

    def log_in(self, name="anna", password="correct horse"):
        return self.post("login", {"name": name, "password": password})


def make_logins(path, *keys):
    """A file with anna's line; returns it."""
    done = subprocess.run([PROGRAM, "login", "anna", *keys], input="correct horse\n", stdout=subprocess.PIPE, text=True, check=True)
    with open(path, "w") as file:
        os.chmod(path, 0o600)
        file.write("#  who may\n" + done.stdout)
    return path


@pytest.fixture
def site(folder):
    """A broker without a pair, and with a login."""
    endpoint = single_config(folder + "/zbroker.conf")
    with open(folder + "/zbroker.conf", "a") as config:
        config.write("http\n    login = %s\n" % make_logins(folder + "/logins"))
    broker = Broker(["--config", folder + "/zbroker.conf", "--store", folder + "/store"], folder + "/log").start()
    site = Site(endpoint)
    site.endpoints, site.broker, site.file = [endpoint], broker, folder + "/logins"
    wait_for(lambda: get(endpoint, "/health/ready")[0] == 200, "a broker that serves")
    yield site
    broker.finish()


def test_a_change_takes_a_login(site):
    change = {"queue": "q", "options": {"lease": 1000, "max-messages": "7"}}
    assert site.post("queue", change)[0] == 401
    assert site.log_in(password="wrong")[0] == 403
    assert wait_for(lambda: site.log_in("nobody")[0] == 403, "a name that is not there")
    wait_for(lambda: site.broker.tail().count("page: a wrong name or password from 127.0.0.1") >= 2, "a line about each")
    assert "nobody" not in site.broker.tail()
    assert site.log_in()[0] == 429
    assert figures(site.endpoint)['zbroker_auth_failures_total{reason="password"}'] >= 2
    wait_for(lambda: site.log_in()[0] == 200, "the right password")
    wait_for(lambda: site.post("queue", change) == (200, {"ok": []}), "a queue")
    code, page = site.get("queues")
    assert code == 200 and page["next"] is None
    assert [(q["name"], q["lease"], q["max-messages"], q["messages"]) for q in page["queues"]] == [("q", 1000, 7, 0)]
    assert site.get("pair")[1]["login"] == "anna"
    wait_for(lambda: "page: anna says QUEUE q: OK" in site.broker.tail(), "a line about it")
    assert site.post("queue", {"queue": "q", "options": {"lease": "soon"}})[0] == 400
    assert site.post("queue", {"queue": "a b\nc"})[0] == 400 and "b\nc" not in site.broker.tail()
    assert site.post("purge", {"queue": "none", "confirm": "none"})[0] == 404
    assert site.post("queue", {"queue": "bin"})[0] == 200
    code, page = site.post("move", {"queue": "q", "to": "bin", "last": "", "max": 0})
    assert code == 200 and page["ok"][:2] == ["single", "0"] and page["ok"][2].isdigit()
    for wrong, expected in (({"max": -1}, 400), ({"max": "1"}, 400), ({"last": "x"}, 400), ({"to": "q"}, 400), ({"to": "none"}, 404)):
        assert site.post("move", {"queue": "q", "to": "bin", "last": "", "max": 1, **wrong})[0] == expected, wrong
    #  Another login ends the one before.
    stolen = site.cookie
    assert site.log_in()[0] == 200 and site.cookie != stolen
    fresh, site.cookie = site.cookie, stolen
    assert site.post("delete", {"queue": "q", "confirm": "q"})[0] == 401
    site.cookie = fresh
    #  What is no login, as a proxy's own, is none.
    assert get(site.endpoint, "/health/live", headers={"Authorization": "Bearer x"})[0] == 200
    code, headers, _ = get(site.endpoint, "/health/live", headers={"Authorization": "Basic x"})
    assert code == 401 and headers["WWW-Authenticate"].startswith("Basic ")
    assert get(site.endpoint, "/api/v1/none", headers={"Authorization": "Basic x"})[1]["WWW-Authenticate"] is None
    stolen = site.cookie
    assert site.post("logout", {})[0] == 200
    site.cookie = stolen
    assert site.post("delete", {"queue": "q", "confirm": "q"})[0] == 401
    os.chmod(site.file, 0o644)
    assert site.log_in()[0] == 503
    os.unlink(site.file)
    os.mkfifo(site.file, 0o600)
    assert site.log_in()[0] == 503
    wait_for(lambda: "chmod 600" in site.broker.tail(), "a line about it")


def test_another_file_of_logins_ends_sessions(site):
    """Who is taken out of it, or has another password, is not logged in any more; others log in again."""
    assert site.log_in()[0] == 200 and site.get("pair")[1]["login"] == "anna"
    with open(site.file) as file:
        known = file.read()
    with open(site.file, "w") as file:
        file.write(known.replace("anna", "bert"))
    wait_for(lambda: site.get("pair")[1]["login"] is None, "the session's end")
    assert site.post("queue", {"queue": "q"})[0] == 401
    assert site.log_in()[0] == 403
    assert wait_for(lambda: site.log_in("bert")[0] == 200, "a login")


def test_who_guesses_holds_up_nobody_else(site):
    """One try a second behind a wrong password, of each address."""
    def tries(password, source):
        headers = {"X-Zbroker": "1", "Content-Type": "application/json"}
        return get(site.endpoint, "/api/v1/login", "POST", headers, json.dumps({"name": "anna", "password": password}), source=source)[0]

    def held_up():
        return tries("wrong", "127.0.0.2") == 403 and tries("correct horse", "127.0.0.2") == 429 and tries("correct horse", "127.0.0.3") == 200
    wait_for(held_up, "one is held up, and the other one is not")


def test_what_other_sites_can_send_changes_nothing(site):
    assert site.log_in()[0] == 200
    wait_for(lambda: site.post("queue", {"queue": "q"})[0] == 200, "a queue")
    change = {"queue": "q", "confirm": "q"}
    for headers, expected in (({"X_Zbroker": None}, 403), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
                              ({"Content_Type": "text/plain"}, 415), ({"Content_Type": None}, 415),
                              ({"Content_Type": "application/x-www-form-urlencoded"}, 415), ({"Host": "evil.example"}, 421),
                              ({"Cookie": None}, 401), ({"Cookie": "zbroker=" + "0" * 64}, 401), ({"Cookie": "zbroker="}, 401)):
        connection = get(site.endpoint, "/api/v1/delete", "POST",
                         {name: value for name, value in {"Cookie": site.cookie, "X-Zbroker": "1", "Content-Type": "application/json",
                          **{name.replace("_", "-"): value for name, value in headers.items()}}.items() if value is not None},
                         json.dumps(change))
        assert connection[0] == expected, (headers, connection)
    for said in (b"", b"[]", b"{", b"\xff", b'{"queue":"q","queue":"q","confirm":"q"}', b'{"queue":"q","confirm":"Q"}',
                 b'{"queue":"","confirm":""}', b'{"queue":7,"confirm":7}', b'{"queue":"q\\u0000","confirm":"q\\u0000"}',
                 b"[" * 10000):
        assert site.post("delete", said)[0] == 400, said
    assert site.post("delete", b" " * 100000)[0] == 413
    assert [q["name"] for q in site.get("queues")[1]["queues"]] == ["q"]
    own = "http://127.0.0.1:%d" % port_of(site.endpoint)
    assert site.post("delete", change, Origin=own) == (200, {"ok": ["single"]})
    for path in ("nothing", "", "../metrics", "queue/q"):
        assert site.get(path)[0] == 404
    assert site.get("delete")[0] == 405 and site.post("queues", {})[0] == 405


def test_queues_come_in_pages(site, client):
    c = client(site)
    names = ["q%02d" % number for number in range(25)] + ["<b&ö\""]
    for number, name in enumerate(names):
        c.request("QUEUE", number, name.encode(), b"")
    found, after = [], ""
    while after is not None:
        code, page = site.get("queues?max=10&after=" + urllib.parse.quote(after))
        assert code == 200 and len(page["queues"]) <= 10
        found += [queue["name"] for queue in page["queues"]]
        after = page["next"]
    assert found == sorted(names, key=str.encode)
    assert [queue["name"] for queue in site.get("queues?pattern=q1*")[1]["queues"]] == names[10:20]
    for wrong in ("max=0", "max=x", "pattern=a%0Ab", "after=%FF"):
        assert site.get("queues?" + wrong)[0] == 400, wrong


def test_queues_are_sorted(site, client):
    """By the broker's machine, in pages; the largest number first, and by name where it is the same."""
    #  With a name, so that what is sent again is there once.
    c = client(site, "filler")
    depths = {"q%02d" % number: number * 7 % 11 for number in range(25)}
    puts = 0
    for name, depth in depths.items():
        c.request("QUEUE", name, name, "")
        if depth:
            puts += 1
            c.request("PUT", puts, name, "", *[b"x"] * depth)
    c.request("GET", "g", "q13", 3, 0, "")
    expected = sorted(depths, key=lambda name: (-depths[name], name))

    def listed(query):
        found, after = [], ""
        while after is not None:
            code, page = site.get("queues?max=10&%s&after=%s" % (query, after))
            assert code == 200 and len(page["queues"]) <= 10
            found += page["queues"]
            after = page["next"]
        return [(queue["name"], queue["messages"]) for queue in found]
    assert listed("sort=messages") == [(name, depths[name]) for name in expected]
    assert [name for name, _ in listed("sort=messages&pattern=q1*")] == [name for name in expected if name.startswith("q1")]
    assert [name for name, _ in listed("sort=leased")] == ["q13"] + sorted(set(depths) - {"q13"})
    assert listed("sort=name") == sorted(depths.items())
    assert site.get("queues?sort=messages&after=9999")[1] == {"queues": [], "next": None}
    for wrong in ("sort=age", "sort=", "sort=messages&after=q01", "sort=messages&after=-1", "sort=messages&max=x", "sort=messages&max=0", "sort=messages&max=99999999999"):
        assert site.get("queues?" + wrong)[0] == 400, wrong
    #  What was kept is not for ever.
    c.request("PUT", puts + 1, "q00", "", *[b"x"] * 20)
    wait_for(lambda: listed("sort=messages")[0] == ("q00", 20), "the newer numbers")


def test_messages_clients_and_events(site, client):
    c = client(site, "till")
    c.hello()
    c.request("QUEUE", "q", "orders", "")
    c.request("PUT", 1, "orders", "colour=red\nzb-state=forged", "one", "<b>two", b"\x00\xff", "ö".encode() * 40000)
    c.request("GET", "g", "orders", 1, 0, "")
    code, page = site.get("messages?queue=orders")
    assert code == 200 and [message.get("body", "")[:6] for message in page["messages"]] == ["one", "<b>two", "", "öööööö"]
    one, two, three, four = page["messages"]
    assert (one["state"], one["by"], one["deliveries"], one["size"], one["cut"]) == ("leased", "till", 1, 3, False)
    assert abs(int(one["until"]) / 1000 - time.time() - 30) < 5
    assert (two["state"], two["by"], two["until"], two["deliveries"]) == ("ready", None, None, 0)
    #  What a producer calls itself so is no word of the broker's.
    assert two["properties"] == [["colour", "red"], ["zb-state", "forged"]]
    assert three["body_base64"] == "AP8=" and "body" not in three
    assert four["size"] == 80000 and four["cut"] and len(four["body"].encode()) == 65536
    assert page["next"] == four["id"] and site.get("messages?queue=orders&after=" + four["id"])[1] == {"messages": [], "next": None}
    assert [m["id"] for m in site.get("messages?queue=orders&max=1&after=" + one["id"])[1]["messages"]] == [two["id"]]
    for wrong, expected in (("", 400), ("queue=none", 404), ("queue=orders&max=0", 400), ("queue=orders&max=101", 400), ("queue=orders&after=x", 400)):
        assert site.get("messages?" + wrong)[0] == expected, wrong
    assert site.post("messages", {})[0] == 405
    found = [one for one in site.get("clients")[1]["clients"] if one["name"] == "till"]
    assert len(found) == 1 and found[0]["leased"] == 1 and found[0]["address"] == "127.0.0.1"
    assert site.get("clients?pattern=a/b")[0] == 400
    told = site.get("events")[1]
    assert told["node"] == "single" and "takeover" in [event["kind"] for event in told["events"]]
    assert site.get("events?after=" + told["events"][-1]["id"])[1]["events"] == []
    assert site.get("events?after=x")[0] == 400


def test_with_keys_a_login_has_its_principals_rights():
    pair = Keyed()
    try:
        logins = pair.folder + "/logins"
        for name in ("primary", "backup"):
            with open(pair.configs[name], "a") as config:
                config.write("http\n    login = %s\n" % logins)
        pair.start()
        here = Site(pair.endpoints[pair.in_step()])
        for path in ("queues", "messages?queue=q", "clients", "events"):
            assert here.get(path)[0] == 401, path
        assert here.get("pair")[0] == 200
        make_logins(logins)
        assert here.log_in()[0] == 403, "a login without a key"
        #  Nor is it more in a monitor's hand: what takes no right is answered, and no more.
        basic = {"Authorization": "Basic " + base64.b64encode(b"anna:correct horse").decode()}
        assert get(here.endpoint, "/metrics?queues=", headers=basic)[0] == 403
        assert get(here.endpoint, "/metrics", headers=basic)[0] == get(here.endpoint, "/health/ready", headers=basic)[0] == 200
        make_logins(logins, pair.new("web", "manage=mine*", "look=mine*"))
        wait_for(lambda: here.log_in()[0] == 200, "a login")
        wait_for(lambda: here.post("queue", {"queue": "mine.1"}) == (200, {"ok": []}), "a queue")
        assert here.post("queue", {"queue": "others"})[0] == 403
        assert here.get("queues")[0] == 403
        assert [queue["name"] for queue in here.get("queues?pattern=mine*")[1]["queues"]] == ["mine.1"]
        assert here.get("queues?sort=messages")[0] == 403
        assert [queue["name"] for queue in here.get("queues?sort=messages&pattern=mine*")[1]["queues"]] == ["mine.1"]
        assert Site(here.endpoint).get("queues?sort=messages&pattern=mine*")[0] == 401
        #  The figures of queues, too: by the cookie, or by what a monitor sends with each request.
        for headers, expected in (({}, 401), ({"Cookie": here.cookie}, 200), (basic, 200)):
            def answered():
                code, _, text = get(here.endpoint, "/metrics?queues=mine*", headers=headers)
                assert code in (expected, 503), (headers, code)
                return code == expected and text
            assert ('queue="mine.1"' in wait_for(answered, headers)) == (expected == 200)

        def refused():
            code = get(here.endpoint, "/metrics?queues=", headers=basic)[0]
            return code != 503 and code
        assert wait_for(refused, "an answer") == 403
        for path in ("messages?queue=mine.1", "clients", "events"):
            assert here.get(path)[0] == 403, path
        assert here.post("switchover", {"confirm": "switchover"})[0] == 403
        pair.key("allow", "web", "operate=*")
        code, said = here.post("switchover", {"confirm": "switchover"})
        assert code == 200 and said["ok"][0] in pair.endpoints and said["ok"][0] != here.endpoint
        pair.key("revoke", "web")
        assert here.post("delete", {"queue": "mine.1", "confirm": "mine.1"})[0] == 503
    finally:
        pair.close()


@two_stores
def test_the_pair_is_shown_by_both(pair, client):
    active = in_step(pair)
    here, there = Site(pair.endpoints[active]), Site(pair.endpoints[1 - active])
    client(pair).request("QUEUE", 1, b"q", b"")

    def shown(site, may, role):
        said = site.get("pair")[1]
        return said["switch_off"]["may"] == may and said["there"] and said["there"]["role"] == role
    wait_for(lambda: shown(here, "after-switchover", "passive"), "the active one's page")
    wait_for(lambda: shown(there, "yes", "active"), "the passive one's page")
    #  The passive one knows whom to ask.
    assert [queue["name"] for queue in there.get("queues")[1]["queues"]] == ["q"]
    begin = time.monotonic()
    pair.brokers[active].kill()
    wait_for(lambda: not there.get("pair")[1]["here"]["peer"]["heard"], "the other one is gone")
    print("shown after %.1f s" % (time.monotonic() - begin))
    #  Who looks on is no reason for a takeover.
    assert there.get("queues")[0] == 503
    assert there.get("pair")[1]["here"]["role"] == "passive"


@two_stores
def test_health_follows_the_pair(pair):
    active = in_step(pair)
    here, there = pair.endpoints[active], pair.endpoints[1 - active]

    def code(endpoint, what, expected):
        wait_for(lambda: get(endpoint, "/health/" + what)[0] == expected, "%s %s" % (what, expected))
    for endpoint in (here, there):
        code(endpoint, "live", 200)
        code(endpoint, "in-sync", 200)
        wait_figure(endpoint, "zbroker_in_sync", 1)
    code(here, "ready", 200)
    code(there, "ready", 503)
    pair.brokers[active].kill()
    code(there, "in-sync", 503)
    wait_figure(there, "zbroker_peer_heard", 0)


def test_a_takeover_is_counted(pair, client):
    active = in_step(pair)
    other = pair.endpoints[1 - active]
    c = client(pair)
    c.request("QUEUE", 1, b"q", b"")
    pair.brokers[active].kill()
    c.request("PUT", 2, b"q", b"", b"x")
    wait_figure(other, 'zbroker_takeovers_total{cause="peer_lost"}', 1)
    assert get(other, "/health/ready")[0] == 200
    if not pair.shared:
        assert figures(other)["zbroker_alone"] == 1
        wait_for(lambda: figures(other)["zbroker_solo_seconds_total"] > 0, "time alone")


def test_strangers_get_nothing(single):
    endpoint = single.endpoints[0]
    wait_for(lambda: figures(endpoint), "figures")
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:%d" % port_of(endpoint), ""):
        code, _, text = get(endpoint, "/metrics", headers={"Host": host})
        assert code in (400, 421) and "zbroker_" not in text, host
    for host in ("127.0.0.1", "localhost", "LOCALHOST:%d" % port_of(endpoint)):
        assert get(endpoint, "/metrics", headers={"Host": host})[0] == 200, host
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
        code, headers, _ = get(endpoint, "/metrics", method, body="x" * 100)
        assert code == 405 and headers["Allow"] == "GET, HEAD"
    for path in ("/etc/passwd", "/../../etc/passwd", "/metrics/", "/health", "/" + "x" * 4000):
        assert get(endpoint, path)[0] == 404, path
    _, headers, _ = get(endpoint, "/metrics")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and "Access-Control-Allow-Origin" not in headers


def test_hostile_requests_end(single, client):
    """Bytes that are no HTTP, headers without an end, and bodies that nobody wants end the connection, not the broker."""
    endpoint = single.endpoints[0]
    port = port_of(endpoint)
    wait_for(lambda: figures(endpoint), "figures")
    for text in (b"\0" * 100000, b"GET /metrics HTTP/9.9\r\n\r\n", b"GET " + b"/" * 200000 + b" HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"X-Y: " + b"z" * 200000 + b"\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(20000)) + b"\r\n",
                 b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                 b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
                 b"GET /metrics HTTP/1.1\r\n\r\n", b"GET /metrics\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as raw:
            raw.settimeout(PATIENCE)
            try:
                raw.sendall(text)
                raw.shutdown(socket.SHUT_WR)
                said = b""
                while more := raw.recv(65536):
                    said += more
            except OSError:
                #  It was closed amid that.
                said = b""
            assert b"zbroker_" not in said, text[:50]
    client(single).request("QUEUE", 1, b"q", b"")
    assert figures(endpoint)


def test_many_connections_are_bounded(single, client):
    """Those that say nothing, or little, take so many descriptors and no more; clients of the broker don't notice."""
    endpoint = single.endpoints[0]
    port = port_of(endpoint)
    wait_for(lambda: figures(endpoint), "figures")
    files = "/proc/%d/fd" % single.broker.process.pid
    before = len(os.listdir(files))
    crowd = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(120)]
    for raw in crowd:
        try:
            raw.sendall(b"GET /metrics HT")
        except ConnectionError:
            pass
    c = client(single)
    c.request("QUEUE", 100, b"q", b"")
    for number in range(20):
        c.request("PUT", number, b"q", b"", b"x")
    assert len(os.listdir(files)) <= before + 64 + 8
    for raw in crowd:
        raw.close()
    wait_for(lambda: figures(endpoint).get("zbroker_puts_total", 0) >= 20, "figures after the crowd")


def test_where_it_listens(folder):
    """A page that was asked for has to listen; one that nobody asked for is no reason not to serve; none is none."""
    config = folder + "/zbroker.conf"
    endpoint = single_config(config)
    arguments = ["--config", config, "--store", folder + "/store"]
    taken = socket.create_server(("127.0.0.1", port_of(endpoint)))
    broker = Broker(arguments, folder + "/log").start()
    assert "no page: can't listen for it" in broker.tail()
    assert status(endpoint)["role"]
    broker.stop()
    asked = "tcp://127.0.0.1:%d" % port_of(endpoint)
    done = subprocess.run([PROGRAM, "serve", *arguments, "--http", asked], stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert done.returncode == 3 and asked in done.stderr
    taken.close()
    for where, text in (("tcp://*:%d" % port_of(endpoint), "is beyond this machine"), ("ftp://x", "tcp://HOST:PORT")):
        done = subprocess.run([PROGRAM, "serve", *arguments, "--http", where], stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        assert done.returncode == 2 and text in done.stderr, done.stderr
    broker = Broker([*arguments, "--http", "none"], folder + "/log").start()
    with pytest.raises(ConnectionRefusedError):
        get(endpoint, "/metrics")
    broker.finish()
    other = port_of(endpoint) + 3
    broker = Broker([*arguments, "--http", "tcp://127.0.0.1:%d" % other], folder + "/log").start()
    wait_for(lambda: figures("tcp://127.0.0.1:%d" % (other - 3)), "figures")
    broker.finish()


def make_certificate(folder, name="zbroker"):
    """A certificate of 127.0.0.1 that signs itself, and its key; returns their files."""
    files = "%s/%s.crt" % (folder, name), "%s/%s.key" % (folder, name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.chmod(files[1], 0o600)
    return files


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_beyond_this_machine(folder):
    """By TLS alone, and who has not logged in gets nothing but the page and the login; monitors log in with each request."""
    config = folder + "/zbroker.conf"
    endpoint = single_config(config)
    certificate, key = make_certificate(folder)
    settings = ["login = %s" % make_logins(folder + "/logins"), "certificate = " + certificate, "key = " + key,
                "names = \"there other.example\""]
    with open(config, "a") as file:
        file.write("    http = \"tcp://*:%d\"\nhttp\n    %s\n" % (port_of(endpoint), "\n    ".join(settings)))
    broker = Broker(["--config", config, "--store", folder + "/store"], folder + "/log").start()
    try:
        tls = ssl.create_default_context(cafile=certificate)
        wait_for(lambda: get(endpoint, "/", tls=tls)[0] == 200, "the page")
        #  What is not TLS gets no answer.
        with socket.create_connection(("127.0.0.1", port_of(endpoint)), PATIENCE) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                assert b"HTTP" not in plain.recv(1000)
            except ConnectionError:
                pass
        old = ssl.create_default_context(cafile=certificate)
        #  Whatever this machine's own rules say of it: the broker is to refuse it.
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError, match="(?i)alert|EOF"):
            get(endpoint, "/", tls=old)
        site = Site(endpoint, tls)
        monitored = ("/metrics", "/health/live", "/health/ready", "/health/in-sync")
        for path in ("pair", "queues", "messages?queue=q", "clients", "events"):
            assert site.get(path)[0] == 401, path
        for path in monitored:
            code, _, text = get(endpoint, path, tls=tls)
            assert code == 401 and "zbroker_" not in text, path
        assert site.post("queue", {"queue": "q"})[0] == 401
        assert site.log_in()[0] == 200
        wait_for(lambda: site.get("pair")[0] == 200, "the pair")
        wait_for(lambda: site.post("queue", {"queue": "q"})[0] == 200, "a queue")
        assert get(endpoint, "/metrics", headers={"Cookie": site.cookie}, tls=tls)[0] == 200
        #  A monitor: in each request, and looked at once.
        basic = {"Authorization": "Basic " + base64.b64encode(b"anna:correct horse").decode()}
        wait_for(lambda: get(endpoint, "/health/ready", headers=basic, tls=tls)[0] == 200, "a monitor")
        assert "zbroker_epoch" in get(endpoint, "/metrics", headers=basic, tls=tls)[2]
        wait_for(lambda: broker.tail().count("page: anna has logged in, with a request") == 1, "one line about it")
        wait_for(lambda: 'queue="q"' in get(endpoint, "/metrics?queues=", headers=basic, tls=tls)[2], "the queue's figures")
        #  The API takes a cookie.
        assert get(endpoint, "/api/v1/pair", headers=basic, tls=tls)[0] == 401
        #  Whatever is done to the file of logins ends what was by it.
        os.unlink(folder + "/logins")
        for path in monitored:
            wait_for(lambda: get(endpoint, path, headers=basic, tls=tls)[0] == 503, path)
        assert site.get("pair")[0] == 401
        make_logins(folder + "/logins")
        wait_for(lambda: get(endpoint, "/metrics", headers=basic, tls=tls)[0] == 200, "a monitor")
        wait_for(lambda: site.log_in()[0] == 200, "a login")
        for said, expected in ((b"anna:wrong", 401), (b"anna", 401), (b":", 401), (b"", 401), (b"no body:correct horse", 401)):
            wrong = {"Authorization": "Basic " + base64.b64encode(said).decode()}

            #  Once the one before is not held against it any more.
            def answered():
                code = get(endpoint, "/metrics", headers=wrong, tls=tls)[0]
                return code != 429 and code
            assert wait_for(answered, said) == expected, said
        #  One address gets an eighth of the connections at most: those behind it were looked at after them.
        files = "/proc/%d/fd" % broker.process.pid
        before = len(os.listdir(files))
        crowd = [socket.create_connection(("127.0.0.1", port_of(endpoint)), PATIENCE, ("127.0.0.2", 0)) for _ in range(60)]
        assert get(endpoint, "/", tls=tls, source="127.0.0.3")[0] == 200
        assert len(os.listdir(files)) <= before + 8 + 8
        for raw in crowd:
            raw.close()
        #  A machine has the names that clients use, and those of the config file.
        for host, expected in (("there", 200), ("OTHER.example:%d" % port_of(endpoint), 200), ("example", 421), ("evil.example", 421)):
            assert get(endpoint, "/", headers={"Host": host}, tls=tls)[0] == expected, host
        site.post("logout", {})
        assert site.get("pair")[0] == 401
    finally:
        broker.finish()


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_what_is_no_certificate(folder):
    """The broker says what is wrong with it, and does not start."""
    config = folder + "/zbroker.conf"
    endpoint = single_config(config)
    with open(config) as file:
        first = file.read()
    certificate, key = make_certificate(folder)
    _, other = make_certificate(folder, "other")
    login = make_logins(folder + "/logins")
    with open(folder + "/text", "w") as file:
        file.write("no PEM")
    os.chmod(folder + "/text", 0o600)
    shutil.copy(key, folder + "/open.key")
    os.chmod(folder + "/open.key", 0o640)
    os.mkfifo(folder + "/pipe", 0o600)
    everywhere = "    http = \"tcp://*:%d\"\n" % port_of(endpoint)

    def refused(*settings, where=everywhere):
        with open(config, "w") as file:
            file.write(first + where + "http\n" + "".join("    %s\n" % setting for setting in settings))
        done = subprocess.run([PROGRAM, "serve", "--config", config, "--store", folder + "/store"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        assert done.returncode == 2 and "READY" not in done.stdout, done.stderr
        return done.stderr
    has = "certificate = " + certificate
    assert "set http/certificate, http/key and http/login" in refused("login = " + login)
    assert "set http/certificate, http/key and http/login" in refused(has, "key = " + key)
    assert "http/key is not" in refused(has, "login = " + login)
    assert "http/certificate is not" in refused("key = " + key, "login = " + login)
    for where in (everywhere, ""):
        assert "no certificate and its key" in refused(has, "key = " + other, "login = " + login, where=where)
        assert "no certificate and its key" in refused("certificate = %s/text" % folder, "key = " + key, "login = " + login, where=where)
        assert "chmod 600" in refused(has, "key = %s/open.key" % folder, "login = " + login, where=where)
        assert "is no file" in refused("certificate = %s/pipe" % folder, "key = " + key, "login = " + login, where=where)
        assert "is no file" in refused(has, "key = %s/pipe" % folder, "login = " + login, where=where)
        assert "No such file" in refused("certificate = %s/none" % folder, "key = " + key, "login = " + login, where=where)
    #  On its own machine it is served by TLS as well, if there is a certificate; and is read without a login.
    with open(config, "w") as file:
        file.write(first + "http\n    %s\n    key = %s\n" % (has, key))
    broker = Broker(["--config", config, "--store", folder + "/store"], folder + "/log").start()
    tls = ssl.create_default_context(cafile=certificate)
    wait_for(lambda: get(endpoint, "/health/ready", tls=tls)[0] == 200, "a broker that serves")
    broker.finish()
