"""Do the ledgers beside the plain load see what they are there for?  Histories made by hand, as in test_history.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import meaning  # noqa: E402
from books import Books  # noqa: E402
from history import Ledger  # noqa: E402

#  Message ids of the two sides of a split, and of before.
IDS = {name + more: (epoch << 40) + number + 1 for epoch, name in enumerate("bwl", 1)
       for number, more in enumerate(("", "2", "3"))}


def judge(text, keyed="F", **known):
    """The books after a history: a line each, the time is the line's number or what it begins with; at "merged" the sides
    of a split are one again.  known: what else is known of all ledgers."""
    books = Books(Ledger(), since=1000)
    books.add_topic()
    books.add_delayed()
    books.add_keyed(keyed)
    books.add_works()
    lines = [line.split() for line in text.split("\n") if line.strip()]
    if ["merged"] in lines:
        known["merged"] = lines.index(["merged"]) + 0.5
    for name, value in known.items():
        setattr(books, name, value)
    for time, words in enumerate(lines):
        if words == ["merged"]:
            continue
        if words[0][0].isdigit():
            time, *words = words
        kind, *rest = words
        books.feed([kind, str(time), *(word.format(**IDS) for word in rest)])
    books.verdict()
    return books


def found(books):
    """Which ledger has found what, and how often."""
    return {(what[0], fault): sum(one[0] == what[0] for one in books.findings[fault])
            for fault, many in books.findings.items() for what in many}


def taken_back(books):
    return {name: count for name, count in books.counts.items() if name not in ("beside", "acknowledged both")}


#  Subscriptions: what is even, and no third one, is not for U.

NEWS = """
    put T 1
    stored T 1 both {b} 0
    put T 2
    stored T 2 both {b2} 0
    get S g1
    got S g1 {b} 1 T 1
    got S g1 {b2} 1 T 2
    acked S {b} both
    acked S {b2} both
    get U g1
    got U g1 {b} 1 T 1
    acked U {b} both
    get V g1
    got V g1 {b} 1 T 1
    got V g1 {b2} 1 T 2
    acked V {b} both
    """


def without(text, line):
    assert line in text
    return text.replace("    %s\n" % line, "", 1)


def test_subscriptions():
    books = judge(NEWS)
    assert not found(books) and not taken_back(books) and books.counts["beside"] == 5
    assert books.idle() == ["later", "keyed", "jobs", "results"]


@pytest.mark.parametrize("line, where", [("got S g1 {b2} 1 T 2", "news/plain"), ("got U g1 {b} 1 T 1", "news/part"),
                                         ("got V g1 {b2} 1 T 2", "news/slow")])
def test_lost_by_a_subscription(line, where):
    """The others have it."""
    assert found(judge(without(without(NEWS, line), "acked" + line[3:6] + line.split(" ")[3] + " both")
                       if line[4] != "V" else without(NEWS, line))) == {(where, "lost"): 1}


def test_what_the_filter_excludes():
    assert not meaning.fits(2)
    assert found(judge(NEWS + "get U g2\ngot U g2 {b2} 1 T 2")) == {("news/part", "unexpected"): 1}


def test_resurrected_in_a_subscription():
    """What V has not acknowledged may come again there, and not at S."""
    assert not found(judge(NEWS + "get V g2\ngot V g2 {b2} 2 T 2"))
    assert found(judge(NEWS + "get S g2\ngot S g2 {b2} 2 T 2")) == {("news/plain", "resurrected"): 1}


def test_doubled_in_a_subscription():
    assert found(judge(NEWS + "get V g2\ngot V g2 {b3} 1 T 2")) == {("news/slow", "duplicated"): 1}


def test_disordered_in_a_subscription():
    text = NEWS.replace("got V g1 {b} 1 T 1", "got V g1 {b2} 1 T 2", 1)
    text = text[::-1].replace("got V g1 {b2} 1 T 2"[::-1], "got V g1 {b} 1 T 1"[::-1], 1)[::-1]
    assert found(judge(text)) == {("news/slow", "disordered"): 1}


AGAIN = NEWS + "merged\nget S g2\ngot S g2 {b2} 2 T 2"


def test_again_after_a_merge():
    """Only where a merge was broken off, and of subscriptions: then it is named."""
    assert found(judge(AGAIN)) == {("news/plain", "resurrected"): 1}
    books = judge(AGAIN, broken_off=True)
    assert not found(books) and taken_back(books) == {"redelivered by a broken merge": 1}
    queue = "put K 1\nstored K 1 both {b} 0\nget F g1\ngot F g1 {b} 1 K 1\nacked F {b} both\nmerged\nget F g2\ngot F g2 {b} 2 K 1"
    assert found(judge(queue, broken_off=True)) == {("keyed", "resurrected"): 1}


def test_again_after_a_promotion():
    """Of what was given in the epoch that the promoted broker had begun to follow; {b2} is of epoch 1."""
    books = judge(AGAIN, promoted=1)
    assert not found(books) and taken_back(books) == {"redelivered after a promotion": 1}
    assert found(judge(AGAIN, promoted=2)) == {("news/plain", "resurrected"): 1}
    assert found(judge(AGAIN.replace("merged\n", ""), promoted=1)) == {("news/plain", "resurrected"): 1}


def test_again_in_a_split():
    books = judge(AGAIN.replace("merged\n", "") + "\nmerged")
    assert not found(books) and taken_back(books) == {"delivered again in a split": 1}


#  Messages with a delay.

LATER = """
    10.0 put D 1 1500
    10.1 stored D 1 both {b} 0
    10.2 get Z g1
    %s got Z g1 {b} 1 D 1
    """


@pytest.mark.parametrize("time, early", [("10.3", 1), ("11.4", 1), ("11.5", 0), ("99", 0)])
def test_early(time, early):
    assert found(judge(LATER % time)) == ({("later", "early"): 1} if early else {})


def test_early_by_a_clock():
    """By the pair's time it is not."""
    books = judge(LATER % "10.3", clocks=True)
    assert not found(books) and taken_back(books) == {"early by a clock": 1}


