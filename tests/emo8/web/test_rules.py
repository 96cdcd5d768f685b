"""Addresses, links, statements of sites, turns at hosts, packs: the rules one by one."""

from __future__ import annotations

import gzip
import http.client
import io
import itertools
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emo8.core.networks import parse_networks, refusal
from emo8.web import body
from emo8.web.agent import Agent, FetchPolicy, retry_after_s
from emo8.web.consent import Consent, SiteFiles
from emo8.web.download_log import Entry, PackWriter, entries, read_picture
from emo8.web.links import host_of, parse
from emo8.web.opt_outs import product_token, reserved, robots_tag
from emo8.web.outcome import FetchFailed, failed
from emo8.web.pacing import Pacing
from tests.conftest import encoded, picture
from tests.emo8.web.conftest import Site

LOOPBACK = parse_networks(["127.0.0.0/8"], "test")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.1.2.3", "private"), ("172.31.255.255", "private"), ("192.168.0.1", "private"),
        ("127.0.0.1", "loopback"), ("::1", "loopback"), ("169.254.1.1", "link_local"),
        ("fe80::1", "link_local"), ("fe80::1%eth0", "link_local"), ("100.64.0.1", "shared"),
        ("100.127.255.255", "shared"), ("240.0.0.1", "reserved"), ("192.0.2.1", "reserved"),
        ("224.0.0.1", "multicast"), ("ff02::1", "multicast"), ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"), ("100.100.100.200", "metadata"), ("0.0.0.0", "unspecified"),
        ("::", "unspecified"), ("::ffff:8.8.8.8", "ipv4_mapped"), ("::ffff:a00:1", "ipv4_mapped"),
        ("::10.0.0.1", "ipv4_mapped"), ("64:ff9b::808:808", "nat64"), ("64:ff9b:1::1", "nat64"),
        ("2002:a00:1::1", "tunnel"), ("2001:0:1::1", "tunnel"), ("255.255.255.255", "reserved"),
        ("fec0::1", "reserved"), ("2001:db8::1", "reserved"), ("198.18.5.5", "reserved"),
        ("172.32.0.1", None), ("100.128.0.1", None), ("8.8.8.8", None), ("2606:4700::1", None),
    ],
)  # fmt: skip
def test_refusal__names_the_kind(address: str, kind: str | None) -> None:
    assert refusal(address) == kind


def test_refusal__a_recipe_opens_only_what_it_names() -> None:
    assert refusal("127.0.0.1", LOOPBACK) is None
    assert refusal("127.255.0.1", LOOPBACK) is None
    assert refusal("10.0.0.1", LOOPBACK) == "private"
    assert refusal("::ffff:127.0.0.1", LOOPBACK) == "ipv4_mapped"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("http://Example.ORG:80", "http://example.org/"),
        (" https://example.org:443/a b?q=ü#x ", "https://example.org/a%20b?q=%C3%BC"),
        ("http://example.org/%7Ea/%2e%2e/b", "http://example.org/%7Ea/%2e%2e/b"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
    ],
)
def test_parse__normalises(link: str, url: str) -> None:
    assert parse(link).url == url
    assert parse(url).url == url


@pytest.mark.parametrize("link", ["", None, "x", "//a/b", "http://", "http://a:0/", "http://a\nb/",
                                  "http://a b/", "http://[::1", "http://u:p@h/"])  # fmt: skip
def test_parse__what_is_no_link_fails(link: str | None) -> None:
    with pytest.raises(FetchFailed) as lost:
        parse(link)
    assert lost.value.reason == "fetch_failed" and host_of(link) == ""


@pytest.mark.parametrize("link", ["file:///etc/passwd", "FTP://a/b", "data:image/png;base64,aa"])
def test_parse__other_schemes_are_refused(link: str) -> None:
    with pytest.raises(FetchFailed) as lost:
        parse(link)
    assert lost.value.reason == "refused_address"


def test_robots_tag__concerns_us_or_another() -> None:
    def words(value: str) -> list[str]:
        return list(robots_tag(value, ("emo8", "img2dataset")))

    assert words("NoAI, noimageai") == ["noai", "noimageai"]
    assert words("otherbot: noai, noindex") == []
    assert words("Emo8: noai") == ["noai"]
    assert words("unavailable_after: 25 Jun 2030 15:00:00 PST") == ["unavailable_after"]
    assert words("none") == ["noindex"]


