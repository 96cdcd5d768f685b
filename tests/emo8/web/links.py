"""The links of the hostile internet, what becomes of each, and the recipe that builds them."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from tests.conftest import encoded, picture

JPEG = [encoded(picture(1000 + k)) for k in range(60)]
AGENT = "worldtest/1.0 (+https://example.org)"
REDIRECTS = (
    "http://10.0.0.1/a.jpg", "http://127.0.0.1/a.jpg", "http://localhost/a.jpg",
    "http://[::1]/a.jpg", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd",
    "http://2130706433/a.jpg", "http://0x7f000001/", "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::a00:1]/", "http://private.example/a.jpg", "http://100.100.100.200/",
    "ftp://10.0.0.1/a.jpg", "http://0.0.0.0/a.jpg", "http://168.63.129.16/",
)  # fmt: skip
X_ROBOTS = ("noai", "noimageai, nofollow", "NOINDEX", "noml", "none", "otherbot: noindex",
            "worldtest: noai", "max-image-preview:large")  # fmt: skip

# link -> (reason, cause) or None where it arrives. A cause of None: any.
LINKS: dict[str, tuple[str, str | None] | None] = {
    **{f"http://good.example/{k}.jpg": None for k in range(20)},
    **{f"http://redirect.example/{k}": ("refused_address", None) for k in range(len(REDIRECTS))},
    **{f"http://{name}.example/a.jpg": ("refused_address", cause)
       for name, cause in (("private", "private 10.0.0.1"), ("shared", "shared 100.64.0.1"),
                           ("metadata", "metadata 169.254.169.254"), ("loop", None),
                           ("nat64", "nat64 64:ff9b::a00:1"),
                           ("mapped", "ipv4_mapped ::ffff:10.0.0.1"),
                           ("rebind", "loopback 127.0.0.1"),
                           ("redirectrobots", "private 10.0.0.1"))},
    **{f"http://{host}/a.jpg": ("refused_address", None)
       for host in ("10.0.0.1", "127.1", "0177.0.0.1", "2130706433", "192.168.1.1", "172.16.0.1",
                    "[::1]", "[fd00::1]", "[2002:a00:1::1]", "[::ffff:169.254.169.254]", "0",
                    "[2001:db8::1]", "[fec0::1]", "198.18.0.1", "192.0.2.1", "203.0.113.9",
                    "224.0.0.1", "255.255.255.255", "[ff02::1]", "localhost")},
    "file:///etc/passwd": ("refused_address", "scheme file"),
    "ftp://good.example/a.jpg": ("refused_address", "scheme ftp"),
    "data:image/png;base64,iVBORw0KGgo=": ("refused_address", "scheme data"),
    "javascript:alert(1)": ("refused_address", "scheme javascript"),
    "gopher://10.0.0.1:80/_x": ("refused_address", "scheme gopher"),
    "../../x": ("fetch_failed", "not_a_url"),
    "not a link": ("fetch_failed", "not_a_url"),
    "http://": ("fetch_failed", "not_a_url"),
    "http://[broken/": ("fetch_failed", "not_a_url"),
    "http://good.example:99999/": ("fetch_failed", "not_a_url"),
    "http://user:secret@good.example/1.jpg": ("fetch_failed", "credentials_in_url"),
    "http://good.example/" + "x" * 20_000: ("fetch_failed", "not_a_url"),
    "http://good.example/../../21.jpg": None,
    "http://good.example/a b/22 ü.jpg": None,
    "HTTP://GOOD.example:80/23.jpg#part": None,
    "http://bücher.example/24.jpg": None,
    "http://mixed.example/25.jpg": None,
    "http://six.example/26.jpg": None,
    "http://twohops.example/a": ("duplicate_exact", None),
    "http://toforbidden.example/a": ("opt_out", "robots.txt"),
    "http://chain.example/0": ("fetch_failed", "too_many_redirects"),
    "http://endless.example/a.jpg": ("too_many_bytes", "body"),
    "http://biglength.example/a.jpg": ("too_many_bytes", "content_length"),
    "http://drip.example/a.jpg": ("fetch_failed", "total_timeout"),
    "http://dripheader.example/a.jpg": ("fetch_failed", "total_timeout"),
    "http://bomb.example/a.jpg": ("too_many_bytes", "body"),
    "http://zipped.example/a.jpg": None,
    "http://brotli.example/a.jpg": ("fetch_failed", "content_encoding br"),
    "http://short.example/a.jpg": ("fetch_failed", "body_too_short"),
    "http://long.example/a.jpg": ("truncated", None),
    "http://wrongtype.example/a.jpg": ("not_an_image", "image/jpeg"),
    "http://mislabelled.example/a.jpg": None,
    "http://garbage.example/a.jpg": ("fetch_failed", "not_http"),
    "http://closing.example/a.jpg": ("fetch_failed", "closed"),
    "http://hangheader.example/a.jpg": ("fetch_failed", "timeout"),
    "http://hangbody.example/a.jpg": ("fetch_failed", "timeout"),
    "https://hangtls.example/a.jpg": ("fetch_failed", "tls_timeout"),
    "http://full.example/a.jpg": ("fetch_failed", "connect_timeout"),
    "http://refuses.example/a.jpg": ("fetch_failed", None),
    "http://noname.example/a.jpg": ("fetch_failed", "dns"),
    "http://slowdns.example/a.jpg": ("fetch_failed", "dns_timeout"),
    **{f"http://broken.example/{status}": ("fetch_failed", f"http_{status}")
       for status in (204, 404, 410, 403, 500, 418)},
    "http://forbid.example/private/a.jpg": ("opt_out", "robots.txt"),
    "http://forbid.example/open/27.jpg": None,
    "http://named.example/a.jpg": ("opt_out", "robots.txt"),
    "http://peer.example/a.jpg": ("opt_out", "robots.txt"),
    "http://others.example/28.jpg": None,
    "http://wild.example/a.jpg": ("opt_out", "robots.txt"),
    "http://hugerobots.example/a.jpg": ("opt_out", "robots.txt"),
    "http://movedrobots.example/private/a.jpg": ("opt_out", "robots.txt"),
    "http://failing.example/a.jpg": ("fetch_failed", "robots.txt http_500"),
    "http://hangrobots.example/a.jpg": ("fetch_failed", "timeout"),
    **{f"http://xrobots.example/{k}": ("opt_out", f"x-robots-tag {word}")
       for k, word in enumerate(("noai", "noimageai", "noindex", "noml", "noindex"))},
    "http://xrobots.example/5": None,
    "http://xrobots.example/6": ("opt_out", "x-robots-tag noai"),
    "http://xrobots.example/7": ("duplicate_exact", None),
    "http://tdmheader.example/a.jpg": ("opt_out", "tdm-reservation"),
    "http://tdmfile.example/a.jpg": ("opt_out", "tdmrep.json"),
    "http://tdmfile.example/free/29.jpg": None,
    "http://tdmpage.example/30.jpg": None,
    "http://throttle.example/a.jpg": None,
    "http://forever.example/a.jpg": ("fetch_failed", "http_503"),
}  # fmt: skip
REPEATED = "http://good.example/3.jpg"
EMPTY_LINES = 2
HASHED = {  # link -> the hash the list gives, and whether it is right
    "http://good.example/31.jpg": hashlib.sha256(JPEG[31]).hexdigest(),
    "http://good.example/32.jpg": hashlib.sha256(b"something else").hexdigest(),
}

RECIPE = f"""
name = "world"
[[source]]
kind = "urls"
path = "urls.csv"
style = "natural"
license = "CC0-1.0"
columns = {{ caption = "title" }}
[ingest]
max_bytes = 2_000_000
part_rows = 40
[fetch]
user_agent = "{AGENT}"
timeout_s = 1.5
total_timeout_s = 4.0
retries = 1
max_rest_s = 5
host_delay_s = 0.02
threads = 48
[people]
detector = "off"
[labels]
clip = ["embedded"]
[decide]
near_neighbours = 0
"""


def write_list(folder: Path) -> None:
    with (folder / "urls.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["url", "title", "sha256"])
        for link in [*LINKS, REPEATED, *[""] * EMPTY_LINES]:
            table.writerow([link, "a picture", ""])
        for link, digest in HASHED.items():
            table.writerow([link, "a picture", digest.upper()])
    (folder / "recipe.toml").write_text(RECIPE)