@pytest.mark.parametrize("ms, behind", [(1010500, 0), (1009800, 0.7), (1009200, 1.3)])
def test_early_by_a_time_that_was_behind(ms, behind):
    """A topic's message tells how far the pair's time was behind when it was put, at least: 1.2 s is what that has to be."""
    text = "10.5 put T 1\n10.51 stored T 1 both {b2} 0\n10.6 get S g1\n10.7 got S g1 {b2} 1 T 1 %d\n" % ms
    books = judge(text + LATER % "10.3")
    assert books.behind == pytest.approx(behind)
    lost = {("news/part", "lost"): 1, ("news/slow", "lost"): 1}
    assert found(books) == lost if behind > 1.2 else {**lost, ("later", "early"): 1}
    assert (taken_back(books).get("early by a clock") == 1) == (behind > 1.2)
    books.new_round()
    assert not books.behind


def test_delayed_since_it_was_sent_first():
    again = LATER.replace("10.1", "11.4 put D 1 1500\n11.45")
    assert not found(judge(again % "11.6"))


def test_delayed_and_lost():
    assert found(judge("\n".join(LATER.split("\n")[:3]))) == {("later", "lost"): 1}


def test_delayed_and_doubled_or_resurrected():
    text = LATER % "12" + "13 acked Z {b} both\n14 get Z g2\n"
    assert found(judge(text + "15 got Z g2 {b2} 1 D 1")) == {("later", "duplicated"): 1}
    assert found(judge(text + "15 got Z g2 {b} 2 D 1")) == {("later", "resurrected"): 1}


def test_delayed_is_in_no_order():
    assert not found(judge("put D 1 9\nput D 2 0\nstored D 1 both {b} 0\nstored D 2 both {b2} 0\nget Z g1\n"
                           "got Z g1 {b2} 1 D 2\ngot Z g1 {b} 1 D 1"))


#  Keys.

def of_keys(one, other):
    """Two messages that are delivered the wrong way round, to two consumers."""
    return ("put K {0}\nput K {1}\nstored K {0} both {{b}} 0\nstored K {1} both {{b2}} 0\nget F g1\nget G g1\n"
            "got F g1 {{b2}} 1 K {1}\ngot G g1 {{b}} 1 K {0}").format(one, other)


