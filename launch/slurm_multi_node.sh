#!/usr/bin/env bash
# One training over several nodes of a SLURM cluster. NOT YET RUN on several nodes: one node with several tasks is
# tested (tests/slurm/test_multi_node.py), a network between them and GPUs are not.
#
#     sbatch --nodes=4 launch/slurm_multi_node.sh configs/atari/casa.yaml [--KEY VALUE ...]
#     MAX_RESTARTS=10 RUNS=/shared/runs sbatch ...      # how often it may come back, and where the run folder lies
#
# From the project's folder, on a file system that all nodes see. Options of sbatch win over those below. For many
# trainings of one node each, use jaxrl sweep --on slurm.
#
#SBATCH --job-name=jaxrl           # as squeue shows it, and %x below
#SBATCH --ntasks-per-node=1        # one process a node: it drives all GPUs of its node
#SBATCH --gpus-per-node=4          # 0 for none; runtime.actor_devices and learner_devices of the config name them
#SBATCH --cpus-per-task=32         # for EnvPool's threads; runtime.* of the config describes one node
#SBATCH --time=04:00:00            # of one attempt; a longer training comes back until it is done
#SBATCH --signal=USR1@180          # to every task, 180 s before the limit: save, and exit with status 138
#SBATCH --requeue                  # SLURM puts the job back when it preempts it or a node fails
#SBATCH --open-mode=append         # one log over all attempts
#SBATCH --output=slurm-%x-%j.log   # %j: number of the job, the same after every requeue
set -uo pipefail                   # not -e: what follows srun decides by its status

[ $# -ge 1 ] || { echo "slurm_multi_node: error: name a config" >&2; exit 2; }
[ -n "${SLURM_JOB_ID:-}" ] || { echo "slurm_multi_node: error: this is no job; start it with sbatch, as above" >&2; exit 2; }

# How often the job may come back before it stays away: one that is broken would fail for ever. SLURM counts time
# limits, preemptions and lost hosts alike, so 51 times 4 hours are the longest training.
MAX_RESTARTS=${MAX_RESTARTS:-50}

# The folder of this job, the same after every requeue; all nodes must see it.
RUNS=${RUNS:-runs/slurm-$SLURM_JOB_ID}

# See launch/gpu_workstation.sh for what these do. Collectives between nodes gain from the latency-hiding scheduler.
export XLA_FLAGS="${XLA_FLAGS:-} --xla_gpu_enable_latency_hiding_scheduler=true"
export XLA_PYTHON_CLIENT_PREALLOCATE=true
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# NCCL takes the first network interface that it finds; where that is the slow one, name the fast one.
# export NCCL_SOCKET_IFNAME=ib0

# Host 0 listens on a port that follows from the job's number. Name another where a firewall closes those above 61439.
# export JAX_COORDINATOR_PORT=12345

# The first attempt starts a run, and so does every later one until something was saved.
resume=()
if compgen -G "$RUNS/*/checkpoints/[0-9]*-*" >/dev/null; then
    resume=(--resume latest)
fi

# --cpus-per-task: since SLURM 22.05 srun no longer takes it from sbatch, and a task may be bound to a single core.
# --kill-on-bad-exit=0: when a host is lost, the others end by themselves, each with its own status.
# --wait=0: host 0 evaluates when the others have ended, and must not be killed for it.
# coordinator auto: address, number and index of this process from SLURM's variables.
# record.runs_dir: where --resume latest looks.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 --wait=0 \
    .venv/bin/jaxrl train "$@" --hosts.coordinator auto --record.runs_dir "$RUNS" "${resume[@]}"
status=$? # the highest of all tasks

# 138: the time limit; 75: another host was lost; 137: a task was killed. All go on from the newest checkpoint. 143 is
# not among them: SIGTERM comes from scancel, or from SLURM when it preempts the job, and then SLURM requeues it itself.
case $status in
    75 | 137 | 138) ;;
    *) exit "$status" ;;
esac
if [ "${SLURM_RESTART_COUNT:-0}" -ge "$MAX_RESTARTS" ]; then # not set in the first attempt
    echo "slurm_multi_node: error: status $status after $MAX_RESTARTS restarts, so the job does not come back; to go" \
        "on from its newest checkpoint, submit it again with RUNS=$RUNS" >&2
    exit "$status"
fi
scontrol requeue "$SLURM_JOB_ID"
exit "$status"
