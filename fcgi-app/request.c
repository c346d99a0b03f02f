/*
 * Reads requests in place: a fresh FCGX_Request whose descriptor is already set
 * and whose listening socket is none makes FCGX_Accept_r read from that
 * descriptor instead of accepting; keepConnection keeps it open when the struct
 * is freed. Everything that is needed is copied out, and libfcgi's struct and
 * buffers are gone before the request is looked at.
 *
 * Called by the loop's thread for requests that have wholly arrived, and by
 * reader threads for large ones; no state is shared.
 *
 * Requests are routed on REQUEST_URI: SCRIPT_NAME and PATH_INFO differ from web
 * server to web server.
 */
#include "fcgi-app/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "core/buf.h"
#include "core/mem.h"

enum { CHUNK = 16384 };

enum err request_init(void) {
    return FCGX_Init() == 0 ? ERR_OK : ERR_SYSTEM;
}

bool request_is_cgi(void) {
    return FCGX_IsCGI() != 0;
}

static const char *variable(char **env, const char *name) {
    size_t len = strlen(name);
    for (; env != NULL && *env != NULL; env++) {
        if ((*env)[0] == name[0] && strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    }
    return "";
}

char *request_endpoint(const char *uri) {
    const char *scheme = strstr(uri, "://"), *end = uri + strcspn(uri, "?#"), *start = end;

    if (scheme != NULL && scheme < end && strcspn(uri, "/") == (size_t)(scheme - uri + 1)) {
        const char *path = strchr(scheme + 3, '/');
        if (path == NULL || path > end)
            return mem_string("");
        uri = path;
    }
    while (start > uri && start[-1] != '/')
        start--;
    if (start - uri >= 2 && start[-2] == '/') /* "//x": servers' access rules saw another path */
        return mem_string("");
    char *name = mem_copy(start, (size_t)(end - start));
    long len = params_decode(name, (size_t)(end - start), 0);
    name[len < 0 ? 0 : len] = '\0';
    return name;
}

static const char *path_of(char **env) {
    const char *uri = variable(env, "REQUEST_URI");
    if (uri[0] != '\0')
        return uri;
    const char *info = variable(env, "PATH_INFO"); /* a CGI server that sets no REQUEST_URI */
    return info[0] != '\0' ? info : variable(env, "SCRIPT_NAME");
}

/* What the browser sent as HTTP/1.1, request line and header, told from the CGI variables. */
static size_t header_size(char **env) {
    size_t size = strlen(variable(env, "REQUEST_METHOD")) + strlen(variable(env, "REQUEST_URI")) +
                  strlen(variable(env, "SERVER_PROTOCOL")) + strlen("  \r\n\r\n");

    for (char **at = env; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, "HTTP_", 5) == 0) /* "HTTP_NAME=value" was "Name: value\r\n" */
            size += strlen(*at) - strlen("HTTP_=") + strlen(": \r\n");
        else if (strncmp(*at, "CONTENT_", 8) == 0 && strchr(*at, '=')[1] != '\0')
            size += strlen(*at) - strlen("=") + strlen(": \r\n");
    }
    return size;
}

static struct request *request_of(char **env) {
    struct request *request = mem_new(sizeof *request);
    const struct {
        const char *name;
        char **to;
    } wanted[] = {{"REQUEST_METHOD", &request->method},
                  {"QUERY_STRING", &request->query},
                  {"CONTENT_TYPE", &request->content_type},
                  {"HTTP_LAST_EVENT_ID", &request->last_event_id},
                  {"HTTP_IDEMPOTENCY_KEY", &request->idempotency_key},
                  {"REMOTE_ADDR", &request->remote_addr}};

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        *wanted[i].to = mem_string(variable(env, wanted[i].name));
    request->endpoint = request_endpoint(path_of(env));
    request->bytes = header_size(env);
    /* lighttpd watches a connection for its end once it has something to write to it */
    request->early_header = strncmp(variable(env, "SERVER_SOFTWARE"), "lighttpd/", 9) == 0;
    return request;
}

/* One way or the other to read the next bytes of a body: > 0, 0 at its end, < 0 broken. */
typedef long body_fn(void *source, char *out, size_t size);

static enum err take_body(struct request *request, size_t body_max, body_fn *next, void *source) {
    struct buf body = buf_make(body_max + CHUNK);
    size_t total = 0;
    long n = 1;

    while (n > 0) {
        if (body.len > body_max) { /* the rest is read and forgotten */
            request->body_over = true;
            body.len = body_max;
        }
        char *at = buf_reserve(&body, CHUNK);
        n = next(source, at, CHUNK);
        if (n > 0) {
            body.len += (size_t)n;
            total += (size_t)n;
        }
    }
    if (body.len > body_max) {
        request->body_over = true;
        body.len = body_max;
    }
    body.data[body.len] = '\0';
    request->body = body.data;
    request->body_len = body.len;
    request->bytes += total;
    return n < 0 ? ERR_SYNTAX : ERR_OK;
}

/* A body that is shorter than was said did not wholly arrive. */
static bool body_short(const struct request *request, char **env) {
    const char *said = variable(env, "CONTENT_LENGTH");
    return said[0] != '\0' && !request->body_over && strtoull(said, NULL, 10) > request->body_len;
}

static long next_from_fcgi(void *source, char *out, size_t size) {
    FCGX_Stream *in = source;
    int n = FCGX_GetStr(out, (int)size, in);
    return n == 0 && FCGX_GetError(in) != 0 ? -1 : n;
}

enum err request_read(int fd, size_t body_max, struct request **out) {
    FCGX_Request fcgx;
    struct request *request = NULL;
    enum err err = ERR_SYNTAX;

    if (FCGX_InitRequest(&fcgx, -1, 0) != 0)
        return ERR_SYSTEM;
    fcgx.ipcFd = fd;
    fcgx.keepConnection = 1;
    if (FCGX_Accept_r(&fcgx) != 0)
        return ERR_SYNTAX; /* libfcgi has closed the descriptor */
    request = request_of(fcgx.envp);
    err = take_body(request, body_max, next_from_fcgi, fcgx.in);
    request->body_short = body_short(request, fcgx.envp);
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
    struct request *request = request_of(environ);
    size_t left = strtoull(variable(environ, "CONTENT_LENGTH"), NULL, 10);
    enum err err = take_body(request, body_max, next_from_stdin, &left);

    request->body_short = body_short(request, environ);
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
    free(request->method);
    free(request->endpoint);
    free(request->query);
    free(request->content_type);
    free(request->last_event_id);
    free(request->idempotency_key);
    free(request->remote_addr);
    free(request->body);
    free(request);
}
