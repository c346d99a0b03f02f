/* Writes the one line of JSON; its shape is described in report.h. */
#include "tests/bench/load/report.h"

#include "tests/bench/load/conn.h"
#include "tests/bench/load/crowd.h"
#include "tests/bench/load/trouble.h"

#include <inttypes.h>
#include <stdio.h>

static void put_string(const char *text) {
    if (!text) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < ' ')
            printf("\\u%04x", (unsigned)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

void report_begin(const struct options *options, size_t waiters, bool complete) {
    printf("{\"mode\":\"%s\",\"proto\":", options->mode_name);
    put_string(options->proto);
    printf(",\"waiters\":%zu,\"size\":%zu,\"again\":\"%s\",\"complete\":%s", waiters, options->size,
           options->after_last ? "after-last" : "at-once", complete ? "true" : "false");
}

void report_times(const char *name, struct summary summary, const struct sample *each) {
    printf(",\"%s\":{\"count\":%" PRIu64, name, summary.count);
    printf(",\"min\":%.3f,\"median\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f", summary.min,
           summary.median, summary.p95, summary.p99, summary.max);
    if (each) {
        fputs(",\"each\":[", stdout);
        for (size_t i = 0; i < each->count; i++)
            printf("%s%.3f", i ? "," : "", (double)each->us[i] / 1000);
        putchar(']');
    }
    putchar('}');
}

static double seconds_of(const struct meter *meter) {
    return (double)meter->wall_us / 1e6;
}

static double per_second(uint64_t units, const struct meter *meter) {
    return meter->wall_us > 0 ? (double)units / seconds_of(meter) : 0;
}

void report_deliveries(const struct tally *tally, uint64_t delivered, const struct meter *meter) {
    printf(",\"published\":%" PRIu64 ",\"deliveries\":%" PRIu64, tally->published, delivered);
    printf(",\"seconds\":%.6f,\"per_second\":%.1f", seconds_of(meter),
           per_second(delivered, meter));
    printf(",\"lost\":%" PRIu64 ",\"doubled\":%" PRIu64, tally->lost, tally->doubled);
    printf(",\"reordered\":%" PRIu64 ",\"stray\":%" PRIu64, tally->reordered, tally->stray);
}

void report_requests(uint64_t requests, const struct meter *meter) {
    printf(",\"requests\":%" PRIu64 ",\"seconds\":%.6f,\"per_second\":%.1f", requests,
           seconds_of(meter), per_second(requests, meter));
}

static void put_cpu(const char *label, int64_t ns, uint64_t units) {
    put_string(label);
    printf(":{\"seconds\":%.6f,\"us_each\":%.3f}", (double)ns / 1e9,
           units > 0 ? (double)ns / 1e3 / (double)units : 0);
}

void report_end(const struct options *options, const struct meter *meter, uint64_t units) {
    printf(",\"errors\":%" PRIu64 ",\"first_error\":", trouble_count());
    put_string(trouble_first());
    printf(",\"reopened\":%" PRIu64 ",\"unsettled\":%" PRIu64 ",\"cpu\":{", conn_reopened(),
           crowd_unsettled());
    put_cpu("load", meter->own_ns, units);
    for (size_t i = 0; i < options->watched_count; i++) {
        putchar(',');
        put_cpu(options->watched[i].label, meter->watched_ns[i], units);
    }
    puts("}}");
}
