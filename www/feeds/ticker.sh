#!/bin/sh
# A SIMULATION of a market for ticker.html: invented names, random prices. Four times
# a second it publishes what has changed, and now and then everything, so that whoever
# comes late soon has all of it. The arguments are redis-cli's own:
#
#   feeds/ticker.sh -s /run/redis/redis-server.sock

redis='redis-cli'
for argument in "$@"; do redis="$redis '$argument'"; done

# One redis-cli takes command after command; awk runs until it is stopped.
exec awk -v redis="$redis > /dev/null" 'BEGIN {
    srand()
    count = split("ALTO BASIL CEDAR DUNE ELMO FJORD GALE HAZEL IRIS JUNO KELP LARCH " \
        "MICA NOVA ONYX PINE QUILL REED SAGE TERN UMBRA VALE WREN YARROW", names, " ")
    for (i = 1; i <= count; i++) price[i] = open[i] = 20 + 180 * rand()

    for (n = 0; ; n++) {
        full = n % 40 == 0
        changed = ""
        for (i = 1; i <= count; i++) {
            if (!full && rand() > 0.2) continue
            # A random walk that is drawn back a little to where it began.
            price[i] *= 1 + (rand() - 0.5) * 0.006 + (open[i] / price[i] - 1) * 0.002
            changed = changed sprintf("%s\"%s\":%.2f", changed == "" ? "" : ",", names[i], price[i])
        }
        opened = ""
        for (i = 1; full && i <= count; i++)
            opened = opened sprintf("%s\"%s\":%.2f", i == 1 ? ",\"open\":{" : ",", names[i], open[i])
        if (full) opened = opened "}"
        if (changed != "") printf "PUBLISH halley:ticker '\''{\"prices\":{%s}%s}'\''\n", changed, opened | redis
        fflush(redis)
        system("sleep 0.25")
    }
}'
