/* fcgi-app/rights: keys, tokens, and the credentials of requests. */
#include "fcgi-app/rights/credential.h"
#include "fcgi-app/rights/keys.h"
#include "fcgi-app/rights/rights.h"
#include "fcgi-app/rights/token.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/lib/token.h"
#include "tests/unit/unit.h"

#define SECRET "a secret of the site, 32 bytes+++"

static struct config config;
static char problem[CONFIG_PROBLEM];

static void load(const char *text) {
    const char *path = token_file(text);
    char name[] = "halley", file[] = "-f", *argv[] = {name, file, (char *)(uintptr_t)path, NULL};
    struct config_command command;

    ck_assert_msg(config_load(&config, &command, 3, argv, problem) == 0, "%s", problem);
    unlink(path);
}

static const char *key_section(const char *kid, const char *algorithm, const char *file) {
    return keepf("[key %s]\nalgorithm = %s\nfile = %s\n", kid, algorithm, file);
}

/* 0: good; else enum token_fault. */
static enum token_fault fault_of(const struct keys *keys, const char *token, double now) {
    enum token_fault fault;
    struct identity *who = token_read(&config, keys, token, strlen(token), now, &fault);

    ck_assert((who != NULL) == (fault == TOKEN_GOOD));
    identity_free(who);
    return fault;
}

static struct keys *one_key(const char *more) {
    load(keepf("%s%s", more, key_section("k", "HS256", token_file(SECRET "\n"))));
    struct keys *keys = keys_load(&config, problem);
    ck_assert_msg(keys != NULL, "%s", problem);
    return keys;
}

static void done(struct keys *keys) {
    keys_unload(keys);
    config_free(&config);
}

/* ------------------------------------------------------------------------ claims */

START_TEST(a_token_is_read_as_strictly_as_it_is_written) {
    static const struct {
        const char *payload;
        enum token_fault fault;
    } rows[] = {
        {"{\"sub\":\"alice\",\"exp\":100}", TOKEN_GOOD},
        {"{\"exp\":100}", TOKEN_GOOD}, /* of nobody by name */
        {"{\"sub\":\"alice\",\"exp\":50.5}", TOKEN_GOOD},
        {"{\"sub\":\"alice\",\"exp\":50}", TOKEN_EXPIRED}, /* no leeway */
        {"{\"sub\":\"alice\",\"exp\":49.999}", TOKEN_EXPIRED},
        {"{\"sub\":\"alice\",\"exp\":-1}", TOKEN_EXPIRED},
        {"{\"sub\":\"alice\",\"exp\":2147483648}", TOKEN_GOOD}, /* 2038 */
        {"{\"sub\":\"alice\",\"exp\":1e300}", TOKEN_GOOD},
        {"{\"sub\":\"alice\",\"exp\":1e999}", TOKEN_BAD},
        {"{\"sub\":\"alice\"}", TOKEN_BAD},
        {"{\"sub\":\"alice\",\"exp\":\"100\"}", TOKEN_BAD},
        {"{\"sub\":\"alice\",\"exp\":null}", TOKEN_BAD},
        {"{\"sub\":\"alice\",\"exp\":true}", TOKEN_BAD},
        {"{\"sub\":\"alice\",\"exp\":100,\"nbf\":50}", TOKEN_GOOD},
        {"{\"sub\":\"alice\",\"exp\":100,\"nbf\":50.1}", TOKEN_EARLY},
        {"{\"sub\":\"alice\",\"exp\":100,\"nbf\":\"x\"}", TOKEN_BAD},
        {"{\"sub\":\"alice\",\"exp\":100,\"iat\":\"x\"}", TOKEN_BAD},
        {"{\"sub\":\"\",\"exp\":100}", TOKEN_BAD},
        {"{\"sub\":7,\"exp\":100}", TOKEN_BAD},
        {"{\"sub\":null,\"exp\":100}", TOKEN_BAD},
        {"{\"sub\":\"a\\u0000b\",\"exp\":100}", TOKEN_BAD},
        {"{\"sub\":\"a\\nb\",\"exp\":100}", TOKEN_BAD},
        {"{\"sub\":\"alice\",\"sub\":\"bob\",\"exp\":100}", TOKEN_BAD},
        {"{\"sub\":\"alice\",\"\\u0073ub\":\"bob\",\"exp\":100}", TOKEN_BAD},
        {"{\"x\":{\"a\":1,\"a\":2},\"exp\":100}", TOKEN_BAD},
        {"{\"aud\":7,\"exp\":100}", TOKEN_BAD},
        {"{\"aud\":[\"x\",7],\"exp\":100}", TOKEN_BAD},
        {"{\"aud\":\"anybody\",\"exp\":100}", TOKEN_GOOD},
        {"{\"subscribe\":\"a\",\"exp\":100}", TOKEN_BAD},
        {"{\"subscribe\":[1],\"exp\":100}", TOKEN_BAD},
        {"{\"subscribe\":null,\"exp\":100}", TOKEN_BAD},
        {"{\"publish\":{},\"exp\":100}", TOKEN_BAD},
        {"{\"publish\":[],\"subscribe\":[\"a\"],\"exp\":100}", TOKEN_GOOD},
        {"[\"exp\",100]", TOKEN_BAD},
        {"100", TOKEN_BAD},
        {"", TOKEN_BAD},
        {"{\"exp\":100", TOKEN_BAD},
        {"{\"exp\":100}{}", TOKEN_BAD},
        {"{\"exp\":100,\"x\":\"\xff\"}", TOKEN_BAD},
    };
    struct keys *keys = one_key("");

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(fault_of(keys, token_of(SECRET, rows[i].payload), 50) == rows[i].fault,
                      "%s: %d", rows[i].payload,
                      fault_of(keys, token_of(SECRET, rows[i].payload), 50));
    done(keys);
}
END_TEST

