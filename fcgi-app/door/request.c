/*
 * Reads requests in place: a fresh FCGX_Request whose descriptor is already set
 * and whose listening socket is none makes FCGX_Accept_r read from that
 * descriptor instead of accepting; keepConnection keeps it open when the struct
 * is freed. Everything that is needed is copied out, and libfcgi's struct and
 * buffers are gone before the request is looked at.
 *
 * Called by the loop's thread for requests that have wholly arrived. Of those that were
 * gathered record by record the parameters alone are read, from a file in memory.
 *
 * The path and the query are those of REQUEST_URI; SCRIPT_NAME and PATH_INFO, which web
 * servers split at different places, say together what the server made of the path.
 */
#include "fcgi-app/door/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "fcgi-app/door/mount.h"

enum { CHUNK = 16384 };

enum err request_init(void) {
    return FCGX_Init() == 0 ? ERR_OK : ERR_SYSTEM;
}

bool request_is_cgi(void) {
    return FCGX_IsCGI() != 0;
}

/* ---------------------------------------------------------------- CGI variables */

enum variable {
    REQUEST_METHOD,
    REQUEST_URI,
    QUERY_STRING,
    CONTENT_TYPE,
    CONTENT_LENGTH,
    LAST_EVENT_ID,
    IDEMPOTENCY_KEY,
    REMOTE_ADDR,
    PATH_INFO,
    SCRIPT_NAME,
    SERVER_SOFTWARE,
    REQUEST_LENGTH,
    HOST,
    ORIGIN,
    FETCH_SITE,
    FORWARDED_HOST,
    FORWARDED_FOR, /* it and those behind it: only whether they are there */
    FORWARDED_PROTO,
    FORWARDED,
    REAL_IP,
    VIA,
    VARIABLES
};

#define NAMED(variable, text) [variable] = {text, sizeof(text) - 1}
static const struct {
    const char *text;
    size_t len;
} names[VARIABLES] = {
    NAMED(REQUEST_METHOD, "REQUEST_METHOD"),
    NAMED(REQUEST_URI, "REQUEST_URI"),
    NAMED(QUERY_STRING, "QUERY_STRING"),
    NAMED(CONTENT_TYPE, "CONTENT_TYPE"),
    NAMED(CONTENT_LENGTH, "CONTENT_LENGTH"),
    NAMED(LAST_EVENT_ID, "HTTP_LAST_EVENT_ID"),
    NAMED(IDEMPOTENCY_KEY, "HTTP_IDEMPOTENCY_KEY"),
    NAMED(REMOTE_ADDR, "REMOTE_ADDR"),
    NAMED(PATH_INFO, "PATH_INFO"),
    NAMED(SCRIPT_NAME, "SCRIPT_NAME"),
    NAMED(SERVER_SOFTWARE, "SERVER_SOFTWARE"),
    NAMED(REQUEST_LENGTH, "REQUEST_LENGTH"),
    NAMED(HOST, "HTTP_HOST"),
    NAMED(ORIGIN, "HTTP_ORIGIN"),
    NAMED(FETCH_SITE, "HTTP_SEC_FETCH_SITE"),
    NAMED(FORWARDED_HOST, "HTTP_X_FORWARDED_HOST"),
    NAMED(FORWARDED_FOR, "HTTP_X_FORWARDED_FOR"),
    NAMED(FORWARDED_PROTO, "HTTP_X_FORWARDED_PROTO"),
    NAMED(FORWARDED, "HTTP_FORWARDED"),
    NAMED(REAL_IP, "HTTP_X_REAL_IP"),
    NAMED(VIA, "HTTP_VIA"),
};

struct variables {
    const char *of[VARIABLES]; /* "" where there is none */
    size_t header;             /* bytes of the browser's header, as HTTP/1.1 */
};

static size_t number_of(const struct variables *variables, enum variable which) {
    return strtoull(variables->of[which], NULL, 10);
}

/* What a variable says of the size of the browser's header: "HTTP_NAME=value" was
 * "Name: value" and a line end. */
static size_t field_size(const char *variable, size_t name, size_t len) {
    if (name > 5 && memcmp(variable, "HTTP_", 5) == 0)
        return len - sizeof "HTTP_=" + 1 + strlen(": \r\n");
    if (name > 8 && memcmp(variable, "CONTENT_", 8) == 0 && len > name + 1)
        return len - 1 + strlen(": \r\n");
    return 0;
}

