/* core/redis/halley.lua, the workers' part: barriers, the lease, sequencing, and gaps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/crypto.h"
#include "tests/lib/keep.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

#define KEY     "halley.lease:job"
#define FOREVER 60000

/* What a worker says of itself; zero: nothing. */
struct says {
    const char *owner;
    int ttl;                  /* 0: FOREVER */
    const char *gen;          /* NULL: that of now */
    const char *from, *count; /* since when it has what it holds; NULL: `start` */
    const char *start;        /* since when it listens */
    bool deaf, broken, held;
    const char *heard, *oldest, *before; /* names, "barrier number" */
    const char *peers;
};

static const char * or (const char *text, const char *fallback) {
    return text != NULL ? text : fallback;
}

static const char *generation(void) {
    return ask("HGET " KEY " gen");
}

static const char *call(const char *function, const char *verb, const struct says *says) {
    const char *start = or (says->start, "0"), *nothing = "0 0";
    char *words =
        keepf("FCALL %s 1 " KEY " %s halley %s %d %s %s %s %s %d %s %s %s 0 0 %d %d 0 %s", function,
              verb, says->owner, says->ttl ? says->ttl : FOREVER, or (says->gen, generation()),
              or (says->from, start), or (says->count, "0"), start, !says->deaf,
              or (says->heard, keepf("%s 0", start)), or (says->oldest, nothing),
              or (says->before, nothing), says->broken, says->held, or (says->peers, ""));
    const char *argv[40];
    size_t lens[40];
    int argc = 0;

    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc] = word;
        lens[argc++] = strlen(word);
    }
    return ask_bytes(argc, argv, lens);
}

/* Writes a name into a field of the lease. */
static void put(const char *field, const char *value) {
    const char *argv[] = {"HSET", KEY, field, value};
    const size_t lens[] = {4, strlen(KEY), strlen(field), strlen(value)};
    ask_bytes(4, argv, lens);
}

/* Part `index` of an answer "[a b c]". */
static const char *part(const char *answer, int index) {
    const char *at = answer + 1;
    ck_assert_msg(answer[0] == '[', "%s", answer);
    while (index-- > 0)
        at += strcspn(at, " ") + 1;
    return keepf("%.*s", (int)strcspn(at, " ]"), at);
}

static const char *join(const struct says *says) {
    return part(call("halley_join", "join", says), 0);
}

/* The word of the answer. */
static const char *acquire(const struct says *says) {
    return part(call("halley_lease", "acquire", says), 0);
}

static const char *leave(const struct says *says) {
    return part(call("halley_lease", "leave", says), 0);
}

/* The publish `number` behind a barrier, sent behind another. */
static const char *sequence_of(const char *owner, const char *before, const char *barrier,
                               int number, const char *channel, const char *payload,
                               const char *max_message) {
    const char *numbers = keepf("%d", number);
    const char *argv[] = {"FCALL", "halley_sequence", "2",      channel,  KEY, owner,
                          before,  barrier,           numbers,  payload,  "1", "1000",
                          "3600",  max_message,       "604800", "halley", "77"};
    size_t lens[ROWS(argv)];
    for (size_t i = 0; i < ROWS(argv); i++)
        lens[i] = strlen(argv[i]);
    return ask_bytes((int)ROWS(argv), argv, lens);
}

static const char *sequence(const char *owner, const char *before, const char *barrier, int number,
                            const char *channel, const char *payload) {
    return sequence_of(owner, before, barrier, number, channel, payload, "10");
}

static const char *name(const char *barrier, int number) {
    return keepf("%s %d", barrier, number);
}

/* It joins and is granted the lease: its barrier. */
static const char *lead(const char *owner) {
    const char *barrier = join(&(struct says){.owner = owner});
    ck_assert_str_eq(acquire(&(struct says){.owner = owner, .start = barrier}), "granted");
    return barrier;
}

