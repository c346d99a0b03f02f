#!/bin/sh
# A SIMULATION of football matches for scoreboard.html: invented teams, random events.
# Ninety minutes take three, then the next match begins. The arguments are redis-cli's own:
#
#   feeds/scoreboard.sh -s /run/redis/redis-server.sock

redis='redis-cli'
for argument in "$@"; do redis="$redis '$argument'"; done

exec awk -v redis="$redis > /dev/null" '
function tell(event, more) {
    printf "PUBLISH halley:scoreboard '\''{\"event\":\"%s\",\"minute\":%d,\"score\":[%d,%d]%s}'\''\n",
        event, minute, goals[0], goals[1], more | redis
    fflush(redis)
}
function any(list, words, count) { count = split(list, words, " "); return words[int(rand() * count) + 1] }
BEGIN {
    srand()
    teams = "Comets Meteors Rovers Orbiters Eclipse Perihelion Aurora Zenith"
    players = "Arden Bellamy Castro Dvorak Ekström Farouk Greco Hansen Ito Jansen Kovač Lund Moreau Novak Okafor Petrov"
    for (;;) {
        minute = goals[0] = goals[1] = 0
        home = any(teams)
        do away = any(teams); while (away == home)
        tell("kickoff", sprintf(",\"teams\":[\"%s\",\"%s\"]", home, away))
        for (minute = 1; minute <= 90; minute++) {
            system("sleep 2")
            side = int(rand() * 2)
            who = sprintf(",\"side\":%d,\"player\":\"%s\"", side, any(players))
            luck = rand()
            if (luck < 0.03) { goals[side]++; tell("goal", who) }
            else if (luck < 0.10) tell("chance", who)
            else if (luck < 0.13) tell("yellow card", who)
            else if (luck < 0.133) tell("red card", who)
            else if (luck < 0.15) tell("substitution", who)
            else if (minute == 45) tell("half time", "")
            else tell("clock", "")
        }
        minute = 90
        tell("full time", "")
        system("sleep 15")
    }
}'
