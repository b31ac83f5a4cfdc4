"""Does the page show a person what a pair is at, let him do what he may, and show names as text? In Debian's Chromium.

ZBROKER_QUEUES says how many are many; ZBROKER_SCREENSHOTS=FOLDER keeps pictures.
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
from load import make  # noqa: E402
from patience import PATIENCE, SLOWER  # noqa: E402
from test_http import make_certificate, make_logins, port_of  # noqa: E402
from zb1 import Client, status  # noqa: E402

try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
except ImportError:
    webdriver = None

pytestmark = [
    pytest.mark.skipif(not webdriver, reason="no selenium (Debian: python3-selenium)"),
    pytest.mark.skipif(not shutil.which("chromium") or not shutil.which("chromedriver"),
                       reason="no Chromium (Debian: chromium chromium-driver)"),
    pytest.mark.skipif(SLOWER > 1, reason="the page is the same beside a sanitizer, and takes long"),
    pytest.mark.skipif("libmicrohttpd" not in subprocess.run(["ldd", PROGRAM], stdout=subprocess.PIPE, text=True).stdout,
                       reason="built without the page")]

MANY = int(os.environ.get("ZBROKER_QUEUES", 10000))
SHOWN = 50          #  queues in a page of the page: PAGE in page.js
PICTURES = os.environ.get("ZBROKER_SCREENSHOTS")


class Browser:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="zbroker-test-")
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1100,1300",
                         "--user-data-dir=" + self.folder):
            options.add_argument(argument)
        options.binary_location = shutil.which("chromium")
        options.accept_insecure_certs = True        #  one that signs itself
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self, endpoint, scheme="http"):
        #  What the last page was shown when its broker ended is that one's.
        self.driver.get("about:blank")
        self.errors()
        self.driver.get("%s://127.0.0.1:%d/" % (scheme, port_of(endpoint)))

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
        wait_for(lambda: self.text("#who") == "anna" or self.text("#ask-error"), "an answer")
        return self.text("#who") == "anna"

    def logs_in_as_anna(self):
        self.driver.find_element(By.CSS_SELECTOR, "#ask-fields input[name='name']").clear()
        self.driver.find_element(By.CSS_SELECTOR, "#ask-fields input[name='name']").send_keys("anna")
        return self.logs_in("correct horse")

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
    with open(folder + "/zbroker.conf", "a") as config:
        config.write("http\n    login = %s\n" % make_logins(folder + "/logins"))
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


@pytest.fixture
def slow_pair():
    """One that catches up slowly, and has anna's login."""
    folder = tempfile.mkdtemp(prefix="zbroker-test-")
    with open(folder + "/zbroker.conf", "w") as config:
        config.write("pair\n    resync-rate = 2m\nhttp\n    login = %s\n" % make_logins(folder + "/logins"))
    pair = Pair("--config", folder + "/zbroker.conf").start()
    in_step(pair)
    yield pair
    pair.close()
    shutil.rmtree(folder)


def test_catching_up(browser, slow_pair):
    """The broker that was away, and how far it is; the page of either says that the other one may not be switched off."""
    pair = slow_pair
    client = Client(pair.endpoints)
    make(client, "orders")
    active = in_step(pair)
    pair.brokers[1 - active].kill()
    for number in range(40):
        client.request("PUT", "p%d" % number, "orders", "", os.urandom(1 << 19))
    client.close()
    browser.open(pair.endpoints[active])
    browser.shows("#link-text", "silent")
    pair.brokers[1 - active].start()
    browser.shows("#link-text", "not in sync")
    browser.shows("#may", "No.")
    browser.shows(".broker dd", " %")
    browser.picture("resyncing")
    browser.shows("#link-text", "in sync")
    wait_for(lambda: "not in sync" not in browser.text("#link-text"), "the end of it")
    browser.shows("#may", "Yes, after a switchover.")


def test_the_role_is_handed_over(browser, slow_pair):
    """After the word was typed, and with the keyboard alone."""
    pair = slow_pair
    active = in_step(pair)
    browser.open(pair.endpoints[active])
    browser.shows("#may", "Yes, after a switchover.")
    wait_for(lambda: browser.driver.find_element(By.ID, "log-in").is_displayed(), "the button")
    browser.driver.find_element(By.ID, "log-in").send_keys(Keys.ENTER)
    browser.driver.find_element(By.CSS_SELECTOR, "#ask-fields input[name='name']").send_keys("anna", Keys.TAB, "correct horse", Keys.ENTER)
    browser.shows("#who", "anna")
    browser.closed()
    wait_for(lambda: browser.driver.find_element(By.ID, "switchover").is_displayed(), "the button")
    browser.driver.find_element(By.ID, "switchover").send_keys(Keys.ENTER)
    field = browser.driver.find_element(By.CSS_SELECTOR, "#ask-fields input[name='confirm']")
    field.send_keys("swich", Keys.ENTER)
    browser.shows("#ask-error", "That is not switchover.")
    assert status(pair.endpoints[active])["role"] == "active"
    field.clear()
    field.send_keys("switchover", Keys.ENTER)
    browser.closed()
    wait_for(lambda: status(pair.endpoints[1 - active])["role"] == "active", "the other one leads")
    browser.shows("#may", "Yes.")
    wait_for(lambda: browser.text("#may") == "Yes.", "this one may be switched off")
    #  In between nobody serves.
    assert [line for line in browser.errors() if "503" not in line["message"]] == []


