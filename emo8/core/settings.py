"""The recipe of a build as frozen dataclasses: every option, its default and the reason for it.

`read_recipe.py` reads them strictly from TOML: the type of a field says what may stand there.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field

from emo8.core import label_set
from emo8.core.checks import registered
from emo8.core.label_set import MIKELS, LabelSet

LAYOUT_WORDS = ("split", "style", "emotion", "*")
_WITH_COLUMNS = ("folder", "table", "urls", "hub", "webdataset")  # kinds; a folder: its sidecar
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
Claimant = Literal["human", "source", "clip"]
CLAIMANTS: tuple[Claimant, ...] = get_args(Claimant)
Precision = Literal["auto", "fp32", "bf16"]
OutOfDomain = Literal["abstain", "guess"]
VoteRule = Literal["majority", "threshold", "distribution", "dawid_skene"]
Vocabulary = Literal["ekman", "plutchik"]
VoteCount = Literal["split", "each"]
PublishedVotes = Literal["consented", "all", "off"]
ImagePolicy = Literal["bytes", "url"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


def _of(*kinds: str) -> Any:
    """A text of `[[source]]` that these kinds alone understand."""
    return field(default="", metadata={"kinds": kinds})


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One `[[source]]`: where pictures come from and what the source claims about them.

    A key that the source's kind does not understand is refused, as are two that say two things.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    # one of "folder", "archive", "table", "urls", "hub", "webdataset": a file of emo8/sources/kinds
    kind: str
    path: str  # file, folder or glob, relative to the recipe; hub: "hub:user/name@revision"
    name: str = ""  # shown in the provenance; default: the last part of path
    style: str = ""  # one style for the whole source, or "clip" to let CLIP decide
    style_from: str = ""  # "folder" = first folder below path, or a column of the table
    emotion_from: str = ""  # "folder" = the picture's own, "name" = start of its name, or a column
    # what each folder names, e.g. "split/emotion" or "*/emotion"; of a folder, "auto" sees which of
    # Emo8's released forms it is, keeps its splits, lets CLIP claim missing styles
    layout: str = _of("folder", "archive")
    styles: dict[str, str] = field(default_factory=dict)  # the source's name -> one of ours
    # the source's name -> one of ours; "" keeps the name as a claim and lets CLIP decide
    emotions: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)  # the source's name -> train, val or test
    # what lists of four numbers in `people` are: "xyxy", "xywh" or "cxcywh"; "" = corners as
    # fractions, and lists in pixels are not used
    boxes: Literal["", "xyxy", "xywh", "cxcywh"] = _of(*_WITH_COLUMNS)
    keep_splits: bool = False  # True: rows stay in the split the source gives them
    images: str = _of("table")  # folder its image paths start from, relative to the table's own
    config: str = _of("hub")  # which configuration of the dataset
    sidecar: str = _of("folder")  # a CSV, JSONL or parquet in it whose `file` names the picture
    license: str = ""  # licence of every picture that brings none of its own
    attribution: str = ""  # credit of every picture that brings none of its own
    columns: dict[str, str] = field(  # our name -> the table's name
        default_factory=dict, metadata={"kinds": _WITH_COLUMNS}
    )
    # private and other closed networks its links may lead to, e.g. ["127.0.0.0/8"]
    allow_networks: tuple[str, ...] = field(default=(), metadata={"kinds": ("urls",)})


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """Caps that protect the machine, and the size of a part."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    max_bytes: Count = 50_000_000  # larger files are refused unread
    max_pixels: Count = 100_000_000  # larger pictures are refused by their header
    part_rows: Annotated[int, Field(ge=1, le=100_000)] = (
        256  # inputs in a part; long sources have larger
    )


