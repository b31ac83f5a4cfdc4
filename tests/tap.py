#!/usr/bin/env python3
"""Runs pytest on the files given and prints TAP, one line per test, for automake's driver.

pytest's own report goes to standard error, which `make check` keeps in the test's .log file.
"""
import os
import signal
import sys

import pytest


class Tap:
    def __init__(self, out):
        self.out = out
        self.count = 0

    def line(self, ok, name, directive=""):
        self.count += 1
        print("%s %d - %s%s" % ("ok" if ok else "not ok", self.count, name.replace("#", "_"), directive),
              file=self.out, flush=True)

    def pytest_collectreport(self, report):
        if report.failed:
            self.line(False, "collect " + (report.nodeid or "tests"))

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.split("::", 1)[-1]
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected"
            self.line(True, name, " # SKIP " + str(reason).replace("\n", " "))
        elif report.when == "call":
            self.line(report.passed, name)
        elif report.failed:
            self.line(False, name + " (" + report.when + ")")


def interrupt(number, frame):
    raise KeyboardInterrupt


def main():
    #  So that a test that takes too long still ends the processes that it started.
    signal.signal(signal.SIGTERM, interrupt)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    tap = Tap(out)
    code = pytest.main(["-p", "no:cacheprovider", "-v", "-rP", "--tb=short"] + sys.argv[1:], plugins=[tap])
    print("1..%d" % tap.count, file=out, flush=True)
    return 0 if code in (0, 1) else int(code)


if __name__ == "__main__":
    sys.exit(main())
