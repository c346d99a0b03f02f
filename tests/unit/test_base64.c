/* core/base/base64: what an encoder writes is read, and nothing else. */
#include "core/base/base64.h"

#include <string.h>

#include "core/base/crypto.h"
#include "tests/unit/unit.h"

static enum err decode(struct buf *out, const char *text, size_t max) {
    *out = buf_make(max);
    return base64_decode(out, text, strlen(text));
}

START_TEST(what_is_written_is_read) {
    unsigned char bytes[300];
    struct buf text = buf_make(1000), read;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + i / 256);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        buf_clear(&text);
        crypto_base64(&text, bytes, len);
        read = buf_make(len);
        ck_assert_int_eq(base64_decode(&read, text.data, text.len), ERR_OK);
        ck_assert_uint_eq(read.len, len);
        ck_assert(len == 0 || memcmp(read.data, bytes, len) == 0);
        buf_free(&read);
    }
    buf_free(&text);
}
END_TEST

START_TEST(what_no_encoder_writes_is_refused) {
    static const char *const rows[] = {"A",
                                       "AA",
                                       "AAA",
                                       "AAAAA",
                                       "AA==AAAA",
                                       "A===",
                                       "====",
                                       "=AAA",
                                       "AA=A",
                                       "AB==",
                                       "AAB=",
                                       "AA A",
                                       "AA\n=",
                                       "AA-_",
                                       "AAAAAA==A",
                                       "AAAA====",
                                       "\xff\xff\xff\xff"};
    struct buf out;

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_msg(decode(&out, rows[i], 100) == ERR_SYNTAX, "%s", rows[i]);
        ck_assert_uint_eq(out.len, 0);
        buf_free(&out);
    }
}
END_TEST

START_TEST(past_the_maximum_nothing_is_added) {
    struct buf out;

    ck_assert_int_eq(decode(&out, "AAAA", 2), ERR_FULL);
    ck_assert_uint_eq(out.len, 0);
    ck_assert(!out.overflow);
    ck_assert_int_eq(decode(&out, "AAA=", 2), ERR_OK);
    buf_free(&out);
}
END_TEST

UNIT_MAIN("base64", what_is_written_is_read, what_no_encoder_writes_is_refused,
          past_the_maximum_nothing_is_added)
