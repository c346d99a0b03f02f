/* worker/formats and worker/ingest: what others publish, as channels and payloads. */
#include "worker/ingest.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"
#include "worker/formats/formats.h"
#include "worker/formats/msgpack.h"

#define BYTES(text) text, sizeof(text) - 1

/* What a publish means: its channels, with a blank behind each, and its payload; or why not. */
static const char *meant_as(enum ingest_format format, const char *pattern, const char *part,
                            const char *payload, size_t len) {
    struct published published = {part, strlen(part), payload, len};
    struct meaning meaning = meaning_begin(pattern, 3);
    const char *said;

    if (format_of(format)(&published, &meaning)) {
        char *channels = keepf("%.*s", (int)meaning.channels.len,
                               meaning.count > 0 ? meaning.channels.data : "");
        for (char *at = channels; (at = strchr(at, '\n')) != NULL;)
            *at = ' ';
        said = keepf("%s%zu %.*s", channels, meaning.left_out, (int)meaning.payload_len,
                     meaning.payload);
    } else {
        said = keepf("%s", meaning.why);
    }
    meaning_free(&meaning);
    return said;
}

struct row {
    const char *payload;
    size_t len;
    const char *want;
};

static void must_mean(enum ingest_format format, const char *part, const struct row *rows,
                      size_t count) {
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(meant_as(format, "*", part, rows[i].payload, rows[i].len), rows[i].want);
}

START_TEST(raw_is_what_it_is) {
    const struct row rows[] = {{BYTES("hello"), "news 0 hello"},
                               {BYTES("{\"a\""), "news 0 {\"a\""}};

    must_mean(INGEST_RAW, "news", rows, ROWS(rows));
    ck_assert_str_eq(meant_as(INGEST_RAW, "*", "{news}", BYTES("x")), "1 x");
    ck_assert_str_eq(meant_as(INGEST_RAW, "site/*/b", "a", BYTES("x")), "site/a/b 0 x");
}
END_TEST

START_TEST(laravel_is_an_event_as_it_is) {
    static const char none[] = "laravel: no event with data", bad[] = "laravel: not a JSON object";
    const struct row rows[] = {
        {BYTES("{\"event\":\"App\\\\Events\\\\X\",\"data\":{\"i\":1},\"socket\":null}"),
         "orders 0 {\"event\":\"App\\\\Events\\\\X\",\"data\":{\"i\":1},\"socket\":null}"},
        {BYTES("{\"event\":\"a\",\"data\":null}"), "orders 0 {\"event\":\"a\",\"data\":null}"},
        {BYTES("{\"event\":1,\"data\":{}}"), none},
        {BYTES("{\"event\":\"a\"}"), none},
        {BYTES("[\"event\",\"data\"]"), bad},
        {BYTES("{\"event\":\"a\",\"data\":"), bad},
        {BYTES("{\"event\":\"a\",\"data\":\"\\ud800\"}"), bad},
        {BYTES(""), bad}};

    must_mean(INGEST_LARAVEL, "orders", rows, ROWS(rows));
}
END_TEST

START_TEST(juggernaut_goes_to_each_of_its_channels) {
    static const char none[] = "juggernaut: no data with channels";
    const struct row rows[] = {
        {BYTES("{\"channels\":[\"a\",\"b\"],\"data\":{\"x\":1},\"except\":\"7\"}"),
         "a b 0 {\"x\":1}"},
        {BYTES("{\"channels\":\"a\",\"data\":\"hi\"}"), "a 0 \"hi\""},
        {BYTES("{\"channels\":[\"a\",\"\\u0061\",\"b{}\",\"~a\"],\"data\":1}"), "a 2 1"},
        {BYTES("{\"channels\":[\"a\",\"b\",\"c\",\"d\"],\"data\":1}"), "a b c 1 1"},
        {BYTES("{\"channels\":[],\"data\":1}"), "0 1"},
        {BYTES("{\"channels\":[1],\"data\":1}"), none},
        {BYTES("{\"channels\":[\"a\"]}"), none},
        {BYTES("{\"data\":1}"), none},
        {BYTES("nothing"), "juggernaut: not a JSON object"}};

    must_mean(INGEST_JUGGERNAUT, "juggernaut", rows, ROWS(rows));
    ck_assert_str_eq(
        meant_as(INGEST_JUGGERNAUT, "j.*", "", BYTES("{\"channels\":\"a\",\"data\":1}")),
        "j.a 0 1");
}
END_TEST

#define HEAD                                                                                       \
    "\x93\xa7"                                                                                     \
    "emitter\x83\xa4type\x02\xa4"                                                                  \
    "data"