static void take_variable(struct variables *variables, const char *text) {
    const char *sign = strchr(text, '=');
    size_t len = sign != NULL ? (size_t)(sign - text) : 0;

    if (sign == NULL)
        return;
    if (text[0] == 'H' || text[0] == 'C')
        variables->header += field_size(text, len, len + 1 + strlen(sign + 1));
    for (int i = 0; i < VARIABLES; i++) {
        if (names[i].len == len && memcmp(names[i].text, text, len) == 0) {
            variables->of[i] = sign + 1;
            break;
        }
    }
}

static struct variables variables_of(char **env) {
    struct variables variables = {.header = 0};

    for (int i = 0; i < VARIABLES; i++)
        variables.of[i] = "";
    for (; env != NULL && *env != NULL; env++)
        take_variable(&variables, *env);
    variables.header += strlen(variables.of[REQUEST_METHOD]) + strlen(variables.of[REQUEST_URI]) +
                        strlen("  HTTP/1.1\r\n\r\n");
    /* a web server that hands on fewer fields than came says how much came, with the body */
    size_t said = number_of(&variables, REQUEST_LENGTH);
    size_t body = number_of(&variables, CONTENT_LENGTH);
    if (said > body)
        variables.header = said - body;
    return variables;
}

/* Whether any field says that another proxy stands between the sender and the web server. */
static bool came_through_a_proxy(const struct variables *variables) {
    for (int i = FORWARDED_HOST; i <= VIA; i++) {
        if (variables->of[i][0] != '\0')
            return true;
    }
    return false;
}

/* A web server need not say it: it stands in the URI. */
static const char *query_of(const struct variables *variables) {
    const char *sign;

    if (variables->of[QUERY_STRING][0] != '\0')
        return variables->of[QUERY_STRING];
    sign = strchr(variables->of[REQUEST_URI], '?');
    return sign != NULL ? sign + 1 : "";
}

/* -------------------------------------------------------------------- requests */

