/*
 * libcurl on libev: curl says which descriptors it waits for and for how long, and is told what
 * happened to them (libcurl-multi(3), "socket_action").
 */
#include "fcgi-app/rights/inquiry.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/collections.h"
#include "core/base/mem.h"

#define CURL_LIBRARY "libcurl.so.4"
#define BODY_MAX     65536L
#define MAX_AGE_MAX  86400L /* seconds; what is said above that is taken for this */
#define UNSAID       (-1L)

/* What is used of it. The names of its functions are macros, too, that check their arguments. */
#define CURL_LIST(X)                                                                               \
    X(global_init, curl_global_init)                                                               \
    X(multi_init, curl_multi_init)                                                                 \
    X(multi_setopt, curl_multi_setopt)                                                             \
    X(multi_add_handle, curl_multi_add_handle)                                                     \
    X(multi_remove_handle, curl_multi_remove_handle)                                               \
    X(multi_socket_action, curl_multi_socket_action)                                               \
    X(multi_assign, curl_multi_assign)                                                             \
    X(multi_info_read, curl_multi_info_read)                                                       \
    X(multi_cleanup, curl_multi_cleanup)                                                           \
    X(easy_init, curl_easy_init)                                                                   \
    X(easy_setopt, curl_easy_setopt)                                                               \
    X(easy_getinfo, curl_easy_getinfo)                                                             \
    X(easy_strerror, curl_easy_strerror)                                                           \
    X(easy_cleanup, curl_easy_cleanup)                                                             \
    X(slist_append, curl_slist_append)                                                             \
    X(slist_free_all, curl_slist_free_all)

static struct {
#define CURL_FIELD(name, function) __typeof__(function) *name;
    CURL_LIST(CURL_FIELD)
#undef CURL_FIELD
    bool loaded;
} curl;

struct inquiries {
    struct ev_loop *loop;
    CURLM *multi;
    struct ev_timer timer;  /* curl's own */
    struct asking *going;   /* on their way */
    struct asking *waiting; /* for their turn, the first one first */
    unsigned going_count, waiting_count;
};

/* One that was begun. */
struct asking {
    struct asking *prev, *next;
    struct inquiries *all;
    CURL *easy;
    struct curl_slist *fields;
    inquiry_fn *done;
    void *ctx;
    struct ev_timer deadline;
    unsigned *share;
    bool going;
    long max_age; /* or UNSAID */
    bool whole;   /* the head is: curl is content with a connection that ends within it */
    long body;    /* bytes that came */
};

/* A descriptor that curl waits for. */
struct watched {
    struct ev_io io;
    struct inquiries *all;
};

/* ---------------------------------------------------------------------- the library */

