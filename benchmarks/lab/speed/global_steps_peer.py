"""The steps over all rows by the code of 4d54b67; run in its checkout with a BUILD as argument."""

import json
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from emo8.calibration import Calibrations
from emo8.claims import Claims
from emo8.copies import find
from emo8.copies.drop import Copies
from emo8.narrow import read_narrow
from emo8.parts import write_text
from emo8.recipe import parse_recipe
from emo8.verdicts import provenance_of_copies, write

from emo8 import decide, leaks, places, report, splits, votes

build = Path(sys.argv[1])
recipe = parse_recipe({"source": [{"kind": "folder", "path": "."}]}, where="synthetic")
parts = list(range(len(list((build / "rows").glob("part-*.parquet")))))
pairs = pd.DataFrame({name: pd.Series(dtype="int32") for name in ("left", "right")})
pairs = pairs.assign(**{name: pd.Series(dtype=float) for name in find.NUMBERS})
pairs["mirrored"] = pairs["mirrored"].astype(bool)
config, seed = recipe.splits, recipe.seed
started, cpu = time.perf_counter(), time.process_time()
earlier = splits.earlier_splits(build, build, config, seed)
decider = decide.Decider(
    config=recipe.decide,
    leaks=leaks.Leaks(config=recipe.leaks, recipe_dir=build, build=build, model=None),
    copies=Copies(
        config=recipe.decide,
        build=build,
        earlier=earlier,
        pairs=SimpleNamespace(compared=lambda limits: pairs),
    ),
    removals=[],
    claims=Claims(
        labels=recipe.labels,
        votes=recipe.votes,
        cast=votes.counted(votes.read_votes(build)),
        calibrations=Calibrations(),
    ),
)
verdicts = decider.run(read_narrow(build, parts, without=decide.UNREAD))
drawn = splits.assign(verdicts, earlier, config, seed)
verdicts["split"] = splits.keep_claimed(drawn, verdicts["cluster"], verdicts["split_source"])
splits.remember(build, verdicts, earlier, config, seed)
summary = json.dumps(splits.summary(verdicts, earlier, config), indent=2)
write_text(build / "report" / "splits.json", summary)
verdicts["also_from"] = provenance_of_copies(verdicts)
known = places.published(build, build, config.keep)
verdicts[["shard", "rank"]] = places.assign(verdicts, known, recipe.ingest.part_rows)
write(build, verdicts, "synthetic")
report.write_report(build, verdicts, report.statistics(verdicts, ["embedded"]))
told = {"cpu_s": time.process_time() - cpu, "seconds": time.perf_counter() - started}
told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
sys.stdout.write(json.dumps(told))
