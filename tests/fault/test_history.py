"""Does the checker see what it is there for?  Histories made by hand, good ones and bad ones."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from history import Ledger  # noqa: E402


def judge(text, strangers=False, **settings):
    """The ledger after a history: a line each, the time is the line's number."""
    ledger = Ledger(**settings)
    ledger.strangers = strangers
    for time, line in enumerate(text.strip().split("\n")):
        kind, *rest = line.split()
        ledger.feed([kind, str(time), *rest])
    ledger.verdict()
    return ledger


def found(ledger):
    return {fault: len(what) for fault, what in ledger.findings.items() if what}


GOOD = """
    put P 1
    put P 2
    stored P 1 both 11 0
    stored P 2 solo 12 0
    get A g1
    got A g1 11 1 P 1
    got A g1 12 1 P 2
    acked A 11 both
    acked A 12 solo
    """


def test_good():
    ledger = judge(GOOD)
    assert ledger.good and not found(ledger)
    assert ledger.counts == {"acknowledged both": 1, "acknowledged solo": 1, "done both": 1, "done solo": 1}
    assert ledger.gaps["P"] == 1


def test_lost():
    """Answered OK, never delivered, whatever the level; and counted once only."""
    ledger = judge("""
        put P 1
        put P 2
        put P 3
        stored P 1 both 11 0
        stored P 2 solo 12 0
        get A g1
        got A g1 11 1 P 1
        """)
    assert found(ledger) == {"lost": 1}
    assert ledger.findings["lost"][0][0] == ("P", 2)
    ledger.new_round()
    ledger.verdict()
    assert ledger.good


def test_not_answered_may_be_missing():
    assert judge("put P 1\nget A g1").good


def test_recovered():
    """No OK was heard, and it is there: allowed, and told."""
    ledger = judge("put P 1\nget A g1\ngot A g1 11 1 P 1")
    assert ledger.good and ledger.counts["recovered"] == 1


def test_unexpected():
    assert found(judge("get A g1\ngot A g1 11 1 P 1")) == {"unexpected": 1}


def test_delivered_again():
    """Before the acknowledgement is OK: at least once is what is promised."""
    ledger = judge("""
        put P 1
        stored P 1 both 11 0
        get A g1
        got A g1 11 1 P 1
        get A g2
        got A g2 11 2 P 1
        """)
    assert ledger.good and ledger.counts["redelivered"] == 1


def test_resurrected():
    """Delivered by a GET that was sent after the acknowledgement had been answered."""
    assert found(judge(GOOD + "get A g2\ngot A g2 11 2 P 1")) == {"resurrected": 1}


def test_resurrected_at_another_consumer():
    assert found(judge(GOOD + "get B g1\ngot B g1 12 1 P 2", unordered="P")) == {"resurrected": 1}


def test_not_resurrected_if_it_was_under_way():
    """The other consumer had asked before the acknowledgement was answered."""
    assert judge("""
        put P 1
        stored P 1 both 11 0
        get A g1
        got A g1 11 1 P 1
        get B g1
        acked A 11 both
        got B g1 11 2 P 1
        """).good


def test_resurrected_in_a_later_round():
    ledger = judge(GOOD)
    ledger.new_round()
    ledger.feed(["get", "20", "A", "g2"])
    ledger.feed(["got", "21", "A", "g2", "11", "2", "P", "1"])
    assert found(ledger) == {"resurrected": 1}


def test_what_was_not_acknowledged_outlives_a_round():
    ledger = judge("put P 1\nstored P 1 both 11 0\nget A g1\ngot A g1 11 1 P 1")
    ledger.new_round()
    for event in (["get", "20", "A", "g2"], ["got", "21", "A", "g2", "11", "2", "P", "1"], ["acked", "22", "A", "11", "both"]):
        ledger.feed(event)
    ledger.verdict()
    assert ledger.good


def test_duplicated_in_the_queue():
    """One PUT, two messages."""
    assert found(judge("""
        put P 1
        put P 1
        stored P 1 both 11 0
        get A g1
        got A g1 11 1 P 1
        got A g1 12 1 P 1
        """)) == {"duplicated": 1}


