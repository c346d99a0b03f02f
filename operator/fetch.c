#include "operator/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/base/mem.h"

enum { AT_ONCE = 512, CONNECT_SECONDS = 5 };

struct entry {
    struct fetch fetch;
    CURL *easy;
    struct curl_slist *headers;
    double begun;
};

struct transfers {
    CURLM *multi;
    struct entry *entries[AT_ONCE];
    bool shared;
};

double fetch_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct transfers *transfers_new(bool shared) {
    struct transfers *transfers = mem_new(sizeof *transfers);

    curl_global_init(CURL_GLOBAL_DEFAULT);
    transfers->multi = curl_multi_init();
    transfers->shared = shared;
    if (shared)
        curl_multi_setopt(transfers->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 1L);
    return transfers;
}

static void copy_field(char *out, size_t room, const char *line, size_t len, const char *name) {
    size_t named = strlen(name);

    if (len <= named || strncasecmp(line, name, named) != 0)
        return;
    while (named < len && line[named] == ' ')
        named++;
    size_t value = len - named;
    while (value > 0 && (line[named + value - 1] == '\n' || line[named + value - 1] == '\r'))
        value--;
    snprintf(out, room, "%.*s", (int)value, line + named);
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx) {
    struct entry *entry = ctx;
    int status = 0;

    if (sscanf(line, "HTTP/%*s %d", &status) == 1)
        entry->fetch.status = status;
    copy_field(entry->fetch.server, sizeof entry->fetch.server, line, size * count, "Server:");
    copy_field(entry->fetch.type, sizeof entry->fetch.type, line, size * count, "Content-Type:");
    return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
    struct entry *entry = ctx;
    struct fetch *fetch = &entry->fetch;
    size_t room = sizeof fetch->body - 1 - fetch->len, len = size * count;

    memcpy(fetch->body + fetch->len, data, len < room ? len : room);
    fetch->len += len < room ? len : room;
    fetch->body[fetch->len] = '\0';
    fetch->seconds = fetch_now() - entry->begun;
    return len;
}

static void set_options(struct transfers *transfers, struct entry *entry, const char *url,
                        const char *const headers[]) {
    CURL *easy = entry->easy;

    for (size_t i = 0; headers != NULL && i < FETCH_HEADERS && headers[i] != NULL; i++)
        entry->headers = curl_slist_append(entry->headers, headers[i]);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, entry->headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, entry);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, entry);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, entry);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     transfers->shared ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, transfers->shared ? 1L : 0L);
}

/* Where it is among the others; it has not begun. */
static struct entry *enter(struct transfers *transfers, const char *url,
                           const char *const headers[]) {
    size_t place = 0;

    while (place < AT_ONCE - 1 && transfers->entries[place] != NULL)
        place++;
    if (transfers->entries[place] != NULL)
        fetch_end(transfers, &transfers->entries[place]->fetch);
    struct entry *entry = mem_new(sizeof *entry);
    entry->easy = curl_easy_init();
    entry->fetch.why = "";
    entry->begun = fetch_now();
    set_options(transfers, entry, url, headers);
    transfers->entries[place] = entry;
    return entry;
}

static struct fetch *begin(struct transfers *transfers, struct entry *entry) {
    curl_multi_add_handle(transfers->multi, entry->easy);
    transfers_turn(transfers, 0);
    return &entry->fetch;
}

struct fetch *fetch_begin(struct transfers *transfers, const char *url,
                          const char *const headers[]) {
    return begin(transfers, enter(transfers, url, headers));
}

struct fetch *fetch_post(struct transfers *transfers, const char *url, const char *body,
                         size_t len) {
    static const char *const headers[] = {"Content-Type: text/plain", "Expect:", NULL};
    struct entry *entry = enter(transfers, url, headers);

    curl_easy_setopt(entry->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(entry->easy, CURLOPT_POSTFIELDS, body);
    return begin(transfers, entry);
}

void fetch_end(struct transfers *transfers, struct fetch *fetch) {
    for (size_t i = 0; fetch != NULL && i < AT_ONCE; i++) {
        struct entry *entry = transfers->entries[i];
        if (entry == NULL || &entry->fetch != fetch)
            continue;
        curl_multi_remove_handle(transfers->multi, entry->easy);
        curl_easy_cleanup(entry->easy);
        curl_slist_free_all(entry->headers);
        free(entry);
        transfers->entries[i] = NULL;
        return;
    }
}

static void finish(struct entry *entry, CURLcode code) {
    long version = 0;

    curl_easy_getinfo(entry->easy, CURLINFO_HTTP_VERSION, &version);
    entry->fetch.http2 = version == CURL_HTTP_VERSION_2_0;
    entry->fetch.over = true;
    entry->fetch.seconds = fetch_now() - entry->begun;
    entry->fetch.why = code == CURLE_OK ? "" : curl_easy_strerror(code);
}

void transfers_turn(struct transfers *transfers, double seconds) {
    CURLMsg *message;
    int left = 0;

    curl_multi_perform(transfers->multi, &left);
    if (seconds > 0 && left > 0) {
        curl_multi_poll(transfers->multi, NULL, 0, (int)(seconds * 1000), NULL);
        curl_multi_perform(transfers->multi, &left);
    }
    while ((message = curl_multi_info_read(transfers->multi, &left)) != NULL) {
        char *entry = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &entry);
        finish((struct entry *)(void *)entry, message->data.result);
    }
}

bool fetch_wait(struct transfers *transfers, const struct fetch *fetch, double seconds) {
    double until = fetch_now() + seconds;

    while (!fetch->over && fetch_now() < until)
        transfers_turn(transfers, 0.2);
    return fetch->over;
}

void transfers_free(struct transfers *transfers) {
    for (size_t i = 0; i < AT_ONCE; i++)
        if (transfers->entries[i] != NULL)
            fetch_end(transfers, &transfers->entries[i]->fetch);
    curl_multi_cleanup(transfers->multi);
    free(transfers);
}
