#!/bin/sh
# Lets Kubernetes do the runs of a sweep: an indexed Job of members.yaml for each round, each once the
# one before is complete, and then the Job of collect.yaml.
#
#   docs/cluster/kubernetes.sh SWEEP.toml OUT IMAGE CLAIM
#
# IMAGE has `trainer` on its PATH. CLAIM is a volume claim that many nodes may write to (ReadWriteMany)
# with SWEEP.toml, the recipe and the data that it names, and OUT, all relative to the volume's root;
# SWEEP.toml must be here under that name too. What has a result is not repeated.
set -eu
if [ $# -ne 4 ]; then
    echo "usage: $0 SWEEP.toml OUT IMAGE CLAIM" >&2
    exit 2
fi
file=$1 out=$2 image=$3 claim=$4
trainer=${TRAINER:-target/debug/trainer}
manifests=$(dirname "$0")
members=$("$trainer" sweep "$file" --members)

apply() { # MANIFEST JOB ROUND MEMBERS
    sed -e "s|@JOB@|$2|; s|@ROUND@|$3|; s|@MEMBERS@|$4|" \
        -e "s|@FILE@|$file|; s|@OUT@|$out|; s|@IMAGE@|$image|; s|@CLAIM@|$claim|" \
        "$manifests/$1" | kubectl apply -f -
    while :; do
        case " $(kubectl get "job/$2" -o 'jsonpath={.status.conditions[?(@.status=="True")].type}') " in
        *" Complete "*) return ;;
        *" Failed "*)
            echo "error: job $2 failed; see 'kubectl describe job/$2', delete it and start again" >&2
            return 1
            ;;
        esac
        sleep 5
    done
}
round=1
for count in $members; do
    apply members.yaml "sweep-round-$round" "$round" "$count"
    round=$((round + 1))
done
apply collect.yaml sweep-collect 0 1
kubectl logs job/sweep-collect
