/*
 * The command line is taken by hand: the letters of the configuration stand in front of the
 * command and are its loader's, the long switches may stand anywhere, and what follows `--` are
 * words. A position (`-3`, "the last three") is a value of --since, so no word begins with `-`
 * but behind `--`, and `-` alone, which is a file's name.
 */
#include "operator/arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct arguments *arguments;
    int argc, at;
    char **argv;
    char *problem;
};

static bool wrong(const struct reader *reader, const char *what, const char *why) {
    snprintf(reader->problem, ARGUMENTS_PROBLEM, "%.100s: %s", what, why);
    return false;
}

/* The value of a switch: behind its `=`, or the next word. NULL: there is none. */
static const char *value_of(struct reader *reader, const char *name) {
    const char *text = reader->argv[reader->at];
    size_t len = strlen(name);

    if (text[len] == '=')
        return text + len + 1;
    return reader->at + 1 < reader->argc ? reader->argv[++reader->at] : NULL;
}

static bool names(const char *text, const char *name) {
    size_t len = strlen(name);
    return strncmp(text, name, len) == 0 && (text[len] == '\0' || text[len] == '=');
}

static bool take_limit(struct reader *reader) {
    const char *value = value_of(reader, "--limit");
    char *end;

    if (value == NULL || *value < '0' || *value > '9')
        return wrong(reader, "--limit", "wants a number");
    reader->arguments->limit = strtol(value, &end, 10);
    if (*end != '\0' || reader->arguments->limit < 1 || reader->arguments->limit > ARGUMENTS_LIMIT)
        return wrong(reader, "--limit", "must be 1 to 1000000");
    return true;
}

static bool take_since(struct reader *reader) {
    reader->arguments->since = value_of(reader, "--since");
    return reader->arguments->since != NULL || wrong(reader, "--since", "wants a place");
}

/* -f and -o, with their value in the same word or the next. */
static bool take_option(struct reader *reader) {
    struct arguments *arguments = reader->arguments;
    char *word = reader->argv[reader->at];

    if (word[2] == '\0' && reader->at + 1 == reader->argc)
        return wrong(reader, word, "wants a value");
    if (arguments->option_count + 2 >= 2 * ARGUMENTS_OPTIONS)
        return wrong(reader, word, "too many options");
    arguments->options[arguments->option_count++] = word;
    if (word[2] == '\0')
        arguments->options[arguments->option_count++] = reader->argv[++reader->at];
    return true;
}

static bool take_word(struct reader *reader) {
    struct arguments *arguments = reader->arguments;

    if (arguments->word_count == ARGUMENTS_WORDS)
        return wrong(reader, reader->argv[reader->at], "too many words");
    arguments->words[arguments->word_count++] = reader->argv[reader->at];
    return true;
}

static bool take_switch(struct reader *reader) {
    const char *text = reader->argv[reader->at];

    if (strcmp(text, "--json") == 0)
        return reader->arguments->json = true;
    if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)
        return reader->arguments->help = true;
    if (strcmp(text, "--version") == 0 || strcmp(text, "-V") == 0)
        return reader->arguments->version = true;
    if (names(text, "--since"))
        return take_since(reader);
    if (names(text, "--limit"))
        return take_limit(reader);
    if (strncmp(text, "-f", 2) == 0 || strncmp(text, "-o", 2) == 0)
        return take_option(reader);
    return wrong(reader, text, "there is no such switch");
}

bool arguments_parse(struct arguments *arguments, int argc, char **argv,
                     char problem[ARGUMENTS_PROBLEM]) {
    struct reader reader = {arguments, argc, 1, argv, problem};
    bool words = false;

    *arguments = (struct arguments){.option_count = 1};
    arguments->options[0] = argv[0];
    problem[0] = '\0';
    for (; reader.at < argc; reader.at++) {
        const char *text = argv[reader.at];
        bool is_switch = !words && text[0] == '-' && text[1] != '\0';

        if (is_switch && strcmp(text, "--") == 0)
            words = true;
        else if (!(is_switch ? take_switch(&reader) : take_word(&reader)))
            return false;
    }
    return true;
}
