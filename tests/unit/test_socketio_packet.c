/* fcgi-app/protocols/socketio_packet: packets taken apart and written, and what is none. */
#include "fcgi-app/protocols/socketio_packet.h"

#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

/* "<type> <attachments> <namespace> <id or -> <data or ->", or the error. */
static const char *parsed(const char *text) {
    struct socketio_packet packet;
    enum err err = socketio_parse(&packet, text, strlen(text));

    if (err != ERR_OK)
        return err == ERR_RANGE ? "range" : "syntax";
    const char *id = packet.has_id ? keepf("%llu", (unsigned long long)packet.id) : "-";
    const char *data =
        packet.data.at != NULL ? keepf("%.*s", (int)packet.data.len, packet.data.at) : "-";
    return keepf("%d %u %.*s %s %s", (int)packet.type, packet.attachments, (int)packet.space_len,
                 packet.space, id, data);
}

static const struct {
    const char *text, *packet, *written; /* NULL: the same as it came */
} good[] = {
    {"0", "0 0 / - -", NULL},
    {"0{\"token\":\"123\"}", "0 0 / - {\"token\":\"123\"}", NULL},
    {"0/admin,", "0 0 /admin - -", NULL},
    {"0/admin", "0 0 /admin - -", "0/admin,"},
    {"0/,{}", "0 0 / - {}", "0{}"},
    {"0/admin?uid=1,{\"a\":1}", "0 0 /admin?uid=1 - {\"a\":1}", NULL},
    {"1", "1 0 / - -", NULL},
    {"1/admin,", "1 0 /admin - -", NULL},
    {"2[\"foo\"]", "2 0 / - [\"foo\"]", NULL},
    {"2/admin,[\"bar\"]", "2 0 /admin - [\"bar\"]", NULL},
    {"212[\"foo\",1,{}]", "2 0 / 12 [\"foo\",1,{}]", NULL},
    {"2/admin,0[\"foo\"]", "2 0 /admin 0 [\"foo\"]", NULL},
    {"2[7,\"a number as name\"]", "2 0 / - [7,\"a number as name\"]", NULL},
    {"2[\"connected\"]", "2 0 / - [\"connected\"]", NULL},
    {"29007199254740991[\"a\"]", "2 0 / 9007199254740991 [\"a\"]", NULL},
    {"3/admin,456[]", "3 0 /admin 456 []", NULL},
    {"4{\"message\":\"Not authorized\"}", "4 0 / - {\"message\":\"Not authorized\"}", NULL},
    {"4\"why\"", "4 0 / - \"why\"", NULL},
    {"51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
     "5 1 / - [\"a\",{\"_placeholder\":true,\"num\":0}]", NULL},
    {"52-/"
     "ns,9[\"a\",{\"_placeholder\":true,\"num\":1},{\"x\":[{\"num\":0,\"_placeholder\":true}]}]",
     "5 2 /ns 9 "
     "[\"a\",{\"_placeholder\":true,\"num\":1},{\"x\":[{\"num\":0,\"_placeholder\":true}]}]",
     NULL},
    {"50-[\"a\"]", "5 0 / - [\"a\"]", NULL},
    {"61-/admin,456[{\"_placeholder\":true,\"num\":0}]",
     "6 1 /admin 456 [{\"_placeholder\":true,\"num\":0}]", NULL},
    {"2[\"a\",{\"_placeholder\":true,\"num\":99}]",
     "2 0 / - [\"a\",{\"_placeholder\":true,\"num\":99}]",
     NULL}, /* of no binary type: data like any */
};

START_TEST(packets_are_taken_apart) {
    for (size_t i = 0; i < ROWS(good); i++)
        ck_assert_msg(strcmp(parsed(good[i].text), good[i].packet) == 0, "%s: %s", good[i].text,
                      parsed(good[i].text));
}
END_TEST

START_TEST(packets_are_written_as_they_came) {
    for (size_t i = 0; i < ROWS(good); i++) {
        struct buf out = buf_make(300);
        struct socketio_packet packet;
        ck_assert_int_eq(socketio_parse(&packet, good[i].text, strlen(good[i].text)), ERR_OK);
        socketio_write(&out, &packet);
        const char *want = good[i].written != NULL ? good[i].written : good[i].text;
        assert_bytes(out.data, out.len, want, good[i].text);
        buf_free(&out);
    }
}
END_TEST

