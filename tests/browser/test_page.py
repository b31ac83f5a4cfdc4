"""Does the page show a person what a pair is at, let him do what he may, and show names as text? In Debian's Chromium.

ZBROKER_QUEUES=10000 by hand for many queues; ZBROKER_SCREENSHOTS=FOLDER keeps pictures.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

import pytest
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from brokers import PROGRAM, Broker, Pair, single_config, wait_for  # noqa: E402
from conftest import in_step  # noqa: E402
from patience import PATIENCE  # noqa: E402
from zb1 import Client  # noqa: E402

try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select
except ImportError:
    webdriver = None

pytestmark = [
    pytest.mark.skipif(not webdriver, reason="no selenium (Debian: python3-selenium)"),
    pytest.mark.skipif(not shutil.which("chromium") or not shutil.which("chromedriver"),
                       reason="no Chromium (Debian: chromium chromium-driver)"),
    pytest.mark.skipif("libmicrohttpd" not in subprocess.run(["ldd", PROGRAM], stdout=subprocess.PIPE, text=True).stdout,
                       reason="built without the page")]

MANY = int(os.environ.get("ZBROKER_QUEUES", 1000))
PICTURES = os.environ.get("ZBROKER_SCREENSHOTS")


class Browser:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="zbroker-test-")
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1100,1300",
                         "--user-data-dir=" + self.folder):
            options.add_argument(argument)
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self, endpoint):
        #  What the last page was shown when its broker ended is that one's.
        self.driver.get("about:blank")
        self.errors()
        self.driver.get("http://127.0.0.1:%d/" % (int(endpoint.rsplit(":", 1)[1]) + 3))

    def text(self, selector):
        return self.driver.execute_script("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent).join('\\n')", selector)

    def shows(self, selector, text):
        try:
            wait_for(lambda: text in self.text(selector), "%s: %s" % (selector, text))
        except AssertionError as error:
            raise AssertionError("%s: %s is there" % (error, self.text(selector))) from None

    def click(self, selector):
        def clicked():
            #  The page may have put another one in its place meanwhile.
            try:
                one = self.driver.find_element(By.CSS_SELECTOR, selector)
                return one.is_enabled() and (one.click(), True)
            except StaleElementReferenceException:
                return False
        wait_for(clicked, selector)

    def answer(self, button="#ask-do", **fields):
        """Fills the dialog in, and presses its button."""
        for name, text in fields.items():
            field = self.driver.find_element(By.CSS_SELECTOR, "#ask-fields input[name='%s']" % name.replace("_", "-"))
            field.clear()
            field.send_keys(text)
        self.click(button)

    def logs_in(self, password):
        """Tries once more while a wrong one is not a second ago."""
        self.answer(password=password)
        wait_for(lambda: self.text("#who") or self.text("#ask-error"), "an answer")
        return self.text("#who") == "anna"

    def closed(self):
        wait_for(lambda: not self.driver.execute_script("return document.getElementById('ask').open"), "the dialog's end")

    def errors(self):
        return [line for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]

    def picture(self, name):
        if PICTURES:
            self.driver.save_screenshot("%s/%s.png" % (PICTURES, name))


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def site():
    """A broker without a pair, and anna's login."""
    folder = tempfile.mkdtemp(prefix="zbroker-test-")
    endpoint = single_config(folder + "/zbroker.conf")
    done = subprocess.run([PROGRAM, "login", "anna"], input="correct horse\n", stdout=subprocess.PIPE, text=True, check=True)
    with open(folder + "/logins", "w") as file:
        os.chmod(folder + "/logins", 0o600)
        file.write(done.stdout)
    with open(folder + "/zbroker.conf", "a") as config:
        config.write("http\n    login = %s/logins\n" % folder)
    broker = Broker(["--config", folder + "/zbroker.conf", "--store", folder + "/store"], folder + "/log").start()
    client = Client([endpoint])
    yield endpoint, client
    client.close()
    broker.finish()
    shutil.rmtree(folder)


