/* The table of protocols of the tests' own program (build/test/halley.fcgi): two rows more,
 * which the suites of other systems want and no site does.
 *
 *   echo   every text comes back
 *   close  closes as soon as it is open
 */
#include "fcgi-app/protocols/protocols.h"

static void take_echo(const struct speech *speech, const char *text, size_t len,
                      struct step *step) {
    (void)speech;
    texts_add(&step->said, text, len);
}

static void take_nothing(const struct speech *speech, const char *text, size_t len,
                         struct step *step) {
    (void)speech, (void)text, (void)len, (void)step;
}

static void tell(const struct speech *speech, const struct outcome *outcome, struct step *step) {
    (void)speech, (void)outcome, (void)step; /* neither publishes */
}

static void render(struct batch *batch, struct texts *texts) {
    (void)batch, (void)texts; /* neither subscribes */
}

static void open_close(const struct speech *speech, struct step *step) {
    (void)speech;
    step->closes = 3000;
    step->reason = "Go away!";
}

static const struct protocol protocol_echo = {
    .name = "echo", .take = take_echo, .tell = tell, .render = render};

static const struct protocol protocol_close = {
    .name = "close", .open = open_close, .take = take_nothing, .tell = tell, .render = render};

const struct protocol *const protocols[] = {&protocol_halley, &protocol_channel, &protocol_echo,
                                            &protocol_close, NULL};
