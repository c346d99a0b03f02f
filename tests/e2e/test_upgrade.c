/* A newer release beside an older one: one after the other the programs are replaced, each way
 * round and back again, while readers of every transport and sessions of every dialect go on.
 *
 * The older release is this one. A newer one is made of its programs: in the copies the texts of
 * the function libraries are others, with a higher number, a function, an option and parts of
 * replies more. They stand at the place of the old texts and are as long, so the head comment,
 * which tells programmers what each key is, makes room.
 *
 * The test holds the socket of HTTP, as systemd does, and old and new programs serve there at once.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/reader.h"
#include "tests/lib/store.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static const char conf[] = "mount = /comet\nlease = 600\njsonp = on\nmax_wait = 600\n"
                           "[service socket.io]\nping_interval = 600000\n"
                           "[service sockjs/bare]\nprotocol = channel bare\n"
                           "[service bayeux]\n";

static struct lab lab;

static char *file_text(const char *path, size_t *length) {
    const char *const argv[] = {"cat", path, NULL};
    char *text = NULL;

    ck_assert_int_eq(proc_run(argv, environ, -1, &text, length), 0);
    return text;
}

/* --- releases ------------------------------------------------------------------------ */

/* How the libraries of a release are made of this one's. */
struct release {
    const char *name;
    int newer;   /* by how much their numbers are higher */
    bool breaks; /* it serves no older programs */
    char *dir;   /* of its programs; kept */
};

static const char *const libraries[] = {"halley", "halley_session"};

enum { LIBRARIES = 2 };

static char *texts[LIBRARIES]; /* as they stand in this release's programs; kept */
static struct release this = {.name = "this"}, next = {.name = "next", .newer = +1},
                      last = {.name = "last", .newer = -1},
                      breaking = {.name = "breaking", .newer = +2, .breaks = true};

/* What a text of another release has in the place of what stands in this one's. */
struct change {
    const char *before, *after;
};

static const struct change more[] = {
    {"older and 1 or 0, SERVES }", "older and 1 or 0, SERVES, 'more' }"},
    {"text(done), others }", "text(done), others, 'more' }"},
    {"known, r.broken and 1 or 0 }", "known, r.broken and 1 or 0, 'more' }"},
    {"more and 1 or 0, entries }", "more and 1 or 0, entries, 'more' }"},
    {"'TTL' then\n", "'NEWER' then o.newer = value elseif name == 'TTL' then\n"},
    {"return VERSION\nend\n", "return VERSION\nend\nredis.register_function { function_name = "
                              "'halley_newer', callback = halley_version }\n"},
    {"return { VERSION, DIGEST, SERVES }", "return { VERSION, DIGEST, SERVES, 'more' }"},
    {"offer('count',", "offer('newer', session_count, {})\noffer('count',"},
    {NULL, NULL},
};

static const struct change less[] = {
    {"older and 1 or 0, SERVES }", "older and 1 or 0 }"},
    {"redis.register_function { function_name = 'halley_serve'",
     "local never = { function_name = ''"},
    {"return { VERSION, DIGEST, SERVES }", "return { VERSION, DIGEST }"},
    {NULL, NULL},
};

/* False: the text does not have that part. */
static bool replace(char **text, const char *before, const char *after) {
    char *at = strstr(*text, before);

    if (at != NULL)
        *text = keepf("%.*s%s%s", (int)(at - *text), *text, after, at + strlen(before));
    return at != NULL;
}

static int number_in(const char *text, const char *name) {
    const char *at = strstr(text, keepf("local %s = ", name));

    ck_assert_ptr_nonnull(at);
    return atoi(strchr(at, '=') + 1);
}

static void set_number(char **text, const char *name, int number) {
    replace(text, keepf("local %s = %d ", name, number_in(*text, name)),
            keepf("local %s = %d ", name, number));
    replace(text, keepf("local %s = %d\n", name, number_in(*text, name)),
            keepf("local %s = %d\n", name, number));
    ck_assert_int_eq(number_in(*text, name), number);
}

/* The text of a library without the comment at its head. */
static char *without_head(const char *text) {
    const char *first = strchr(text, '\n'), *code = strstr(text, "\nlocal VERSION");

    ck_assert(first != NULL && code != NULL);
    return keepf("%.*s%s", (int)(first - text), text, code);
}

