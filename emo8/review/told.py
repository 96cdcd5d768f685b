"""The numbers about a build's votes, for people to read."""

from __future__ import annotations

from typing import Any

_ALPHA = "krippendorff_alpha"
_OF = {
    f"{_ALPHA}_yes_no": "yes or no to a proposed emotion",
    f"{_ALPHA}_jaccard": "sets of ticks, by Jaccard",
    f"{_ALPHA}_style": "style",
    f"{_ALPHA}_valence": "valence",
    f"{_ALPHA}_arousal": "arousal",
    f"{_ALPHA}_dominance": "dominance",
    f"{_ALPHA}_polarity": "polarity",
}  # alphas beside that of emotions


def lines(report: dict[str, Any]) -> list[str]:
    """Of `report.vote_report`, a line each."""
    if not report["num_votes"]:
        return ["no votes yet: emo8 review BUILD --serve, or --export sheet.csv"]
    per_row, people = report["annotators_per_row"], report["num_annotators"]
    found = [
        f"votes      {report['num_votes']:,} on {report['num_rows']:,} rows by "
        f"{people:,} annotator{'' if people == 1 else 's'}"
        + ("" if per_row is None else f", {per_row:.2f} a row"),
        f"kinds      {_counts(report['kinds'])}",
        f"batches    {_counts(report['batches'])} (--undo BATCH takes one back)",
    ]
    if report["num_without_consent"]:
        found.append(f"not used   {report['num_without_consent']:,} without consent")
    return [*found, *_agreement(report), *_annotators(report)]


def _agreement(report: dict[str, Any]) -> list[str]:
    """Alphas and kappa, where two people voted on a row; 1 = always alike, 0 = as by chance."""
    if not any(key.startswith(_ALPHA) for key in report):
        return []
    found = []
    if (alpha := report.get(_ALPHA)) is not None:
        found.append(f"alpha {_share(alpha)} about emotions ({report[f'{_ALPHA}_distance']})")
    if (kappa := report.get("fleiss_kappa")) is not None:
        found.append(f"kappa {_share(kappa)} (Fleiss)")
    elif (note := report.get("fleiss_kappa_note")) and alpha is not None:
        found.append(f"kappa: {note}")
    found += [f"alpha {_share(report[key])} about {what}" for key, what in _OF.items()
              if report.get(key) is not None]  # fmt: skip
    if not found:
        return ["agreement  not defined: no two people voted on the same row, or all said the same"]
    for key, what in (("emotion", "each emotion"), ("style", "emotions, in rows of each style")):
        each = report.get(f"{_ALPHA}_by_{key}", {})
        told = ", ".join(
            f"{name} {_share(value)}" for name, value in each.items() if value is not None
        )
        if told:
            found.append(f"alpha about {what}: {told}")
    found[0] += "; 1 = always alike, 0 = as by chance"
    return [f"{'' if place else 'agreement':<11}{line}" for place, line in enumerate(found)]


def _annotators(report: dict[str, Any]) -> list[str]:
    """Votes and estimated accuracy of each; no estimate where nobody voted on the same rows."""
    annotators = report.get("annotators", {})
    if not annotators:
        return []
    shared = (report["annotators_per_row"] or 0) > 1
    found = ["", f"{'annotator':<16} {'votes':>7}  right, estimated from what the others said"]
    for name, one in annotators.items():
        right = one["estimated_accuracy"]
        told = f"{right:.2f}" if shared and right is not None else "nobody else voted on these rows"
        found.append(f"{name:<16} {one['num_votes']:>7,}  {told}")
    return found


def _counts(by_name: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in by_name.items())


def _share(value: float) -> str:
    """Two digits, and no minus before nothing."""
    return f"{round(value, 2) + 0.0:.2f}"
