/*
 * All addresses are IPv6's here; those of IPv4 are in ::ffff:0:0/96 (RFC 4291 §2.5.5.2).
 */
#include "core/config/networks.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

enum { BITS = 128, BITS_OF_4 = 32, TEXT = 64 };

struct network {
    unsigned char address[BITS / 8];
    int bits; /* that all of its addresses share */
};

static bool parse_address(const char *text, unsigned char out[BITS / 8], bool *four) {
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    *four = inet_pton(AF_INET, text, out + 12) == 1;
    return *four || inet_pton(AF_INET6, text, out) == 1;
}

/* "/8"; `most` where there is nothing. */
static bool parse_bits(const char *text, int most, int *out) {
    char *end;

    *out = most;
    if (text == NULL)
        return true;
    if (text[0] < '0' || text[0] > '9')
        return false;
    long bits = strtol(text, &end, 10);
    if (*end != '\0' || bits > most)
        return false;
    *out = (int)bits;
    return true;
}

static bool parse_network(const char *text, size_t len, struct network *out) {
    char copy[TEXT];
    bool four;

    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash++ = '\0';
    if (!parse_address(copy, out->address, &four) ||
        !parse_bits(slash, four ? BITS_OF_4 : BITS, &out->bits))
        return false;
    out->bits += four ? BITS - BITS_OF_4 : 0;
    return true;
}

enum err networks_parse(const char *text, struct networks *out) {
    *out = (struct networks){NULL, 0};
    for (const char *at = text + strspn(text, " \t"); *at != '\0'; at += strspn(at, " \t")) {
        size_t len = strcspn(at, " \t");
        out->list = mem_resize(out->list, (out->count + 1) * sizeof *out->list);
        if (!parse_network(at, len, &out->list[out->count])) {
            networks_free(out);
            return ERR_SYNTAX;
        }
        out->count++;
        at += len;
    }
    return ERR_OK;
}

void networks_free(struct networks *networks) {
    free(networks->list);
    *networks = (struct networks){NULL, 0};
}

static bool shares(const unsigned char *one, const unsigned char *other, int bits) {
    int whole = bits / 8, rest = bits % 8;

    return memcmp(one, other, (size_t)whole) == 0 &&
           (rest == 0 || ((one[whole] ^ other[whole]) >> (8 - rest)) == 0);
}

bool networks_have(const struct networks *networks, const char *address) {
    unsigned char wanted[BITS / 8];
    bool four;

    if (networks->count == 0 || !parse_address(address, wanted, &four))
        return false;
    for (size_t i = 0; i < networks->count; i++) {
        if (shares(networks->list[i].address, wanted, networks->list[i].bits))
            return true;
    }
    return false;
}
