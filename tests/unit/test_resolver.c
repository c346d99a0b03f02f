/* core/redis/resolver: names that a C library resolves which this file makes up.
 *
 *   slow-N   waits until release() is called, and has the address 10.0.0.N then
 *   both     has addresses of both kinds, IPv6 first
 *   none     has none
 */
#include "core/redis/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

/* ------------------------------------------------------------- the C library's part */

static atomic_int asked, waiting, answered_by_thread;
static atomic_bool released;
static atomic_bool signals_open;

static struct addrinfo *entry(const char *number, struct addrinfo *next) {
    struct addrinfo *found = calloc(1, sizeof *found + sizeof(struct sockaddr_in6));
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(found + 1);
    struct sockaddr_in *four = (struct sockaddr_in *)(found + 1);

    found->ai_next = next;
    found->ai_addr = (struct sockaddr *)six;
    if (inet_pton(AF_INET, number, &four->sin_addr) == 1) {
        found->ai_family = four->sin_family = AF_INET;
        found->ai_addrlen = sizeof *four;
    } else if (inet_pton(AF_INET6, number, &six->sin6_addr) == 1) {
        found->ai_family = six->sin6_family = AF_INET6;
        found->ai_addrlen = sizeof *six;
    } else {
        free(found);
        return next;
    }
    return found;
}

static void wait_until_released(void) {
    sigset_t blocked;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (sigismember(&blocked, SIGTERM) != 1)
        signals_open = true;
    waiting++;
    while (!released)
        usleep(1000);
    waiting--;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    char text[16];
    int number = 0;
    (void)service;

    *out = entry(node, NULL);
    if (*out != NULL)
        return 0;
    if ((hints->ai_flags & AI_NUMERICHOST) != 0)
        return EAI_NONAME;
    asked++;
    if (sscanf(node, "slow-%d", &number) == 1) {
        wait_until_released();
        snprintf(text, sizeof text, "10.0.0.%d", number & 255);
        *out = entry(text, NULL);
    } else if (strcmp(node, "both") == 0) {
        *out = entry("fe80::1", entry("10.0.0.2", entry("::1", entry("10.0.0.1", NULL))));
    } else if (strcmp(node, "many") == 0) {
        for (int i = 0; i < 3 * RESOLVER_ADDRESSES; i++)
            *out = entry("10.0.1.1", *out);
    }
    answered_by_thread++;
    return *out != NULL ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *found) {
    while (found != NULL) {
        struct addrinfo *next = found->ai_next;
        free(found);
        found = next;
    }
}

/* ---------------------------------------------------------------------- the tests */

static struct ev_loop *loop;
static struct resolver *resolver;
static const char *answer, *wrong;
static int answers;

static void on_answer(void *ctx, const char *address, const char *why) {
    (void)ctx;
    answer = address != NULL ? keepf("%s", address) : NULL;
    wrong = keepf("%s", why);
    answers++;
}

static void begin(void) {
    loop = ev_loop_new(0);
    resolver = resolver_new(loop, on_answer, NULL);
}

/* Other threads do not wake the loop up. */
static void wait_for(const atomic_int *count, int value) {
    for (int tries = 0; *count != value; tries++) {
        ck_assert_int_lt(tries, 30000);
        loop_turn(loop);
        usleep(1000);
    }
}

static void end(void) {
    released = true;
    resolver_free(resolver);
    while (waiting > 0)
        usleep(1000);
    ev_loop_destroy(loop);
}

START_TEST(numbers_need_no_thread) {
    begin();
    static const char *const numbers[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < ROWS(numbers); i++) {
        answers = 0;
        resolver_ask(resolver, numbers[i]);
        ck_assert_int_eq(answers, 0);
        loop_until(loop, answers == 1);
        ck_assert_str_eq(answer, numbers[i]);
        ck_assert_ptr_null(resolver_next(resolver));
    }
    ck_assert_int_eq(asked, 0);
    end();
}
END_TEST

START_TEST(the_addresses_of_a_name_come_with_ipv4_first) {
    begin();
    resolver_ask(resolver, "both");
    loop_until(loop, answers == 1);
    ck_assert_str_eq(answer, "10.0.0.2");
    ck_assert_str_eq(wrong, "");
    ck_assert_str_eq(resolver_next(resolver), "10.0.0.1");
    ck_assert_str_eq(resolver_next(resolver), "fe80::1");
    ck_assert_str_eq(resolver_next(resolver), "::1");
    ck_assert_ptr_null(resolver_next(resolver));
    ck_assert_ptr_null(resolver_next(resolver));
    end();
}
END_TEST

START_TEST(addresses_are_bounded) {
    size_t count = 1;

    begin();
    resolver_ask(resolver, "many");
    loop_until(loop, answers == 1);
    while (resolver_next(resolver) != NULL)
        count++;
    ck_assert_uint_eq(count, RESOLVER_ADDRESSES);
    end();
}
END_TEST