bool inquiries_can(void) {
    void *library = curl.loaded ? NULL : dlopen(CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return curl.loaded;
    curl.loaded = true;
#define CURL_FIND(name, function)                                                                  \
    curl.name = (__typeof__(curl.name))(uintptr_t)dlsym(library, #function);                       \
    curl.loaded &= curl.name != NULL;
    CURL_LIST(CURL_FIND)
#undef CURL_FIND
    if (curl.loaded)
        curl.loaded = curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return curl.loaded;
}

/* -------------------------------------------------------------------- one of them */

static void asking_free(struct asking *asking) {
    struct inquiries *all = asking->all;

    ev_timer_stop(all->loop, &asking->deadline);
    if (asking->going) {
        curl.multi_remove_handle(all->multi, asking->easy);
        DL_DELETE(all->going, asking);
        all->going_count--;
        --*asking->share;
    } else {
        DL_DELETE(all->waiting, asking);
        all->waiting_count--;
    }
    curl.easy_cleanup(asking->easy);
    curl.slist_free_all(asking->fields);
    free(asking);
}

/* Whose turn it is: those who have their share on their way are passed over. */
static struct asking *next_of(const struct inquiries *all) {
    struct asking *asking = all->going_count < INQUIRY_AT_ONCE ? all->waiting : NULL;

    while (asking != NULL && *asking->share >= INQUIRY_SHARE)
        asking = asking->next;
    return asking;
}

static void begin_waiting(struct inquiries *all) {
    struct asking *asking;

    while ((asking = next_of(all)) != NULL) {
        DL_DELETE(all->waiting, asking);
        all->waiting_count--;
        DL_APPEND(all->going, asking);
        all->going_count++;
        ++*asking->share;
        asking->going = true;
        curl.multi_add_handle(all->multi, asking->easy);
    }
}

static void end(struct asking *asking, int status, const char *why) {
    struct inquiries *all = asking->all;
    inquiry_fn *done = asking->done;
    void *ctx = asking->ctx;
    const struct inquiry_answer answer = {
        .status = status,
        .max_age = status != 0 && asking->max_age > 0 ? asking->max_age : 0,
        .why = why};

    asking_free(asking);
    begin_waiting(all);
    done(ctx, &answer);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    end(timer->data, 0, "it did not answer in time");
}

/* A body that is too long is not read on: what was answered is known by then. */
static void finish(struct asking *asking, CURLcode result) {
    bool cut = result == CURLE_WRITE_ERROR && asking->body > BODY_MAX;
    long status = 0;

    curl.easy_getinfo(asking->easy, CURLINFO_RESPONSE_CODE, &status);
    if (asking->whole && (result == CURLE_OK || cut))
        end(asking, (int)status, NULL);
    else
        end(asking, 0, result != CURLE_OK ? curl.easy_strerror(result) : "it broke off");
}

static void take_finished(struct inquiries *all) {
    CURLMsg *message;
    int left;

    while ((message = curl.multi_info_read(all->multi, &left)) != NULL) {
        char *asking = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &asking);
        finish((struct asking *)(void *)asking, result);
    }
}

/* ------------------------------------------------------------------------ the loop */

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events) {
    struct watched *watched = (struct watched *)io;
    struct inquiries *all = watched->all;
    int running, what = ((events & EV_READ) ? CURL_CSELECT_IN : 0) |
                        ((events & EV_WRITE) ? CURL_CSELECT_OUT : 0);
    (void)loop;

    curl.multi_socket_action(all->multi, io->fd, what, &running);
    take_finished(all);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct inquiries *all = timer->data;
    int running;
    (void)loop, (void)events;

    curl.multi_socket_action(all->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_finished(all);
}

static int on_wanted_timer(CURLM *multi, long milliseconds, void *ctx) {
    struct inquiries *all = ctx;
    (void)multi;

    ev_timer_stop(all->loop, &all->timer);
    if (milliseconds >= 0) {
        ev_timer_set(&all->timer, (double)milliseconds / 1000, 0);
        ev_timer_start(all->loop, &all->timer);
    }
    return 0;
}

static void watch(struct inquiries *all, struct watched *watched, curl_socket_t fd, int what) {
    int events = (what != CURL_POLL_OUT ? EV_READ : 0) | (what != CURL_POLL_IN ? EV_WRITE : 0);

    ev_io_stop(all->loop, &watched->io);
    ev_io_set(&watched->io, fd, events);
    ev_io_start(all->loop, &watched->io);
}

static int on_wanted_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *of_socket) {
    struct inquiries *all = ctx;
    struct watched *watched = of_socket;
    (void)easy;

    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL)
            ev_io_stop(all->loop, &watched->io);
        free(watched);
        return 0;
    }
    if (watched == NULL) {
        watched = mem_new(sizeof *watched);
        watched->all = all;
        ev_init(&watched->io, on_ready);
        curl.multi_assign(all->multi, fd, watched);
    }
    watch(all, watched, fd, what);
    return 0;
}

/* ------------------------------------------------------------------------ its answer */

/* Of several times that are said the least counts. */
static void hold_for(struct asking *asking, long seconds) {
    if (asking->max_age == UNSAID || asking->max_age > seconds)
        asking->max_age = seconds;
}

/* What is no number holds for no time (RFC 9111 §4.2.1). */
static long seconds_of(const char *digits, size_t len) {
    long seconds = 0;

    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return 0;
        if (seconds < MAX_AGE_MAX)
            seconds = seconds * 10 + digits[i] - '0';
    }
    return seconds < MAX_AGE_MAX ? seconds : MAX_AGE_MAX;
}

static bool begins(const char *text, size_t len, const char *word) {
    return len >= strlen(word) && strncasecmp(text, word, strlen(word)) == 0;
}

static void take_directive(struct asking *asking, const char *at, size_t len) {
    static const char age[] = "max-age=";

    if (begins(at, len, "no-store") || begins(at, len, "no-cache"))
        hold_for(asking, 0);
    else if (begins(at, len, age))
        hold_for(asking, seconds_of(at + sizeof age - 1, len - (sizeof age - 1)));
}

