#!/bin/sh
# Lets Slurm do the runs of a sweep: an array for each round, each behind the one before, and behind
# the last of them the table, the page and best.toml.
#
#   cargo build -p trainer
#   docs/cluster/slurm.sh SWEEP.toml OUT [OPTIONS of trainer sweep, such as --data DIR]
#
# All nodes must see this folder, the data and OUT under the same names. Partition, time and memory are
# sbatch's own variables, such as SBATCH_PARTITION; the program is TRAINER. If a member fails, what
# depends on it is dropped; the same command repeats what has no result and nothing else.
set -eu

# As a job of its own: Slurm has a copy of this script and its arguments.
if [ "${1:-}" = --job ]; then
    shift
    exec "$@"
fi
if [ $# -lt 2 ]; then
    echo "usage: $0 SWEEP.toml OUT [OPTIONS]" >&2
    exit 2
fi
file=$1 out=$2
shift 2
trainer=${TRAINER:-target/debug/trainer}
members=$("$trainer" sweep "$file" --members)
mkdir -p "$out/logs"

after=
submit() { # NAME LOG MORE-OF-SBATCH…
    name=$1 log=$2
    shift 2
    sbatch --parsable --job-name="$name" --output="$out/logs/$log" --ntasks=1 --cpus-per-task=1 \
        --requeue --kill-on-invalid-dep=yes ${after:+--dependency=afterok:$after} "$@"
}
round=1
for count in $members; do
    id=$(submit "sweep-round-$round" "round-$round-member-%a.log" --array="0-$((count - 1))" \
        "$0" --job "$trainer" sweep "$file" --out "$out" "$@" --member --round "$round")
    after=${id%%;*}
    echo "round $round: $count members, job $after"
    round=$((round + 1))
done
id=$(submit sweep-collect collect.log "$0" --job "$trainer" sweep "$file" --out "$out" "$@" --collect)
echo "table and page: job ${id%%;*}, then $out/logs/collect.log, $out/sweep.html, $out/best.toml"