static char *text_of(const struct release *release, size_t library) {
    const struct change *change = release->newer > 0 ? more : less;
    int version = number_in(texts[library], "VERSION") + release->newer;
    char *text = without_head(texts[library]);

    set_number(&text, "VERSION", version);
    if (release->breaks)
        set_number(&text, "SERVES", version);
    for (; change->before != NULL; change++)
        replace(&text, change->before, change->after);
    return text;
}

/* Each change is one of a text that there is. */
static void must_apply(const struct change *change) {
    for (; change->before != NULL; change++)
        ck_assert_msg(strstr(texts[0], change->before) != NULL ||
                          strstr(texts[1], change->before) != NULL,
                      "no library has \"%s\"", change->before);
}

/* In the bytes of a program; NULL: it has no such library. */
static char *find_library(char *program, size_t length, const char *name) {
    const char *head = keepf("#!lua name=%s\n", name);
    return memmem(program, length, head, strlen(head));
}

/* Writes the program `name` as the release has it. */
static void make_program(const struct release *release, const char *name) {
    size_t length;
    char *program = file_text(keepf("%s/%s", this.dir, name), &length);
    const char *path = keepf("%s/%s", release->dir, name);

    for (size_t i = 0; i < LIBRARIES; i++) {
        char *place = find_library(program, length, libraries[i]);
        const char *text = text_of(release, i);
        if (place == NULL)
            continue;
        size_t room = strlen(texts[i]);
        ck_assert_uint_le(strlen(text), room);
        memcpy(place, keepf("%-*s", (int)room, text), room);
    }
    FILE *file = fopen(path, "w");
    ck_assert(file != NULL && fwrite(program, 1, length, file) == length && fclose(file) == 0);
    ck_assert_int_eq(chmod(path, 0755), 0);
}

static void make_release(struct release *release) {
    release->dir = keepf("%s/%s", lab.dir, release->name);
    ck_assert_int_eq(mkdir(release->dir, 0755), 0);
    make_program(release, "halley.fcgi");
    make_program(release, "halley-worker");
}

/* This release's programs are those that the tests are run with. */
static void know_this_release(void) {
    size_t length;
    char *path = lab_program("halley.fcgi"), *program = file_text(path, &length);

    this.dir = keepf("%.*s", (int)(strrchr(path, '/') - path), path);
    for (size_t i = 0; i < LIBRARIES; i++) {
        const char *text = find_library(program, length, libraries[i]);
        ck_assert_msg(text != NULL, "no library %s in %s", libraries[i], path);
        texts[i] = keepf("%s", text);
    }
    must_apply(more);
    must_apply(less);
}

/* --- programs ------------------------------------------------------------------------ */

static int http; /* the socket, which the test holds */

static void listen_at_http(void) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;

    http = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(http, (struct sockaddr *)&name, size), 0);
    ck_assert_int_eq(listen(http, 512), 0);
    ck_assert_int_eq(getsockname(http, (struct sockaddr *)&name, &size), 0);
    lab.port = ntohs(name.sin_port);
}

/* sd_listen_fds(3): the socket comes to the shell as its standard input. */
static void start_app(const struct release *release, size_t which) {
    const char *const argv[] = {"sh",
                                "-c",
                                "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http "
                                "exec \"$0\" -f \"$1\" 3<&0 </dev/null",
                                keepf("%s/halley.fcgi", release->dir),
                                lab.conf,
                                NULL};

    proc_start(&lab.app[which], "halley.fcgi", keepf("%s/app%zu.log", lab.dir, which), http, argv,
               lab_env(&lab, NULL));
}

static void start_worker(const struct release *release, size_t which) {
    setenv("HALLEY_BIN_DIR", release->dir, 1);
    lab_worker_begins(&lab, which);
    setenv("HALLEY_BIN_DIR", this.dir, 1);
}

/* "" where it did not begin yet. */
static char *log_of(const char *name) {
    const char *path = keepf("%s/%s.log", lab.dir, name);
    return access(path, F_OK) == 0 ? file_text(path, NULL) : keepf("%s", "");
}

static size_t count_in(const char *text, const char *word) {
    size_t count = 0;

    while ((text = strstr(text, word)) != NULL)
        count++, text++;
    return count;
}

/* --- what Redis holds ---------------------------------------------------------------- */

static int number_of(const struct release *release, size_t library) {
    return number_in(texts[library], "VERSION") + release->newer;
}

