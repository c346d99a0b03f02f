/*
 * Addresses as text, from whatever a web server wrote. Pure functions.
 */
#include "fcgi-app/door/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

/* What is no address: a name of a proxy's own ("unknown"), or what somebody made up. */
static void keep_plain(const char *text, char out[ADDRESS_TEXT]) {
    size_t len = 0;

    for (; *text != '\0' && len < ADDRESS_TEXT - 1; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9') || *text == '.' || *text == '-' || *text == ':';
        if (plain)
            out[len++] = *text;
    }
    if (len == 0)
        out[len++] = '-';
    out[len] = '\0';
}

/* The bytes of an IPv6 address, without brackets and zone; false: it is none. */
static bool parse_six(const char *text, struct in6_addr *six) {
    char plain[INET6_ADDRSTRLEN];
    size_t bracket = text[0] == '[', len = strcspn(text + bracket, "]%");

    if (len >= sizeof plain)
        return false;
    memcpy(plain, text + bracket, len);
    plain[len] = '\0';
    return inet_pton(AF_INET6, plain, six) == 1;
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