@dataclass(frozen=True, kw_only=True)
class FetchConfig:
    """`[fetch]`: how links are fetched, and which wishes of sites are honoured; docs/web.md."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    user_agent: str = ""  # default: emo8/VERSION and its page; sites address its first word
    robots_txt: bool = True  # leave what robots.txt forbids
    x_robots_tag: bool = True  # leave pictures whose X-Robots-Tag holds one of the next line
    # statements of X-Robots-Tag that forbid; `none` always does
    x_robots_directives: tuple[str, ...] = ("noai", "noimageai", "noindex", "noimageindex", "noml")
    tdm_reservation: bool = True  # leave what a TDM reservation (header or file) covers
    use_proxies: bool = False  # True: http_proxy and https_proxy; who connects is then the proxy
    max_redirects: Annotated[int, Field(ge=0)] = (
        5  # per link; browsers follow 20, pictures need one or two
    )
    timeout_s: Positive = 10.0  # silence borne while connecting or reading
    total_timeout_s: Positive = 60.0  # network time per link, tries and redirects together
    retries: Annotated[int, Field(ge=0)] = (
        2  # after 429, 503, 5xx, resets; other failures wait for --retry-failed
    )
    host_connections: Count = 2  # at once per host, over all workers; browsers open six
    host_delay_s: NotNegative = 0.1  # between requests to one host; a longer Crawl-delay wins
    max_rest_s: NotNegative = 60.0  # longest rest (Retry-After) that is waited for
    give_up_after: Count = 8  # links in a row that a host does not answer: the rest wait for later
    threads: Count = 32  # links at once per worker process; they mostly wait


@dataclass(frozen=True, kw_only=True)
class LabelsConfig:
    """What a picture may be called, which models label, and with which words."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    emotions: tuple[str, ...] = MIKELS.emotions  # names, in the order of their class numbers
    styles: tuple[str, ...] = MIKELS.styles  # the same; [] = a dataset without styles
    # Emotions that are pleasant; Mikels' eight have theirs, and one in neither list has no polarity
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()  # emotions that are unpleasant
    # emotion -> the one of Mikels' eight that it corresponds to, published beside the labels
    to_mikels: dict[str, str] = field(default_factory=dict)
    clip: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "ViT-B-16/openai",
    )  # open_clip NAME/TAG, "embedded", "local-dir:…"
    # "fp32", "bf16", or "auto": bf16 where the hardware computes in it, three times as fast for
    # vectors that differ in the third digit; fp32 for "embedded", which is small. A build keeps
    # what it resolved first.
    precision: Precision = "auto"
    prompts: str = ""  # TOML file relative to the recipe; default: the prompts shipped
    # Add the wording that the prompts file has for a row's style. Off: with the embedded model it
    # cost 1 to 4 points of accuracy on every one of five families (benchmarks/results/labels.md);
    # measure yours with `emo8 prompts score` before turning it on.
    style_prompts: bool = False
    # JSON file relative to the recipe, made by `emo8 calibrate`; default: the one that `emo8
    # calibrate BUILD` left in the build, if any; "off" = none
    calibration: str = ""
    calibration_min_rows: Count = (
        100  # labelled rows (of a style) a fit needs: eight classes, noisy
    )
    rule: Annotated[tuple[Claimant, ...], Field(min_length=1)] = (
        CLAIMANTS  # whose claim becomes the final emotion, first one first
    )
    style_rule: tuple[Claimant, ...] = CLAIMANTS  # the same for the style; ends with "clip"
    # Of pictures unlike those that a model was made for: "abstain", or "guess" for what it would
    # say. Known of "embedded" (drawings) and of folders with a domain.json; others are believed.
    out_of_domain: OutOfDomain = "abstain"
    max_risk: Share = 1.0  # share of CLIP labels that may be wrong, else abstain; 1 = never abstain
    attributes: str = ""  # TOML vocabularies or EmoSet's info.json; default: the lists shipped
    # An attribute less likely than this is left out. The embedded model keeps expressions from 0.6
    # only, whatever stands here (attributes.py says why); 0.3 is a guess for public models.
    min_attribute_prob: Share = 0.3

    def names(self) -> LabelSet:
        """The emotions and styles; ValueError says the key, the value and the fix."""
        return label_set.chosen(
            self.emotions,
            self.styles,
            positive=self.positive,
            negative=self.negative,
            to_mikels=self.to_mikels,
        )


