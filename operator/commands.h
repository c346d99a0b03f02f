/*
 * The operator's commands. Each is a row of the table in main.c, and a file. It returns what the
 * program ends with: 0; 1, it failed, which was said, or found something; 2, the words behind it
 * are no good, which was said as well.
 *
 * To add one, write its file, declare it here, and put it into the table.
 */
#ifndef HALLEY_COMMANDS_H
#define HALLEY_COMMANDS_H

#include "operator/arguments.h"
#include "operator/desk.h"

enum { DONE = 0, FAILED = 1, MISUSED = 2 };

/* The desk is open; the number of words was checked. */
typedef int command_fn(struct desk *desk, const struct arguments *arguments);

command_fn command_publish;
command_fn command_tail;
command_fn command_history;
command_fn command_channels;
command_fn command_explain;
command_fn command_revoke;
command_fn command_doctor;

#endif
