"""Small trees in the documented forms of the public datasets; pictures are coloured noise."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.adapters.emotic import LABELS
from tests.conftest import encoded, picture

MIKELS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
EKMAN = ("anger", "disgust", "fear", "joy", "sadness", "surprise")


def put(path: Path, seed: int, fmt: str = "JPEG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture(seed, (40, 30)), fmt))


def emoset(root: Path, *, new: bool, columns: int, each: int = 4) -> Path:
    """EmoSet with the new or old info.json and split rows of three or four columns."""
    table = {
        "label2idx": {name: i for i, name in enumerate(MIKELS)},
        "idx2label": {str(i): name for i, name in enumerate(MIKELS)},
    }
    root.mkdir(parents=True, exist_ok=True)
    info = {"emotion": table, "scene": {"label2idx": {}, "idx2label": {}}} if new else table
    (root / "info.json").write_text(json.dumps(info))
    rows: dict[str, list[list[str]]] = {"train": [], "val": [], "test": []}
    for number, name in enumerate(MIKELS):
        for k in range(3 * each):
            stem = f"{name}_{k:05d}"
            image, annotation = f"image/{name}/{stem}.jpg", f"annotation/{name}/{stem}.json"
            put(root / image, 100 * number + k)
            (root / annotation).parent.mkdir(parents=True, exist_ok=True)
            facts = {"emotion": name, "brightness": 0.3, "human_action": "boxing "}
            (root / annotation).write_text(json.dumps(facts if k else {"emotion": name}))
            split = ("train", "val", "test")[k % 3]
            row = [name, image, annotation]
            rows[split].append(row if columns == 3 else [name, stem, image, annotation])
    for split, lines in rows.items():
        (root / f"{split}.json").write_text(json.dumps(lines))
    return root


def fi(root: Path, each: int = 20) -> Path:
    for number, name in enumerate(MIKELS):
        for k in range(each):
            put(root / name / f"{name}_{k}.jpg", 1000 + 100 * number + k)
    gone = encoded(picture(1, (20, 20)))
    for k in range(6):
        (root / "awe" / f"gone_{k}.jpg").write_bytes(gone)
    return root


def emotion6(root: Path, each: int = 10) -> Path:
    columns = "\t".join(
        ["[image_filename]", "[valence]", "[arousal]"]
        + [f"[prob. {name}]" for name in (*EKMAN, "neutral")]
    )
    lines = [columns]
    for number, name in enumerate(EKMAN):
        for k in range(1, each + 1):
            put(root / "images" / name / f"{k}.jpg", 3000 + 100 * number + k)
            shares = np.full(7, 0.05)
            shares[(number + (k == 1)) % 7] = 0.7
            values = "\t".join(f"{v:.6g}" for v in (2.5 + number * 0.5, 3.8 + k * 0.1, *shares))
            lines.append(f"{name}/{k}.jpg\t{values}")
    (root / "ground_truth.txt").write_text("\n".join(lines) + "\n")
    return root


def unbiased(root: Path) -> Path:
    for number, name in enumerate(("anger", "fear", "joy", "love", "sadness", "surprise")):
        for place, concept in enumerate(("dog", "room")):
            for k in range(10):
                seed = 5000 + 100 * number + 20 * place + k
                put(root / name / concept / f"{k}.jpg", seed)
    return root


def caer_s(root: Path) -> Path:
    names = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
    lines = ["path,label,x1,y1,x2,y2"]
    for number, name in enumerate(names):
        for split, count in (("train", 8), ("test", 12)):
            for k in range(count):
                seed = 7000 + 100 * number + 40 * (split == "test") + k
                put(root / "CAER-S" / split / name / f"{k:04d}.png", seed, "PNG")
        lines.append(f"test/{name}/0000.png,{number},-3,2,30,25")
    (root / "CAER-S" / "test.txt").write_text("\n".join(lines))
    return root


def heco(root: Path, folder: str = "Data") -> Path:
    names = "Surprise Excitement Happiness Peace Disgust Anger Fear Sadness".split()
    lines = ["Image,xmin,ymin,xmax,ymax,Category,Valence,Arousal,Dominance,Label_SA,Label_CA"]
    for number, name in enumerate(names):
        for k in range(10):
            image = f"{name.lower()}_{k}.jpg"
            put(root / folder / image, 8000 + 100 * number + k)
            written = "Happinesst" if name == "Happiness" and k == 0 else name
            lines.append(f"{image},2,3,30,28,{written},{number + 1},5,{k + 1},1,0")
            if k == 1:  # somebody else in the same picture
                lines.append(f"{image},1,1,12,50,{names[number - 1]},3,4,5,0,1")
    (root / "Labels").mkdir(parents=True)
    (root / "Labels" / "HECO_Labels.csv").write_text("\n".join(lines) + "\n")
    return root


def _cell(*items: object) -> np.ndarray:
    found = np.empty((1, len(items)), dtype=object)
    for place, item in enumerate(items):
        found[0, place] = item
    return found


def _struct(**fields: object) -> np.ndarray:
    found = np.empty((1, 1), dtype=[(name, object) for name in fields])
    for name, value in fields.items():
        found[0, 0][name] = value
    return found


def _vad(values: Sequence[float]) -> np.ndarray:
    v, a, d = (np.array([[x]]) for x in values)
    return _struct(valence=v, arousal=a, dominance=d)


def _person(split: str, k: int) -> np.ndarray:
    labels = _cell(LABELS[k % 26], LABELS[(k + 9) % 26])  # 9: "Doubt/Confusion" among them
    vad = _vad((1 + k % 10, 5, float("nan") if k == 3 and split == "train" else 6))
    box = np.array([[2.0, 1.0, 500.0, 28.0]])
    one, named = np.array(["Male"]), np.array(["Adult"])
    if split == "train":
        return _struct(
            body_bbox=box, annotations_categories=_struct(categories=labels),
            annotations_continuous=vad, gender=one, age=named,
        )  # fmt: skip
    return _struct(
        body_bbox=box, annotations_categories=_cell(labels), combined_categories=labels,
        annotations_continuous=_cell(vad), combined_continuous=vad, gender=one, age=named,
    )  # fmt: skip


def emotic_mat(root: Path) -> Path:
    """EMOTIC's Annotations.mat: fields by position, different in train and in val and test."""
    from scipy.io import savemat

    variables = {}
    for split, count in (("train", 40), ("val", 20), ("test", 20)):
        images = []
        for k in range(count):
            folder, file = "mscoco/images", f"{split}_{k}.jpg"
            put(root / "emotic" / folder / file, 9000 + 1000 * (split == "val") + k)
            images.append(
                (
                    np.array([file]),
                    np.array([folder]),
                    _struct(n_col=np.array([[40]]), n_row=np.array([[30]])),
                    _struct(name=np.array(["mscoco"])),
                    _person(split, k),
                )
            )
        names = ("filename", "folder", "image_size", "original_database", "person")
        table = np.empty((1, count), dtype=[(name, object) for name in names])
        for place, image in enumerate(images):
            table[0, place] = image
        variables[split] = table
    (root / "Annotations").mkdir(parents=True)
    savemat(root / "Annotations" / "Annotations.mat", variables)
    return root


