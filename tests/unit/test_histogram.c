/* core/base/histogram: how long things took. */
#include "core/base/histogram.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct histogram histogram;
static struct buf text;

static void begin(void) {
    memset(&histogram, 0, sizeof histogram);
    text = buf_make(65536);
}

static void end(void) {
    buf_free(&text);
}

static void must_say(const char *line) {
    ck_assert_msg(strstr(text.data, line) != NULL, "no %s in %s", line, text.data);
}

START_TEST(each_bound_counts_what_was_not_longer) {
    begin();
    histogram_add(&histogram, 0.0005);
    histogram_add(&histogram, 0.00050001); /* the bound is exact to a microsecond */
    histogram_add(&histogram, 0.0005011);
    histogram_add(&histogram, 0.9);
    histogram_put(&histogram, "x_seconds", "what it is", &text);
    must_say("# HELP x_seconds what it is\n# TYPE x_seconds histogram\n");
    must_say("x_seconds_bucket{le=\"0.00025\"} 0\n");
    must_say("x_seconds_bucket{le=\"0.0005\"} 2\n");
    must_say("x_seconds_bucket{le=\"0.001\"} 3\n");
    must_say("x_seconds_bucket{le=\"0.5\"} 3\n");
    must_say("x_seconds_bucket{le=\"1\"} 4\n");
    must_say("x_seconds_bucket{le=\"10\"} 4\n");
    must_say("x_seconds_bucket{le=\"+Inf\"} 4\n");
    must_say("x_seconds_sum 0.901501\nx_seconds_count 4\n");
    end();
}
END_TEST

START_TEST(what_took_longer_than_all_bounds_is_counted) {
    begin();
    histogram_add(&histogram, 3600);
    histogram_put(&histogram, "x", "x", &text);
    must_say("x_bucket{le=\"10\"} 0\n");
    must_say("x_bucket{le=\"+Inf\"} 1\n");
    must_say("x_sum 3600.000000\nx_count 1\n");
    end();
}
END_TEST

/* The clock of another machine may be ahead. */
START_TEST(less_than_no_time_is_none) {
    begin();
    histogram_add(&histogram, -5);
    ck_assert_uint_eq(histogram.counts[0], 1);
    ck_assert_uint_eq(histogram.sum, 0);
    end();
}
END_TEST

UNIT_MAIN("histogram", each_bound_counts_what_was_not_longer,
          what_took_longer_than_all_bounds_is_counted, less_than_no_time_is_none)
