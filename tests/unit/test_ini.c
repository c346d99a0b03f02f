/* core/config/ini: lines of a configuration file, as people write them. */
#include "core/config/ini.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static const char *why;

static bool note(void *ctx, const char *section, const char *name, const char *value) {
    struct buf *out = ctx;

    if (name == NULL)
        buf_printf(out, "[%s]", section);
    else
        buf_printf(out, "%s=%s|", name, value);
    return name == NULL || strcmp(name, "bad") != 0;
}

/* What is heard of a file, and the line that is wrong, if one is. */
static const char *read_of(const char *text, size_t len) {
    struct buf out = buf_make(100000);
    FILE *stream = fmemopen((void *)(uintptr_t)text, len, "r");
    int line = ini_read(stream, note, &out, &why);

    fclose(stream);
    if (line != 0)
        buf_printf(&out, "!%d", line);
    ck_assert(why == NULL || line != 0);
    buf_char(&out, '\0');
    return keep(out.data);
}

START_TEST(every_way_of_writing_is_understood) {
    static const struct {
        const char *text, *heard;
    } rows[] = {{"a = 1\nb = 2\n", "a=1|b=2|"},
                {"a = 1", "a=1|"},
                {"a=1\r\nb:2\r\n", "a=1|b=2|"},
                {"\xef\xbb\xbf"
                 "a = 1\n",
                 "a=1|"},
                {"\xef\xbb\xbf[s]\na = 1\n", "[s]a=1|"},
                {"  a = 1\n\tb = 2\n", "a=1|b=2|"},
                {"a =\nb = \n", "a=|b=|"},
                {"a = x = y : z\n", "a=x = y : z|"},
                {"a = http://x:1/?q=1;2#3\n", "a=http://x:1/?q=1;2#3|"},
                {"a = 1 ; more\nb = 2\t;\nc = ;\n", "a=1|b=2|c=|"},
                {"a = 1 # not more\n", "a=1 # not more|"},
                {"\n# x\n; x\n   # x\n\t\n\r\na = 1\n", "a=1|"},
                {"[s]\na=1\n[ t ]\n[u]\n", "[s]a=1|[ t ][u]"},
                {"[room-[0-9]*]\na=1\n", "[room-[0-9]*]a=1|"},
                {"  [s]  ; more [x]\n[t] # more\n[[0-9]] # x\n", "[s][t][[0-9]]"},
                {"", ""},
                {"\n\n", ""}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *heard = read_of(keepf("%s ", rows[i].text), strlen(rows[i].text));
        ck_assert_msg(strcmp(heard, rows[i].heard) == 0, "row %zu: %s", i, heard);
    }
}
END_TEST

START_TEST(the_first_wrong_line_is_named_and_ends_it) {
    static const struct {
        const char *text, *heard;
        bool says;
    } rows[] = {{"a = 1\nnothing\nb = 2\n", "a=1|!2", true},
                {"a = 1\n  more\n", "a=1|!2", true}, /* of a value: no line is continued */
                {"= 1\n", "!1", true},
                {": 1\n", "!1", true},
                {"[s\na = 1\n", "!1", true},
                {"[s] x\n", "!1", true},
                {"a = 1\nbad = 2\nc = 3\n", "a=1|bad=2|!2", false}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *heard = read_of(rows[i].text, strlen(rows[i].text));
        ck_assert_msg(strcmp(heard, rows[i].heard) == 0, "row %zu: %s", i, heard);
        ck_assert_msg((why != NULL) == rows[i].says, "row %zu", i);
    }
    ck_assert_str_eq(read_of("a = 1\nb\0 = 2\n", 13), "a=1|!2");
    ck_assert_ptr_nonnull(strstr(why, "NUL"));
    ck_assert_str_eq(read_of("a = 1\n\0", 7), "a=1|!2");
}
END_TEST

/* "a=bbb...", so many bytes long, and an end. */
static const char *line_of(size_t length, const char *end) {
    char *value = keep(malloc(length - 1));

    memset(value, 'b', length - 2);
    value[length - 2] = '\0';
    return keepf("a=%s%s", value, end);
}

START_TEST(no_line_is_cut_and_no_line_is_two) {
    static const size_t rows[] = {199, 200, 201, 398, 399, 400, INI_LINE - 1, INI_LINE};
    const char *text;
    static const char *const ends[] = {"", "\n", "\r\n", "\nb=1\n"};

    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t k = 0; k < ROWS(ends); k++) {
            text = line_of(rows[i], ends[k]);
            ck_assert_str_eq(read_of(text, strlen(text)),
                             keepf("%.*s|%s", (int)rows[i], text, k == 3 ? "b=1|" : ""));
            /* one byte more */
            text = line_of(INI_LINE + 1, ends[k]);
            ck_assert_str_eq(read_of(text, strlen(text)), "!1");
            ck_assert_ptr_nonnull(strstr(why, "4096"));
        }
    }
}
END_TEST

UNIT_MAIN("ini", every_way_of_writing_is_understood, the_first_wrong_line_is_named_and_ends_it,
          no_line_is_cut_and_no_line_is_two)