START_TEST(a_token_is_for_who_is_named) {
    static const struct {
        const char *payload;
        enum token_fault fault;
    } rows[] = {{"{\"exp\":100,\"aud\":\"here\",\"iss\":\"us\"}", TOKEN_GOOD},
                {"{\"exp\":100,\"aud\":[\"x\",\"here\"],\"iss\":\"us\"}", TOKEN_GOOD},
                {"{\"exp\":100,\"aud\":\"here\"}", TOKEN_FOREIGN},
                {"{\"exp\":100,\"iss\":\"us\"}", TOKEN_FOREIGN},
                {"{\"exp\":100,\"aud\":\"there\",\"iss\":\"us\"}", TOKEN_FOREIGN},
                {"{\"exp\":100,\"aud\":\"Here\",\"iss\":\"us\"}", TOKEN_FOREIGN},
                {"{\"exp\":100,\"aud\":[],\"iss\":\"us\"}", TOKEN_FOREIGN},
                {"{\"exp\":100,\"aud\":\"here\",\"iss\":[\"us\"]}", TOKEN_BAD}};
    struct keys *keys = one_key("token_audience = here\ntoken_issuer = us\n");

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(fault_of(keys, token_of(SECRET, rows[i].payload), 50) == rows[i].fault, "%s",
                      rows[i].payload);
    done(keys);
}
END_TEST

START_TEST(its_claims_open_the_channels_that_they_name) {
    static const char payload[] =
        "{\"sub\":\"alice\",\"subscribe\":[\"a\",\"t/*\"],\"publish\":[\"t/x\"],\"exp\":100}";
    struct keys *keys = one_key("[channel closed]\n[channel t/*]\nsubscribe = token\npublish = "
                                "token\n[channel *]\nsubscribe = user\n");
    const char *token = token_of(SECRET, payload);
    enum token_fault fault;
    struct identity *who = token_read(&config, keys, token, strlen(token), 50, &fault);

    ck_assert_ptr_nonnull(who);
    ck_assert_str_eq(who->user, "alice");
    ck_assert(who->expires == 100);
    ck_assert(rights_may(&config, who, RIGHTS_SUBSCRIBE, "t/y", 3));
    ck_assert(!rights_may(&config, who, RIGHTS_PUBLISH, "t/y", 3));
    ck_assert(rights_may(&config, who, RIGHTS_PUBLISH, "t/x", 3));
    ck_assert(rights_may(&config, who, RIGHTS_SUBSCRIBE, "else", 4));
    ck_assert(!rights_may(&config, NULL, RIGHTS_SUBSCRIBE, "t/y", 3));
    identity_free(who);
    done(keys);
}
END_TEST

