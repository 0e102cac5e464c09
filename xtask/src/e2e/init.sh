#!/bin/sh
# The first process on a kernel under test: mounts what Linux needs, runs the tests, switches off.
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t securityfs security /sys/kernel/security
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
chmod 1777 /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for module in /lib/modules/*; do insmod "$module" || echo "not loaded: $module"; done
ip link set lo up
# The rest of the kernel's talk would be in the middle of the tests' lines.
dmesg -n 1

export GATEWAY_BIN=/tests/gateway GATEWAY_ATTACKER=/tests/attacker CARGO_TARGET_DIR=/tmp
# Turns are taken slowly on an emulated machine.
export GATEWAY_CHAOS_CYCLES=5 RUST_TEST_THREADS=1 RUST_BACKTRACE=0
only=$(cat /tests/only)
echo "== $(uname -r), security modules: $(cat /sys/kernel/security/lsm)"
/tests/kernel ${only:-kernel::}
echo "== kernel tests: $?"
/tests/bypass $only
echo "== bypass suite: $?"
poweroff -f
