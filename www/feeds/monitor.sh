#!/bin/sh
# Publishes this machine's load, memory and Redis figures once a second, for
# monitor.html. The arguments are redis-cli's own:
#
#   feeds/monitor.sh -s /run/redis/redis-server.sock
#
# Nothing here knows Halley: it is a script that calls `redis-cli PUBLISH`.

cpus=$(grep -c '^processor' /proc/cpuinfo)
busy_was=0 total_was=0

while :; do
    # Since the last second: the share of time in which the processors were not idle.
    read -r _ user nice system idle iowait irq softirq _ < /proc/stat
    busy=$((user + nice + system + irq + softirq))
    total=$((busy + idle + iowait))
    cpu=$((total > total_was ? 100 * (busy - busy_was) / (total - total_was) : 0))
    busy_was=$busy total_was=$total

    message=$(redis-cli "$@" INFO | tr -d '\r' |
        awk -F '[: ]+' -v cpus="$cpus" -v cpu="$cpu" '
            FILENAME == "/proc/loadavg" { load = $1 "," $2 "," $3 }
            { value[$1] = $2 }
            END {
                if (value["used_memory"] == "") exit 1
                printf "{\"cpus\":%d,\"cpu\":%d,\"load\":[%s],", cpus, cpu, load
                printf "\"memory\":{\"total\":%.0f,\"used\":%.0f},", value["MemTotal"] * 1024,
                    (value["MemTotal"] - value["MemAvailable"]) * 1024
                printf "\"redis\":{\"memory\":%.0f,\"clients\":%d,\"ops\":%d}}",
                    value["used_memory"], value["connected_clients"], value["instantaneous_ops_per_sec"]
            }' /proc/loadavg /proc/meminfo -) &&
        redis-cli "$@" PUBLISH halley:monitor "$message" > /dev/null
    sleep 1
done