def test_a_pair_and_a_kill(browser):
    pair = Pair().start()
    client = Client(pair.endpoints)
    try:
        active = in_step(pair)
        client.request("QUEUE", 1, b"orders", b"")
        client.request("PUT", 2, b"orders", b"", b"one", b"two")
        browser.open(pair.endpoints[active])
        browser.shows("#may", "Yes, after a switchover.")
        browser.open(pair.endpoints[1 - active])
        browser.shows("#may", "Yes.")
        browser.shows("#link-text", "in sync")
        browser.shows(".broker.active", "OK both")
        browser.shows("#queues td", "orders")
        assert browser.text("#who") == "read only: no login is configured" and "Purge" not in browser.text("#queues")
        assert browser.errors() == []
        browser.picture("in-sync")
        begin = time.monotonic()
        pair.brokers[active].kill()
        browser.shows("#link-text", "silent")
        print("the other broker's page shows the kill after %.1f s" % (time.monotonic() - begin))
        browser.shows(".broker.gone", "does not answer")
        browser.shows("#may", "No.")
        client.request("PUT", 3, b"orders", b"", b"three")
        browser.shows(".broker.active", "OK solo")
        browser.shows("#may-why", "alone has")
        browser.picture("alone")
        pair.brokers[active].start()
        browser.shows("#link-text", "in sync")
        browser.shows("#may", "Yes, after a switchover.")
        pair.brokers[1 - active].kill()
        browser.shows("#stale", "does not answer")
    finally:
        client.close()
        pair.close()


def test_operations_are_confirmed(browser, site):
    endpoint, client = site
    evil = "<b&\"'onload=alert(1)"
    client.request("QUEUE", 1, evil.encode(), b"")
    client.request("PUT", 2, evil.encode(), b"", b"x")
    browser.open(endpoint)
    browser.shows("#queues td:first-child", evil)
    browser.shows("#may", "No.")
    browser.click("#log-in")
    browser.answer(name="anna", password="wrong")
    browser.shows("#ask-error", "name or password is wrong")
    wait_for(lambda: browser.logs_in("correct horse"), "the login")
    browser.closed()
    assert len(browser.errors()) >= 1, "a refused login is an error of the console, too"
    browser.click("#create")
    browser.answer(queue="orders", lease="5000")
    browser.closed()
    browser.shows("#queues td:first-child", "orders")
    browser.click("button[aria-label^='Move messages of <b']")
    browser.answer(to="none")
    browser.shows("#ask-error", "no such queue")
    assert len(browser.errors()) == 1, "so is another request that was refused"
    browser.answer(to="orders", most="many")
    browser.shows("#ask-error", "That is not a number.")
    browser.answer(most="")
    browser.closed()
    browser.shows("#queues tr:first-child td:nth-child(2)", "0")
    browser.click("button[aria-label='Move messages of orders']")
    browser.answer(to=evil)
    browser.closed()
    for what, mark in (("Purge", "0"), ("Delete", None)):
        browser.click("button[aria-label^='%s <b']" % what)
        browser.answer(confirm="something else")
        browser.shows("#ask-error", "That is not")
        browser.answer(confirm=evil)
        browser.closed()
        if mark:
            browser.shows("#queues tr:first-child td:nth-child(2)", mark)
    wait_for(lambda: evil not in browser.text("#queues"), "the queue is gone")
    browser.click("button[aria-label='Edit orders']")
    browser.answer(lease="9000", max_messages="12")
    browser.closed()
    browser.shows("#queues td", "12")
    browser.click("button[aria-label='Delete orders']")
    browser.click("#ask-no")
    browser.closed()
    browser.shows("#queues td:first-child", "orders")
    browser.click("#log-out")
    wait_for(lambda: browser.text("#who") == "", "logged out")
    wait_for(lambda: "Purge" not in browser.text("#queues"), "nothing can be done")
    assert browser.errors() == []