def emotic_csv(root: Path) -> Path:
    head = "Index,Folder,Filename,Image Size,BBox,Categorical_Labels,Continuous_Labels,Gender,Age"
    for split, count in (("train", 40), ("val", 20), ("test", 20)):
        lines = [head]
        for k in range(count):
            file = f"{split}_{k}.jpg"
            put(root / "emotic" / "framesdb" / file, 11000 + 1000 * (split == "test") + k)
            labels = [LABELS[k % 26], LABELS[(k + 9) % 26]]
            lines.append(
                f'{k},framesdb,{file},"[40, 30]","[2, 1, 30, 28]","{labels}",'
                f'"[{1 + k % 10}, 5.0, 6]",Male,Adult'
            )
        (root / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return root


def emotic_arrays(root: Path) -> Path:
    """The array release, whose label columns stand in another order (Peace first)."""
    labels = ["Peace", *(name for name in LABELS if name != "Peace")]
    head = ["Filename", "X_min", "Y_min", "X_max", "Y_max", "Gender", "Age", *labels]
    head += ["Valence", "Arousal", "Dominance", "Crop_name", "Arr_name"]
    (root / "annots_arrs").mkdir(parents=True)
    (root / "img_arrs").mkdir()
    for split, count in (("train", 40), ("val", 20), ("test", 20), ("extra_train", 2)):
        lines = [",".join(head)]
        for k in range(count):
            held = [str(int(name in (LABELS[k % 26], "Peace"))) for name in labels]
            pixels = np.asarray(picture(13000 + 100 * count + k, (40, 30)))
            np.save(root / "img_arrs" / f"{split}_{k}.npy", pixels)
            cells = ["x.jpg", "2", "1", "30", "28", "Male", "Adult", *held]
            cells += [str(1 + k % 10), "5", "6", f"crop_{k}.npy", f"{split}_{k}.npy"]
            lines.append(",".join(cells))
        (root / "annots_arrs" / f"annot_arrs_{split}.csv").write_text("\n".join(lines) + "\n")
    return root


def artphoto(root: Path) -> Path:
    for number, name in enumerate(("amusement", "anger", "sad")):
        for k in range(8):
            put(root / "testImages_artphoto" / f"{name}_{k:04d}.jpg", 15000 + 100 * number + k)
    return root


def abstract(root: Path) -> Path:
    names = "Amusement Anger Awe Content Disgust Excitement Fear Sad".split()
    lines = [",".join(["''", *(f"'{name}'" for name in names)])]
    for k in range(24):
        put(root / "testImages_abstract" / f"abstract_{k:04d}.jpg", 16000 + k)
        votes = np.ones(8, int)
        votes[k % 2 * 3] = 9
        lines.append(f"'abstract_{k:04d}.jpg'," + ",".join(map(str, votes)))
    (root / "ABSTRACT_groundTruth.csv").write_text("\n".join(lines) + "\n")
    return root


def webemo(root: Path) -> Path:
    for split in ("train25", "test25"):
        for label in (0, 19, 22):
            for k in range(6):
                seed = 17000 + 100 * label + 50 * (split == "test25") + k
                put(root / split / str(label) / f"{k}.jpg", seed)
    return root


def findingemo(root: Path) -> Path:
    lines = ["user,image_path,emotion,valence,arousal,age"]
    for k in range(30):
        put(root / "Run_1" / f"{k}.jpg", 19000 + k)
        lines.append(f"u1,/Run_1/{k}.jpg,{('Joy', 'Grief')[k % 2]},{k % 7 - 3},{k % 6},adult")
    (root / "annotations_single.ann").write_text("\n".join(lines) + "\n")
    return root


def oasis(root: Path) -> Path:
    lines = ["Theme,Valence_mean,Arousal_mean"]
    for k in range(20):
        put(root / "images" / f"Theme {k}.jpg", 20000 + k)
        lines.append(f"Theme {k},{1 + k * 0.3:.2f},{7 - k * 0.2:.2f}")
    (root / "OASIS.csv").write_text("\n".join(lines) + "\n")
    return root


def artemis(root: Path) -> Path:
    lines = ["art_style,painting,emotion,utterance,repetition"]
    for k in range(24):
        name = f"painter_picture-{k}"
        put(root / "wikiart" / "Cubism" / f"{name}.jpg", 22000 + k)
        first, other = ("awe", "sadness") if k % 2 else ("something else", "awe")
        lines += [f'Cubism,{name},{said},"so, I feel",3' for said in (first, first, other)]
    (root / "artemis_dataset_release_v0.csv").write_text("\n".join(lines) + "\n")
    return root


def ldl(root: Path) -> Path:
    """Flickr_LDL and Twitter_LDL with their votes written as a CSV."""
    lines = ["image," + ",".join(name.capitalize() for name in MIKELS)]
    for k in range(24):
        put(root / "images" / f"{k + 1}.jpg", 23000 + k)
        votes = [8 if place == k % 3 else int(place == 5) for place in range(8)]
        lines.append(f"{k + 1}.jpg," + ",".join(map(str, votes)))
    (root / "votes.csv").write_text("\n".join(lines) + "\n")
    return root


def emoverse(root: Path) -> Path:
    """The Hub dataset as downloaded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for split in ("train", "test"):
        rows = [
            {"image": {"bytes": encoded(picture(24000 + k, (40, 30)), "JPEG"), "path": None},
             "emotion_category": MIKELS[k % 2], "confidence_score": 0.9}
            for k in range(12)
        ]  # fmt: skip
        (root / "data").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), root / "data" / f"{split}-00000.parquet")
    return root


def folders(root: Path, splits: Sequence[str], each: int = 6) -> Path:
    """A folder per emotion under each split: Emo8, and EmotionROI."""
    for place, split in enumerate(splits):
        for number, name in enumerate(MIKELS):
            for k in range(each):
                put(root / split / name / f"{k}.jpg", 21000 + 1000 * place + 20 * number + k)
    return root


# every registered benchmark that is a tree of files, in its documented form
EVERY: dict[str, Callable[[Path], Path]] = {
    "emoset": lambda root: emoset(root, new=True, columns=3, each=6),
    "fi": fi,
    "emotion6": emotion6,
    "unbiased_emotion": unbiased,
    "caer_s": caer_s,
    "heco": heco,
    "emotic": emotic_mat,
    "emo8": lambda root: folders(root, ("emo8/train", "emo8/val", "emo8/test")),
    "artphoto": artphoto,
    "abstract": abstract,
    "emotionroi": lambda root: folders(root, ("train", "test")),
    "webemo": webemo,
    "findingemo": findingemo,
    "oasis": oasis,
    "artemis": artemis,
    "flickr_ldl": ldl,
    "twitter_ldl": ldl,
    "emoverse": emoverse,
}