def test_reserved__longest_pattern_decides() -> None:
    rules = '[{"location": "/", "tdm-reservation": 1}, {"location": "/free/*.jpg$",'
    rules += ' "tdm-reservation": 0}]'
    assert reserved(rules, "/a.jpg") and not reserved(rules, "/free/x/a.jpg")
    assert reserved(rules, "/free/a.jpg.html")
    assert not reserved("<html>", "/a") and not reserved("{}", "/a") and not reserved("[3]", "/a")


def test_product_token__is_the_first_word() -> None:
    assert product_token("my-lab_bot/2.0 (+https://x)") == "my-lab_bot"


def test_retry_after__both_forms() -> None:
    assert retry_after_s("120") == 120 and retry_after_s(None) is None
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_s("soon") is None


def consent(folder: Path, site: dict[str, str | None], **options: bool) -> Consent:
    def ask(url: str) -> str | None:
        text = site.get(url)
        if text == "down":
            raise failed("robots.txt http_500", 500)
        return text

    switches = {"robots_txt": True, "x_robots_tag": True, "tdm_reservation": True, **options}
    files = SiteFiles(folder, ask)
    return Consent(files, user_agent="emo8/1", directives=("noai", "NoIndex"), **switches)


def test_consent__each_switch_turns_off_its_own(tmp_path: Path) -> None:
    target = parse("http://a.example/x.jpg")
    site: dict[str, str | None] = {
        "http://a.example:80/robots.txt": "User-agent: *\nDisallow: /\nCrawl-delay: 5\n",
        "http://a.example:80/.well-known/tdmrep.json": '[{"location":"/","tdm-reservation":1}]',
    }
    headers = http.client.parse_headers(
        io.BytesIO(b"X-Robots-Tag: noindex\r\nTDM-Reservation: 1\r\n\r\n")
    )
    with pytest.raises(FetchFailed, match=r"robots\.txt"):
        consent(tmp_path / "1", site).before(target)
    with pytest.raises(FetchFailed, match="tdmrep"):
        consent(tmp_path / "2", site, robots_txt=False).before(target)
    free = consent(tmp_path / "3", site, robots_txt=False, tdm_reservation=False)
    assert free.before(target) == 0
    with pytest.raises(FetchFailed, match="x-robots-tag noindex"):
        free.after(headers)
    with pytest.raises(FetchFailed, match="tdm-reservation"):
        consent(tmp_path / "4", site, x_robots_tag=False).after(headers)
    consent(tmp_path / "5", site, x_robots_tag=False, tdm_reservation=False).after(headers)


def test_consent__robots_that_fails_is_no_consent_and_no_opt_out(tmp_path: Path) -> None:
    asked = consent(tmp_path, {"http://a.example:80/robots.txt": "down"})
    for _ in range(2):
        with pytest.raises(FetchFailed) as lost:
            asked.before(parse("http://a.example/x.jpg"))
        assert lost.value.reason == "fetch_failed" and lost.value.value == 500


def test_site_files__change_is_seen_when_the_answer_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = iter(["first", "second"])
    files = SiteFiles(tmp_path, lambda url: next(texts))
    assert files.get("http://a", "/robots.txt") == files.get("http://a", "/robots.txt") == "first"
    assert SiteFiles(tmp_path, lambda url: "never").get("http://a", "/robots.txt") == "first"
    later = time.time() + 3700
    monkeypatch.setattr(time, "time", lambda: later)
    assert files.get("http://a", "/robots.txt") == "second"


def pacing(folder: Path, **options: float) -> Pacing:
    values = {"connections": 2, "delay_s": 0.0, "max_rest_s": 5.0, "give_up_after": 3, **options}
    return Pacing(folder, **values)  # type: ignore[arg-type]


def test_pacing__connections_hold_across_processes(tmp_path: Path) -> None:
    busy, most, lock = 0, 0, threading.Lock()
    workers = [pacing(tmp_path), pacing(tmp_path)]  # each stands for a process

    def work(which: int) -> None:
        nonlocal busy, most
        with workers[which % 2].turn("a.example"):
            with lock:
                busy += 1
                most = max(most, busy)
            time.sleep(0.02)
            with lock:
                busy -= 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_pacing__delay_lies_between_requests(tmp_path: Path) -> None:
    starts = []
    for worker in [pacing(tmp_path, delay_s=0.05), pacing(tmp_path, delay_s=0.05)] * 2:
        with worker.turn("a.example"):
            starts.append(time.time())
    assert all(later - first >= 0.045 for first, later in itertools.pairwise(starts))


