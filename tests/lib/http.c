/* HTTP requests to a lab's web server, one or many at a time, with libcurl.
 *
 * Every request is a flight of one multi handle, so that "one" and "many" are
 * the same code: http_get() is a flight that is waited for. Each has a
 * connection of its own unless it asks otherwise, because libcurl sends a
 * request once more when a reused connection turns out dead, and the tests
 * that restart things count every publish.
 */
#include "tests/lib/http.h"

#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const long CONNECTIONS = 256; /* that stay open at most, where a request asks for it */

struct flight {
    struct answer answer;
    struct bytes head, body;
    const char *send; /* what is left of a chunked body */
    size_t left;
    int64_t begun;
    bool landed;
    CURL *easy;
    struct curl_slist *headers;
};

static CURLM *multi;
static pid_t multi_owner;

static CURLM *own_multi(void) {
    if (!multi || multi_owner != getpid()) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        multi = curl_multi_init();
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS);
        multi_owner = getpid();
    }
    return multi;
}

static size_t take_head(char *data, size_t size, size_t count, void *flight) {
    bytes_add(&((struct flight *)flight)->head, data, size * count);
    return size * count;
}

static size_t take_body(char *data, size_t size, size_t count, void *flight) {
    bytes_add(&((struct flight *)flight)->body, data, size * count);
    return size * count;
}

static size_t give_body(char *room, size_t size, size_t count, void *arg) {
    struct flight *flight = arg;
    size_t part = flight->left < size * count ? flight->left : size * count;

    memcpy(room, flight->send, part);
    flight->send += part;
    flight->left -= part;
    return part;
}

static void set_body(struct flight *flight, const struct request *request) {
    CURL *easy = flight->easy;

    if (request->chunked) {
        flight->send = request->body;
        flight->left = request->length;
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, -1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, flight);
        flight->headers = curl_slist_append(flight->headers, "Transfer-Encoding: chunked");
    } else if (request->body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
    }
}

static void set_headers(struct flight *flight, const struct request *request) {
    bool typed = false;

    for (size_t i = 0; i < 8 && request->headers[i]; i++) {
        typed |= strncasecmp(request->headers[i], "Content-Type:", 13) == 0;
        flight->headers = curl_slist_append(flight->headers, request->headers[i]);
    }
    if (!typed)
        flight->headers = curl_slist_append(flight->headers, "Content-Type:");
    flight->headers = curl_slist_append(flight->headers, "Expect:");
    curl_easy_setopt(flight->easy, CURLOPT_HTTPHEADER, flight->headers);
}

static void set_way(struct lab *lab, CURL *easy, const struct request *request) {
    bool tls = request->over != OVER_PLAIN;

    curl_easy_setopt(easy, CURLOPT_URL,
                     keepf("%s://127.0.0.1:%d%s", tls ? "https" : "http",
                           tls ? lab->tls_port : lab->port, request->path));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    if (tls)
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                         request->over == OVER_HTTP2 ? CURL_HTTP_VERSION_2TLS
                                                     : CURL_HTTP_VERSION_1_1);
}

struct flight *http_begin(struct lab *lab, const struct request *request) {
    struct flight *flight = keep(calloc(1, sizeof *flight));
    CURL *easy = flight->easy = curl_easy_init();