@dataclass(frozen=True, kw_only=True)
class VotesConfig:
    """When people's votes on a row become its human label."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    # "majority", "threshold", "distribution" or "dawid_skene"; docs/labels.md says what each does
    rule: VoteRule = "majority"
    min_votes: Count = 1  # annotators a row needs; EmoSet used ten, most projects have one or two
    min_share: Share = 0.7  # for rule = "threshold" and "dawid_skene": share or posterior needed
    max_reject_share: Share = 0.5  # rows that more of their annotators reject than this leave
    # Who ticks several emotions has "split": one vote spread evenly over them, so that nobody
    # weighs more than another (satisfaction approval voting, Brams and Kilgour 2014); or "each":
    # every tick counts whole (approval voting). The other one is published beside it.
    ticks: VoteCount = "split"
    # how vote files of other tools name our columns: ours -> theirs, e.g. id = "Input.image_url"
    columns: dict[str, str] = field(default_factory=dict)
    # words of annotators -> one of the emotions, or "" to keep the word and count it for none
    words: dict[str, str] = field(default_factory=dict)
    # ready-made `words`: "ekman", "plutchik"; emo8/review/vocabularies.py says what each maps
    vocabularies: tuple[Vocabulary, ...] = ()
    # scale of ratings in files that name none: "1-9", "0 to 1", or "valence=-1 to 1, arousal=1-9"
    scale: str = ""


@dataclass(frozen=True, kw_only=True)
class PeopleConfig:
    """Who looks for people in the pictures."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    # "torchvision:MODEL", with "@FILE" for weights of your own; "plugin:NAME"; or "off". Default:
    # the lightest COCO detector of torchvision, because most builds run on a CPU
    detector: str = "torchvision:fasterrcnn_mobilenet_v3_large_320_fpn"
    min_score: Share = 0.5  # boxes less sure than this are not kept
    max_people: Count = 20  # boxes kept per picture, most prominent first


@dataclass(frozen=True, kw_only=True)
class NearThresholds:
    """When two pictures are copies; docs/duplicates.md says what each was measured on."""

    max_near_distance: Annotated[int, Field(ge=0, le=3)] = (
        3  # bits of 64 up to which hashes are searched, exactly; at most 3
    )
    near_neighbours: Annotated[int, Field(ge=0)] = (
        8  # nearest rows by layout and embedding that are compared too; 0 = off
    )
    min_near_sim: Cosine = 0.25  # cosine of CLIP embeddings; a black frame costs a copy that much
    max_near_residual: NotNegative = 12.0  # largest block left between thumbnails, in grey levels
    max_crop_residual: NotNegative = 12.0  # the same after aligning one as a crop of the other
    max_near_colour: NotNegative = 0.7  # share of the colours that no tint explains; 2 = off
    min_crop_sim: Cosine = 0.96  # cosine from which light crops are tried; they reach 0.98


# What a picture must reach to stay: the thresholds of the checks, each with the default that is
# declared beside what it measures (emo8/core/checks.py), and those of copies.
Thresholds = dataclasses.make_dataclass(
    "Thresholds",
    [
        (check.threshold, Annotated[type(check.default), Field(ge=check.lowest)], check.default)
        for check in registered()
    ],
    bases=(NearThresholds,),
    namespace={"__module__": __name__},
    frozen=True,
    kw_only=True,
)


# Where a style was measured to need another threshold, and the recipe leaves the common one alone.
# Drawings of one design differ in little, and often in colour alone.
STYLE_DEFAULTS: dict[str, dict[str, float]] = {
    "cartoon": {"max_near_residual": 10.0, "max_crop_residual": 10.0, "max_near_colour": 0.15},
    # planets in the dark and star clusters: one outline, little inside
    "science_fiction": {"max_near_residual": 10.0, "max_crop_residual": 8.0},
}


@dataclass(frozen=True, kw_only=True)
class DecideConfig(Thresholds):  # type: ignore[misc, valid-type]
    """`[decide]`: thresholds for all rows, and `[decide.style.NAME]` where a style differs."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    # style -> threshold -> value, where a style differs: [decide.style.cartoon]
    style: dict[str, dict[str, float]] = field(default_factory=dict)

    def for_style(self, style: str) -> Any:
        """The thresholds of one style: the common ones with that style's own laid over."""
        fields = dataclasses.fields(Thresholds)
        common = {f.name: getattr(self, f.name) for f in fields}
        untouched = {f.name for f in fields if common[f.name] == f.default}
        measured = {k: v for k, v in STYLE_DEFAULTS.get(style, {}).items() if k in untouched}
        return Thresholds(**{**common, **measured, **self.style.get(style, {})})


