/*
 * The table of protocols. A new one is a row here and a file beside this one. (The program of the
 * tests has a table with more rows in its place, tests/protocols/table.c.)
 */
#include "fcgi-app/protocols/protocols.h"

const struct protocol *const protocols[] = {&protocol_halley, &protocol_channel, &protocol_socketio,
                                            NULL};
