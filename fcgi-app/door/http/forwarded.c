/*
 * Each proxy appends whom it has its request from: X-Forwarded-For: A, B, C came from whoever
 * is connected, who has it from C, who says that he has it from B. The list is read from its end,
 * for as long as those who wrote it are trusted: what stands in front may be anything.
 */
#include "fcgi-app/door/http/forwarded.h"

#include <arpa/inet.h>
#include <string.h>

#define UNKNOWN "unknown"

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == ',';
}

/* An address without its port and brackets: 192.0.2.1:80, [2001:db8::1]:80, [2001:db8::1]. */
static void put_address(const char *text, size_t len, char out[ADDRESS_TEXT]) {
    unsigned char ip[16];
    char copy[ADDRESS_TEXT];
    const char *colon = memchr(text, ':', len), *bracket = memchr(text, ']', len);

    if (text[0] == '[' && bracket != NULL)
        text++, len = (size_t)(bracket - text);
    else if (colon != NULL && memchr(colon + 1, ':', len - (size_t)(colon + 1 - text)) == NULL)
        len = (size_t)(colon - text); /* with more than one it is IPv6 */
    len = len < sizeof copy ? len : sizeof copy - 1;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET, copy, ip) == 1 || inet_pton(AF_INET6, copy, ip) == 1)
        address_canonical(copy, out);
    else
        memcpy(out, UNKNOWN, sizeof UNKNOWN); /* so that it looks like nothing that we know */
}

/* Takes the last element off a list; false: there is none. */
static bool take_last(const char *list, size_t *len, char out[ADDRESS_TEXT]) {
    size_t end = *len, from;

    while (end > 0 && is_blank(list[end - 1]))
        end--;
    for (from = end; from > 0 && list[from - 1] != ','; from--)
        ;
    *len = from;
    while (from < end && is_blank(list[from]))
        from++;
    if (from == end)
        return false;
    put_address(list + from, end - from, out);
    return true;
}

static bool any_left(const char *list, size_t len) {
    while (len > 0 && is_blank(list[len - 1]))
        len--;
    return len > 0;
}

/* What no proxy of ours needs to say, and somebody else's may have said. */
static bool says_more(const struct said *said) {
    return said->of[SAID_FORWARDED][0] != '\0' || said->of[SAID_REAL_IP][0] != '\0' ||
           said->of[SAID_VIA][0] != '\0';
}

bool forwarded_trusts(const struct networks *trusted, const char *peer) {
    return strcmp(peer, FORWARDED_UNIX) == 0 || networks_have(trusted, peer);
}

bool forwarded_sender(const struct networks *trusted, const char *peer, struct said *said,
                      char address[ADDRESS_TEXT]) {
    const char *list = said->of[SAID_FORWARDED_FOR];
    size_t len = strlen(list);
    bool proxied = said_by_a_proxy(said);

    size_t peer_len = strnlen(peer, ADDRESS_TEXT - 1);

    memcpy(address, peer, peer_len);
    address[peer_len] = '\0';
    if (!forwarded_trusts(trusted, peer)) {
        said->of[SAID_FORWARDED_FOR] = said->of[SAID_FORWARDED_HOST] = "";
        said->of[SAID_FORWARDED_PROTO] = said->of[SAID_FORWARDED] = said->of[SAID_REAL_IP] = "";
        return proxied;
    }
    if (!take_last(list, &len, address))
        return proxied;
    while (networks_have(trusted, address) && take_last(list, &len, address))
        ;
    return any_left(list, len) || says_more(said);
}
