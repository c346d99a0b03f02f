/*
 * Addresses as text, from whatever a web server wrote. Pure functions.
 */
#include "fcgi-app/door/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

/* What may stand in an address or in a name; all else strangers made up. */
static const bool plain[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
    ['.'] = true,         ['-'] = true,         [':'] = true,
};

/* What is no IPv6 address, or a name of a proxy's own ("unknown"). */
static void keep_plain(const char *text, char out[ADDRESS_TEXT]) {
    size_t len = 0;

    for (; *text != '\0' && len < ADDRESS_TEXT - 1; text++) {
        out[len] = *text;
        len += plain[(unsigned char)*text];
    }
    if (len == 0)
        out[len++] = '-';
    out[len] = '\0';
}

/* The bytes of an IPv6 address, without brackets and zone; false: it is none. For each request:
 * what has no colon is not looked at further. */
static bool parse_six(const char *text, struct in6_addr *six) {
    char bare[INET6_ADDRSTRLEN];

    if (strchr(text, ':') == NULL)
        return false;
    size_t bracket = text[0] == '[', len = strcspn(text + bracket, "]%");
    if (len >= sizeof bare)
        return false;
    memcpy(bare, text + bracket, len);
    bare[len] = '\0';
    return inet_pton(AF_INET6, bare, six) == 1;
}

static void write_address(const char *text, bool network, char out[ADDRESS_TEXT]) {
    struct in6_addr six;
    bool is_six = parse_six(text, &six);

    if (is_six && IN6_IS_ADDR_V4MAPPED(&six)) {
        (void)inet_ntop(AF_INET, six.s6_addr + 12, out, ADDRESS_TEXT);
    } else if (is_six) {
        if (network)
            memset(six.s6_addr + 8, 0, 8);
        (void)inet_ntop(AF_INET6, &six, out, ADDRESS_TEXT);
        if (network)
            memcpy(out + strlen(out), "/64", sizeof "/64");
    } else {
        keep_plain(text, out);
    }
}

void address_canonical(const char *text, char out[ADDRESS_TEXT]) {
    write_address(text, false, out);
}

void address_network(const char *text, char out[ADDRESS_TEXT]) {
    write_address(text, true, out);
}