def test_messages_clients_and_events(browser, site):
    endpoint, client = site
    evil = "<img src=x onerror='window.evil=1'><script>window.evil=1</script>"
    client.request("QUEUE", 1, b"orders", b"")
    client.request("PUT", 2, b"orders", ("note=" + evil).encode(), evil.encode(), b'{"a":[1,2]}', b"\x00\xff", *[b"more"] * 20)
    client.request("GET", 3, b"orders", b"1", b"0", b"")
    browser.open(endpoint)
    browser.shows("#queues td:first-child", "orders")
    browser.click("button[aria-label='Messages of orders']")
    browser.shows("#messages tr:first-child pre", evil)
    browser.shows("#messages tr:first-child td:nth-child(2)", "leased by #")
    browser.shows("#messages tr:first-child td:nth-child(4)", "note=" + evil)
    browser.shows("#messages tr:nth-child(2) td:nth-child(2)", "ready")
    browser.shows("#messages tr:nth-child(3) pre", "00 ff")
    assert browser.driver.execute_script("return document.querySelectorAll('#messages img, #messages script').length") == 0
    assert browser.driver.execute_script("return window.evil") is None
    for kind, shown in (("JSON", '"a": [\n    1,'), ("hex", "7b 22 61 22"), ("text", '{"a":[1,2]}')):
        Select(browser.driver.find_element(By.ID, "body-as")).select_by_visible_text(kind)
        browser.shows("#messages tr:nth-child(2) pre", shown)
    browser.click("#peek-next")
    browser.shows("#messages tr:first-child pre", "more")
    wait_for(lambda: browser.text("#messages pre").split("\n") == ["more"] * 3, "the end")
    #  To look took none: the one that was got is the only one that is leased.
    assert int(dict(line.split("=") for line in client.request("LIST", 4, b"orders")[1].decode().split("\n"))["leased"]) == 1
    browser.click("#clients-box summary")
    browser.shows("#clients td:nth-child(3)", "127.0.0.1")
    browser.click("#events-box summary")
    browser.shows("#events", "this broker begins to lead")
    with zmq.Context.instance().socket(zmq.DEALER) as stranger:
        stranger.connect(endpoint)
        stranger.send_multipart([b"ZB1", b"SWITCHOVER", b"1", b"0" * 64])
        browser.shows("#events li:first-child", "SWITCHOVER is refused")
    browser.click("#peek-close")
    assert not browser.driver.find_element(By.ID, "peek").is_displayed()
    browser.driver.set_window_size(400, 800)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    browser.driver.set_window_size(1100, 1300)
    assert browser.errors() == []


def test_many_queues_come_in_pages(browser, site):
    endpoint, client = site
    client.hello()
    for first in range(0, MANY, 200):
        numbers = range(first, min(first + 200, MANY))
        for number in numbers:
            client.send("QUEUE", number, "q%05d" % number, "")
        for _ in numbers:
            assert client.recv(PATIENCE)[1] == b"OK"
    browser.open(endpoint)
    browser.shows("#queues td:first-child", "q00049")
    paint = browser.driver.execute_script("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print("%d queues: first paint after %d ms" % (MANY, paint))
    assert "q00050" not in browser.text("#queues")
    browser.click("#next")
    browser.shows("#queues td:first-child", "q00099")
    assert "q00000" not in browser.text("#queues")
    browser.driver.find_element(By.ID, "pattern").send_keys("q*7")
    browser.click("#search button")
    browser.shows("#queues td:first-child", "q00007")
    assert "q00008" not in browser.text("#queues")
    #  A phone: nothing is wider than the window, but for the table in its own frame.
    browser.driver.set_window_size(400, 800)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    browser.driver.set_window_size(1100, 1300)
    assert browser.errors() == []


def test_nothing_is_from_elsewhere(browser, site):
    browser.open(site[0])
    browser.shows("#may", "No.")
    hosts = browser.driver.execute_script("return performance.getEntriesByType('resource').map(e => new URL(e.name).host)")
    assert len(hosts) >= 3 and set(hosts) == {"127.0.0.1:%d" % (int(site[0].rsplit(":", 1)[1]) + 3)}
    assert browser.errors() == []
    #  A script that somebody has brought into the page all the same does not run.
    browser.driver.execute_script("document.body.insertAdjacentHTML('beforeend', '<img src=\"/icon.svg\" onload=\"window.evil=1\">')")
    wait_for(lambda: any("inline" in line["message"] for line in browser.errors()), "the browser's refusal")
    assert browser.driver.execute_script("return window.evil") is None
