"""Do monitors get true figures and answers over HTTP, and can nobody who asks there slow a broker or get in its way?"""
import http.client
import json
import os
import re
import shutil
import socket
import subprocess

import pytest

from brokers import PROGRAM, Broker, single_config, wait_for
from conftest import in_step, two_stores
from patience import PATIENCE
from zb1 import Refused, status

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"

pytestmark = pytest.mark.skipif("libmicrohttpd" not in subprocess.run(["ldd", PROGRAM], stdout=subprocess.PIPE, text=True).stdout,
                                reason="built without the page")


def port_of(endpoint):
    return int(endpoint.rsplit(":", 1)[1]) + 3


def get(endpoint, path, method="GET", headers=None, body=None):
    """Returns code, headers and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(endpoint), timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def figures(endpoint):
    """Each sample of /metrics; {} while it is not served."""
    code, _, text = get(endpoint, "/metrics")
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
    assert found["process_open_fds"] > 10 and found["process_resident_memory_bytes"] > 1 << 20
    assert 'version="%s"' % told["version"] in get(endpoint, "/metrics")[2]


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
def test_promtool_has_nothing_to_say(pair):
    for endpoint in pair.endpoints:
        wait_for(lambda: figures(endpoint), "figures")
        done = subprocess.run(["promtool", "check", "metrics"], input=get(endpoint, "/metrics")[2], text=True,
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
    assert done.returncode == 0 and "SUCCESS: 10 rules found" in done.stdout, done.stdout
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
    for path in ("/etc/passwd", "/../../etc/passwd", "/metrics/", "/health", "/" + "x" * 4000, "/%00"):
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
            except (ConnectionError, BrokenPipeError):
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
    for where, text in (("tcp://*:%d" % port_of(endpoint), "for this machine alone"), ("ftp://x", "tcp://HOST:PORT")):
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