START_TEST(what_was_no_good_comes_last_the_next_time) {
    begin();
    resolver_ask(resolver, "both");
    loop_until(loop, answers == 1);
    resolver_ask(resolver, "both");
    loop_until(loop, answers == 2);
    ck_assert_str_eq(answer, "10.0.0.2");
    ck_assert_str_eq(resolver_next(resolver), "10.0.0.1");
    resolver_ask(resolver, "both");
    ck_assert_ptr_null(resolver_next(resolver));
    loop_until(loop, answers == 3);
    ck_assert_str_eq(answer, "fe80::1");
    ck_assert_str_eq(resolver_next(resolver), "::1");
    ck_assert_str_eq(resolver_next(resolver), "10.0.0.2");
    ck_assert_str_eq(resolver_next(resolver), "10.0.0.1");
    ck_assert_ptr_null(resolver_next(resolver));
    end();
}
END_TEST

START_TEST(a_name_without_an_address_says_why) {
    begin();
    resolver_ask(resolver, "none");
    loop_until(loop, answers == 1);
    ck_assert_ptr_null(answer);
    ck_assert_str_eq(wrong, gai_strerror(EAI_NONAME));
    end();
}
END_TEST

START_TEST(the_loop_goes_on_while_a_look_up_hangs) {
    struct timespec before, after;

    begin();
    clock_gettime(CLOCK_MONOTONIC, &before);
    resolver_ask(resolver, "slow-1");
    for (int i = 0; i < 10; i++)
        loop_turn(loop);
    clock_gettime(CLOCK_MONOTONIC, &after);
    ck_assert_int_eq(answers, 0);
    wait_for(&waiting, 1);
    ck_assert(!signals_open);
    released = true;
    loop_until(loop, answers == 1);
    ck_assert_str_eq(answer, "10.0.0.1");
    end();
}
END_TEST

START_TEST(a_name_is_looked_up_once_at_a_time) {
    begin();
    for (int i = 0; i < 50; i++) {
        resolver_ask(resolver, "slow-1");
        loop_turn(loop);
    }
    wait_for(&waiting, 1);
    ck_assert_int_eq(asked, 1);
    released = true;
    loop_until(loop, answers == 1);
    resolver_ask(resolver, "slow-1");
    loop_until(loop, answers == 2);
    ck_assert_int_eq(asked, 2);
    end();
}
END_TEST

START_TEST(the_last_question_alone_is_answered) {
    begin();
    resolver_ask(resolver, "slow-1");
    resolver_ask(resolver, "slow-2");
    wait_for(&waiting, 2);
    released = true;
    loop_until(loop, answers == 1);
    ck_assert_str_eq(answer, "10.0.0.2");
    wait_for(&answered_by_thread, 2);
    loop_turn(loop);
    ck_assert_int_eq(answers, 1);
    end();
}
END_TEST

START_TEST(a_question_that_is_forgotten_is_not_answered) {
    begin();
    resolver_ask(resolver, "slow-1");
    resolver_forget(resolver);
    resolver_ask(resolver, "127.0.0.1");
    resolver_forget(resolver);
    released = true;
    wait_for(&answered_by_thread, 1);
    loop_turn(loop);
    ck_assert_int_eq(answers, 0);
    end();
}
END_TEST

START_TEST(threads_that_hang_are_bounded) {
    begin();
    for (int i = 0; i < RESOLVER_NAMES; i++)
        resolver_ask(resolver, keepf("slow-%d", i));
    wait_for(&waiting, RESOLVER_NAMES);
    resolver_ask(resolver, "slow-100");
    loop_until(loop, answers == 1);
    ck_assert_ptr_null(answer);
    ck_assert_ptr_nonnull(strstr(wrong, "too many"));
    resolver_ask(resolver, "slow-3");
    released = true;
    loop_until(loop, answers == 2);
    ck_assert_str_eq(answer, "10.0.0.3");
    end();
}
END_TEST

START_TEST(nobody_waits_for_a_thread_at_the_end) {
    begin();
    resolver_ask(resolver, "slow-1");
    wait_for(&waiting, 1);
    resolver_free(resolver);
    resolver = NULL;
    ck_assert_int_eq(waiting, 1);
    end();
}
END_TEST

UNIT_MAIN("resolver", numbers_need_no_thread, the_addresses_of_a_name_come_with_ipv4_first,
          addresses_are_bounded, what_was_no_good_comes_last_the_next_time,
          a_name_without_an_address_says_why, the_loop_goes_on_while_a_look_up_hangs,
          a_name_is_looked_up_once_at_a_time, the_last_question_alone_is_answered,
          a_question_that_is_forgotten_is_not_answered, threads_that_hang_are_bounded,
          nobody_waits_for_a_thread_at_the_end)