def test_dead_letters_are_put_back(browser, site):
    endpoint, client = site
    make(client, "orders")
    client.request("PUT", 1, "orders", "", b"too hot")
    got = client.request("GET", 2, "orders", 1, 0, "")
    client.request("REJECT", 3, "orders", got[2].split()[0])
    browser.open(endpoint)
    browser.shows("#queues td:first-child", "orders.dead")
    browser.click("button[aria-label='Messages of orders.dead']")
    browser.shows("#messages pre", "too hot")
    browser.shows("#messages td:nth-child(4)", "zb-from=orders")
    browser.click("#log-in")
    wait_for(lambda: browser.logs_in_as_anna(), "the login")
    browser.closed()
    browser.click("button[aria-label='Move messages of orders.dead']")
    field = browser.driver.find_element(By.CSS_SELECTOR, "#ask-fields input[name='to']")
    assert field.get_attribute("value") == "orders"
    browser.click("#ask-do")
    browser.closed()
    assert client.drain("orders") == [b"too hot"]


def test_beyond_this_machine_a_login_comes_first(browser):
    """By TLS; nothing of the broker is shown before."""
    folder = tempfile.mkdtemp(prefix="zbroker-test-")
    endpoint = single_config(folder + "/zbroker.conf")
    certificate, key = make_certificate(folder)
    with open(folder + "/zbroker.conf", "a") as config:
        config.write("    http = \"tcp://*:%d\"\nhttp\n    login = %s\n    certificate = %s\n    key = %s\n"
                     % (port_of(endpoint), make_logins(folder + "/logins"), certificate, key))
    broker = Broker(["--config", folder + "/zbroker.conf", "--store", folder + "/store"], folder + "/log").start()
    try:
        browser.open(endpoint, "https")
        browser.shows("#who", "Log in to see this broker.")
        assert not browser.driver.find_element(By.TAG_NAME, "main").is_displayed()
        browser.click("#log-in")
        wait_for(lambda: browser.logs_in_as_anna(), "the login")
        browser.closed()
        browser.shows("#may", "No.")
        assert browser.driver.find_element(By.TAG_NAME, "main").is_displayed()
        client = Client([endpoint])
        make(client, "orders-of-anna")
        client.close()
        browser.shows("#queues td:first-child", "orders-of-anna")
        browser.click("#log-out")
        browser.shows("#who", "Log in to see this broker.")
        assert not browser.driver.find_element(By.TAG_NAME, "main").is_displayed()
        #  Nor is it in what the browser keeps of the page.
        assert "orders-of-anna" not in browser.driver.page_source
    finally:
        broker.finish()
        shutil.rmtree(folder)


def test_dark_and_light(browser, site):
    browser.open(site[0])
    browser.shows("#may", "No.")

    def colours(scheme):
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        return browser.driver.execute_script("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")

    def brightness(colour):
        return sum(int(part) for part in colour[colour.index("(") + 1:-1].split(",")[:3])
    (light, dark_text), (dark, light_text) = colours("light"), colours("dark")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert brightness(light) > 500 > brightness(dark_text) and brightness(light_text) > 500 > brightness(dark)


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
    client.request("TOPIC", 4, "news", "")
    client.request("SUB", 5, "news/slow", "")
    browser.shows("#queues td:first-child", "news topic")
    browser.shows("#queues td:first-child", "news/slow subscription")
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
    #  How many there were, look by look.
    wait_for(lambda: len(browser.driver.execute_script(
        "return document.querySelector('#queues svg polyline').getAttribute('points')").split()) >= 2, "the queue's chart")
    assert "Messages of orders since this page shows it: 23 to 23" in browser.text("#queues svg title")
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
    first = browser.driver.execute_script("return performance.now()")
    print("%d queues: first paint after %d ms, the first page of them within %d ms" % (MANY, paint, first))
    assert "q00050" not in browser.text("#queues")
    #  The broker makes the pages: the browser has been given this one alone.
    asked = browser.driver.execute_script(
        "return performance.getEntriesByType('resource').filter(e => e.name.includes('/queues?')).map(e => [e.name, e.decodedBodySize])")
    assert asked and all("max=%d&" % SHOWN in name and 0 < size < 400 * SHOWN for name, size in asked), asked
    assert browser.driver.execute_script("return document.querySelectorAll('#queues tbody tr').length") == SHOWN
    browser.click("#next")
    browser.shows("#queues td:first-child", "q00099")
    assert "q00000" not in browser.text("#queues")
    client.request("PUT", "p", "q%05d" % (MANY // 2), "", b"one", b"two")
    browser.click("#queues button[data-sort='messages']")
    browser.shows("#queues tr:first-child td:first-child", "q%05d" % (MANY // 2))
    assert browser.text("#queues th[aria-sort='descending']") == "Messages"
    browser.click("#queues button[data-sort='name']")
    browser.shows("#queues tr:first-child td:first-child", "q00000")
    browser.driver.find_element(By.ID, "pattern").send_keys("q*7")
    browser.click("#search button")
    browser.shows("#queues tbody tr:nth-child(2) td:first-child", "q00017")
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
