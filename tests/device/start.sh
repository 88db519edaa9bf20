#!/bin/sh
# Runs a phone: adbd on PORT in ROOT, which sees this machine's programs and its own files.
#   start.sh ROOT PORT FOLDER...   (FOLDERs are shown to the phone where they are here)
set -e
root=$1 port=$2
shift 2
for folder in /usr /etc "$@"; do
    mkdir -p "$root$folder"
    mount --rbind "$folder" "$root$folder"
done
for link in bin lib lib64 sbin; do [ -e "/$link" ] && ln -sfn "usr/$link" "$root/$link"; done
mkdir -p "$root/proc" "$root/dev" "$root/tmp"
mount -t proc proc "$root/proc"
[ -f "$root/state/proc-meminfo" ] && mount --bind "$root/state/proc-meminfo" "$root/proc/meminfo"
mount --rbind /dev "$root/dev"
export ADBD_PORT="$port" PATH=/system/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/
# Not as the first process of its namespace, which nothing inside could kill.
chroot "$root" /usr/sbin/adbd &
echo $! >"$root/state/adbd.pid"
wait