static int held(size_t library) {
    const redisReply *reply = library == 0 ? store_try(&lab, "FCALL_RO halley_version 0")
                                           : store_try(&lab, "FCALL_RO halley_session_version 0");
    if (reply->type == REDIS_REPLY_ARRAY)
        reply = reply->element[0];
    return reply->type == REDIS_REPLY_INTEGER ? (int)reply->integer : -1;
}

static bool holds(const struct release *release) {
    return held(0) == number_of(release, 0) && held(1) == number_of(release, 1);
}

/* As a program of that release does. */
static void load(const struct release *release) {
    for (size_t i = 0; i < LIBRARIES; i++)
        store_do(&lab, "FUNCTION LOAD REPLACE %s", text_of(release, i));
}

/* How often anybody loaded a library. */
static int loads(void) {
    const char *stats = store_do(&lab, "INFO commandstats")->str;
    const char *at = strstr(stats, "cmdstat_function|load:calls=");
    return at != NULL ? atoi(strchr(at, '=') + 1) : 0;
}

/* --- sessions ------------------------------------------------------------------------ */

/* One of another system's clients, who polls. */
struct session {
    const char *name, *mark; /* what stands in front of a message's number */
    const char *method, *path, *body, *type;
    struct flight *flight;
    int last;
};

static const struct answer *ask(const char *method, const char *path, const char *body,
                                const char *type) {
    const struct request request = {.method = method,
                                    .path = path,
                                    .body = body,
                                    .length = body != NULL ? strlen(body) : 0,
                                    .headers = {keepf("Content-Type: %s", type)}};
    const struct answer *answer = http_send(&lab, &request);
    ck_assert_msg(answer->status == 200, "%s: %s", path, answer_text(answer));
    return answer;
}

/* What stands behind `before` in an answer, up to a quote. */
static const char *word_behind(const struct answer *answer, const char *before) {
    const char *at = strstr(answer->body, before);

    ck_assert_msg(at != NULL, "no %s in %s", before, answer_text(answer));
    at += strlen(before);
    return keepf("%.*s", (int)strcspn(at, "\""), at);
}

static struct session socketio(void) {
    const char *path = "/socket.io/?EIO=4&transport=polling", *heard = "";

    path =
        keepf("%s&sid=%s", path, word_behind(ask("GET", path, NULL, "text/plain"), "\"sid\":\""));
    ask("POST", path,
        "40\x1e"
        "421[\"subscribe\",\"bare\"]",
        "text/plain");
    while (strstr(heard, "431[{\"ok\":true}]") == NULL)
        heard = keepf("%s%s", heard, ask("GET", path, NULL, "text/plain")->body);
    return (struct session){.name = "Socket.IO",
                            .mark = "[\"message\",",
                            .method = "GET",
                            .path = path,
                            .type = "text/plain"};
}

static struct session sockjs(void) {
    const char *path = keepf("/sockjs/bare/1/%s/xhr", keep_fresh("s"));

    ck_assert_str_eq(ask("POST", path, "", "text/plain")->body, "o\n");
    return (struct session){.name = "SockJS",
                            .mark = "\"",
                            .method = "POST",
                            .path = path,
                            .body = "",
                            .type = "text/plain"};
}

static struct session bayeux(void) {
    static const char hello[] = "{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                                "\"supportedConnectionTypes\":[\"long-polling\"]}";
    const char *path = "/bayeux", *json = "application/json";
    const char *client = word_behind(ask("POST", path, hello, json), "\"clientId\":\"");

    ask("POST", path,
        keepf("{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\",\"subscription\":\"/bare\"}",
              client),
        json);
    return (struct session){.name = "Bayeux",
                            .mark = "\"data\":",
                            .method = "POST",
                            .path = path,
                            .body = keepf("{\"channel\":\"/meta/connect\",\"clientId\":\"%s\","
                                          "\"connectionType\":\"long-polling\"}",
                                          client),
                            .type = json};
}

static void session_poll(struct session *session) {
    const struct request request = {.method = session->method,
                                    .path = session->path,
                                    .body = session->body,
                                    .length = session->body != NULL ? strlen(session->body) : 0,
                                    .headers = {keepf("Content-Type: %s", session->type)}};
    session->flight = http_begin(&lab, &request);
    for (int i = 0; i < 3; i++)
        http_pump(0); /* connected and sent: a process that ends waits half a second for that */
}