#define TAIL                                                                                       \
    "\xa3nsp\xa1/\x83\xa5rooms\x90\xa5"                                                            \
    "flags\x80\xa6"                                                                                \
    "except\x90"

START_TEST(socketio_is_an_event_in_each_of_its_rooms) {
    const struct row rows[] = {
        /* what a real emitter sent for emit("hello", {a:1}) */
        {BYTES(HEAD "\x92\xa5hello\x81\xa1"
                    "a\x01" TAIL),
         "/ 0 {\"event\":\"hello\",\"data\":{\"a\":1}}"},
        {BYTES(HEAD "\x91\xa1x" TAIL), "/ 0 {\"event\":\"x\",\"data\":[],\"args\":true}"},
        {BYTES(HEAD "\x93\xa1x\x01\xc0" TAIL),
         "/ 0 {\"event\":\"x\",\"data\":[1,null],\"args\":true}"},
        {BYTES(HEAD "\x92\xa1x\x81\xa1/\xc4\x02hi" TAIL),
         "/ 0 {\"event\":\"x\",\"data\":{\"/\":\"aGk=\"},\"binary\":[\"/~1\"]}"},
        {BYTES(HEAD "\x93\xa1x\x01\xc4\x02hi" TAIL),
         "/ 0 {\"event\":\"x\",\"data\":[1,\"aGk=\"],\"args\":true,\"binary\":[\"/1\"]}"},
        {BYTES(HEAD "\x92\xa1x\x01\xa3nsp\xa4/adm\x83\xa5rooms\x92\xa1r\x07\xa5"
                    "flags\x80\xa6"
                    "except\x91\xa1q"),
         "r 7 0 {\"event\":\"x\",\"data\":1,\"except\":[\"q\"]}"},
        {BYTES(HEAD "\x92\xa1x\x01\xa3nsp\xa4/adm\x81\xa5rooms\x90"),
         "/adm 0 {\"event\":\"x\",\"data\":1}"},
        {BYTES(HEAD "\x92\x01\x01" TAIL), "socketio: not an event"},
        {BYTES(HEAD "\x92\xa1x\xa1\xff" TAIL), "socketio: not what JSON can say"},
        {BYTES("\x93\xa1u\x82\xa4type\x03\xa4"
               "data\x91\xa1x\x80"),
         "socketio: not an event"},
        {BYTES("\x93\xa1u"), "socketio: no MessagePack"},
        {BYTES("\xc0"), "socketio: not an event"},
        {BYTES("{}"), "socketio: no MessagePack"}};

    must_mean(INGEST_SOCKETIO, "/#", rows, ROWS(rows));
}
END_TEST

START_TEST(channels_is_a_map_as_json) {
    const struct row rows[] = {{BYTES("\x82\xa4type\xac"
                                      "chat.message\xa4text\xa2hi"),
                                "room 0 {\"type\":\"chat.message\",\"text\":\"hi\"}"},
                               {BYTES("\x81\x05\xcb\x3f\xf8\0\0\0\0\0\0"), "room 0 {\"5\":1.5}"},
                               {BYTES("\x81\xc0\x01"), "channels: not a MessagePack map"},
                               {BYTES("\x91\x01"), "channels: not a MessagePack map"},
                               {BYTES(""), "channels: not a MessagePack map"}};

    must_mean(INGEST_CHANNELS, "room", rows, ROWS(rows));
}
END_TEST

static const char *as_json(const char *bytes, size_t len) {
    struct msgpack_value *value = msgpack_read(bytes, len);
    struct buf out = buf_make(4096);
    const char *said = "none";

    if (value != NULL && msgpack_json(value, &out, NULL))
        said = keepf("%s", out.data);
    buf_free(&out);
    msgpack_free(value);
    return said;
}

