"""The ledger, its page, and plain text inside its fence."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import only_loopback  # noqa: F401  # runs by itself

from llmsyn.egress.guard import check
from llmsyn.egress.ledger import Ledger, read_ledger
from llmsyn.egress.page import write_page
from llmsyn.egress.plain import clean, clean_line, fence, html_text
from llmsyn.egress.requests import Failure, Outgoing, PublicRequest, Reply, Service
from llmsyn.egress.values import OwnText
from llmsyn.errors import InputError

NOON = 1_800_000_000.0  # 2027-01-15T08:00:00Z
NASTY = '<script>alert("x")</script>&\u202e\x1b[31m'


def outgoing(text: str = "heart") -> Outgoing:
    return check(PublicRequest(Service("Echo", "https://h/s"), {"q": OwnText(text)}))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "deep" / "ledger.jsonl")


def test_an_entry_says_what_left_when_to_whom_and_what_came(ledger: Ledger) -> None:
    entry = ledger.sent(outgoing(), 2, NOON)
    done = ledger.answered(entry, Reply(200, b"12345", detail={"tokens": 7}), 0.25)
    assert read_ledger(ledger.file).entries == (done,)
    assert (done.time, done.service, done.endpoint, done.attempt) == (
        "2027-01-15T08:00:00.000+00:00", "Echo", "GET https://h/s", 2,
    )  # fmt: skip
    assert (done.left, done.digest) == ({"q": "heart"}, outgoing().digest)
    assert (done.bytes_out, done.bytes_in) == (len("https://h/s?q=heart"), 5)
    assert (done.status, done.seconds, done.problem) == (200, 0.25, "")
    assert done.detail == {"tokens": 7}


def test_a_failure_is_written_down(ledger: Ledger) -> None:
    ledger.answered(ledger.sent(outgoing(), 1, NOON), Failure("hung up", again=True), 1.0)
    (entry,) = read_ledger(ledger.file).entries
    assert (entry.status, entry.problem) == (None, "hung up")


def test_each_line_is_json_whatever_the_text(ledger: Ledger) -> None:
    ledger.sent(outgoing("a\nb\u2028c\x00" + NASTY), 1, NOON)
    (line,) = ledger.file.read_bytes().splitlines()
    assert json.loads(line)["left"] == {"q": "a\nb\u2028c\x00" + NASTY}


def test_a_line_that_was_cut_off_stays_alone_and_is_reported(ledger: Ledger) -> None:
    ledger.sent(outgoing("one"), 1, NOON)
    with ledger.file.open("ab") as handle:
        handle.write(b'{"event":"sent","id":"ab')
    ledger.sent(outgoing("two"), 1, NOON)
    with ledger.file.open("ab") as handle:
        for line in (
            b"[]",
            b'{"event":"answered","id":"unknown"}',
            b'{"event":"sent","odd":1}',
            b'{"event":"x"}',
        ):
            handle.write(line + b"\n")
    log = read_ledger(ledger.file)
    assert [entry.left["q"] for entry in log.entries] == ["one", "two"]
    assert log.broken_rows == (2, 4, 5, 6, 7)


def test_a_ledger_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ledger cannot be read"):
        read_ledger(tmp_path / "none.jsonl")


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)


def test_the_page_shows_everything_and_runs_nothing(ledger: Ledger, tmp_path: Path) -> None:
    entry = ledger.sent(outgoing(NASTY), 1, NOON)
    ledger.answered(entry, Reply(200, b"", detail={"reply": NASTY}), 0.1)
    ledger.answered(ledger.sent(outgoing(), 2, NOON), Failure("no <b>", again=True), 0.1)
    ledger.sent(outgoing("killed"), 1, NOON)
    with ledger.file.open("ab") as handle:
        handle.write(b"torn")
    page = tmp_path / "ledger.html"
    write_page(ledger.file, page)
    html = page.read_text("utf-8")
    assert set(Tags(html).names).isdisjoint({"script", "b", "a", "img", "link"})
    assert html.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&amp;") == 2
    assert "\u202e" not in html
    assert "\x1b" not in html
    for text in ("3 requests to 1 services", "no answer recorded", "attempt 2", "no &lt;b&gt;",
                 "cannot be read: 6", entry.digest[:12]):  # fmt: skip
        assert text in html


@given(st.text())
def test_no_text_leaves_its_fence(text: str) -> None:
    lines = fence(text, "somewhere").split("\n")
    assert lines[0].startswith("<<< data from somewhere: ")
    assert lines[-1] == ">>> end of data"
    assert all(line.startswith("| ") for line in lines[1:-1])
    assert len(fence(text, "x").splitlines()) == len(lines)


@given(st.text())
def test_a_source_stays_on_its_line(text: str) -> None:
    assert len(fence("x", text).splitlines()) == 3


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert "\n" not in clean_line(text)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<script>evil()</script>b", "ab"),
        ("a<SCRIPT src=x>evil()</SCRIPT >b", "ab"),
        ("a<script>never closed", "a"),
        ("a<style>p{}</style><!-- hidden -->b", "ab"),
        ("a<svg><p>x</svg>b", "ab"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("<h3>What?</h3>\n<ul><li>a</li><li>b</li></ul>", "What?\n- a\n- b"),
        ("x<br/>y <b>bold</b> &lt;5 &amp; 2 < 3", "x\ny bold <5 & 2 < 3"),
        ('<a href="javascript:x()">link</a>', "link"),
        ("<img src=x onerror=alert(1)>", ""),
        ("", ""),
    ],
)
def test_html_becomes_plain_text(html: str, text: str) -> None:
    assert html_text(html) == text