/* Each message is the next one, and nothing says that the session is over. */
static void session_take(struct session *session, const struct answer *answer) {
    ck_assert_msg(answer->status == 200 && strstr(answer->body, "gap") == NULL &&
                      strstr(answer->body, "\"successful\":false") == NULL,
                  "%s: %s", session->name, answer_text(answer));
    for (const char *at = answer->body; (at = strstr(at, session->mark)) != NULL;) {
        at += strlen(session->mark);
        if (*at >= '0' && *at <= '9')
            ck_assert_msg(atoi(at) == ++session->last, "%s: after %d: %s", session->name,
                          session->last - 1, answer->body);
    }
}

static void session_turn(struct session *session) {
    if (session->flight != NULL && !http_landed(session->flight))
        return;
    if (session->flight != NULL)
        session_take(session, http_land(session->flight));
    session_poll(session);
}

/* --- who listens --------------------------------------------------------------------- */

/* Readers of `bare`, whose messages a worker makes history of, by every transport; of `kept`,
 * where they are that from the start; and the sessions, on `bare`. */
enum { KEPT_READERS = 3, READERS = TRANSPORTS + KEPT_READERS, SESSIONS = 3 };

static struct reader readers[READERS];
static struct session sessions[SESSIONS];
static int said;
static bool gathered;

static void gather(void) {
    static const enum transport kept[KEPT_READERS] = {EVENTS, WAIT, WS};

    for (size_t i = 0; i < TRANSPORTS; i++)
        reader_begin(&readers[i], &lab, BY_WEB, (enum transport)i, "bare");
    for (size_t i = 0; i < KEPT_READERS; i++)
        reader_begin(&readers[TRANSPORTS + i], &lab, BY_WEB, kept[i], "kept");
    sessions[0] = socketio();
    sessions[1] = sockjs();
    sessions[2] = bayeux();
    gathered = true;
}

static void turn(void) {
    http_pump(2);
    if (!gathered)
        return;
    for (size_t i = 0; i < READERS; i++)
        reader_turn(&readers[i]);
    for (size_t i = 0; i < SESSIONS; i++)
        session_turn(&sessions[i]);
}

/* Goes on until the program's log has that word once more than `before`. */
static void reach_word(const char *log, const char *word, size_t before) {
    until((turn(), count_in(log_of(log), word) > before), "%s.log does not say \"%s\"", log, word);
}

/* Beside those that run; returns when it takes what comes. */
static void begin_app(const struct release *release, size_t which) {
    const char *log = keepf("app%zu", which), *word = " info start as=inherited";
    size_t before = count_in(log_of(log), word);

    start_app(release, which);
    reach_word(log, word, before);
}

/* Beside those that run; returns when it hears what is published. */
static void begin_worker(const struct release *release, size_t which) {
    const char *log = keepf("worker%zu", which), *word = " info sequencer.listening";
    size_t before = count_in(log_of(log), word);

    start_worker(release, which);
    reach_word(log, word, before);
}

/* Says a message; a worker must be there to hear it. */
static void say(void) {
    said++;
    ck_assert_int_ge(store_publish(&lab, "bare", keepf("%d", said)), 1);
    store_add(&lab, "kept", keepf("%d", said));
    turn();
}

static bool all_heard(void) {
    turn();
    for (size_t i = 0; i < READERS; i++)
        if (readers[i].last < said)
            return false;
    for (size_t i = 0; i < SESSIONS; i++)
        if (sessions[i].last < said)
            return false;
    return true;
}

static const char *who_heard(void) {
    const char *list = "";

    for (size_t i = 0; i < READERS; i++)
        list = keepf("%s %s %d", list, transports[readers[i].transport].name, readers[i].last);
    for (size_t i = 0; i < SESSIONS; i++)
        list = keepf("%s %s %d", list, sessions[i].name, sessions[i].last);
    return list;
}

/* So many messages more, and everybody has heard them. */
static void say_more(int count) {
    for (int i = 0; i < count; i++)
        say();
    until(all_heard(), "%d were said:%s", said, who_heard());
}

/* Everybody has every message once, was told of no gap, and never met an error. */
static void must_be_content(void) {
    say_more(10);
    for (size_t i = 0; i < READERS; i++) {
        reader_must_have(&readers[i], said);
        ck_assert_msg(readers[i].refused == 0 && readers[i].cut == 0 && readers[i].gaps == 0,
                      "%s: %zu refused, %zu cut, %zu gaps", transports[readers[i].transport].name,
                      readers[i].refused, readers[i].cut, readers[i].gaps);
    }
}

