"""What the parts were designed to reach; the page and the scripts' exit codes read it here."""

# GFLOP of one step at most: ViT-B/16, batch 8, nine tenths masked
STEP_GFLOP = {"plain": 720.0, "cached_teacher": 440.0, "light_decoder": 250.0}
# The public step's seconds over ours, at least: ViT-B/16, batch 8, on a CPU that computes in bf16
STEP_TIMES = {"plain": 3.0, "cached_teacher": 4.5, "light_decoder": 8.0}
# Pictures per CPU second of the small step over those of 4d54b67, and its wait for data
SMALL_STEP_TIMES, SMALL_STEP_WAIT = 3.0, 0.03
# Verifying over hashing and decoding alone, at least; checksums of a build's CPU time, at most;
# what is sent again of a dataset of which one row in a hundred changed, at most
VERIFY_TIMES, CHECKSUM_SHARE, UPLOAD_SHARE = 0.8, 0.03, 0.05
# CPU seconds and MB at most: importing 200,000 votes on 50,000 rows
VOTES_S, VOTES_MB = 20.0, 500.0