    flight->begun = now_ms();
    set_way(lab, easy, request);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, flight);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, flight);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, flight);
    if (!request->kept_open) {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
    set_body(flight, request);
    set_headers(flight, request);
    if (request->method && strcmp(request->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (request->method)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_multi_add_handle(own_multi(), easy);
    http_pump(0);
    return flight;
}

static void part(struct flight *flight) {
    curl_multi_remove_handle(multi, flight->easy);
    curl_easy_cleanup(flight->easy);
    curl_slist_free_all(flight->headers);
    flight->easy = NULL;
    flight->landed = true;
}

static void fill(struct answer *answer, struct bytes *head, struct bytes *body) {
    bytes_add(head, "", 1);
    bytes_add(body, "", 1);
    answer->head = head->data;
    answer->body = body->data;
    answer->length = body->length - 1;
    answer->json = json_loadb(body->data, answer->length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (answer->json)
        keep(answer->json);
}

static void land(struct flight *flight, CURLcode code) {
    long status = 0, version = 0;

    curl_easy_getinfo(flight->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(flight->easy, CURLINFO_HTTP_VERSION, &version);
    flight->answer.http2 = version == CURL_HTTP_VERSION_2_0;
    flight->answer.status = code == CURLE_OK ? (int)status : 0;
    flight->answer.why = code == CURLE_OK ? "" : curl_easy_strerror(code);
    flight->answer.seconds = (double)(now_ms() - flight->begun) / 1000;
    fill(&flight->answer, &flight->head, &flight->body);
    part(flight);
}

void http_pump(int ms) {
    CURLMsg *message;
    int left;

    curl_multi_perform(own_multi(), &left);
    if (ms > 0 && left) {
        curl_multi_poll(multi, NULL, 0, ms, NULL);
        curl_multi_perform(multi, &left);
    }
    while ((message = curl_multi_info_read(multi, &left))) {
        char *flight;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &flight);
        land((struct flight *)(void *)flight, message->data.result);
    }
}

bool http_landed(const struct flight *flight) {
    return flight->landed;
}

void http_reach_session(struct lab *lab) {
    until((http_pump(10), store_session_held(lab)), "nobody holds a session");
}

const char *http_so_far(struct flight *flight) {
    bytes_add(&flight->body, "", 1); /* no copy, which would be kept: many ask again and again */
    flight->body.length--;
    return flight->body.data;
}

const struct answer *http_land(struct flight *flight) {
    int64_t end = now_ms() + PATIENCE_MS;

    while (!flight->landed) {
        must(now_ms() < end, "no answer within %d ms", PATIENCE_MS);
        http_pump(100);
    }
    return &flight->answer;
}

void http_abandon(struct flight *flight) {
    if (flight && !flight->landed)
        part(flight);
}

const struct answer *http_send(struct lab *lab, const struct request *request) {
    return http_land(http_begin(lab, request));
}

struct flight *http_get_begin(struct lab *lab, const char *path, ...) {
    struct request request = {0};
    va_list args;

    va_start(args, path);
    request.path = keepv(path, args);
    va_end(args);
    return http_begin(lab, &request);
}

const struct answer *http_get(struct lab *lab, const char *path, ...) {
    struct request request = {0};
    va_list args;

    va_start(args, path);
    request.path = keepv(path, args);
    va_end(args);
    return http_send(lab, &request);
}

const struct answer *http_post(struct lab *lab, const char *body, size_t length, const char *path,
                               ...) {
    struct request request = {.method = "POST", .body = body, .length = length};
    va_list args;

    va_start(args, path);
    request.path = keepv(path, args);
    va_end(args);
    return http_send(lab, &request);
}

static const char *end_of_head(const char *text, size_t length, size_t *skip) {
    const char *wide = memmem(text, length, "\r\n\r\n", 4),
               *narrow = memmem(text, length, "\n\n", 2);

    *skip = wide ? 4 : 2;
    return wide ? wide : narrow;
}

const struct answer *answer_from_cgi(const char *text, size_t length) {
    struct answer *answer = keep(calloc(1, sizeof *answer));
    struct bytes head = {0}, body = {0};
    size_t skip;
    const char *end = end_of_head(text, length, &skip), *status;

    if (end) {
        bytes_add(&head, text, (size_t)(end - text));
        bytes_add(&head, "\r\n", 2);
        bytes_add(&body, end + skip, length - (size_t)(end + skip - text));
    }
    fill(answer, &head, &body);
    status = answer_header(answer, "Status");
    answer->status = !end ? 0 : status ? atoi(status) : 200;
    return answer;
}

const char *answer_header(const struct answer *answer, const char *name) {
    size_t length = strlen(name);

    for (const char *line = answer->head; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1 + strspn(line + length + 1, " ");

            return keepf("%.*s", (int)strcspn(value, "\r\n"), value);
        }
    }
    return NULL;
}

const char *answer_text(const struct answer *answer) {
    return keepf("%d %s%.300s", answer->status, answer->why ? answer->why : "",
                 answer->body ? answer->body : "");
}
