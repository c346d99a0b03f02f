#include "fcgi-app/counts/stats.h"

void stats_problem(struct stats *stats, int status, const char *detail) {
    stats->answers_4xx += status >= 400 && status < 500;
    stats->answers_429 += status == 429;
    stats->answers_503 += status == 503;
    problems_count(&stats->problems, status, detail);
}

uint64_t stats_connected(const struct stats *stats) {
    return stats->connections + stats->sockets + stats->line_clients;
}
