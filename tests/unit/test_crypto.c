/* core/base/crypto: base64 and SHA-1, by the vectors of their standards. */
#include "core/base/crypto.h"

#include <string.h>

#include "tests/unit/unit.h"

/* RFC 4648 §10, and bytes that are no text. */
START_TEST(base64_is_padded) {
    static const struct {
        const char *data;
        size_t len;
        const char *text;
    } rows[] = {{"", 0, ""},
                {"f", 1, "Zg=="},
                {"fo", 2, "Zm8="},
                {"foo", 3, "Zm9v"},
                {"foob", 4, "Zm9vYg=="},
                {"fooba", 5, "Zm9vYmE="},
                {"foobar", 6, "Zm9vYmFy"},
                {"\xff\x00\xfe", 3, "/wD+"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf buf = buf_make(100);
        crypto_base64(&buf, rows[i].data, rows[i].len);
        ck_assert_msg(buf.len == strlen(rows[i].text), "%s: %zu", rows[i].text, buf.len);
        ck_assert_msg(strcmp(buf.data, rows[i].text) == 0, "%s: %s", rows[i].text, buf.data);
        buf_free(&buf);
    }
}
END_TEST

START_TEST(base64_past_the_maximum_adds_nothing) {
    struct buf buf = buf_make(3);

    crypto_base64(&buf, "f", 1);
    ck_assert(buf.overflow);
    ck_assert_uint_eq(buf.len, 0);
    buf_free(&buf);
}
END_TEST

START_TEST(each_byte_is_two_digits) {
    static const unsigned char bytes[] = {0x00, 0x09, 0x0a, 0xf0, 0xff};
    char text[2 * sizeof bytes + 2];

    memset(text, 'x', sizeof text);
    crypto_hex(text, bytes, sizeof bytes);
    ck_assert_str_eq(text, "00090af0ff");
    ck_assert(text[sizeof text - 1] == 'x');
    crypto_hex(text, bytes, 0);
    ck_assert_str_eq(text, "");
}
END_TEST

/* RFC 3174 §7.3, and the handshake of RFC 6455 §1.3. */
START_TEST(sha1_is_that_of_the_standard) {
    static const struct {
        const char *text, *base64;
    } rows[] = {{"abc", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="},
                {"", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="},
                {"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                 "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char digest[CRYPTO_SHA1];
        struct buf buf = buf_make(100);
        crypto_sha1(rows[i].text, strlen(rows[i].text), digest);
        crypto_base64(&buf, digest, sizeof digest);
        ck_assert_str_eq(buf.data, rows[i].base64);
        buf_free(&buf);
    }
}
END_TEST

/* FIPS 180-4's examples, and no bytes at all. */
START_TEST(sha256_is_that_of_the_standard) {
    static const struct {
        const char *text, *base64;
    } rows[] = {{"abc", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="},
                {"", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned char digest[CRYPTO_SHA256];
        struct buf buf = buf_make(100);
        crypto_sha256(rows[i].text, strlen(rows[i].text), digest);
        crypto_base64(&buf, digest, sizeof digest);
        ck_assert_str_eq(buf.data, rows[i].base64);
        buf_free(&buf);
    }
}
END_TEST

UNIT_MAIN("crypto", base64_is_padded, base64_past_the_maximum_adds_nothing, each_byte_is_two_digits,
          sha1_is_that_of_the_standard, sha256_is_that_of_the_standard)