/* --------------------------------------------------------------------- signatures */

START_TEST(a_token_that_is_signed_in_another_way_is_refused) {
    static const char payload[] = "{\"sub\":\"alice\",\"exp\":100}";
    struct keys *keys = one_key("");
    const char *good = token_of(SECRET, payload);
    const char *rows[] = {
        token_of("a secret of another site 32 bytes", payload),
        token_hs256(SECRET, "{\"alg\":\"none\"}", payload),
        token_hs256(SECRET, "{\"alg\":\"HS512\"}", payload),
        token_hs256(SECRET, "{\"alg\":\"hs256\"}", payload),
        token_hs256(SECRET, "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", payload),
        token_hs256(SECRET, "{\"alg\":\"HS256\",\"kid\":\"x\"}", payload),
        token_hs256(SECRET, "{\"alg\":\"HS256\",\"kid\":7}", payload),
        token_hs256(SECRET, "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", payload),
        token_hs256(SECRET, "{}", payload),
        token_hs256(SECRET, "[]", payload),
        keepf("%.*s", (int)(strrchr(good, '.') - good) + 1, good), /* no signature */
        keepf("%.*s", (int)(strrchr(good, '.') - good), good),
        keepf("%s=", good),
        keepf("%s.", good),
        keepf("%s.x", good),
        keepf(" %s", good),
        keepf("%s\n", good),
        keepf("%sA", good),
        "..",
        "",
        "a.b.c"};

    ck_assert_int_eq(fault_of(keys, good, 50), TOKEN_GOOD);
    ck_assert_int_eq(
        fault_of(keys, token_hs256(SECRET, "{\"kid\":\"k\",\"alg\":\"HS256\"}", payload), 50),
        TOKEN_GOOD);
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(fault_of(keys, rows[i], 50) == TOKEN_BAD, "row %zu: %s", i, rows[i]);
    for (size_t i = 0; good[i] != '\0'; i++) { /* each letter counts, and has one spelling */
        char *other = keep(strdup(good));
        other[i] = other[i] == 'A' ? 'B' : other[i] == '.' ? '-' : 'A';
        ck_assert_msg(fault_of(keys, other, 50) == TOKEN_BAD, "letter %zu", i);
    }
    done(keys);
}
END_TEST

START_TEST(a_token_is_8_kib_at_most) {
    struct keys *keys = one_key("");
    char *filler = keep(calloc(1, 65536));

    memset(filler, 'x', 5900);
    ck_assert_int_eq(
        fault_of(keys, token_of(SECRET, keepf("{\"exp\":100,\"x\":\"%s\"}", filler)), 50),
        TOKEN_GOOD);
    memset(filler, 'x', 6200);
    ck_assert_int_eq(
        fault_of(keys, token_of(SECRET, keepf("{\"exp\":100,\"x\":\"%s\"}", filler)), 50),
        TOKEN_BAD);
    memset(filler, 'x', 65000);
    ck_assert_int_eq(fault_of(keys, filler, 50), TOKEN_BAD);
    done(keys);
}
END_TEST

