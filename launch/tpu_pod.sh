#!/usr/bin/env bash
# One training on a TPU pod slice. NOT YET RUN: no TPU was at hand.
#
#     TPU=name ZONE=us-central2-b RUNS=/mnt/bucket/runs launch/tpu_pod.sh configs/atari/casa.yaml [--KEY VALUE ...]
#
# Runs on your own machine, and starts the same command on every worker of the slice through gcloud. The project must lie
# in ~/jaxrl on every worker with .venv made by:
#
#     gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all \
#         --command='cd jaxrl && make install && .venv/bin/pip install "jax[tpu]"'
set -euo pipefail

[ $# -ge 1 ] || { echo "tpu_pod: error: name a config" >&2; exit 2; }
: "${TPU:?the name of the TPU VM}" "${ZONE:?its zone}"

# Worker 0 alone writes the run folder; put it on a disk that survives the slice, such as a mounted bucket.
RUNS=${RUNS:-runs}

# xla_tpu_enable_latency_hiding_scheduler: collectives overlap with arithmetic.
# Memory needs no settings: a TPU's is taken by one process as a whole.
settings='export OMP_NUM_THREADS=1 LIBTPU_INIT_ARGS="--xla_tpu_enable_latency_hiding_scheduler=true"'

# runtime.* of the config describes one worker: with 4 chips each, for instance one actor device and three learner devices,
#     --runtime.actor_devices "[0]" --runtime.learner_devices "[1,2,3]" --runtime.envs_per_pool 48
# bfloat16 is what a TPU multiplies: --network.dtype bfloat16. coordinator auto: from the slice's metadata.
words=$(printf '%q ' "$@" --hosts.coordinator auto --record.runs_dir "$RUNS")

# --worker=all: every worker must run it, or the others wait. Add --resume to the words to go on after a preemption: the
# exit status is 75 on the workers that are left when one is taken away.
exec gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all \
    --command="cd jaxrl && $settings && .venv/bin/jaxrl train $words"