@dataclass(frozen=True, kw_only=True)
class SplitsConfig:
    """Shares of the published rows, which must add up to 1, and what must not move."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    train: Share = 0.8  # share of the rows
    val: Share = 0.1  # the same
    test: Share = 0.1  # the same
    # A cell of emotion x style may miss its shares by this part of its rows (or one row) before
    # new clusters are moved: pure draws of large cells pass, small cells are evened out.
    tolerance: NotNegative = 0.02
    keep: tuple[str, ...] = ()  # published datasets or tables whose rows keep their splits


@dataclass(frozen=True, kw_only=True)
class LeaksConfig:
    """`[leaks]`: fingerprints of benchmarks whose pictures must not be trained on."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    files: tuple[str, ...] = ()  # made by `emo8 leaks take`, relative to the recipe
    max_distance: Annotated[int, Field(ge=0, le=255)] = (
        45  # bits of 255 between detail hashes; see docs/duplicates.md
    )
    min_sim: Cosine = 0.8  # cosine of embeddings, where the file was made with the same CLIP
    drop: bool = True  # False: matches are only named in tables/leaks.parquet, and stay


@dataclass(frozen=True, kw_only=True)
class PublishConfig:
    """`[publish]`: what only the publisher knows, and what may go out."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    title: str = ""  # heading of the card; default: the recipe's name
    summary: str = ""  # one or two sentences under the heading; default: composed from numbers
    language: tuple[str, ...] = ("en",)  # of captions, as ISO 639-1 or 639-3 codes
    authors: tuple[str, ...] = ()  # for the citation; empty: the card asks for them
    contact: str = ""  # where removal requests go; empty: the dataset's discussion page
    homepage: str = ""  # address of a page about the dataset
    repo: str = ""  # user/name on the Hub: where Croissant says that the files are
    date: str = ""  # of publication, YYYY-MM-DD; empty: not stated
    synthetic: Literal["", "no", "yes", "partly"] = ""  # were pictures made by a generator?
    # Answers to questions of the datasheet by key (cards/datasheet.md); they replace ours.
    answers: dict[str, str] = field(default_factory=dict)
    # "bytes" or "url" by licence as the rows write it. Default: bytes, and "url" (address and
    # hash, no picture) where the wording of a licence forbids passing pictures on.
    image_policy: dict[str, ImagePolicy] = field(default_factory=dict)
    # Whose votes a release brings as a second config: "consented" (who agreed), "all" (also those
    # whom nobody asked) or "off". Default: nobody's words are published without a yes.
    votes: PublishedVotes = "consented"
    # True blurs faces in dataset/ (rows/ keeps the originals). Off: it costs drawn faces their
    # expression, and finds too few to be relied on (docs/labels.md).
    blur_faces: bool = False
    allow_missing_license: bool = False  # True lets rows without a licence go out, with a warning


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """`[engine]`: what a build may use of the machine; it changes no result."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    # What the steps over all rows (verdicts, duplicates, splits) may hold, "2GB" for example; more
    # is put into the build folder while they run. Default: a quarter of the machine's memory
    memory: str = ""

    def memory_bytes(self) -> int:
        """`memory` as a number; ValueError says how to write it."""
        if not self.memory:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]B)", self.memory.strip().upper())
        if not found:
            raise ValueError(f'{self.memory!r} is no amount of memory: write "2GB" or "500MB"')
        return int(float(found[1]) * _UNITS[found[2]])


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole build, as `emo8 build` reads it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    source: tuple[SourceConfig, ...]
    name: str = ""  # names the dataset; default: the recipe's file name
    seed: int = 0  # fixes the splits
    engine: EngineConfig = field(default_factory=EngineConfig)
    ingest: IngestConfig = field(default_factory=IngestConfig)
    fetch: FetchConfig = field(default_factory=FetchConfig)
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    votes: VotesConfig = field(default_factory=VotesConfig)
    people: PeopleConfig = field(default_factory=PeopleConfig)
    decide: DecideConfig = field(default_factory=DecideConfig)
    leaks: LeaksConfig = field(default_factory=LeaksConfig)
    splits: SplitsConfig = field(default_factory=SplitsConfig)
    publish: PublishConfig = field(default_factory=PublishConfig)