static void verify_pair(const char *algorithm) {
    static const char payload[] = "{\"sub\":\"alice\",\"exp\":100}";
    const char *secret, *open, *other, *none;

    token_keys(algorithm, &secret, &open);
    token_keys(algorithm, &other, &none);
    load(key_section("k", algorithm, token_file(open)));
    struct keys *keys = keys_load(&config, problem);
    ck_assert_msg(keys != NULL, "%s", problem);
    const char *good = token_signed(algorithm, secret, payload);
    ck_assert_int_eq(fault_of(keys, good, 50), TOKEN_GOOD);
    ck_assert_int_eq(fault_of(keys, token_signed(algorithm, other, payload), 50), TOKEN_BAD);
    ck_assert_int_eq(fault_of(keys, token_of(open, payload), 50), TOKEN_BAD); /* known to all */
    char *changed = keep(strdup(good));
    changed[strlen(changed) - 20] = changed[strlen(changed) - 20] == 'A' ? 'B' : 'A';
    ck_assert_int_eq(fault_of(keys, changed, 50), TOKEN_BAD);
    done(keys);
}

START_TEST(a_public_key_verifies_what_its_private_one_has_signed) {
    verify_pair("RS256");
    verify_pair("ES256");
    verify_pair("EdDSA");
}
END_TEST

START_TEST(with_several_keys_a_token_says_by_which_it_is_signed) {
    static const char payload[] = "{\"exp\":100}";
    static const char other[] = "another secret of 32 bytes or more";
    load(keepf("%s%s", key_section("new", "HS256", token_file(SECRET)),
               key_section("old", "HS256", token_file(other))));
    struct keys *keys = keys_load(&config, problem);

    ck_assert_int_eq(fault_of(keys, token_of(SECRET, payload), 50), TOKEN_BAD);
    ck_assert_int_eq(
        fault_of(keys, token_hs256(SECRET, "{\"alg\":\"HS256\",\"kid\":\"new\"}", payload), 50),
        TOKEN_GOOD);
    ck_assert_int_eq(
        fault_of(keys, token_hs256(other, "{\"alg\":\"HS256\",\"kid\":\"old\"}", payload), 50),
        TOKEN_GOOD);
    ck_assert_int_eq(
        fault_of(keys, token_hs256(other, "{\"alg\":\"HS256\",\"kid\":\"new\"}", payload), 50),
        TOKEN_BAD);
    done(keys);
}
END_TEST

/* -------------------------------------------------------------------------- names */

START_TEST(names_that_mean_something_else_are_refused) {
    static const char *const wrong[] = {"group_variable = REMOTE_USER\n",
                                        "group_variable = SCRIPT_NAME\n",
                                        "user_header = Authorization\n",
                                        "user_header = cookie\n",
                                        "user_header = X-Forwarded-For\n",
                                        "user_header = X-Real-IP\n",
                                        "group_header = X-Groups\n", /* of nobody */
                                        "user_header = X-User\ngroup_header = x-user\n",
                                        "user_header = X-User\ngroup_header = Forwarded\n"};
    static const char *const good[] = {"user_header = forwarded\n",
                                       "user_header = X-User\ngroup_header = X-Groups\n",
                                       "group_variable = OIDC_GROUPS\n"};

    for (size_t i = 0; i < ROWS(wrong); i++) {
        load(wrong[i]);
        problem[0] = '\0';
        ck_assert_msg(!credentials_check(&config, problem), "%s", wrong[i]);
        ck_assert_msg(strstr(problem, "_header = ") != NULL ||
                          strstr(problem, "_variable = ") != NULL,
                      "%s", problem);
        config_free(&config);
    }
    for (size_t i = 0; i < ROWS(good); i++) {
        load(good[i]);
        ck_assert_msg(credentials_check(&config, problem), "%s", problem);
        credentials_free(credentials_new(&config, problem));
        ck_assert_msg(credentials_check(&config, problem), "%s: now that it is known", problem);
        said_call(SAID_USER_FIELD, "", "");
        said_call(SAID_GROUP_FIELD, "", "");
        said_call(SAID_GROUPS, "", "");
        config_free(&config);
    }
}
END_TEST

/* -------------------------------------------------------------------------- files */

static void must_refuse(const char *algorithm, const char *file, const char *why) {
    load(key_section("k", algorithm, file));
    problem[0] = '\0';
    ck_assert_ptr_null(keys_load(&config, problem));
    ck_assert_msg(strstr(problem, why) != NULL, "%s", problem);
    ck_assert_msg(strstr(problem, "[key k]") != NULL, "%s", problem);
    config_free(&config);
}