def test_order_of_keys():
    same = next(number for number in range(2, 99) if meaning.key(number) == meaning.key(1))
    other = next(number for number in range(2, 99) if meaning.key(number) != meaning.key(1))
    assert found(judge(of_keys(1, same), keyed="FG")) == {("keyed", "disordered"): 1}
    assert not found(judge(of_keys(1, other), keyed="FG"))


#  Workers.

WORK = """
    put W 1
    stored W 1 both {b} 0
    get X g1
    got X g1 {b} 1 W 1
    made X 1 W 1
    put X 1
    stored X 1 both {b2} 0
    acked X {b} both
    get E g1
    got E g1 {b2} 1 X 1
    acked E {b2} both
    """
#  Another worker's result of the same.
MORE = """
    get Y g1
    got Y g1 {b} 2 W 1
    made Y.1 1 W 1
    put Y.1 1
    stored Y.1 1 both {%s} 0
    get E g2
    got E g2 {%s} 1 Y.1 1
    """


def test_works():
    books = judge(WORK)
    assert not found(books) and not taken_back(books)


def test_no_result():
    """It was acknowledged, and what was made of it is not there; or was never made."""
    silent = without(without(without(WORK, "stored X 1 both {b2} 0"), "got E g1 {b2} 1 X 1"), "acked E {b2} both")
    assert found(judge(silent)) == {("works", "unmade"): 1}
    assert found(judge(without(without(WORK, "got E g1 {b2} 1 X 1"), "acked E {b2} both"))) == {("results", "lost"): 1}
    assert found(judge("\n".join(WORK.split("\n")[:3]))) == {("jobs", "lost"): 1, ("works", "unmade"): 1}


def test_a_number_that_was_refused():
    """It is another result's then."""
    text = WORK.replace("made X 1 W 1", "made X 1 W 2\n%s    made X 1 W 1")
    more = """
        put W 2
        stored W 2 both {w} 0
        get Y g1
        got Y g1 {w} 1 W 2
        made Y 1 W 2
        put Y 1
        stored Y 1 both {w2} 0
        get E g2
        got E g2 {w2} 1 Y 1
        """
    assert not found(judge(text % "    put X 1\n    refused X 1\n" + more))
    assert found(judge(text % "    put X 1\n" + more)) == {("works", "remade"): 1}


def test_two_results():
    """One message, which two PUTs have acknowledged."""
    early = WORK.replace("get E g1", (MORE % ("b3", "b3")).strip() + "\nget E g1") % ()
    assert found(judge(without(early, "acked X {b} both"))) == {("works", "remade"): 1}


def test_a_result_twice():
    assert found(judge(WORK + "get E g2\ngot E g2 {b3} 1 X 1")) == {("results", "duplicated"): 1}
    assert found(judge(WORK + "get E g2\ngot E g2 {b2} 2 X 1")) == {("results", "resurrected"): 1}


def test_a_message_again_that_a_result_acknowledges():
    assert found(judge(WORK + MORE % ("w", "w"))) == {("jobs", "resurrected"): 1, ("works", "remade"): 1}


def test_a_result_that_nobody_had_answered():
    """It may come back beside another one; not two of one leadership."""
    text = without(without(WORK, "stored X 1 both {b2} 0"), "acked X {b} both")
    books = judge(text + MORE % ("w", "w"))
    assert not found(books) and taken_back(books) == {"made again, unanswered": 1}
    assert found(judge(text + MORE % ("b3", "b3"))) == {("works", "remade"): 1}


def test_results_of_both_sides():
    """Each side has settled the message for itself; one side does so once."""
    split = WORK + MORE % ("w", "w") + "\nmerged"
    books = judge(split)
    assert not found(books) and taken_back(books) == {"delivered again in a split": 1, "made on both sides of a split": 1}
    assert found(judge(WORK + MORE % ("b3", "b3") + "\nmerged")) == {("works", "remade"): 1}


def test_a_result_by_a_copy():
    text = WORK + "merged" + MORE % ("w", "w")
    books = judge(text, copied=0.5)
    assert not found(books) and taken_back(books) == {"redelivered by a copy": 1, "made again by a copy": 1}
    assert ("jobs", "resurrected") in found(judge(text))


def test_a_new_round():
    books = judge(WORK + MORE % ("w", "w"))
    books.new_round()
    books.verdict()
    assert not found(books) and not books.counts["beside"] and "results" in books.idle()
