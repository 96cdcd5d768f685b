"""The text of `NOTICE.md`: what the sample holds, under which licences, and whom to credit."""

from __future__ import annotations

from collections import Counter

from benchmarks.lab.sample.picks import Picture

_LINKS: dict[str, str] = {
    "public-domain": "public domain, as stated by the package",
    "PD": "public domain, as stated by the package",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "MIT": "text below",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0, text in the file LICENSE of emo8",
    "CC-BY-2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
}

_HEAD = """\
# Pictures of the embedded sample

Each picture keeps its own licence and credit: columns `license` and `attribution` of
`pictures/credits.csv` and of `table/sample.parquet`. No licence of one picture extends to another.
This file is written by `make_sample.py`.

**Changes.** The pictures were scaled down (long side at most 384 px), trimmed of empty borders and
encoded again as JPEG or WebP before they came here; vector drawings were rendered. Here their bytes
stay as they are, except in the composites below.

**Captions.** Most come from the package's own titles and file names. Where those say nothing
("photo1", "loc0"), we wrote what the picture shows; the `caption` column of `picks.csv` lists them.

**Emotion hints** are the package's own names for emoji and clip art ("pouting cat"), never a label
of ours: they say what the maker called the picture, not what a viewer feels.

**Styles** are those of the corpus, except photographs of people at work, cities, a palace and
machine halls that the corpus files by folder under natural or science_fiction: these photographs
of people and made things are `realistic` here.

**Composites** (`synthetic/composite-NN.jpg` in the table, caption ending in "synthetic composite")
are our own: drawn figures cut out along their alpha, scaled, toned and laid on a scene picture by
`make_composites.py`. The boxes in `people` are exact. A composite on a plain scene has the scene's
style; one with a headline is an `advertising_cover`, with a made-up headline. Its licence is the
more demanding one of its parts, only one of which may ask for anything; all parts are credited.
A lone figure whose maker named the feeling (a strong hint) passes that hint on; others have none.

**Bad files.** Ten files in `pictures/` are there to be rejected. `make_rejects.py` makes them.

**Kept out** on purpose: Twemoji, OpenMoji, Open Peeps, FxEmojis and Dylan, which measure what a
model learned; and everything under share-alike or GPL terms.

"""

_MIT = """\
## MIT licence (Fluent Emoji)

Copyright (c) Microsoft Corporation.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def notice(pictures: list[Picture]) -> str:
    """The whole of `NOTICE.md` for these pictures, parts of composites included."""
    return _HEAD + _licenses(pictures) + _packages(pictures) + _MIT


def _licenses(pictures: list[Picture]) -> str:
    counts = Counter(picture.license for picture in pictures)
    lines = [f"| {name} | {count} | {_LINKS[name]} |" for name, count in sorted(counts.items())]
    head = "## Licences\n\n| licence | pictures used | terms |\n|---|---|---|\n"
    return head + "\n".join(lines) + "\n\n"


def _packages(pictures: list[Picture]) -> str:
    """One section per package: its licences and every artist it names."""
    sections = ["## Sources\n"]
    for package in sorted({picture.source_package for picture in pictures}):
        mine = [picture for picture in pictures if picture.source_package == package]
        sections.append(f"### {package} {mine[0].source_version}\n")
        artists = sorted({(picture.license, picture.artist) for picture in mine})
        for name in sorted({license_ for license_, _ in artists}):
            credited = "; ".join(artist for license_, artist in artists if license_ == name)
            sections.append(f"- {name}: {credited}")
        sections.append("")
    return "\n".join(sections) + "\n"
