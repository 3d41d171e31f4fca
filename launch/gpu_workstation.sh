#!/usr/bin/env bash
# A sweep on a workstation with GPUs. NOT YET RUN on the hardware it is for: the launcher is tested, these settings are
# not.
#
#     launch/gpu_workstation.sh configs/sweeps/pong_cpu_random.yaml [words for jaxrl sweep]
#     RUNS_PER_GPU=2 launch/gpu_workstation.sh ...
#
# To be executed, not sourced: it ends in a sweep. For one training, copy the exports below into your shell, then
# `.venv/bin/jaxrl train CONFIG`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# How many runs share a GPU. These networks are small: two or three often fit and keep it busier than one. With more
# than one the launcher divides the memory among them (XLA_PYTHON_CLIENT_MEM_FRACTION = 0.9 / RUNS_PER_GPU each); one
# alone takes JAX's default, three quarters.
RUNS_PER_GPU=${RUNS_PER_GPU:-1}

# Take memory at the start, in one piece: no fragmentation, and a run that does not fit fails at once. Set it to false
# only to see what a run really needs (`nvidia-smi`), for it costs speed.
export XLA_PYTHON_CLIENT_PREALLOCATE=${XLA_PYTHON_CLIENT_PREALLOCATE:-true}

# Compiled programs that took longer than half a second are kept, here for all sweeps; the launcher alone would keep
# them for one. Runs that start at the same time all compile.
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-${HOME:-/tmp}/.cache/jaxrl/xla}

# xla_gpu_enable_latency_hiding_scheduler: overlaps copies and collectives with arithmetic; matters with several learner
# devices, harmless with one.
# xla_gpu_deterministic_ops is left out: it gives the same bits run after run on GPUs too, and costs speed. Add it to
# compare two versions of the code.
export XLA_FLAGS="${XLA_FLAGS:-} --xla_gpu_enable_latency_hiding_scheduler=true"

# float32 matrix products use TF32 by default on recent GPUs: 10 bits of mantissa. `highest` gives full float32, slower.
# export JAX_DEFAULT_MATMUL_PRECISION=highest

# EnvPool steps games in threads of its own; NumPy's must not compete with them.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

[ $# -ge 1 ] || { sed -n '5,6s/^#  *//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
command -v nvidia-smi >/dev/null || { echo "gpu_workstation: error: no nvidia-smi; use jaxrl sweep" >&2; exit 1; }
.venv/bin/jaxrl doctor --require gpu

# As many runs at a time as GPUs times RUNS_PER_GPU; each sees one GPU (CUDA_VISIBLE_DEVICES) and is pinned to an even
# share of the cores. These two options come last, so they win over the same ones among the words.
exec .venv/bin/jaxrl sweep "$@" --on local --runs-per-gpu "$RUNS_PER_GPU"