/* A list, which may go on in another field of the same name (RFC 9110 §5.3). */
static void take_directives(struct asking *asking, const char *at, const char *end) {
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end, *last = stop;
        while (at < last && strchr(" \t\r\n", *at) != NULL)
            at++;
        while (last > at && strchr(" \t\r\n", last[-1]) != NULL)
            last--;
        take_directive(asking, at, (size_t)(last - at));
        at = stop + 1;
    }
}

/* Fields of an answer that is followed by another one (100) begin anew with its first line; what
 * comes behind the head is a trailer. */
static size_t on_field(const char *text, size_t size, size_t count, void *ctx) {
    static const char name[] = "Cache-Control:";
    struct asking *asking = ctx;
    size_t len = size * count;

    if (begins(text, len, "HTTP/")) {
        asking->max_age = UNSAID;
        asking->whole = false;
    } else if (begins(text, len, name) && !asking->whole) {
        take_directives(asking, text + sizeof name - 1, text + len);
    }
    asking->whole |= begins(text, len, "\r") || begins(text, len, "\n");
    return len;
}

static size_t on_body(const char *text, size_t size, size_t count, void *ctx) {
    struct asking *asking = ctx;
    (void)text;

    asking->body += (long)(size * count);
    return asking->body > BODY_MAX ? 0 : size * count;
}

/* -------------------------------------------------------------------------- asking */

static void set_request(struct asking *asking, const struct inquiry *inquiry) {
    CURL *easy = asking->easy;

    for (const char *const *field = inquiry->fields; *field != NULL; field++)
        asking->fields = curl.slist_append(asking->fields, *field);
    curl.easy_setopt(easy, CURLOPT_URL, inquiry->url);
    curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (inquiry->socket != NULL)
        curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, inquiry->socket);
    curl.easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl.easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)inquiry->alone);
    curl.easy_setopt(easy, CURLOPT_FORBID_REUSE, (long)inquiry->alone);
    curl.easy_setopt(easy, CURLOPT_HTTPHEADER, asking->fields);
    curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_field);
    curl.easy_setopt(easy, CURLOPT_HEADERDATA, asking);
    curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(easy, CURLOPT_WRITEDATA, asking);
    curl.easy_setopt(easy, CURLOPT_PRIVATE, asking);
}

bool inquiry_begin(struct inquiries *all, const struct inquiry *inquiry, inquiry_fn *done,
                   void *ctx) {
    CURL *easy = all->waiting_count < INQUIRY_WAITING ? curl.easy_init() : NULL;

    if (easy == NULL)
        return false;
    struct asking *asking = mem_new(sizeof *asking);
    *asking = (struct asking){.all = all,
                              .easy = easy,
                              .share = inquiry->share,
                              .max_age = UNSAID,
                              .done = done,
                              .ctx = ctx};
    set_request(asking, inquiry);
    ev_timer_init(&asking->deadline, on_deadline, inquiry->timeout, 0);
    asking->deadline.data = asking;
    ev_timer_start(all->loop, &asking->deadline);
    DL_APPEND(all->waiting, asking);
    all->waiting_count++;
    begin_waiting(all);
    return true;
}

struct inquiries *inquiries_new(struct ev_loop *loop) {
    CURLM *multi = inquiries_can() ? curl.multi_init() : NULL;

    if (multi == NULL)
        return NULL;
    struct inquiries *all = mem_new(sizeof *all);
    *all = (struct inquiries){.loop = loop, .multi = multi};
    ev_timer_init(&all->timer, on_timer, 0, 0);
    all->timer.data = all;
    curl.multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_wanted_socket);
    curl.multi_setopt(multi, CURLMOPT_SOCKETDATA, all);
    curl.multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_wanted_timer);
    curl.multi_setopt(multi, CURLMOPT_TIMERDATA, all);
    return all;
}

void inquiries_free(struct inquiries *all) {
    if (all == NULL)
        return;
    while (all->going != NULL)
        asking_free(all->going);
    while (all->waiting != NULL)
        asking_free(all->waiting);
    curl.multi_cleanup(all->multi);
    ev_timer_stop(all->loop, &all->timer);
    free(all);
}