def test_duplicated_in_the_answers():
    """One PUT answered OK with two ids."""
    assert found(judge("""
        put P 1
        stored P 1 both 11 0
        put P 1
        stored P 1 both 12 1
        get A g1
        got A g1 11 1 P 1
        """)) == {"duplicated": 1}


def test_told_duplicate():
    """The same id, or none any more."""
    ledger = judge("""
        put P 1
        stored P 1 both 11 0
        get A g1
        got A g1 11 1 P 1
        put P 1
        stored P 1 both 11 1
        put P 1
        stored P 1 both 0 1
        """)
    assert ledger.good and ledger.counts["answered duplicate"] == 2


NAMELESS = """
    put N 1
    put N 1
    stored N 1 both 12 0
    get A g1
    got A g1 11 1 N 1
    got A g1 12 1 N 1
    """


def test_nameless_may_store_twice_what_it_resends():
    ledger = judge(NAMELESS, nameless="N")
    assert ledger.good and ledger.counts["stored twice, nameless"] == 1


def test_nameless_may_not_store_twice_what_it_sent_once():
    assert found(judge(NAMELESS.replace("put N 1\n", "", 1), nameless="N")) == {"duplicated": 1}


def test_nameless_may_be_stored_twice_in_a_later_round():
    """The second one arrives late; the first one, again, is a resurrection."""
    ledger = judge("put N 1\nput N 1\nstored N 1 both 11 0\nget A g1\ngot A g1 11 1 N 1\nacked A 11 both", nameless="N")
    ledger.new_round()
    for event in (["get", "20", "A", "g2"], ["got", "21", "A", "g2", "12", "1", "N", "1"], ["acked", "22", "A", "12", "both"]):
        ledger.feed(event)
    assert ledger.good and ledger.counts["stored twice, nameless"] == 1
    ledger.new_round()
    ledger.feed(["get", "30", "A", "g3"])
    ledger.feed(["got", "31", "A", "g3", "11", "2", "N", "1"])
    assert found(ledger) == {"resurrected": 1}


def test_overtaken():
    """The older leadership takes what was sent after a newer one had answered; what was under way is nobody's fault."""
    text = """
        put P 1
        stored P 1 both {l} 0
        put Q 1
        stored Q 1 both {w} 0
        get A g1
        got A g1 {l} 1 P 1
        got A g1 {w} 1 Q 1
        """.format(w=2 << 40, l=3 << 40)
    assert found(judge(text)) == {"overtaken": 1}
    lines = text.strip().split("\n")
    assert judge("\n".join([lines[2], *lines[:2], *lines[3:]])).good


DISORDER = """
    put P 1
    put P 2
    stored P 1 both 11 0
    stored P 2 both 12 0
    get A g1
    got A g1 12 1 P 2
    got A g1 11 1 P 1
    """


def test_disordered():
    assert found(judge(DISORDER)) == {"disordered": 1}


def test_two_consumers_have_no_order():
    assert judge(DISORDER, unordered="P").good


def test_who_has_no_name_leaves_no_order():
    assert judge(DISORDER, strangers=True).good


@pytest.mark.parametrize("line", ["put P 1\nstored P 1 single 11 0\nget A g1\ngot A g1 11 1 P 1", GOOD + "acked A 12 none"])
def test_unlevelled(line):
    assert found(judge(line)) == {"unlevelled": 1}


#  Message ids of the two sides of a split, and of before.
BEFORE, WON, LOST = ((epoch << 40) for epoch in (1, 2, 3))


def after_split(text, copied=None, **settings):
    """The ledger after a history whose sides are one again at its line "merged"; one was a copy, made then."""
    lines = [line.split() for line in text.strip().split("\n")]
    ledger = Ledger(**settings)
    ledger.merged = lines.index(["merged"]) + 0.5
    ledger.copied = copied
    for time, (kind, *rest) in enumerate(lines):
        if kind != "merged":
            ledger.feed([kind, str(time), *(word.format(b=BEFORE + 1, w=WON + 1, w2=WON + 2, l=LOST + 1, l2=LOST + 2)
                                            for word in rest)])
    ledger.verdict()
    return ledger