START_TEST(a_key_that_others_can_read_or_that_does_not_fit_is_refused) {
    const char *secret, *open, *curve, *none, *mine = token_file(SECRET);

    token_keys("RS256", &secret, &open);
    token_keys("ES256", &none, &curve);
    must_refuse("HS256", "/nowhere/key", "No such file");
    must_refuse("HS256", "/tmp", "is no plain file");
    must_refuse("HS256", token_file("31 bytes are one byte too few.."), "32 bytes");
    must_refuse("HS256", token_file("31 bytes are one byte too few..\n"), "32 bytes");
    must_refuse("HS256", token_file(open), "not in PEM");
    must_refuse("RS256", token_file(SECRET), "public RSA key");
    must_refuse("RS256", token_file(curve), "public RSA key");
    must_refuse("RS256", token_file(secret), "public RSA key"); /* it is not needed here */
    must_refuse("ES256", token_file(open), "P-256");
    must_refuse("EdDSA", token_file(curve), "Ed25519");
    ck_assert_int_eq(chmod(mine, 0644), 0);
    must_refuse("HS256", mine, "others");
    ck_assert_int_eq(chmod(mine, 0602), 0);
    must_refuse("HS256", mine, "others");
    ck_assert_int_eq(chmod(mine, 0640), 0);
    load(key_section("k", "HS256", mine));
    ck_assert(credentials_check(&config, problem));
    config_free(&config);
}
END_TEST

/* ----------------------------------------------------------------------- requests */

static struct request *request_with(const char *authorization, const char *query,
                                    const char *offered, const char *cookie, const char *origin) {
    struct request *request = calloc(1, sizeof *request + 1);

    request->authorization = authorization;
    request->socket_protocol = offered;
    request->cookie = cookie;
    request->remote_user = "login";
    request->groups = request->referer = "";
    request->claims = (struct site_claims){origin, "", "here", ""};
    ck_assert_int_eq(params_parse(&request->params, query, strlen(query)), ERR_OK);
    return request;
}

/* Who it is, or the status. */
static const char *found_in(struct credentials *credentials, struct request *request,
                            bool scripted) {
    struct problem wrong = {0};
    const char *who = "";

    if (!credentials_find(credentials, request, scripted, 50, &wrong))
        who = keepf("%d", wrong.status);
    else if (request->who != NULL)
        who = keepf("%s", request->who->user);
    request_free(request);
    return who;
}

