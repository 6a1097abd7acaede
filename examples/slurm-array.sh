#!/bin/sh
#SBATCH --job-name=batchctl
#SBATCH --array=1-8
#SBATCH --time=02:00:00
# A signal before the end, so that calls on the wire finish.
#SBATCH --signal=B:TERM@120
#
# Stops the cameras from eight machines. All have the same list and the same rate; each sends its part.
# Begun again after a failure, a part goes on where it stopped.
#
#   sbatch slurm-array.sh cameras.csv
#   batchctl report merge "$HOME"/vias-shards/*/runs/*.db -o results.csv     # when all have ended
set -u

# One directory a part. It must be on a disk of the machine: copy the files together afterwards if
# the home directory is on a network file system, which is refused.
state=${VIAS_STATE:-$HOME/vias-shards}/$SLURM_ARRAY_TASK_ID

if ls "$state"/runs/*.db >/dev/null 2>&1; then
    exec batchctl resume --state-dir "$state" --token-file "$HOME/.vias-token" --progress lines
fi
exec batchctl stop "$1" --shard auto --rate 80/s --state-dir "$state" \
    --token-file "$HOME/.vias-token" --progress lines
