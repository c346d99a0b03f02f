/*
 * halley doctor [URL] [--limit SECONDS]: looks at Redis, at this machine, and through a web server,
 * as a page does; says what is not as it should be, and what mends it. It ends with 1 where it
 * found something.
 */
#include "operator/doctor.h"

#include <string.h>
#include <strings.h>

#include "operator/commands.h"

enum { LONGEST = 60, SHORTEST = 10 };

static bool is_address(const char *url) {
    if (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0)
        return strlen(url) < 256;
    desk_complain("%s: must begin with http:// or https://, and be shorter than 256 bytes", url);
    return false;
}

int command_doctor(struct desk *desk, const struct arguments *arguments) {
    const char *url = arguments->word_count > 1 ? arguments->words[1] : NULL;
    struct findings findings = {.count = 0};

    if (url != NULL && !is_address(url))
        return MISUSED;
    if (arguments->limit != 0 && (arguments->limit < SHORTEST || arguments->limit > LONGEST)) {
        desk_complain("--limit: %d to %d seconds", SHORTEST, LONGEST);
        return MISUSED;
    }
    doctor_redis(desk, &findings);
    doctor_machine(desk->config, &findings);
    if (url != NULL)
        doctor_web(desk, url, arguments->limit != 0 ? (double)arguments->limit : LONGEST,
                   &findings);
    findings_show(&findings, desk->json);
    return findings_any(&findings) ? FAILED : DONE;
}
