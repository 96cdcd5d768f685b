"""What a release lacks for a venue that takes datasets, with the line to write in the recipe.

`neurips`: what NeurIPS 2026 asks of a Croissant file (track on evaluations and datasets): the core
of Croissant, eight fields of responsible AI and provenance, and a file that works alone.
"""

from __future__ import annotations

import json
from pathlib import Path

from emo8.dataset.shards import CROISSANT
from emo8.publish import croissant

_AUTHORS = 'authors = ["First Last"]'
_DATE = 'date = "YYYY-MM-DD"'
_REPO = 'repo = "user/name"'
_SYNTHETIC = 'synthetic = "no"  # or "yes", "partly": were pictures made by a generator?'
_AGAIN = "(emo8 writes it: run `emo8 build` again)"
_LICENSE = 'license = "CC-BY-4.0"  # in each [[source]]'
NEURIPS: dict[str, str] = {
    "name": 'name = "my-dataset"  # at the top',
    "description": 'summary = "One or two sentences."',
    "url": _REPO,
    "license": _LICENSE,
    "creator": _AUTHORS,
    "datePublished": _DATE,
    "citeAs": _AUTHORS,
    "distribution": _AGAIN,
    "recordSet": _AGAIN,
    "rai:dataLimitations": _AGAIN,
    "rai:dataBiases": _AGAIN,
    "rai:personalSensitiveInformation": _AGAIN,
    "rai:dataUseCases": _AGAIN,
    "rai:dataSocialImpact": _AGAIN,
    "rai:hasSyntheticData": _SYNTHETIC,
    "prov:wasDerivedFrom": _AGAIN,
    "prov:wasGeneratedBy": _AGAIN,
}


def lacking(root: Path) -> list[str]:
    """What the Croissant file of a release lacks for NeurIPS, a sentence each; empty = nothing."""
    content = json.loads((root / CROISSANT).read_text(encoding="utf-8"))
    lines = [
        f"{field} is missing: write `{line}`{'' if line == _LICENSE else ' under [publish]'}"
        for field, line in NEURIPS.items()
        if content.get(field) in (None, "", [])
    ]
    places = [file.get("contentUrl", "") for file in content.get("distribution", [])]
    relative = [place for place in places if place and not place.startswith("https://")]
    if relative:
        lines.append(
            f"{len(relative)} sources are relative, and {CROISSANT} is submitted alone: "
            f"write `{_REPO}` under [publish]"
        )
    if "unknown" in content.get("license", []):
        lines.append(f"license is unknown for some rows: write `{_LICENSE}`")
    return lines + [f"{CROISSANT}: {problem}" for problem in croissant.problems(root)]