/* For as long as each program looks some times at what Redis holds. */
static void stay_side_by_side(const struct release *holding) {
    int before = loads();

    for (int64_t end = now_ms() + 1500; now_ms() < end; pause_ms(20))
        say();
    ck_assert(holds(holding));
    ck_assert_int_eq(loads(), before);
}

/* --- fixtures ------------------------------------------------------------------------ */

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "upgrade");
    lab_conf(&lab, conf);
    snprintf(lab.server, sizeof lab.server, "held");
    know_this_release();
    listen_at_http();
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
}

static void setup_this_release(void) {
    setup();
    begin_worker(&this, 0);
    begin_app(&this, 0);
    gather();
    say_more(3);
}

static void teardown(void) {
    lab_close(&lab);
}

/* A program ends as systemd has it end, while others go on. */
static void end_in_turn(struct proc *program) {
    proc_signal(program, SIGTERM);
    for (int i = 0; i < 10; i++)
        say();
    until((turn(), !proc_runs(program)), "%s does not end", program->name);
    ck_assert_int_eq(proc_wait(program), 0);
}

/* --- tests --------------------------------------------------------------------------- */

START_TEST(a_newer_library_under_running_programs_is_not_noticed) {
    make_release(&next);
    load(&next);
    say_more(20);
    stay_side_by_side(&next);
    store_do(&lab, "FCALL halley_publish 1 newer 1 NEWER yes");
    store_do(&lab, "FCALL halley_newer 0");
    must_be_content();
}
END_TEST

/* The application may find the older one first, or the worker, or both at once. */
START_TEST(an_older_library_under_running_programs_is_replaced_by_theirs) {
    int before = loads();

    load(&last);
    say_more(20);
    until((turn(), holds(&this)), "the older one stays");
    int by_programs = loads() - before - LIBRARIES;
    ck_assert_msg(by_programs == 2 || by_programs == 3, "loaded %d times", by_programs);
    stay_side_by_side(&this);
    must_be_content();
}
END_TEST

/* --- restarts ------------------------------------------------------------------------ */

static void replace_worker(const struct release *release, size_t old, size_t new,
                           const struct release *holding) {
    begin_worker(release, new);
    until((turn(), held(0) == number_of(holding, 0)), "number %d is there", held(0));
    say_more(5);
    end_in_turn(&lab.worker[old]);
    until((turn(), store_leader(&lab) == lab.worker[new].pid), "it does not lead");
    say_more(5);
}

static void replace_app(const struct release *release, size_t old, size_t new,
                        const struct release *holding) {
    begin_app(release, new);
    until((turn(), held(1) == number_of(holding, 1)), "number %d is there", held(1));
    say_more(5);
    end_in_turn(&lab.app[old]);
    say_more(5);
}

/* `worker_first`, or the other way round; each from `old` to `new`. */
static void replace_both(bool worker_first, const struct release *release, size_t old, size_t new,
                         const struct release *holding) {
    if (worker_first)
        replace_worker(release, old, new, holding);
    replace_app(release, old, new, holding);
    if (!worker_first)
        replace_worker(release, old, new, holding);
}

START_TEST(an_upgrade_and_the_way_back_lose_nothing_in_either_order) {
    make_release(&next);
    int before = loads();
    replace_both(_i == 0, &next, 0, 1, &next);
    ck_assert_int_eq(loads(), before + LIBRARIES); /* each once, by whoever came first */
    replace_both(_i == 0, &this, 1, 2, &next);     /* the newer libraries stay */
    stay_side_by_side(&next);
    ck_assert_int_eq(loads(), before + LIBRARIES);
    must_be_content();
}
END_TEST

START_TEST(old_and_new_programs_live_side_by_side) {
    make_release(&next);
    begin_worker(&next, 1);
    begin_app(&next, 1);
    until((turn(), holds(&next)), "nobody loads the newer ones");
    stay_side_by_side(&next);
    store_do(&lab, "FUNCTION FLUSH"); /* whoever is quicker: at last they are the newer ones */
    until((turn(), holds(&next)), "nobody loads the newer ones");
    stay_side_by_side(&next);
    must_be_content();
}
END_TEST