SPLIT = """
    put P 1
    stored P 1 both {b} 0
    get A g1
    got A g1 {b} 1 P 1
    acked A {b} solo
    get B g1
    got B g1 {b} 1 P 1
    acked B {b} solo
    put Q 2
    put Q 2
    stored Q 2 solo {w} 0
    get A g2
    got A g2 {l} 1 Q 2
    acked A {l} solo
    merged
    get B g2
    got B g2 {w} 1 Q 2
    acked B {w} both
    """


def test_after_a_split():
    """What the README takes back, each under its name: delivered on the other side, stored by both, and of these again."""
    ledger = after_split(SPLIT, unordered="PQ")
    assert ledger.good, ledger.findings
    assert [ledger.counts[name] for name in ("delivered again in a split", "stored twice in a split", "redelivered after a split")] == [1, 1, 1]


def test_lost_in_a_split():
    ledger = after_split(SPLIT.replace("merged", "put P 3\nstored P 3 solo {l2} 0\nmerged"), unordered="PQ")
    assert found(ledger) == {"lost": 1}


def test_resurrected_after_a_split():
    """Once the sides are one, nothing that was acknowledged comes back, on whichever side it was."""
    assert found(after_split(SPLIT + "get B g3\ngot B g3 {b} 2 P 1", unordered="PQ")) == {"resurrected": 1}


def test_there_twice_after_a_split():
    assert found(after_split(SPLIT.replace("    acked A {l} solo\n", "") + "get B g3\ngot B g3 {l} 2 Q 2", unordered="PQ")) == {"duplicated": 1}


def test_sent_once_and_there_twice_after_a_split():
    assert found(after_split(SPLIT.replace("put Q 2\n", "", 1), unordered="PQ")) == {"duplicated": 1}


def test_stored_twice_by_one_side_of_a_split():
    assert found(after_split(SPLIT.replace("{l}", "{w2}"), unordered="PQ"))["duplicated"]


ORDER = """
    put P 1
    put P 2
    put P 3
    put P 4
    stored P 1 solo {l} 0
    stored P 2 solo {l2} 0
    stored P 3 solo {w} 0
    stored P 4 solo {w2} 0
    merged
    get A g1
    got A g1 {w} 1 P 3
    got A g1 {l} 1 P 1
    got A g1 {w2} 1 P 4
    got A g1 {l2} 1 P 2
    """


def test_order_of_each_side_of_a_split():
    assert after_split(ORDER).good
    assert found(after_split(ORDER.replace("{w}", "{x}").replace("{w2}", "{w}").replace("{x}", "{w2}")
                             .replace("1 P 3", "1 P 9").replace("put P 1", "put P 9\nput P 1"))) == {"lost": 1, "disordered": 1}


def test_no_mercy_without_a_split():
    """The same histories, judged as if there was none."""
    for text in (SPLIT, ORDER):
        ledger = after_split(text)
        judged = Ledger()
        assert not ledger.findings["lost"]
        judged.merged = None
        for time, line in enumerate(text.strip().split("\n")):
            kind, *rest = line.split()
            if kind != "merged":
                judged.feed([kind, str(time), *(word.format(b=1, w=2, w2=3, l=4, l2=5) for word in rest)])
        assert not judged.good


COPY = """
    put P 1
    stored P 1 both {b} 0
    get A g1
    got A g1 {b} 1 P 1
    acked A {b} both
    merged
    get B g1
    got B g1 {b} 1 P 1
    acked B {b} both
    """


@pytest.mark.parametrize("copied, good", [(None, False), (4.5, False), (3.5, True)])
def test_set_back_to_a_copy(copied, good):
    """It has what was acknowledged since it was made, and nothing else comes again."""
    ledger = after_split(COPY, copied=copied)
    assert ledger.good == good and ledger.counts["redelivered by a copy"] == good
