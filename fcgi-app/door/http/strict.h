/*
 * What HTTP/1.1 allows in a line (RFC 9112), to the letter. Parsers that each forgive
 * something else are what requests are smuggled between: a line is as it must be, or the
 * request is refused. Pure functions.
 */
#ifndef HALLEY_HTTP_STRICT_H
#define HALLEY_HTTP_STRICT_H

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with a request: the status of its answer and the words in it; 0 and NULL: nothing.
 */
struct fault {
    int status;
    const char *words;
};

/* A stretch of the text that it was found in. */
struct span {
    const char *at;
    size_t len;
};

/* A request's first line (§3). */
struct strict_request {
    struct span method, target;
    unsigned minor; /* of HTTP/1.minor */
};

/* Each of these takes a line without its CR LF. */
struct fault strict_request_line(const char *line, size_t len, struct strict_request *out);
struct fault strict_field(const char *line, size_t len, struct span *name, struct span *value);
struct fault strict_chunk_size(const char *line, size_t len);

/* What strict_field() finds in a line that it has taken before. */
void strict_split(const char *line, size_t len, struct span *name, struct span *value);

/* Whether a byte may be the first one of a request. */
bool strict_begins(char c);

/* A Content-Length (RFC 9110 §8.6): one number. */
struct fault strict_length(struct span value);

/* A Host, or the host and port of a target: no list, nobody's name (§3.2). */
struct fault strict_host(struct span value);

/* How the values of Transfer-Encoding, one after the other, say that a body is coded. */
struct strict_coding {
    unsigned fields;  /* so many lines */
    unsigned chunked; /* so often in them */
    bool other;       /* something else besides */
};
void strict_coding_add(struct strict_coding *coding, struct span value);

/* Whether a list has a token in it, in any case (RFC 9110 §5.6.1). */
bool strict_has_token(struct span list, const char *token);

/* Whether a text is that one, in any case. */
bool strict_is(struct span text, const char *word);

#endif
