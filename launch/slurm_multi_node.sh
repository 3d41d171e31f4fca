#!/usr/bin/env bash
# One training over several nodes of a SLURM cluster. NOT YET RUN on several nodes: training over several processes under
# `srun` is tested on one machine (docs/hosts.md), this script is not.
#
#     sbatch --nodes=4 launch/slurm_multi_node.sh configs/atari/casa.yaml [--KEY VALUE ...]
#
# For many trainings of one node each, use launch/sweep.py --on slurm.
#
#SBATCH --job-name=jaxrl
#SBATCH --ntasks-per-node=1       # one process a node: it drives all GPUs of its node
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32        # for EnvPool's threads; runtime.* of the config describes one node
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@180         # to every task, 180 s before the limit: save, and exit with status 138
#SBATCH --requeue                 # SLURM puts the job back when it preempts it or a node fails
#SBATCH --open-mode=append        # one log over all requeues
#SBATCH --output=slurm-%x-%j.log
set -uo pipefail

[ $# -ge 1 ] || { echo "slurm_multi_node: error: name a config" >&2; exit 2; }

# The folder of this job, the same after every requeue; all nodes must see it.
RUNS=${RUNS:-runs/slurm-$SLURM_JOB_ID}

# See launch/gpu_workstation.sh for what these do. Collectives between nodes gain from the latency-hiding scheduler.
export XLA_FLAGS="${XLA_FLAGS:-} --xla_gpu_enable_latency_hiding_scheduler=true"
export XLA_PYTHON_CLIENT_PREALLOCATE=true
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# NCCL takes the first network interface that it finds; where that is the slow one, name the fast one.
# export NCCL_SOCKET_IFNAME=ib0

resume=()
if compgen -G "$RUNS/*/checkpoints/[0-9]*-*" >/dev/null; then
    resume=(--resume latest)
fi

# coordinator auto: address, number and index of this process from SLURM's variables.
# --kill-on-bad-exit=0: when a host is lost, the others end by themselves, each with its own status.
srun --kill-on-bad-exit=0 .venv/bin/jaxrl train "$@" --hosts.coordinator auto --record.runs_dir "$RUNS" "${resume[@]}"
status=$?

# 138: the time limit; 75: another host was lost; 137: a task was killed. All go on from the newest checkpoint.
case $status in
    75 | 137 | 138) scontrol requeue "$SLURM_JOB_ID" ;;
esac
exit $status
