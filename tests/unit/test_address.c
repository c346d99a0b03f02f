/* fcgi-app/door/address.c: one text for each client, and for those that may be the same one. */
#include <string.h>

#include "fcgi-app/door/address.h"
#include "tests/unit/unit.h"

static const struct {
    const char *text, *canonical, *network;
} rows[] = {
    {"192.0.2.1", "192.0.2.1", "192.0.2.1"},
    {"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"},
    {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
    {"2001:DB8:1:2::7", "2001:db8:1:2::7", "2001:db8:1:2::/64"},
    {"2001:0db8:0001:0002:0000:0000:0000:0007", "2001:db8:1:2::7", "2001:db8:1:2::/64"},
    {"2001:db8:1:3::7", "2001:db8:1:3::7", "2001:db8:1:3::/64"},
    {"[2001:db8:1:2::7]", "2001:db8:1:2::7", "2001:db8:1:2::/64"},
    {"fe80::1%eth0", "fe80::1", "fe80::/64"},
    {"::1", "::1", "::/64"},
    {"", "-", "-"},
    {"unknown", "unknown", "unknown"},
    {"{x}* \t\r\n\177\303\244", "x", "x"},
    {"::1::2", "::1::2", "::1::2"},
    {"0000000000000000000000000000000000000000000000000000000000000000000001:2",
     "000000000000000000000000000000000000000000000000000000000000000",
     "000000000000000000000000000000000000000000000000000000000000000"},
};

START_TEST(each_address_has_one_text_and_one_network) {
    char text[ADDRESS_TEXT];

    for (size_t i = 0; i < ROWS(rows); i++) {
        address_canonical(rows[i].text, text);
        ck_assert_msg(strcmp(text, rows[i].canonical) == 0, "%s: %s", rows[i].text, text);
        address_network(rows[i].text, text);
        ck_assert_msg(strcmp(text, rows[i].network) == 0, "%s: %s", rows[i].text, text);
    }
}
END_TEST

UNIT_MAIN("address", each_address_has_one_text_and_one_network)
