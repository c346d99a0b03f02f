/* core/config/networks: which addresses a list of networks has in it. */
#include "core/config/networks.h"

#include "tests/unit/unit.h"

static bool have(const char *list, const char *address) {
    struct networks networks;

    ck_assert_int_eq(networks_parse(list, &networks), ERR_OK);
    bool has = networks_have(&networks, address);
    networks_free(&networks);
    return has;
}

START_TEST(an_address_is_in_a_network_by_its_first_bits) {
    static const struct {
        const char *list, *address;
        bool in;
    } rows[] = {
        {"", "127.0.0.1", false},
        {" \t", "::1", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1", "::ffff:127.0.0.1", true},
        {"::ffff:127.0.0.1", "127.0.0.1", true},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.1.2.3/8", "10.9.9.9", true}, /* its other bits do not count */
        {"192.168.4.0/22", "192.168.7.255", true},
        {"192.168.4.0/22", "192.168.8.0", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "8.8.8.8", true}, /* all there is */
        {"192.0.2.1/32", "192.0.2.1", true},
        {"192.0.2.1/31", "192.0.2.0", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1/128", "::1", true},
        {"::1", "127.0.0.1", false},
        {" 10.0.0.0/8\t2001:db8::/32  127.0.0.1 ", "127.0.0.1", true},
        {"10.0.0.0/8 2001:db8::/32 127.0.0.1", "2001:db8::", true},
        {"10.0.0.0/8 2001:db8::/32 127.0.0.1", "127.0.0.3", false},
        {"0.0.0.0/0 ::/0", "unix:", false},
        {"0.0.0.0/0 ::/0", "", false},
        {"0.0.0.0/0 ::/0", "1.2.3", false},
        {"0.0.0.0/0 ::/0", "1.2.3.4 ", false},
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(have(rows[i].list, rows[i].address) == rows[i].in, "row %zu", i);
}
END_TEST

START_TEST(what_is_no_network_is_refused) {
    static const char *const rows[] = {"localhost",
                                       "10.0.0.0/33",
                                       "10.0.0.0/-1",
                                       "10.0.0.0/",
                                       "10.0.0.0/8x",
                                       "10.0.0/8",
                                       "::/129",
                                       "::1/ 8",
                                       "10.0.0.0,::1",
                                       "unix:",
                                       "1.2.3.4.5",
                                       "[::1]",
                                       "::1 x",
                                       "/8",
                                       "10.0.0.0/+8",
                                       "10.0.0.0//8",
                                       "10.0.0.0/99999999999999999999"};
    struct networks networks;

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_msg(networks_parse(rows[i], &networks) == ERR_SYNTAX, "%s", rows[i]);
        ck_assert_ptr_null(networks.list);
    }
}
END_TEST

UNIT_MAIN("networks", an_address_is_in_a_network_by_its_first_bits, what_is_no_network_is_refused)
