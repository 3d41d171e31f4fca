#!/usr/bin/env bash
# A throw-away SLURM cluster of one node, this one: for tests, and to try a sweep before it goes to a real cluster.
#
#     launch/slurm_single_node.sh start FOLDER [CPUS]   # prints the SLURM_CONF to export; CPUS may exceed the real ones
#     launch/slurm_single_node.sh stop FOLDER
#
# As root, on Debian or Ubuntu: what is missing is installed through apt. Everything the cluster writes is under FOLDER,
# with a munge key, sockets and ports of its own, so that an installed SLURM is not touched. No accounting database.
set -euo pipefail

fail() { echo "slurm_single_node: error: $*" >&2; exit "${status:-1}"; }

install_missing() {
    local missing=() program
    for program in slurmctld slurmd munged; do
        PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing+=("$program")
    done
    [ ${#missing[@]} -eq 0 ] && return
    # Status 3: this machine cannot get the packages, which is no fault of what is tested on them.
    command -v apt-get >/dev/null || status=3 fail "no ${missing[*]}, and no apt-get; install SLURM and munge by hand"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurm-wlm munge; } >/dev/null ||
        status=3 fail "apt-get could not install slurm-wlm and munge"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

write_config() {
    local host
    host=$(hostname -s)
    # proctrack/linuxproc: follows children by their parents, for no cgroups are needed; task/none: no pinning.
    # config_overrides: the node may claim more CPUs than it has. KillWait: seconds between SIGTERM and SIGKILL.
    # batch_sched_delay, sched_interval and bf_interval: nobody wants to wait for the scheduler in a test.
    cat > "$folder/slurm.conf" <<CONF
ClusterName=jaxrl
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=1,sched_interval=5,bf_interval=5
MpiDefault=none
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
JobRequeue=1
KillWait=60
MessageTimeout=60
SlurmctldTimeout=300
SlurmdTimeout=300
PlugStackConfig=/dev/null
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
    [ "$(id -u)" -eq 0 ] || fail "only root may start slurmd; use a real cluster, or a container where you are root"
    [ ! -e "$folder/slurm.conf" ] || fail "$folder holds a cluster already; stop it, and remove the folder"
    install_missing
    mkdir -p "$folder/state" "$folder/spool"
    chmod 755 "$folder"
    write_config
    export SLURM_CONF="$folder/slurm.conf"
    (umask 077 && head -c 1024 /dev/urandom > "$folder/munge.key")
    # --force: munged would refuse a socket below /tmp.
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munged.seed" 2>/dev/null
    slurmctld -i
    slurmd
    for _ in $(seq 60); do
        if [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ]; then
            echo "$SLURM_CONF"
            return
        fi
        sleep 1
    done
    tail -n 5 "$folder"/*.log >&2
    stop
    fail "the node did not become idle within 60 s; the logs above say why"
}

stop() {
    local name pid
    for name in slurmd slurmctld munged; do
        pid=$(cat "$folder/$name.pid" 2>/dev/null || true)
        [ -n "$pid" ] && kill "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
}

[ $# -ge 2 ] || { sed -n '4,5s/^#  *//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
PATH="$PATH:/usr/sbin"
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cpus=${3:-$(nproc)}
case $1 in
    start) start ;;
    stop) stop ;;
    *) fail "there is no command $1; use start or stop" ;;
esac
