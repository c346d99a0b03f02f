/* The floor as a FastCGI responder (FastCGI Specification 1.0), for behind a web server.
 * A request is taken when all its records are there, which is after one read; of its
 * parameters only the URI is looked at. An answer is one send: STDOUT, empty STDOUT and
 * END_REQUEST together. FCGI_KEEP_CONN is honoured.
 */
#include "tests/bench/floor/wire.h"

#include <string.h>

enum {
    HEADER = 8,
    BEGIN_REQUEST = 1,
    END_REQUEST = 3,
    PARAMS = 4,
    STDIN = 5,
    STDOUT = 6,
    KEEP_CONN = 1,
    RECORD_MAX = 65535
};

/* --- answers ---------------------------------------------------------------------------- */

static void put_record(struct image *image, int type, size_t length) {
    const unsigned char header[HEADER] = {1, (unsigned char)type,          0,
                                          1, (unsigned char)(length >> 8), (unsigned char)length};

    pile_add(&image->bytes, header, sizeof header);
}

static void frame(struct image *image, enum part part, const struct pile *head,
                  const struct pile *body) {
    const unsigned char complete[8] = {0};
    static struct pile whole;

    image->id = 1;
    whole.length = 0;
    if (head)
        pile_add(&whole, head->data, head->length);
    pile_add(&whole, body->data, body->length);
    for (size_t at = 0; at < whole.length; at += RECORD_MAX) {
        size_t length = whole.length - at < RECORD_MAX ? whole.length - at : RECORD_MAX;

        put_record(image, STDOUT, length);
        pile_add(&image->bytes, whole.data + at, length);
    }
    if (part != PART_WHOLE)
        return;
    put_record(image, STDOUT, 0);
    put_record(image, END_REQUEST, sizeof complete);
    pile_add(&image->bytes, complete, sizeof complete);
}

/* Web servers number requests on a connection of their own alike: it is rarely changed. */
static void address(struct image *image, const struct conn *conn) {
    unsigned char *data = (unsigned char *)image->bytes.data;

    if (image->id == conn->id)
        return;
    for (size_t at = 0; at < image->bytes.length;) {
        data[at + 2] = (unsigned char)(conn->id >> 8);
        data[at + 3] = (unsigned char)conn->id;
        at += HEADER + ((size_t)data[at + 4] << 8 | data[at + 5]);
    }
    image->id = conn->id;
}

/* --- requests --------------------------------------------------------------------------- */

struct text {
    const char *data;
    size_t length;
};

/* The next length of a pair (§3.4); false: it is not there. */
static bool next_length(const unsigned char **at, const unsigned char *end, size_t *length) {
    if (*at >= end || (**at > 127 && end - *at < 4))
        return false;
    if (**at < 128) {
        *length = *(*at)++;
        return true;
    }
    *length =
        (size_t)((*at)[0] & 127) << 24 | (size_t)(*at)[1] << 16 | (size_t)(*at)[2] << 8 | (*at)[3];
    *at += 4;
    return true;
}

static struct text find_uri(const char *params, size_t length) {
    const unsigned char *at = (const unsigned char *)params, *end = at + length;
    size_t name, value;

    while (next_length(&at, end, &name) && next_length(&at, end, &value) &&
           name + value <= (size_t)(end - at)) {
        if (name == 11 && memcmp(at, "REQUEST_URI", 11) == 0)
            return (struct text){(const char *)at + name, value};
        at += name + value;
    }
    return (struct text){"", 0};
}

/* What several records carry; one, as nearly always, stays where it is. */
static void join(struct text *text, struct pile *joined, const char *content, size_t length) {
    if (text->length == 0) {
        *text = (struct text){content, length};
        return;
    }
    if (text->data != joined->data) {
        joined->length = 0;
        pile_add(joined, text->data, text->length);
    }
    pile_add(joined, content, length);
    *text = (struct text){joined->data, joined->length};
}

static long read_request(struct conn *conn, const char *data, size_t length) {
    static struct pile joined_params, joined_body;
    struct text params = {NULL, 0}, body = {NULL, 0}, uri;
    size_t at = 0;

    while (length - at >= HEADER) {
        const unsigned char *header = (const unsigned char *)data + at;
        size_t content = (size_t)header[4] << 8 | header[5];

        if (header[0] != 1)
            return -1;
        if (length - at < HEADER + content + header[6])
            return 0;
        at += HEADER + content + header[6];
        if (header[1] == BEGIN_REQUEST && content == 8) {
            conn->id = (uint16_t)(header[2] << 8 | header[3]);
            conn->keep = header[HEADER + 2] & KEEP_CONN;
        } else if (header[1] == PARAMS && content > 0) {
            join(&params, &joined_params, (const char *)header + HEADER, content);
        } else if (header[1] == STDIN && content > 0) {
            join(&body, &joined_body, (const char *)header + HEADER, content);
        } else if (header[1] == STDIN) {
            uri = find_uri(params.data, params.length);
            floor_request(conn, uri.data, uri.length, body.data, body.length);
            return (long)at;
        }
    }
    return 0;
}

static const struct wire fcgi = {
    .status = "Status: ", .frame = frame, .address = address, .read = read_request};

int main(int argc, char **argv) {
    return floor_run(argc, argv, &fcgi);
}
