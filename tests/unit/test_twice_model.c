/* fcgi-app/protocols: a text that is taken a second time, because the site was asked about it
 * meanwhile (carriers/talk.c, carriers/doing.c), does what it would have done at once. Two speeches
 * of Socket.IO hear the same thousands of texts; one of them takes each twice.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/protocols/protocols.h"
#include "fcgi-app/protocols/socketio_state.h"
#include "tests/lib/keep.h"
#include "tests/unit/model.h"
#include "tests/unit/unit.h"

enum { WORLDS = 400, TEXTS = 40 };

static struct channel_policy policies[] = {
    {.pattern = (char[]){"secret"}, .subscribe = {.kinds = ACCESS_NONE}, .max_message = 1000},
    {.pattern = (char[]){"*"}, .subscribe = {.kinds = ACCESS_ANYONE}, .max_message = 1000}};
static struct service service = {
    .path = (char[]){"socket.io"}, .dialect = (char[]){""}, .connect_timeout = 1000, .recovery = 1};
static struct name_space spaces[] = {{.service = (char[]){"socket.io"},
                                      .name = (char[]){"/chat"},
                                      .join = (char[]){"news offers"},
                                      .may_join = (char[]){"room.*"},
                                      .publish = (char[]){"said"}},
                                     {.service = (char[]){"socket.io"},
                                      .name = (char[]){"/closed"},
                                      .join = (char[]){"secret"},
                                      .may_join = (char[]){""},
                                      .publish = (char[]){""}}};
static const struct config config = {.max_channels = 6,
                                     .channels = policies,
                                     .channel_count = 2,
                                     .services = &service,
                                     .service_count = 1,
                                     .namespaces = spaces,
                                     .namespace_count = 2};

static const char *const texts[] = {
    "0",
    "0/chat,",
    "0/chat,{\"auth\":1}",
    "0/closed,",
    "1",
    "1/chat,",
    "2/chat,7[\"subscribe\",\"room.1\"]",
    "2/chat,[\"subscribe\",[\"room.1\",\"room.2\",\"room.3\"]]",
    "2/chat,8[\"subscribe\",\"other\"]",
    "2/chat,9[\"unsubscribe\",\"room.1\"]",
    "2[\"subscribe\",\"room.1\"]",
    "25[\"subscribe\",\"secret\"]",
    "2/chat,[\"said\",1,2]",
    "2/chat,6[\"said\",{\"a\":\"b\"}]",
    "51-/chat,3[\"file\",{\"_placeholder\":true,\"num\":0}]",
    "52-/chat,[\"two\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]",
};

static struct speech born(void) {
    struct speech speech = {.protocol = &protocol_socketio,
                            .argument = "",
                            .config = &config,
                            .service = &service,
                            .now = 5000};
    struct step step = {0};

    speech_begin(&speech);
    speech.protocol->open(&speech, &step);
    step_free(&step);
    return speech;
}

/* The state, without what is random in it; kept. */
static const char *state_of(const struct speech *speech) {
    struct buf saved = buf_make(1 << 20);

    speech_save(speech, &saved);
    char *text = mem_copy(saved.len > 0 ? saved.data : "", saved.len);
    buf_free(&saved);
    for (char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (*line == 's')
            memset(strchr(line, '\n') - SOCKETIO_ID, '.', SOCKETIO_ID);
    }
    return keep(text);
}

static const char *text_of(struct scan_value value) {
    return value.at != NULL ? keepf("%.*s", (int)value.len, value.at) : "";
}

/* What the step does and says; kept. Welcomes have something random in them. */
static const char *step_of(const struct step *step) {
    const char *all =
        keepf("joins=%d,%zu leaves=%d,%zu posts=%d %s closes=%u problem=%d ref=%s", step->joins,
              step->join.count, step->leaves, step->leave.names.count, step->posts,
              text_of(step->post.data), step->closes, step->problem.status, text_of(step->ref));

    for (size_t i = 0; i < step->said.count; i++) {
        size_t len;
        const char *text = texts_at(&step->said, i, &len);
        all = keepf("%s | %.*s", all, (int)(strncmp(text, "0", 1) == 0 ? 1 : len), text);
    }
    return all;
}

static void take(struct speech *speech, const char *text, struct step *step) {
    if (text != NULL)
        speech->protocol->take(speech, text, strlen(text), step);
    else
        speech->protocol->take_bytes(speech, "bytes", 5, step);
}

/* As carriers do it when the site is to be asked first. */
static void take_twice(struct speech *speech, const char *text, struct step *step) {
    struct buf before = buf_make(SIZE_MAX / 2);

    speech_save(speech, &before);
    take(speech, text, step);
    ck_assert(speech_load(speech, before.data, before.len));
    step_free(step);
    buf_free(&before);
    take(speech, text, step);
}

/* Carries the step's channels out, or tells that they could not be joined. */
static void carry_out(struct speech *speech, struct step *step, bool refused) {
    struct hub_channel channels[16];
    const struct hub_places places = {.channels = channels, .count = step->join.count};
    struct problem problem;

    if (!step->joins)
        return;
    for (size_t i = 0; i < step->join.count; i++) {
        channels[i] = step->join.channels[i];
        channels[i].since = (struct since){.kind = SINCE_AT, .at = {7, 3}};
    }
    problem_set(&problem, 400, "too many");
    const struct outcome outcome = {.problem = &problem, .ref = step->ref, .joining = true};
    if (refused)
        speech->protocol->tell(speech, &outcome, step);
    else
        speech->protocol->joined(speech, &places, step);
}

static void live(uint64_t number) {
    struct seed_dice seed;
    const struct dice dice = dice_of_seed(&seed, number, TEXTS);
    struct speech once = born(), twice = born();

    for (int i = 0; i < TEXTS; i++) {
        struct step one = {0}, two = {0};
        unsigned which = dice.roll(dice.ctx, ROWS(texts) + 4);
        const char *text = which < ROWS(texts) ? texts[which] : NULL;
        bool refused = dice.roll(dice.ctx, 4) == 0;
        take(&once, text, &one);
        take_twice(&twice, text, &two);
        ck_assert_str_eq(step_of(&one), step_of(&two));
        carry_out(&once, &one, refused);
        carry_out(&twice, &two, refused);
        ck_assert_str_eq(step_of(&one), step_of(&two));
        ck_assert_str_eq(state_of(&once), state_of(&twice));
        ck_assert_uint_eq(speech_deadline(&once), speech_deadline(&twice));
        step_free(&one);
        step_free(&two);
    }
    speech_end(&once);
    speech_end(&twice);
}

START_TEST(a_text_that_is_taken_twice_does_what_it_does_once) {
    for (uint64_t number = 1; number <= WORLDS; number++)
        live(number);
}
END_TEST

UNIT_MAIN("twice", a_text_that_is_taken_twice_does_what_it_does_once)