static bool begins(const char *text, const char *beginning) {
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* --- who has the lease ------------------------------------------------------------ */

START_TEST(one_owner_has_the_lease_at_a_time_and_renews_it) {
    server_start(false);
    const char *a = lead("a"), *b = join(&(struct says){.owner = "b"});
    const char *other = call("halley_lease", "acquire", &(struct says){.owner = "b", .start = b});
    ck_assert_str_eq(part(other, 0), "held");
    ck_assert_int_gt(atoi(part(other, 1)), FOREVER - 10000);
    ck_assert_int_le(atoi(part(other, 1)), FOREVER);
    ck_assert_str_eq(acquire(&(struct says){.owner = "a", .start = a, .held = true}), "renewed");
    ck_assert_str_eq(acquire(&(struct says){.owner = "b", .start = b}), "held");
}
END_TEST

START_TEST(who_has_the_lease_counts_what_is_dropped) {
    server_start(false);
    const char *a = lead("a");
    ck_assert_str_eq(ask("FCALL halley_dropped 1 " KEY " a 2"), "2");
    join(&(struct says){.owner = "b"});
    ck_assert_str_eq(ask("FCALL halley_dropped 1 " KEY " b 2"), "0"); /* it heard the same */
    leave(&(struct says){.owner = "a", .start = a, .deaf = true, .held = true});
    lead("b");
    ck_assert_str_eq(ask("FCALL halley_dropped 1 " KEY " a 1"), "0");
    ck_assert_str_eq(ask("FCALL halley_dropped 1 " KEY " b 1"), "3"); /* and goes on */
    ck_assert_str_eq(ask("GET " KEY ":dropped"), "3");
}
END_TEST

START_TEST(a_lease_that_ran_out_is_anybodys) {
    server_start(false);
    const char *a = join(&(struct says){.owner = "a", .ttl = 20});
    ck_assert_str_eq(acquire(&(struct says){.owner = "a", .start = a, .ttl = 20}), "granted");
    const char *b = join(&(struct says){.owner = "b"});
    until(strcmp(acquire(&(struct says){.owner = "b", .start = b}), "granted") == 0,
          "it does not run out");
    ck_assert_str_eq(
        acquire(&(struct says){.owner = "a", .start = a, .held = true, .heard = name(b, 0)}),
        "held");
}
END_TEST

START_TEST(who_leaves_frees_the_lease_and_all_are_told) {
    server_start(false);
    const char *a = lead("a"), *b = join(&(struct says){.owner = "b"});
    listen_to("halley.sequenced");
    ck_assert_str_eq(leave(&(struct says){.owner = "a", .start = a, .deaf = true, .held = true}),
                     "left");
    ck_assert_str_eq(heard(1), "halley.sequenced: free *\n");
    ck_assert_str_eq(acquire(&(struct says){.owner = "b", .start = b}), "granted");
    ck_assert_str_eq(ask("HKEYS " KEY ":workers"), "[b]");
}
END_TEST

START_TEST(a_barrier_is_told_to_all_and_above_all_that_were_known) {
    server_start(false);
    listen_to("halley.sequenced");
    const char *first = join(&(struct says){.owner = "a"});
    ck_assert(begins(heard(1), keepf("halley.sequenced: begin %s ", first)));
    const char *second = join(&(struct says){.owner = "a", .heard = "4000000000000000 3"});
    ck_assert_str_eq(second, "4000000000000001");
    ck_assert_str_eq(join(&(struct says){.owner = "b"}), "4000000000000002");
}
END_TEST

static long long counted(void) {
    return atoll(part(call("halley_join", "join", &(struct says){.owner = "a"}), 1));
}

START_TEST(a_barrier_has_the_number_of_the_publishes_that_are_not_our_own) {
    server_start(false);
    long long before = counted();
    for (int i = 0; i < 3; i++)
        ask("PUBLISH halley:chat %d", i);
    ask("FCALL halley_publish 1 chat x");
    ask("FCALL halley_publish 1 chat y");
    ck_assert_int_eq(counted() - before, 3);
    ck_assert_int_eq(counted() - before, 3);
    ask("CONFIG RESETSTAT");
    ck_assert_int_gt(counted() - before, 1000); /* what is not known leaps */
}
END_TEST

/* --- who goes first ---------------------------------------------------------------- */

START_TEST(who_holds_something_older_goes_first) {
    server_start(false);
    const char *a = join(&(struct says){.owner = "a"}), *b = join(&(struct says){.owner = "b"});
    listen_to("halley.sequenced");
    acquire(&(struct says){
        .owner = "a", .start = b, .from = a, .heard = name(b, 0), .oldest = name(a, 1)});
    ck_assert_str_eq(ask("HGET " KEY " owner"), "a");
    leave(&(struct says){.owner = "c"});
    ask("HSET " KEY " until 0");
    ck_assert_str_eq(acquire(&(struct says){.owner = "b", .start = b, .oldest = name(b, 1)}),
                     "held");
    ck_assert_str_eq(heard(1), "halley.sequenced: free a\n");
}
END_TEST

START_TEST(who_has_not_heard_the_barrier_yet_is_waited_for) {
    server_start(false);
    const char *a = lead("a"), *b = join(&(struct says){.owner = "b"});
    put("until", "0");
    put("settled", name(b, 0)); /* so that it does not matter who could vouch for more */
    ck_assert_str_eq(acquire(&(struct says){.owner = "b", .start = b}), "wait");
    call("halley_lease", "report", &(struct says){.owner = "a", .start = a, .heard = name(b, 0)});
    ck_assert_str_eq(acquire(&(struct says){.owner = "b", .start = b}), "granted");
}
END_TEST

START_TEST(who_comes_late_with_something_older_is_given_the_lease) {
    server_start(false);
    const char *a = join(&(struct says){.owner = "a", .ttl = 1});
    const char *b = join(&(struct says){.owner = "b"}); /* a is stopped, past its time */
    until(strcmp(acquire(&(struct says){.owner = "b", .start = b}), "granted") == 0,
          "a is not given up");
    ck_assert_str_eq(acquire(&(struct says){.owner = "a", .start = a, .oldest = name(a, 1)}),
                     "held");
    listen_to("halley.sequenced");
    ck_assert_str_eq(acquire(&(struct says){.owner = "b", .start = b, .held = true}), "held");
    ck_assert_str_eq(heard(1), "halley.sequenced: free a\n");
    ck_assert_str_eq(acquire(&(struct says){
                         .owner = "a", .start = a, .heard = name(b, 0), .oldest = name(a, 1)}),
                     "granted");
}
END_TEST

START_TEST(who_listened_all_the_time_goes_before_who_was_cut) {
    server_start(false);
    const char *a = lead("a"), *b = join(&(struct says){.owner = "b"});
    ask("PUBLISH halley:chat x");
    const char *again = join(&(struct says){
        .owner = "a", .start = a, .heard = name(b, 0), .before = name(b, 0), .broken = true});
    ask("HSET " KEY " until 0");
    ck_assert_str_eq(
        acquire(&(struct says){
            .owner = "a", .start = again, .count = "1", .before = name(b, 0), .broken = true}),
        "held");
    ck_assert_str_eq(acquire(&(struct says){
                         .owner = "b", .start = b, .heard = name(again, 1), .oldest = name(b, 1)}),
                     "granted");
}
END_TEST

/* --- sequencing ---------------------------------------------------------------------- */

START_TEST(the_holder_turns_publishes_into_history_in_order) {
    server_start(false);
    const char *a = lead("a");
    ck_assert_uint_eq(n_of(sequence("a", name(a, 0), a, 1, "chat", "x")), 1);
    ck_assert_uint_eq(n_of(sequence("a", name(a, 1), a, 2, "chat", "y")), 2);
    ck_assert_uint_eq(n_of(sequence("a", name(a, 2), a, 4, "news", "z")), 1); /* 3 was no message */
    ck_assert_str_eq(ask("HGET " KEY " last"), keepf("%s 4 3 0", a));
    ck_assert_str_eq(ask("XLEN halley.history:{chat}"), "2");
}
END_TEST

START_TEST(a_number_is_left_out_in_front_of_what_comes_late) {
    server_start(false);
    const char *a = lead("a"), *older = keepf("%lld", atoll(a) - 7);
    sequence("a", name(a, 0), a, 5, "chat", "v");
    put("last", keepf("%s 1 1 0 granted", older)); /* who was away goes first */
    ck_assert_uint_eq(n_of(sequence("a", name(older, 1), older, 2, "chat", "w")), 3);
    ck_assert_uint_eq(n_of(sequence("a", name(older, 2), older, 3, "chat", "x")), 4);
    ck_assert_uint_eq(n_of(sequence("a", name(older, 3), older, 4, "news", "y")), 1);
    ck_assert_uint_eq(n_of(sequence("a", name(older, 4), a, 6, "chat", "z")), 5);
    ck_assert_str_eq(ask("HGET halley.meta:{chat} bare"), a);
}
END_TEST

/* What is lost may lie behind it, and the gap that was told for that lies in front of it. */
START_TEST(behind_what_comes_later_than_its_gap_there_is_another) {
    server_start(false);
    const char *a = lead("a");
    sequence("a", name(a, 0), a, 1, "chat", "x");
    put("doubt", "0");
    put("from", keepf("%lld", atoll(a) + 100));
    ck_assert_str_eq(ask("FCALL halley_doubt 1 " KEY " a halley"), "[1 0]"); /* 2 */
    sequence("a", name(a, 1), a, 2, "chat", "late");                         /* 4 */
    sequence("a", name(a, 2), a, 3, "chat", "of the same stretch");          /* 5 */
    const char *b = keepf("%lld", atoll(a) + 100);
    ck_assert_uint_eq(n_of(sequence("a", name(a, 3), b, 4, "chat", "x")), 7);
    ck_assert_uint_eq(n_of(sequence("a", name(b, 4), b, 5, "chat", "x")), 8);
}
END_TEST

START_TEST(what_is_behind_an_older_barrier_comes_late) {
    server_start(false);
    const char *a = lead("a");
    sequence("a", name(a, 0), a, 1, "chat", "x");
    put("last", "1000 8 1 0 granted");
    ck_assert_uint_eq(n_of(sequence("a", "1000 8", "1000", 9, "chat", "y")), 3);
    ck_assert_str_eq(ask("XLEN halley.history:{chat}"), "2");
}
END_TEST

START_TEST(nobody_else_sequences) {
    server_start(false);
    ck_assert(begins(sequence("a", "0 0", "1", 1, "chat", "x"), "!LEASE "));
    const char *a = lead("a");
    ck_assert(begins(sequence("b", name(a, 0), a, 1, "chat", "x"), "!LEASE "));
    ck_assert_str_eq(ask("EXISTS halley.history:{chat} halley.meta:{chat}"), "0");
    ask("HSET " KEY " until 1"); /* it was paused past its lease */
    ck_assert(begins(sequence("a", name(a, 0), a, 1, "chat", "x"), "!LEASE "));
}
END_TEST

START_TEST(nothing_is_passed_over_and_nothing_done_twice) {
    server_start(false);
    const char *a = lead("a");
    ck_assert(begins(sequence("a", name(a, 1), a, 2, "chat", "y"), "!ORDER "));
    sequence("a", name(a, 0), a, 1, "chat", "x");
    ck_assert(begins(sequence("a", name(a, 0), a, 1, "chat", "x"), "!ORDER "));
    ck_assert_str_eq(acquire(&(struct says){.owner = "a", .start = a, .oldest = name(a, 1)}),
                     "done");
    put("last", keepf("%s 0 1 1 granted", a)); /* it was on its way when the lease was lost */
    ck_assert_str_eq(sequence("a", name(a, 0), a, 1, "chat", "x"), "DONE");
    ck_assert_uint_eq(n_of(sequence("a", name(a, 1), a, 2, "chat", "y")), 2);
    ck_assert_str_eq(ask("XLEN halley.history:{chat}"), "2");
}
END_TEST

START_TEST(what_was_done_is_told_by_its_name) {
    server_start(false);
    const char *a = lead("a");
    listen_to("halley.sequenced");
    sequence("a", name(a, 0), a, 1, "chat", "x");
    ck_assert(begins(heard(1), keepf("halley.sequenced: done 77 %s 1 ", a)));
}
END_TEST

#define SECRET "00112233445566778899aabbccddeeff"

START_TEST(workers_have_a_secret_by_which_words_are_signed) {
    server_start(false);
    const char *a =
        part(call("halley_join", "join", &(struct says){.owner = "a", .peers = SECRET}), 0);
    ck_assert_str_eq(ask("HGET " KEY " secret"), SECRET);
    const char *other =
        call("halley_join", "join",
             &(struct says){.owner = "b", .peers = "ff112233445566778899aabbccddeeff"});
    ck_assert_str_eq(part(other, 3), SECRET); /* that of who came first */
    ask("HSET " KEY " until 0");
    ck_assert_str_eq(
        part(call("halley_lease", "report", &(struct says){.owner = "a", .start = a}), 4), SECRET);
    ask("FLUSHALL"); /* who is there knows it still */
    call("halley_lease", "acquire", &(struct says){.owner = "a", .start = a, .peers = SECRET " b"});
    ck_assert_str_eq(ask("HGET " KEY " secret"), SECRET);
    ck_assert_str_eq(ask("HLEN " KEY ":workers"), "2"); /* b is a peer */
}
END_TEST

START_TEST(a_word_is_signed_with_the_secret) {
    server_start(false);
    listen_to("halley.sequenced");
    const char *answer = call("halley_join", "join", &(struct says){.owner = "a", .peers = SECRET});
    const char *word = keepf("begin %s %s", part(answer, 0), part(answer, 1));
    unsigned char digest[CRYPTO_SHA1];
    const char *said = keepf(SECRET " %s", word);
    crypto_sha1(said, strlen(said), digest);
    ck_assert_str_eq(heard(1), keepf("halley.sequenced: %s %02x%02x%02x%02x%02x%02x%02x%02x\n",
                                     word, digest[0], digest[1], digest[2], digest[3], digest[4],
                                     digest[5], digest[6], digest[7]));
}
END_TEST

START_TEST(a_message_that_is_too_long_is_a_gap) {
    server_start(false);
    const char *a = lead("a");
    ck_assert(
        begins(sequence("a", name(a, 0), a, 1, "chat", "12345678901"), "SKIPPED payload: 11"));
    ck_assert_uint_eq(n_of(sequence("a", name(a, 1), a, 2, "chat", "x")), 2); /* 1 is a gap */
}
END_TEST

/* What halley_aside answers to who leads. */
static const char *try_aside(const char *owner) {
    return ask("FCALL halley_aside 1 " KEY " %s halley", owner);
}

static long long held_aside(void) {
    return atoll(ask("HGET " KEY " aside"));
}

static const char *const spoilt[] = {"halley.history:{bad}", "halley.meta:{bad}"};

START_TEST(what_redis_refuses_in_one_channel_is_tried_again_in_order) {
    server_start(false);
    for (size_t i = 0; i < ROWS(spoilt); i++) {
        ask("FLUSHALL");
        const char *a = lead("a");
        ask("SET %s x", spoilt[i]);
        ck_assert(begins(sequence("a", name(a, 0), a, 1, "bad", "1"), "ASIDE WRONGTYPE "));
        ck_assert_uint_eq(n_of(sequence("a", name(a, 1), a, 2, "good", "x")), 1);
        ck_assert(begins(sequence("a", name(a, 2), a, 3, "bad", "2"), "ASIDE "));
        ck_assert(begins(sequence("a", name(a, 3), a, 4, "bad", ""), "ASIDE ")); /* no gap */
        ck_assert(begins(try_aside("a"), "[0 3 WRONGTYPE "));
        ck_assert_str_eq(ask("HGET " KEY " last"),
                         keepf("%s 4 4 0", a)); /* nobody sends it again */
        ask("DEL %s", spoilt[i]);
        ck_assert(begins(sequence("a", name(a, 4), a, 5, "bad", "3"), "ASIDE ")); /* behind them */
        ck_assert_str_eq(try_aside("a"), "[4 0 ]");
        ck_assert_uint_eq(n_of(sequence("a", name(a, 5), a, 6, "bad", "4")), 5);
        ck_assert_str_eq(ask("EXISTS " KEY ":aside " KEY ":aside:bad"), "0");
        ck_assert_str_eq(ask("HEXISTS " KEY " aside"), "0");
    }
}
END_TEST

START_TEST(where_there_is_no_room_aside_a_gap_stands_for_the_rest) {
    server_start(false);
    const char *a = lead("a");
    int number = 0;
    ask("SET halley.history:{bad} x");
    for (; number < 1000; number++)
        ck_assert(begins(sequence("a", name(a, number), a, number + 1, "bad", "x"), "ASIDE "));
    for (; number < 1003; number++)
        ck_assert(begins(sequence("a", name(a, number), a, number + 1, "bad", "x"),
                         "SKIPPED no room to set it aside: "));
    ck_assert_int_eq(held_aside(), 1001); /* the gap */
    ask("DEL halley.history:{bad}");
    for (int left = 901; left > 0; left -= 100)
        ck_assert_str_eq(try_aside("a"), keepf("[100 %d ]", left));
    ck_assert_str_eq(try_aside("a"), "[1 0 ]");
    ck_assert_str_eq(ask("XLEN halley.history:{bad}"), "1000");
    ck_assert_uint_eq(n_of(sequence("a", name(a, number), a, number + 1, "bad", "x")), 1002);
}
END_TEST

START_TEST(what_is_set_aside_has_its_bounds) {
    static char large[4194000];
    server_start(false);
    const char *a = lead("a");
    memset(large, 'x', sizeof large - 1);
    ask("CONFIG SET save ''");
    for (int i = 1; i <= 9; i++) { /* 32 MiB hold eight of these */
        ask("SET halley.history:{bad%d} x", i);
        const char *answer =
            sequence_of("a", name(a, i - 1), a, i, keepf("bad%d", i), large, "5000000");
        ck_assert_msg(begins(answer, i <= 8 ? "ASIDE " : "SKIPPED no room"), "%s", answer);
    }
}
END_TEST

START_TEST(a_gap_is_told_behind_what_is_set_aside) {
    server_start(false);
    const char *a = lead("a");
    ask("SET halley.history:{bad} x");
    sequence("a", name(a, 0), a, 1, "bad", "1");
    ck_assert_str_eq(ask("FCALL halley_gap 1 bad halley " KEY), "OK");
    sequence("a", name(a, 1), a, 2, "bad", "2");
    ask("DEL halley.history:{bad}");
    ck_assert_str_eq(try_aside("a"), "[3 0 ]");
    ck_assert_uint_eq(n_of(sequence("a", name(a, 2), a, 3, "bad", "3")), 4);
    ck_assert_str_eq(ask("XLEN halley.history:{bad}"), "3");
}
END_TEST

START_TEST(a_gap_that_redis_does_not_let_be_told_is_told_later) {
    server_start(false);
    lead("a");
    ask("SET halley.meta:{bad} x");
    ck_assert_str_eq(ask("FCALL halley_gap 1 bad halley " KEY), "OK");
    ask("DEL halley.meta:{bad}");
    ck_assert_str_eq(try_aside("a"), "[1 0 ]");
    ck_assert_str_eq(ask("HGET halley.meta:{bad} n"), "1");
}
END_TEST

START_TEST(who_leads_is_told_that_something_is_set_aside) {
    server_start(false);
    const char *a = lead("a");
    ask("SET halley.history:{bad} x");
    sequence("a", name(a, 0), a, 1, "bad", "1");
    const char *answer =
        call("halley_lease", "acquire", &(struct says){.owner = "a", .start = a, .held = true});
    ck_assert_msg(begins(answer, "[renewed ") && strstr(answer, " 1 1 ") != NULL, "%s", answer);
    ck_assert(begins(try_aside("b"), "!LEASE "));
}
END_TEST

START_TEST(what_is_done_outlives_the_worker_and_the_process_of_redis) {
    server_start(true);
    const char *a = lead("a");
    sequence("a", name(a, 0), a, 1, "chat", "x");
    server_kill_and_start();
    const char *answer =
        call("halley_lease", "acquire",
             &(struct says){.owner = "a", .start = a, .deaf = true, .oldest = name(a, 1)});
    ck_assert_str_eq(part(answer, 0), "done");
    ck_assert_str_eq(part(answer, 2), "1");
    ck_assert_str_eq(part(answer, 5), "1");
    answer = acquire(&(struct says){.owner = "a", .start = a, .deaf = true, .oldest = name(a, 2)});
    ck_assert_str_eq(answer, "granted");
    ck_assert_uint_eq(n_of(sequence("a", name(a, 1), a, 2, "chat", "y")), 1);
}
END_TEST

START_TEST(what_is_older_than_the_records_cannot_be_judged) {
    server_start(false);
    const char *a = lead("a");
    sequence("a", name(a, 0), a, 1, "chat", "x");
    for (int i = 1; i <= 2100; i++)
        ask("HSET " KEY " done:%d 1", i);
    const char *again = join(&(struct says){.owner = "a", .start = a, .heard = name(a, 1)});
    ck_assert_str_eq(ask("HEXISTS " KEY " done:2100"), "1"); /* the newest thousand are kept */
    ck_assert_str_eq(ask("HEXISTS " KEY " done:1"), "0");
    ck_assert_str_eq(
        acquire(&(struct says){.owner = "b", .start = again, .from = "1", .oldest = "1 5"}),
        "forgotten");
}
END_TEST

/* --- after a restart -------------------------------------------------------------------- */

START_TEST(after_a_restart_those_who_were_there_are_waited_for) {
    server_start(true);
    const char *a = lead("a"), *b = join(&(struct says){.owner = "b"}), *old = generation();
    ask("HGETALL " KEY ":workers");
    server_kill_and_start();
    const char *again =
        join(&(struct says){.owner = "a", .gen = old, .start = a, .heard = name(b, 0)});
    ck_assert_str_ne(generation(), old);
    ck_assert_str_eq(acquire(&(struct says){.owner = "a", .start = again}), "wait");
    const char *back = join(&(struct says){.owner = "b",
                                           .gen = old,
                                           .start = b,
                                           .from = b,
                                           .heard = name(b, 7),
                                           .oldest = name(b, 7)});
    ck_assert_str_eq(acquire(&(struct says){.owner = "a", .start = again, .heard = name(back, 0)}),
                     "held"); /* b heard more */
    ck_assert_str_eq(
        acquire(&(struct says){.owner = "b", .start = back, .from = b, .oldest = name(b, 7)}),
        "granted");
}
END_TEST

START_TEST(but_not_for_longer_than_a_lease) {
    server_start(true);
    const char *a = lead("a"), *old = generation();
    join(&(struct says){.owner = "b", .ttl = 300});
    server_kill_and_start();
    const char *again = join(&(struct says){.owner = "a", .gen = old, .start = a});
    ck_assert_str_eq(acquire(&(struct says){.owner = "a", .start = again}), "wait");
    until(strcmp(acquire(&(struct says){.owner = "a", .start = again}), "granted") == 0,
          "it waits for ever");
}
END_TEST

START_TEST(a_redis_that_forgot_them_is_told_whom_to_wait_for) {
    server_start(false);
    const char *a = lead("a"), *old = generation();
    ask("FLUSHALL");
    const char *again = join(&(struct says){.owner = "a", .gen = old, .start = a, .peers = "b c"});
    ck_assert_str_eq(acquire(&(struct says){.owner = "a", .start = again, .peers = "b c"}), "wait");
    ck_assert_str_eq(ask("HLEN " KEY ":workers"), "3");
}
END_TEST

/* --- what may be lost --------------------------------------------------------------------- */

/* Publishes and sequences number 1 of a channel: it is remembered, and known. */
static const char *known(const char *channel) {
    const char *a = lead("a");
    ask("PUBLISH halley:%s x", channel);
    sequence("a", name(a, 0), a, 1, channel, "x");
    return a;
}

START_TEST(a_cut_costs_nothing_where_nothing_was_published) {
    server_start(false);
    const char *a = known("chat");
    const char *again =
        join(&(struct says){.owner = "a", .start = a, .heard = name(a, 1), .broken = true});
    ck_assert_str_eq(
        acquire(&(struct says){
            .owner = "a", .start = again, .count = "1", .before = name(a, 1), .broken = true}),
        "granted");
}
END_TEST

START_TEST(a_cut_while_others_published_is_told_to_readers_before_it_goes_on) {
    server_start(false);
    const char *a = known("chat"), *id = ask("HGET halley.meta:{chat} epoch");
    ask("PUBLISH halley:chat lost");
    const char *again =
        join(&(struct says){.owner = "a", .start = a, .heard = name(a, 1), .broken = true});
    const struct says says = {.owner = "a",
                              .start = again,
                              .count = "2",
                              .heard = name(again, 2),
                              .before = name(a, 1),
                              .broken = true};
    ck_assert_str_eq(acquire(&says), "doubt");
    ck_assert_str_eq(acquire(&says), "doubt");
    ck_assert(begins(sequence("a", name(again, 2), again, 3, "chat", "y"), "!ORDER "));
    listen_to("halley.live:{chat}");
    ck_assert_str_eq(ask("FCALL halley_doubt 1 " KEY " a halley"), "[1 0]");
    ck_assert(begins(heard(1), keepf("halley.live:{chat}: %s-2\n", id)));
    ck_assert_str_eq(ask("FCALL_RO halley_read 1 chat %s-1 10", id), keepf("[%s-2 1 0 []]", id));
    ck_assert_str_eq(acquire(&says), "granted");
    ck_assert_uint_eq(n_of(sequence("a", name(again, 2), again, 3, "chat", "y")), 3);
    ck_assert_str_eq(part(ask("FCALL_RO halley_read 1 chat %s-1 10", id), 1), "1");
    ck_assert_str_eq(part(ask("FCALL_RO halley_read 1 chat %s-2 10", id), 1), "0");
}
END_TEST

/* What a worker that comes after one that died is answered. */
static const char *after_death(bool lost) {
    const char *answer = call("halley_join", "join", &(struct says){.owner = "a"}), *word;
    const char *a = part(answer, 0), *count = part(answer, 1);
    const char *first = keepf("%s %lld", a, atoll(count) + 1);

    acquire(&(struct says){
        .owner = "a", .start = a, .count = count, .heard = keepf("%s %s", a, count)});
    ask("PUBLISH halley:chat x");
    if (lost)
        ask("PUBLISH halley:chat lost");
    acquire(&(struct says){.owner = "a",
                           .ttl = 1,
                           .start = a,
                           .count = count,
                           .held = true,
                           .heard = first}); /* and has done it */
    answer = call("halley_join", "join", &(struct says){.owner = "b"});
    const struct says says = {.owner = "b", .start = part(answer, 0), .count = part(answer, 1)};
    until(strcmp(word = acquire(&says), "held") != 0 && strcmp(word, "wait") != 0,
          "the dead one is not given up");
    return word;
}

START_TEST(a_worker_that_died_costs_nothing_where_nothing_was_published) {
    server_start(false);
    ck_assert_str_eq(after_death(false), "granted");
}
END_TEST

START_TEST(a_worker_that_died_with_what_it_heard_is_told_to_readers) {
    server_start(false);
    ck_assert_str_eq(after_death(true), "doubt");
}
END_TEST

START_TEST(a_worker_that_left_in_order_leaves_no_doubt) {
    server_start(false);
    const char *a = known("chat");
    leave(
        &(struct says){.owner = "a", .start = a, .deaf = true, .held = true, .heard = name(a, 1)});
    ask("PUBLISH halley:chat unheard"); /* was answered 0 */
    const char *answer = call("halley_join", "join", &(struct says){.owner = "b"});
    ck_assert_str_eq(acquire(&(struct says){.owner = "b", .start = part(answer, 0), .count = "2"}),
                     "granted");
}
END_TEST

START_TEST(many_channels_are_told_in_several_calls) {
    server_start(false);
    const char *a = lead("a");
    for (int i = 1; i <= 250; i++)
        sequence("a", name(a, i - 1), a, i, keepf("c%d", i), "x");
    ask("HSET " KEY " doubt 0");
    ck_assert_str_eq(ask("FCALL halley_doubt 1 " KEY " a halley"), "[100 1]");
    ck_assert_str_eq(ask("FCALL halley_doubt 1 " KEY " a halley"), "[200 1]");
    ck_assert(begins(ask("FCALL halley_doubt 1 " KEY " b halley"), "!LEASE "));
    ck_assert_str_eq(ask("FCALL halley_doubt 1 " KEY " a halley"), "[250 0]");
    for (int i = 1; i <= 250; i++)
        ck_assert_str_eq(ask("HGET halley.meta:{c%d} n", i), "2");
}
END_TEST

START_TEST(a_gap_can_be_told_of_a_channel_that_is_not_known) {
    server_start(false);
    ck_assert_str_eq(ask("FCALL halley_gap 1 new halley"), "OK");
    ck_assert_str_eq(ask("HGET halley.meta:{new} n"), "1");
    ck_assert_uint_eq(n_of(ask("FCALL halley_publish 1 new x")), 2);
    ck_assert(begins(ask("FCALL halley_gap 1 ~own halley"), "!ERR channel"));
}
END_TEST

/* --- leaving -------------------------------------------------------------------------------- */

START_TEST(who_holds_something_leaves_only_if_the_leader_heard_it_too) {
    server_start(false);
    const char *a = lead("a"), *b = join(&(struct says){.owner = "b"});
    const struct says leaves = {
        .owner = "b", .start = b, .deaf = true, .heard = name(b, 2), .oldest = name(b, 1)};
    struct says leads = {.owner = "a", .start = a, .held = true, .heard = name(b, 1)};
    acquire(&leads);
    ck_assert_str_eq(leave(&leaves), "held");
    leads.heard = name(b, 2);
    acquire(&leads);
    ck_assert_str_eq(leave(&leaves), "left");
    ck_assert_str_eq(ask("HKEYS " KEY ":workers"), "[a]");
}
END_TEST

START_TEST(who_holds_something_alone_is_given_the_lease_when_he_wants_to_leave) {
    server_start(false);
    const char *a = join(&(struct says){.owner = "a"});
    ck_assert_str_eq(
        leave(&(struct says){
            .owner = "a", .start = a, .deaf = true, .heard = name(a, 1), .oldest = name(a, 1)}),
        "granted");
}
END_TEST

#define DIGEST "0123456789abcdef"

/* Joins with the digest of patterns: the answer. */
static const char *join_of(const char *owner, const char *digest) {
    const char *zeros = "0 0 0 1 0 0 0 0 0 0 0 0 0 0 0";
    const char *words[40] = {"FCALL",  "halley_join", "1",     KEY,         keepf("join%s", digest),
                             "halley", owner,         "60000", generation()};
    int argc = 9;
    size_t lens[40];

    for (char *word = strtok(keepf("%s", zeros), " "); word != NULL; word = strtok(NULL, " "))
        words[argc++] = word;
    for (int i = 0; i < argc; i++)
        lens[i] = strlen(words[i]);
    return ask_bytes(argc, words, lens);
}

START_TEST(who_hears_other_patterns_joins_when_nobody_listens) {
    server_start(false);
    const char *refusal = "ERR PATTERNS", *barrier = part(join_of("a", " " DIGEST), 0);
    const char *ways[] = {"", " ffff456789abcdef"};
    const char *words[] = {"FCALL", "halley_join", "1", KEY, "try"};
    const size_t lens[] = {5, 11, 1, strlen(KEY), 3};

    for (size_t i = 0; i < ROWS(ways); i++)
        ck_assert_msg(strstr(join_of("b", ways[i]), refusal) != NULL, "%zu", i);
    ck_assert(strstr(ask_bytes(5, words, lens), refusal) != NULL);
    ck_assert_str_eq(ask("HLEN " KEY ":workers"), "1");
    part(join_of("c", " " DIGEST), 0);
    part(join_of("a", " " DIGEST), 0);
    ck_assert_str_eq(leave(&(struct says){.owner = "a", .start = barrier, .deaf = true}), "left");
    ck_assert(strstr(join_of("b", ""), refusal) != NULL);
    call("halley_lease", "report", &(struct says){.owner = "c", .start = barrier, .deaf = true});
    ck_assert_str_eq(ask_bytes(5, words, lens), "1");
    part(join_of("b", ""), 0);
    ck_assert(strstr(join_of("c", " " DIGEST), refusal) != NULL);
}
END_TEST

/* The publish `number`, to that channel and more. */
static const char *sequence_more(const char *before, const char *barrier, int number,
                                 const char *channel, const char *payload, const char *more) {
    const char *argv[] = {"FCALL",  "halley_sequence",
                          "1",      KEY,
                          "a",      before,
                          barrier,  keepf("%d", number),
                          payload,  "0",
                          "1000",   "3600",
                          "10",     "604800",
                          "halley", "",
                          channel,  "0",
                          more};
    size_t lens[ROWS(argv)];
    for (size_t i = 0; i < ROWS(argv); i++)
        lens[i] = strlen(argv[i]);
    return ask_bytes((int)ROWS(argv), argv, lens);
}

START_TEST(a_publish_for_several_channels_is_done_in_all_of_them_at_once) {
    server_start(false);
    const char *barrier = lead("a"), *more = "1 5 60 10 two\n0 1000 3600 2 three\n";

    ck_assert(strstr(sequence_more(name(barrier, 0), barrier, 1, "one", "x", more), "-1") != NULL);
    sequence_more(name(barrier, 1), barrier, 2, "one", "long", "0 1000 3600 2 three\n");
    ck_assert_str_eq(ask("XLEN halley.history:{three}"), "1");
    ck_assert_str_eq(ask("HGET halley.meta:{three} n"), "2"); /* a gap, for it is too long there */
    ck_assert_str_eq(ask("XLEN halley.history:{one}"), "2");
    ck_assert_str_eq(ask("XLEN halley.history:{two}"), "1");
    ck_assert_str_eq(ask("HGET halley.meta:{two} history"), "5");
    ck_assert_str_eq(ask("ZCARD " KEY ":channels"), "1");
    ck_assert_str_eq(ask("HGET " KEY " last"), keepf("%s 2 2 0", barrier));
}
END_TEST

START_TEST(what_redis_refuses_in_one_of_several_channels_waits_in_that_one) {
    server_start(false);
    const char *barrier = lead("a"), *more = "0 1000 3600 10 spoilt\n0 1000 3600 10 three\n";

    ask("SET halley.history:{spoilt} x");
    ck_assert(strstr(sequence_more(name(barrier, 0), barrier, 1, "one", "x", more), "ASIDE") !=
              NULL);
    ck_assert_str_eq(ask("XLEN halley.history:{one}"), "1");
    ck_assert_str_eq(ask("XLEN halley.history:{three}"), "1");
    ck_assert_str_eq(ask("LLEN " KEY ":aside:spoilt"), "1");
    ask("DEL halley.history:{spoilt}");
    ask("FCALL halley_aside 1 " KEY " a halley");
    ck_assert_str_eq(ask("XLEN halley.history:{spoilt}"), "1");
}
END_TEST

UNIT_MAIN("lua_lease", one_owner_has_the_lease_at_a_time_and_renews_it,
          who_has_the_lease_counts_what_is_dropped, a_lease_that_ran_out_is_anybodys,
          who_leaves_frees_the_lease_and_all_are_told,
          a_barrier_is_told_to_all_and_above_all_that_were_known,
          a_barrier_has_the_number_of_the_publishes_that_are_not_our_own,
          who_holds_something_older_goes_first, who_has_not_heard_the_barrier_yet_is_waited_for,
          who_comes_late_with_something_older_is_given_the_lease,
          who_listened_all_the_time_goes_before_who_was_cut,
          the_holder_turns_publishes_into_history_in_order,
          a_number_is_left_out_in_front_of_what_comes_late,
          behind_what_comes_later_than_its_gap_there_is_another,
          what_is_behind_an_older_barrier_comes_late, nobody_else_sequences,
          nothing_is_passed_over_and_nothing_done_twice, what_was_done_is_told_by_its_name,
          workers_have_a_secret_by_which_words_are_signed, a_word_is_signed_with_the_secret,
          a_message_that_is_too_long_is_a_gap,
          what_redis_refuses_in_one_channel_is_tried_again_in_order,
          where_there_is_no_room_aside_a_gap_stands_for_the_rest, what_is_set_aside_has_its_bounds,
          a_gap_is_told_behind_what_is_set_aside,
          a_gap_that_redis_does_not_let_be_told_is_told_later,
          who_leads_is_told_that_something_is_set_aside,
          what_is_done_outlives_the_worker_and_the_process_of_redis,
          what_is_older_than_the_records_cannot_be_judged,
          after_a_restart_those_who_were_there_are_waited_for, but_not_for_longer_than_a_lease,
          a_redis_that_forgot_them_is_told_whom_to_wait_for,
          a_cut_costs_nothing_where_nothing_was_published,
          a_cut_while_others_published_is_told_to_readers_before_it_goes_on,
          a_worker_that_died_costs_nothing_where_nothing_was_published,
          a_worker_that_died_with_what_it_heard_is_told_to_readers,
          a_worker_that_left_in_order_leaves_no_doubt, many_channels_are_told_in_several_calls,
          a_gap_can_be_told_of_a_channel_that_is_not_known,
          who_holds_something_leaves_only_if_the_leader_heard_it_too,
          who_holds_something_alone_is_given_the_lease_when_he_wants_to_leave,
          who_hears_other_patterns_joins_when_nobody_listens,
          a_publish_for_several_channels_is_done_in_all_of_them_at_once,
          what_redis_refuses_in_one_of_several_channels_waits_in_that_one)
