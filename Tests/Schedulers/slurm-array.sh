#!/usr/bin/env bash
# One tangent kernel spread over a Slurm job array, and joined: the same bytes as from a single process.
#
# Starts a Slurm of its own on this machine (Debian: apt-get install slurm-wlm munge; needs root), so that nothing has to
# be configured. On a real cluster only the two sbatch lines count. Not a part of the tests that run by themselves.
#
#   Tests/Schedulers/slurm-array.sh [path of ad-demo] [parts]
set -euo pipefail

program=$(realpath "${1:-.build/release/ad-demo}")
parts=${2:-4}
work=$(mktemp -d)
host=$(hostname -s)

# --- A Slurm of one machine -----------------------------------------------------------------------------------------
mkdir -p "$work/state" "$work/spool" "$work/munge"
dd if=/dev/urandom of="$work/munge/key" bs=1024 count=1 status=none
chmod 700 "$work/munge"
chmod 600 "$work/munge/key"
munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge/socket" \
  --pid-file="$work/munge/pid" --log-file="$work/munge/log" --seed-file="$work/munge/seed" &
cat >"$work/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
NodeName=$host CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$work/slurm.conf"
slurmctld -D &
slurmd -D &
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 60); do sinfo -h -t idle -o %n 2>/dev/null | grep -q . && break; sleep 1; done
sinfo

# --- The kernel: an array of parts, then a job that joins them ------------------------------------------------------
kernel="$program kernel --examples 600 --width 128 --outputs 10 --tile 50"
array=$(sbatch --parsable --array=0-$((parts - 1)) --chdir="$work" --output="$work/part-%a.log" \
  --wrap "AUTODIFF_THREADS=1 $kernel --output shared --shard auto")
merge=$(sbatch --parsable --dependency=afterok:"$array" --chdir="$work" --output="$work/merge.log" \
  --wrap "$kernel --output shared --merge $parts")
while squeue -h -j "$array,$merge" 2>/dev/null | grep -q .; do sleep 1; done
tail -n 2 "$work"/part-*.log
cat "$work/merge.log"

$kernel --output "$work/alone" >/dev/null
cmp "$work/shared/kernel.npy" "$work/alone/kernel.npy"
echo "The kernel of $parts processes has the bytes of one."