START_TEST(a_request_brings_its_token_in_one_of_four_ways) {
    const char *a = token_of(SECRET, "{\"sub\":\"a\",\"exp\":100}");
    const char *b = token_of(SECRET, "{\"sub\":\"b\",\"exp\":100}");
    const char *old = token_of(SECRET, "{\"sub\":\"a\",\"exp\":50}");
    const struct {
        const char *authorization, *query, *offered, *cookie, *origin, *who;
    } rows[] = {{"", "", "", "", "", "login"},
                {keepf("Bearer %s", a), "", "", "", "", "a"},
                {keepf("bearer   %s ", a), "", "", "", "", "a"},
                {keepf("Bearer %s, Bearer %s", a, a), "", "", "", "", "a"},
                {keepf("Bearer %s, Bearer %s", a, b), "", "", "", "", "400"},
                {keepf("Basic eA==, Bearer %s", a), "", "", "", "", "a"},
                {"Basic eDp5", "", "", "", "", "login"},
                {"Bearer x", "", "", "", "", "401"},
                {"Bearer ", "", "", "", "", "login"},
                {keepf("Bearer %s", old), "", "", "", "", "401"},
                {"", keepf("token=%s", a), "", "", "", "a"},
                {"", keepf("token=%s&token=%s", a, a), "", "", "", "a"},
                {"", keepf("token=%s&token=%s", a, b), "", "", "", "400"},
                {"", "token=", "", "", "", "401"},
                {"", "", keepf("halley, bearer.%s", a), "", "", "a"},
                {"", "", "halley", "", "", "login"},
                {"", "", "", keepf("x=y; session=%s", a), "", "a"},
                {"", "", "", keepf("session=%s;x=y", a), "", "a"},
                {"", "", "", keepf("xsession=%s", a), "", "login"},
                {"", "", "", keepf("SESSION=%s", a), "", "login"},
                {"", "", "", keepf("session=%s; session=%s", a, b), "", "400"},
                {"", "", "", keepf("session=%s", a), "http://here", "a"},
                {"", "", "", keepf("session=%s", a), "https://listed", "a"},
                {"", "", "", keepf("session=%s", a), "https://other", ""},
                {"", "", "", keepf("session=%s", a), "null", ""},
                {keepf("Bearer %s", a), "", "", keepf("session=%s", b), "https://other", "a"}};

    load(keepf("token_cookie = session\norigins = https://listed *\n[channel *]\nsubscribe = user\n"
               "%s",
               key_section("k", "HS256", token_file(SECRET))));
    struct credentials *credentials = credentials_new(&config, problem);
    ck_assert_msg(credentials != NULL, "%s", problem);
    for (int twice = 0; twice < 2; twice++) { /* the second time they are remembered */
        for (size_t i = 0; i < ROWS(rows); i++)
            ck_assert_msg(
                strcmp(found_in(credentials,
                                request_with(rows[i].authorization, rows[i].query, rows[i].offered,
                                             rows[i].cookie, rows[i].origin),
                                false),
                       rows[i].who) == 0,
                "row %zu", i);
    }
    ck_assert_str_eq(
        found_in(credentials, request_with("", "", "", keepf("session=%s", a), ""), true), "");
    ck_assert_str_eq(found_in(credentials,
                              request_with("", keepf("token=%s", a), "", "", "https://other"),
                              true),
                     "a");
    credentials_free(credentials);
    config_free(&config);
}
END_TEST

START_TEST(what_is_remembered_is_bounded_and_expires) {
    struct problem wrong;

    load(key_section("k", "HS256", token_file(SECRET)));
    struct credentials *credentials = credentials_new(&config, problem);
    for (int i = 0; i < CREDENTIALS_MAX + 100; i++) {
        const char *token = token_of(SECRET, keepf("{\"sub\":\"u%d\",\"exp\":%d}", i, 100 + i));
        struct identity *who = credentials_token(credentials, token, strlen(token), 50, &wrong);
        ck_assert_ptr_nonnull(who);
        identity_free(who);
    }
    const char *last = token_of(
        SECRET, keepf("{\"sub\":\"u%d\",\"exp\":%d}", CREDENTIALS_MAX, 100 + CREDENTIALS_MAX));
    struct identity *who =
        credentials_token(credentials, last, strlen(last), 100 + CREDENTIALS_MAX - 0.5, &wrong);
    ck_assert_ptr_nonnull(who);
    ck_assert_ptr_null(
        credentials_token(credentials, last, strlen(last), 100 + CREDENTIALS_MAX, &wrong));
    ck_assert_int_eq(wrong.status, 401);
    ck_assert_str_eq(who->user, keepf("u%d", CREDENTIALS_MAX)); /* whoever holds it has it still */
    identity_free(who);
    credentials_free(credentials);
    config_free(&config);
}
END_TEST

UNIT_MAIN("token", a_token_is_read_as_strictly_as_it_is_written, a_token_is_for_who_is_named,
          its_claims_open_the_channels_that_they_name,
          a_token_that_is_signed_in_another_way_is_refused, a_token_is_8_kib_at_most,
          a_public_key_verifies_what_its_private_one_has_signed,
          with_several_keys_a_token_says_by_which_it_is_signed,
          names_that_mean_something_else_are_refused,
          a_key_that_others_can_read_or_that_does_not_fit_is_refused,
          a_request_brings_its_token_in_one_of_four_ways, what_is_remembered_is_bounded_and_expires)
