/*
 * halley: the operator's program. It looks at what Halley holds, and publishes by hand; each
 * command is a row of the table below (commands.h). What it is told comes from the same
 * configuration as the programs' (core/config/). It ends with 0, with 1 where something failed, or
 * with 2 where the command line is no good.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/base/log.h"
#include "core/program.h"
#include "operator/commands.h"
#include "operator/show.h"

static const struct command {
    const char *name;
    const char *words; /* behind the name */
    size_t least, most;
    command_fn *run;
    const char *what;
} commands[] = {
    {"publish", "CHANNEL [FILE]", 1, 2, command_publish, "publish a file, or standard input"},
    {"tail", "CHANNEL... [--since X]", 1, ARGUMENTS_WORDS - 1, command_tail,
     "write messages as they come"},
    {"history", "CHANNEL [--limit N]", 1, 1, command_history, "write what is held"},
    {"channels", "[PATTERN] [--limit N]", 0, 1, command_channels,
     "who waits, how much comes, how much is held"},
    {"explain", "CHANNEL ID | CURSOR", 1, 2, command_explain,
     "what became of a message, or what a reader would be told"},
    {"revoke", "sub S | jti J | channel C sub S", 2, 6, command_revoke,
     "take tokens back that have not expired"},
    {"doctor", "[URL] [--limit SECONDS]", 0, 1, command_doctor,
     "look for what is not as it should be"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *out) {
    fputs("usage: halley [-f FILE] [-o OPTION=VALUE] COMMAND [--json] ...\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-9s %-24s %s\n", commands[i].name, commands[i].words, commands[i].what);
}

static const struct command *find(const struct arguments *arguments) {
    for (size_t i = 0; arguments->word_count > 0 && i < COMMANDS; i++) {
        size_t words = arguments->word_count - 1;
        if (strcmp(commands[i].name, arguments->words[0]) != 0)
            continue;
        if (words >= commands[i].least && words <= commands[i].most)
            return &commands[i];
        fprintf(stderr, "usage: halley %s %s\n", commands[i].name, commands[i].words);
        return NULL;
    }
    if (arguments->word_count > 0)
        desk_complain("there is no command of this name: halley -h lists them");
    else
        print_usage(stderr);
    return NULL;
}

static int run(const struct command *command, const struct config *config,
               const struct arguments *arguments) {
    struct desk desk;
    int result = FAILED;

    /* a doctor looks at what keeps the others from their work */
    if (desk_open(&desk, config, arguments->json) || command->run == command_doctor)
        result = command->run(&desk, arguments);
    desk_close(&desk);
    return show_flush() || result != DONE ? result : FAILED;
}

static int work(struct arguments *arguments) {
    const struct command *command = find(arguments);
    struct config config;
    struct config_command unused;
    char problem[CONFIG_PROBLEM];

    if (command == NULL)
        return MISUSED;
    int result =
        config_load(&config, &unused, arguments->option_count, arguments->options, problem);
    program_hide_secrets(arguments->option_count, arguments->options);
    if (result != 0)
        desk_complain("%s", problem);
    else
        result = run(command, &config, arguments);
    config_free(&config);
    return result == EX_USAGE ? MISUSED : result > MISUSED ? FAILED : result;
}

int main(int argc, char **argv) {
    struct arguments arguments;
    char problem[ARGUMENTS_PROBLEM];

    log_open("halley", LOG_ERROR);
    signal(SIGPIPE, SIG_IGN);
    if (!arguments_parse(&arguments, argc, argv, problem)) {
        desk_complain("%s", problem);
        return MISUSED;
    }
    if (arguments.version)
        printf("halley %s\n", HALLEY_VERSION);
    else if (arguments.help)
        print_usage(stdout);
    else
        return work(&arguments);
    return DONE;
}