def test_pacing__a_host_that_throttles_rests_and_one_that_is_down_is_left_alone(
    tmp_path: Path,
) -> None:
    turns = pacing(tmp_path)
    turns.throttled("a.example", 0.2)
    started = time.time()
    with turns.turn("a.example"):
        assert time.time() - started >= 0.15
    assert turns.throttled("a.example", None) == 2.0  # the second in a row
    turns.throttled("b.example", 3600)
    with pytest.raises(FetchFailed, match="host_throttles"), turns.turn("b.example"):
        pass
    for _ in range(3):
        turns.unreached("c.example")
    with pytest.raises(FetchFailed, match="host_down"), turns.turn("c.example"):
        pass
    turns.answered("c.example")
    with turns.turn("c.example"):
        pass
    assert turns.troubled == {"a.example", "b.example"}


def test_packs__a_broken_tail_is_not_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.pack"
    writer = PackWriter(path)
    writer.add(Entry(url="http://a/1", policy="p"), b"picture one")
    writer.add(Entry(url="http://a/2", reason="opt_out", cause="robots.txt"), None)
    writer.add(Entry(url="http://a/3"), b"picture three")
    writer.close()
    whole = path.read_bytes()
    found = list(entries(path))
    assert [entry.url[-1] for entry in found] == ["1", "2", "3"]
    assert read_picture(path, found[2].offset, found[2].size) == b"picture three"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert [e.url for e in entries(path)] == [e.url for e in found][: len(list(entries(path)))]
    path.write_bytes(whole[:-1])
    assert len(list(entries(path))) == 2


def agent(folder: Path, **options: object) -> Agent:
    manners = FetchPolicy(user_agent="emo8/1", host_delay_s=0, **options)  # type: ignore[arg-type]
    return Agent(manners, folder, allowed=LOOPBACK)


def test_agent__keeps_connections_and_asks_robots_once(site: Site, tmp_path: Path) -> None:
    fetcher = agent(tmp_path)
    outcomes = [fetcher.fetch(f"{site.base}/{k}.jpg") for k in range(5)]
    assert all(outcome.data for outcome in outcomes)
    assert site.asked["/robots.txt"] == site.asked["/.well-known/tdmrep.json"] == 1
    assert fetcher.wire.num_idle == 1


def test_agent__a_name_that_moves_to_a_closed_network_is_not_followed(
    site: Site, tmp_path: Path
) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    port = site.server.server_port
    site.pages["/robots.txt"] = (404, {"Connection": "close"}, b"")
    fetcher = Agent(
        FetchPolicy(user_agent="emo8/1", tdm_reservation=False),
        tmp_path,
        allowed=LOOPBACK,
        look_up=lambda host, _: next(answers),
    )
    outcome = fetcher.fetch(f"http://moving.example:{port}/1.jpg")
    assert (outcome.reason, outcome.cause) == ("refused_address", "private 10.0.0.1")


def test_agent__proxies_are_ignored_unless_asked(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", site.base)
    monkeypatch.delenv("no_proxy", raising=False)
    other = Site()
    link = f"{other.base}/1.jpg"
    assert agent(tmp_path / "a").fetch(link).data and not site.asked
    fetcher = agent(tmp_path / "b", use_proxies=True, robots_txt=False, tdm_reservation=False)
    fetcher.fetch(link)
    assert site.asked[link] == 1  # the proxy was asked for the whole address


def test_pacing__a_host_that_never_ends_its_answers_is_left_alone(tmp_path: Path) -> None:
    turns = pacing(tmp_path)
    for _ in range(3):
        with turns.turn("a.example"):
            turns.answered("a.example")  # the head came; the body dripped
            turns.stalled("a.example")
    with pytest.raises(FetchFailed, match="host_stalls"), turns.turn("a.example"):
        pass
    with pacing(tmp_path).turn("b.example"):  # others are not
        pass
    turns.delivered("a.example")
    with turns.turn("a.example"):
        pass


def test_read_picture__a_packed_body_that_is_cut_is_not_whole() -> None:
    packed = gzip.compress(encoded(picture(1)))

    def reply(data: bytes) -> Any:
        stream = io.BytesIO(data)
        return SimpleNamespace(
            body=SimpleNamespace(length=len(data), read1=stream.read1),
            headers={"Content-Encoding": "gzip"},
        )

    assert body.read_picture(reply(packed), 1_000_000) == encoded(picture(1))
    with pytest.raises(FetchFailed, match="body_too_short"):
        body.read_picture(reply(packed[:-9]), 1_000_000)