START_TEST(a_worker_that_dies_leaves_all_to_one_of_the_other_release) {
    make_release(&next);
    begin_worker(&next, 1);
    for (size_t leads = 0; leads < 2; leads++) {
        until((turn(), store_leader(&lab) == lab.worker[leads].pid), "it does not lead");
        for (int i = 0; i < 10; i++)
            say();
        proc_kill(&lab.worker[leads]);
        say_more(10);
        begin_worker(leads == 0 ? &this : &next, leads == 0 ? 2 : 0);
    }
    must_be_content();
}
END_TEST

/* --- a release that breaks with the past --------------------------------------------- */

static void must_say_why(const char *log) {
    const char *words = keepf("error redis.library.outgrown the function library halley");

    until((turn(), strstr(log_of(log), words) != NULL), "%s.log: %s", log, log_of(log));
}

/* Those that served end at once, and who read there reads elsewhere. */
static void must_end_outgrown(struct proc *program, const char *log) {
    must_say_why(log);
    until((turn(), !proc_runs(program)), "%s does not end", program->name);
    ck_assert_int_eq(proc_wait(program), EX_CONFIG);
}

static void units_do_not_restart(void) {
    static const char *const units[] = {"halley", "halley-worker", "halley-websocket"};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        const char *unit =
            file_text(keepf("%s/deploy/systemd/%s.service", lab_root(), units[i]), NULL);
        const char *line = strstr(unit, "RestartPreventExitStatus=");
        ck_assert_ptr_nonnull(line);
        ck_assert_ptr_nonnull(
            strstr(keepf("%.*s", (int)strcspn(line, "\n"), line), keepf(" %d", EX_CONFIG)));
    }
}

START_TEST(a_release_that_breaks_with_older_ones_ends_them_and_nobody_else) {
    make_release(&breaking);
    begin_app(&breaking, 1);
    begin_worker(&breaking, 1);
    must_end_outgrown(&lab.app[0], "app0");
    must_end_outgrown(&lab.worker[0], "worker0");
    ck_assert(holds(&breaking));
    must_be_content();
    units_do_not_restart();
}
END_TEST

/* What an old program that was started all the same answers to everybody. */
static bool says_why(void) {
    const struct answer *answer = http_get(&lab, "/comet/poll?channel=bare");
    return answer->status == 503 && strstr(answer->body, "is of a newer release") != NULL;
}

START_TEST(an_old_program_that_is_started_too_late_says_why_until_the_library_is_taken_back) {
    load(&breaking);
    start_app(&this, 0);
    struct flight *health = http_get_begin(&lab, "/comet/health");
    until(says_why(), "it does not say why");
    ck_assert_int_eq(proc_wait(&lab.app[0]), EX_CONFIG);
    ck_assert_ptr_nonnull(strstr(http_land(health)->body, "is of a newer release"));
    ck_assert_ptr_nonnull(strstr(log_of("app0"), "error redis.library.outgrown"));
    start_app(&this, 0);
    until(says_why(), "it does not say why");
    store_do(&lab, "FUNCTION DELETE halley"); /* the way back, doc/upgrade.md */
    store_do(&lab, "FUNCTION DELETE halley_session");
    begin_worker(&this, 0);
    until(http_get(&lab, "/comet/health")->status == 200, "it does not serve");
    gather();
    must_be_content();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("upgrade");
    TCase *running = e2e_case(suite, "running", NULL, NULL);
    TCase *breaks = e2e_case(suite, "breaks", NULL, NULL);
    TCase *late = e2e_case(suite, "late", NULL, NULL);

    tcase_add_checked_fixture(running, setup_this_release, teardown);
    tcase_add_test(running, a_newer_library_under_running_programs_is_not_noticed);
    tcase_add_test(running, an_older_library_under_running_programs_is_replaced_by_theirs);
    tcase_add_loop_test(running, an_upgrade_and_the_way_back_lose_nothing_in_either_order, 0, 2);
    tcase_add_test(running, old_and_new_programs_live_side_by_side);
    tcase_add_test(running, a_worker_that_dies_leaves_all_to_one_of_the_other_release);
    tcase_add_checked_fixture(breaks, setup_this_release, teardown);
    tcase_add_test(breaks, a_release_that_breaks_with_older_ones_ends_them_and_nobody_else);
    tcase_add_checked_fixture(late, setup, teardown);
    tcase_add_test(
        late, an_old_program_that_is_started_too_late_says_why_until_the_library_is_taken_back);
    return e2e_run(suite);
}