/* Copies `len` bytes to `*at`, ends them with a NUL, and moves `*at` behind it. */
static char *put(char **at, const char *text, size_t len) {
    char *copy = *at;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

/* What the texts need in a request, each with an end byte. */
static size_t room_for(const struct request_texts *texts) {
    const char *const all[] = {texts->method,
                               texts->uri,
                               texts->script_name,
                               texts->path_info,
                               texts->query,
                               texts->content_type,
                               texts->last_event_id,
                               texts->idempotency_key,
                               texts->remote_addr,
                               texts->claims.origin,
                               texts->claims.fetch_site,
                               texts->claims.host,
                               texts->claims.forwarded_host};
    size_t size = 0;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        size += strlen(all[i]) + 1;
    return size;
}

static char *put_text(char **at, const char *text) {
    return put(at, text, strlen(text));
}

/* SCRIPT_NAME and PATH_INFO one behind the other; some servers are told to say it in both. */
static char *put_served(char **at, const char *script, const char *info) {
    char *served = put_text(at, script);

    if (strcmp(script, info) == 0)
        return served;
    --*at;
    put_text(at, info);
    return served;
}

struct request *request_new(const struct request_texts *texts) {
    struct request *request = mem_new(sizeof *request + room_for(texts));
    const struct site_claims *claims = &texts->claims;
    size_t path_len;
    const char *path = mount_path(texts->uri, &path_len);
    char *at = request->text;

    request->method = put_text(&at, texts->method);
    request->path = put(&at, path, path_len);
    request->served = put_served(&at, texts->script_name, texts->path_info);
    request->query = put_text(&at, texts->query);
    request->content_type = put_text(&at, texts->content_type);
    request->last_event_id = put_text(&at, texts->last_event_id);
    request->idempotency_key = put_text(&at, texts->idempotency_key);
    request->remote_addr = put_text(&at, texts->remote_addr);
    request->claims.origin = put_text(&at, claims->origin);
    request->claims.fetch_site = put_text(&at, claims->fetch_site);
    request->claims.host = put_text(&at, claims->host);
    request->claims.forwarded_host = put_text(&at, claims->forwarded_host);
    request->endpoint = request->body = "";
    return request;
}

void request_mount(struct request *request, const char *mount) {
    bool rewritten;
    const char *endpoint = mount_endpoint(mount, request->path, request->served, &rewritten);

    request->endpoint = endpoint != NULL ? endpoint : "";
    if (rewritten && !request->query_said)
        request->query = ""; /* the URI's belongs to the other address */
}

static struct request *request_of(const struct variables *variables) {
    const char *const *of = variables->of;
    struct request *request =
        request_new(&(struct request_texts){.method = of[REQUEST_METHOD],
                                            .uri = of[REQUEST_URI],
                                            .script_name = of[SCRIPT_NAME],
                                            .path_info = of[PATH_INFO],
                                            .query = query_of(variables),
                                            .content_type = of[CONTENT_TYPE],
                                            .last_event_id = of[LAST_EVENT_ID],
                                            .idempotency_key = of[IDEMPOTENCY_KEY],
                                            .remote_addr = of[REMOTE_ADDR],
                                            .claims = {.origin = of[ORIGIN],
                                                       .fetch_site = of[FETCH_SITE],
                                                       .host = of[HOST],
                                                       .forwarded_host = of[FORWARDED_HOST]}});
    request->proxied = came_through_a_proxy(variables);
    request->query_said = of[QUERY_STRING][0] != '\0';
    request->bytes = variables->header;
    /* lighttpd watches a connection for its end once it has something to write to it */
    request->early_header = strncmp(variables->of[SERVER_SOFTWARE], "lighttpd/", 9) == 0;
    return request;
}

/* ---------------------------------------------------------------------- bodies */

/* One way or the other to read the next bytes of a body: > 0, 0 at its end, < 0 broken. */
typedef long body_fn(void *source, char *out, size_t size);

/* The request's from now on; `total` bytes came, of which `body` is the beginning. */
static void set_body(struct request *request, const struct variables *variables, struct buf body,
                     size_t total) {
    request->body_over = total > body.len;
    request->body_len = body.len;
    request->bytes += total;
    if (body.len > 0)
        request->body = request->body_block = body.data;
    else
        buf_free(&body);
    /* a body that is shorter than was said did not wholly arrive */
    request->body_short = number_of(variables, CONTENT_LENGTH) > total;
}

/* At most `body_max` bytes are kept; the rest is read and forgotten. */
static enum err take_body(struct request *request, const struct variables *variables,
                          size_t body_max, body_fn *next, void *source) {
    struct buf body = buf_make(body_max);
    char chunk[CHUNK];
    size_t total = 0;
    long n;

    while ((n = next(source, chunk, sizeof chunk)) > 0) {
        size_t room = body_max - body.len;
        buf_add(&body, chunk, (size_t)n < room ? (size_t)n : room);
        total += (size_t)n;
    }
    set_body(request, variables, body, total);
    return n < 0 ? ERR_SYNTAX : ERR_OK;
}

static long next_from_fcgi(void *source, char *out, size_t size) {
    FCGX_Stream *in = source;
    int n = FCGX_GetStr(out, (int)size, in);
    return n == 0 && FCGX_GetError(in) != 0 ? -1 : n;
}

/* `gathered`: the body, where it is not read from the descriptor. */
static enum err read_request(int fd, size_t body_max, struct request_body *gathered,
                             struct request **out) {
    FCGX_Request fcgx;
    struct request *request = NULL;
    enum err err = ERR_SYNTAX;

    if (FCGX_InitRequest(&fcgx, -1, 0) != 0)
        return ERR_SYSTEM;
    fcgx.ipcFd = fd;
    fcgx.keepConnection = 1;
    if (FCGX_Accept_r(&fcgx) != 0)
        return ERR_SYNTAX; /* libfcgi has closed the descriptor */
    struct variables variables = variables_of(fcgx.envp);
    request = request_of(&variables);
    err = take_body(request, &variables, body_max, next_from_fcgi, fcgx.in);
    if (gathered != NULL) {
        set_body(request, &variables, gathered->kept, gathered->total);
        gathered->kept = buf_make(0);
    }
    fcgx.ipcFd = -1;
    FCGX_Free(&fcgx, 0);
    if (err != ERR_OK) {
        close(fd);
        request_free(request);
        return err;
    }
    *out = request;
    return ERR_OK;
}

enum err request_read(int fd, size_t body_max, struct request **out) {
    return read_request(fd, body_max, NULL, out);
}

enum err request_read_gathered(int fd, struct request_body *body, struct request **out) {
    return read_request(fd, 0, body, out);
}

static long next_from_stdin(void *source, char *out, size_t size) {
    size_t *left = source;
    ssize_t n;

    if (*left == 0)
        return 0;
    do {
        n = read(STDIN_FILENO, out, size < *left ? size : *left);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        *left -= (size_t)n;
    return n;
}

enum err request_read_cgi(size_t body_max, struct request **out) {
    struct variables variables = variables_of(environ);
    struct request *request = request_of(&variables);
    size_t left = number_of(&variables, CONTENT_LENGTH);
    enum err err = take_body(request, &variables, body_max, next_from_stdin, &left);

    if (err != ERR_OK) {
        request_free(request);
        return err;
    }
    *out = request;
    return ERR_OK;
}

void request_free(struct request *request) {
    if (request == NULL)
        return;
    params_free(&request->params);
    free(request->body_block);
    free(request);
}