START_TEST(messagepack_is_json_of_the_same_value) {
    const struct row rows[] = {
        {BYTES("\xc0"), "null"},
        {BYTES("\xc2"), "false"},
        {BYTES("\xc3"), "true"},
        {BYTES("\x7f"), "127"},
        {BYTES("\xff"), "-1"},
        {BYTES("\xcd\x01\0"), "256"},
        {BYTES("\xce\xff\xff\xff\xff"), "4294967295"},
        {BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615"},
        {BYTES("\xd0\x80"), "-128"},
        {BYTES("\xd1\x80\0"), "-32768"},
        {BYTES("\xd3\x80\0\0\0\0\0\0\0"), "-9223372036854775808"},
        {BYTES("\xca\x3f\x80\0\0"), "1"},
        {BYTES("\xcb\x7f\xf0\0\0\0\0\0\0"), "null"},
        {BYTES("\xd9\x02"
               "a\""),
         "\"a\\\"\""},
        {BYTES("\xa0"), "\"\""},
        {BYTES("\xc4\x01"
               "a"),
         "\"YQ==\""},
        {BYTES("\xd4\x01"
               "a"),
         "null"},
        {BYTES("\x92\xd4\x01"
               "a\x01"),
         "[null,1]"},
        {BYTES("\xdc\0\x01\x01"), "[1]"},
        {BYTES("\xde\0\x01\xa1"
               "a\x01"),
         "{\"a\":1}"},
        {BYTES("\xc1"), "none"},
        {BYTES("\x01\x01"), "none"},
        {BYTES("\xdd\xff\xff\xff\xff\x01"), "none"},
        {BYTES("\xdf\xff\xff\xff\xff\x01\x01"), "none"},
        {BYTES("\xdb\xff\xff\xff\xff"
               "a"),
         "none"}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(strcmp(as_json(rows[i].payload, rows[i].len), rows[i].want) == 0, "%s: %s",
                      rows[i].want, as_json(rows[i].payload, rows[i].len));
}
END_TEST

START_TEST(messagepack_ends_at_its_depth) {
    char deep[MSGPACK_DEPTH + 2];

    memset(deep, 0x91, sizeof deep);
    deep[MSGPACK_DEPTH] = 1;
    ck_assert_str_ne(as_json(deep, MSGPACK_DEPTH + 1), "none");
    deep[MSGPACK_DEPTH] = (char)0x91;
    deep[MSGPACK_DEPTH + 1] = 1;
    ck_assert_str_eq(as_json(deep, MSGPACK_DEPTH + 2), "none");
}
END_TEST

/* ------------------------------------------------------------------------ ingest */

static struct ingest sections[] = {
    {(char *)"shop", (char *)"laravel_database_*", INGEST_LARAVEL, (char *)"*"},
    {(char *)"news", (char *)"news.*", INGEST_RAW, (char *)"site/*"}};

START_TEST(the_section_whose_pattern_matches_says_what_a_publish_means) {
    const struct config config = {.ingests = sections, .ingest_count = 2, .max_channels = 8};
    struct ingest_table *table = ingest_new(&config);
    struct meaning meaning;

    ck_assert(ingest_read(table, BYTES("news.de"), BYTES("x"), &meaning));
    assert_bytes(meaning.channels.data, meaning.channels.len, "site/de\n", "news.de");
    ck_assert_ptr_null(meaning.why);
    meaning_free(&meaning);
    ck_assert(ingest_read(table, BYTES("news.{}"), BYTES("x"), &meaning));
    ck_assert_str_eq(meaning.why, "no channel can have that name");
    meaning_free(&meaning);
    ck_assert(ingest_read(table, BYTES("laravel_database_a"), BYTES("x"), &meaning));
    ck_assert_uint_eq(meaning.count, 0);
    ck_assert_ptr_nonnull(meaning.why);
    meaning_free(&meaning);
    ck_assert(!ingest_read(table, BYTES("other"), BYTES("x"), &meaning));
    ingest_free(table);
}
END_TEST

START_TEST(the_digest_is_of_the_patterns_in_whatever_order) {
    struct ingest turned[] = {sections[1], sections[0]};
    const struct config one = {.ingests = sections, .ingest_count = 2};
    const struct config other = {.ingests = turned, .ingest_count = 2};
    const struct config fewer = {.ingests = sections, .ingest_count = 1}, none = {0};
    struct ingest_table *tables[] = {ingest_new(&one), ingest_new(&other), ingest_new(&fewer),
                                     ingest_new(&none)};

    ck_assert_str_eq(ingest_digest(tables[0]), ingest_digest(tables[1]));
    ck_assert_str_ne(ingest_digest(tables[0]), ingest_digest(tables[2]));
    ck_assert_uint_eq(strlen(ingest_digest(tables[2])), 16);
    ck_assert_str_eq(ingest_digest(tables[3]), "");
    for (size_t i = 0; i < ROWS(tables); i++)
        ingest_free(tables[i]);
}
END_TEST

UNIT_MAIN("formats", raw_is_what_it_is, laravel_is_an_event_as_it_is,
          juggernaut_goes_to_each_of_its_channels, socketio_is_an_event_in_each_of_its_rooms,
          channels_is_a_map_as_json, messagepack_is_json_of_the_same_value,
          messagepack_ends_at_its_depth,
          the_section_whose_pattern_matches_says_what_a_publish_means,
          the_digest_is_of_the_patterns_in_whatever_order)