START_TEST(what_is_no_packet_is_refused) {
    static const char *const rows[] = {
        "",
        "7",
        "a",
        "-1",
        "0abc",
        "0[]",
        "0\"a\"",
        "01{",
        "1{}",
        "1\"a\"",
        "2",
        "2/admin,",
        "2{}",
        "2[]",
        "2[\"a\"",
        "2[\"a\"]x",
        "2[null]",
        "2[{}]",
        "2[true]",
        "2\"foo\"",
        "212",
        "3",
        "312",
        "3{}",
        "4",
        "4[]",
        "412",
        "5[\"a\"]",
        "5-[\"a\"]",
        "51[\"a\"]",
        "51",
        "5x-[\"a\"]",
        "51-",
        "51-{}",
        "6-[]",
        "61-\"a\"",
        "2[\"connect\"]",
        "2[\"disconnect\"]",
        "2[\"connect_error\"]",
        "2[\"disconnecting\"]",
        "2[\"newListener\"]",
        "2[\"removeListener\"]",
        "2[\"\\u0063onnect\"]",
        "2[\"\\ud800\"]",
        "29007199254740992[\"a\"]",
        "299999999999999999999[\"a\"]",
        "2[\"a\",1e999]",
        "2[\"a\"]\x01",
        "51-[\"a\",{\"_placeholder\":true,\"num\":1}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":-1}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":\"0\"}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":0.5}]",
        "51-[\"a\",{\"_placeholder\":true}]",
        "50-[\"a\",{\"x\":{\"_placeholder\":true,\"num\":0}}]",
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(strcmp(parsed(rows[i]), "syntax") == 0, "%s: %s", rows[i], parsed(rows[i]));
}
END_TEST

START_TEST(attachments_and_names_have_their_maximum) {
    char name[SOCKETIO_NAMESPACE_MAX + 4];

    ck_assert_str_eq(parsed("564-[\"a\"]"), "5 64 / - [\"a\"]");
    ck_assert_str_eq(parsed("565-[\"a\"]"), "range");
    memset(name, 'n', sizeof name);
    memcpy(name, "0/", 2);
    name[SOCKETIO_NAMESPACE_MAX + 1] = '\0';
    ck_assert_str_ne(parsed(name), "range");
    name[SOCKETIO_NAMESPACE_MAX + 1] = 'n';
    name[SOCKETIO_NAMESPACE_MAX + 2] = '\0';
    ck_assert_str_eq(parsed(name), "range");
}
END_TEST

START_TEST(attachments_take_the_places_that_name_them) {
    static const struct socketio_attachment attachments[] = {{"\x01\x02\x03", 3}, {"", 0}};
    static const struct {
        const char *text, *filled;
    } rows[] = {
        {"52-[\"a\",{\"_placeholder\":true,\"num\":0},{\"num\":1,\"_placeholder\":true}]",
         "[\"a\",\"AQID\",\"\"]"},
        {"52-[\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\",{\"x\":{\"_placeholder\":true,\"num\":"
         "0},"
         "\"y\":{\"z\":[]}}]",
         "[\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\",{\"x\":\"AQID\",\"y\":{\"z\":[]}}]"},
        {"52-[\"a\",{\"_placeholder\":false,\"num\":0},{\"a\":1}]",
         "[\"a\",{\"_placeholder\":false,\"num\":0},{\"a\":1}]"},
        {"62-[{ \"_placeholder\" : true , \"num\" : 0 }, {}]", "[\"AQID\", {}]"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf out = buf_make(300);
        struct socketio_packet packet;
        ck_assert_int_eq(socketio_parse(&packet, rows[i].text, strlen(rows[i].text)), ERR_OK);
        socketio_fill(&out, packet.data, attachments, 2);
        assert_bytes(out.data, out.len, rows[i].filled, rows[i].text);
        buf_free(&out);
    }
}
END_TEST

UNIT_MAIN("socketio_packet", packets_are_taken_apart, packets_are_written_as_they_came,
          what_is_no_packet_is_refused, attachments_and_names_have_their_maximum,
          attachments_take_the_places_that_name_them)
