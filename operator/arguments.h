/*
 * The command line of the operator's program: `halley [-f FILE] [-o OPTION=VALUE] COMMAND ...`,
 * with the switches of a command anywhere behind it. Pure.
 */
#ifndef HALLEY_ARGUMENTS_H
#define HALLEY_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

enum { ARGUMENTS_WORDS = 256, ARGUMENTS_OPTIONS = 64, ARGUMENTS_PROBLEM = 256 };

/* Everything is borrowed from the command line. */
struct arguments {
    /* what the configuration is loaded with (config_load()), the program's name first; NULL ends */
    char *options[2 * ARGUMENTS_OPTIONS + 2];
    int option_count;
    const char *words[ARGUMENTS_WORDS]; /* the command first */
    size_t word_count;
    bool json;
    bool version;      /* -V */
    bool help;         /* -h */
    const char *since; /* or NULL */
    long limit;        /* 0: not said */
};

enum { ARGUMENTS_LIMIT = 1000000 };

/* Takes a command line apart. False, and one line in `problem`: it is none. */
bool arguments_parse(struct arguments *arguments, int argc, char **argv,
                     char problem[ARGUMENTS_PROBLEM]);

#endif
