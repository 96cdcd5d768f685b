"""Licences of pictures: the Hub's identifier for each, and whether the picture may be passed on."""

from __future__ import annotations

import re

# Identifiers that the Hub's card metadata accepts (huggingface.co/docs/hub/repositories-licenses),
# those for models left out.
HUB_LICENSES: frozenset[str] = frozenset(
    """
    afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear
    bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0
    cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0
    cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gfdl gpl gpl-2.0 gpl-3.0
    isc lgpl lgpl-2.1 lgpl-3.0 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 osl-3.0 other
    pddl postgresql unknown unlicense wtfpl zlib
    """.split()
)
OTHER = "other"  # what the card says for a licence the Hub has no identifier for

# Spellings that mean an identifier above, after normalising as in `hub_id`.
_ALIASES = {
    "apache": "apache-2.0",
    "cc0": "cc0-1.0",
    "cc-zero": "cc0-1.0",
    "boost-1.0": "bsl-1.0",
    "expat": "mit",
    "gfdl-1.2": "gfdl",
    "gfdl-1.3": "gfdl",
    "gpl-2": "gpl-2.0",
    "gpl-3": "gpl-3.0",
    "lgpl-3": "lgpl-3.0",
    "agpl-3": "agpl-3.0",
}
# Terms under which a picture may be shown or used, but not copied to others by us.
_NO_REDISTRIBUTION = re.compile(
    r"all rights reserved|no redistribution|non[- ]?redistribut|proprietary|copyright(ed)?$"
    r"|research[- ]only|fair use|editorial|shutterstock|getty|in copyright|inc-1\.0",
    re.IGNORECASE,
)


def hub_id(license: str) -> str:
    """The Hub's identifier for a licence as a source writes it; "other" where there is none."""
    key = re.sub(r"[\s_]+", "-", license.strip().lower())
    key = re.sub(r"(-only|-or-later|\+)$", "", key)
    key = _ALIASES.get(key, key)
    return key if key in HUB_LICENSES - {"unknown"} else OTHER


def same(one: str, other: str) -> bool:
    """Whether two wordings are one licence: "CC0" and "CC0-1.0", "cc-by-4.0" and "CC BY 4.0"."""
    return one == other or (hub_id(one) == hub_id(other) != OTHER)


def may_redistribute(license: str | None) -> bool:
    """Whether the wording of a licence lets us pass the picture's bytes on."""
    return license is None or not _NO_REDISTRIBUTION.search(license)
