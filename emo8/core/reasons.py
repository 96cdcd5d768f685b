"""Every reason why an input can leave a build: one code, one sentence, one place."""

from __future__ import annotations

from emo8.core.checks import registered

REASONS: dict[str, str] = {
    # what arrived is not usable
    "no_image": "the table row holds no image",
    "beside_picture": "another picture of the same webdataset sample, such as a mask; detail = key",
    "bad_row": "the table's row cannot be understood; detail = why",
    "missing_file": "the file or archive member named by the source does not exist",
    "unreachable": "the file is there or was, and cannot be read now; detail = why; every run of "
    "the build tries it again",
    "refused_path": "the path leads outside the source, or to something that is not a plain file",
    "unreadable": "the archive or its member is damaged",
    "empty": "the file holds no bytes",
    "too_many_bytes": "the file is larger than ingest.max_bytes; value = bytes",
    "not_an_image": "the content is none of the accepted raster formats; value = bytes",
    "format_not_installed": "HEIC or JPEG XL, whose decoder is not installed; "
    'pip install "emo8[pictures]", then build again',
    "unsupported_kind": "a whole file of a kind that no decoder here reads, such as 12-bit JPEG",
    "truncated": "the picture ends too early",
    "corrupt": "the picture is damaged and does not decode",
    "too_many_pixels": "the header claims more than ingest.max_pixels; value = pixels",
    # what was measured crosses a threshold of [decide]
    **{check.reason: check.meaning for check in registered()},
    # copies and leaks
    "duplicate_exact": "the same bytes or pixels as a row that stays; detail = its id",
    "duplicate_near": "a near copy of a row that stays; value = hash distance, detail = its id",
    "leak": "copy of a picture of a benchmark in [leaks]; value = bits, detail = its name",
    "split_bridge": "on the train side of two clusters that a new row joined; detail = the cluster",
    "part_failed": "its part failed twice; `emo8 status` gives the cause, a rerun tries again",
    # the web and the law
    "refused_address": "the link leads to a network or scheme that is not allowed; detail = which",
    "fetch_failed": "the link could not be fetched; detail = cause, value = HTTP status",
    "opt_out": "the site opted out of this use; detail = where it says so",
    "removed": "on the removal list",
    "rejected_by_review": "more annotators than votes.max_reject_share want it out; value = share, "
    "detail = the reason they give",
}


def describe(code: str) -> str:
    """What the reason code means; KeyError for a code that is not documented here."""
    return REASONS[code]
