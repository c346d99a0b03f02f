/*
 * halley revoke sub S | jti J | channel C sub S [until SECOND]: tokens of a user, one of that name,
 * or a user's for one channel, are good no more (halley.lua, halley_revoke). Every process ends
 * what goes on by them within a second, or when it is back at Redis.
 */
#include "operator/commands.h"

#include <stdio.h>
#include <string.h>

enum { HEAD = 3 };

/* The words in front of which there may be `until`; 0: these are none. */
static size_t words_of(const struct arguments *arguments) {
    const char *kind = arguments->words[1];

    if (strcmp(kind, "sub") == 0 || strcmp(kind, "jti") == 0)
        return 2;
    return strcmp(kind, "channel") == 0 && arguments->word_count > 4 &&
                   strcmp(arguments->words[3], "sub") == 0
               ? 4
               : 0;
}

static bool good_words(const struct arguments *arguments) {
    size_t count = arguments->word_count - 1, words = words_of(arguments);
    bool ends =
        words > 0 && count == words + 2 && strcmp(arguments->words[words + 1], "until") == 0;

    if (words > 0 && (count == words || ends))
        return true;
    desk_complain("usage: halley revoke sub S | jti J | channel C sub S [until SECOND]");
    return false;
}

int command_revoke(struct desk *desk, const struct arguments *arguments) {
    const char *argv[HEAD + ARGUMENTS_WORDS] = {"FCALL", "halley_revoke", "0"};
    int argc = HEAD;

    if (!good_words(arguments))
        return MISUSED;
    for (size_t i = 1; i < arguments->word_count; i++)
        argv[argc++] = arguments->words[i];
    if (desk_ask(desk, NULL, NULL, argc, argv, NULL) != ERR_OK)
        return FAILED;
    printf(desk->json ? "{\"revoked\":true}\n" : "OK\n");
    return DONE;
}
