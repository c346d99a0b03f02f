/*
 * What a request says, out of its head, in the words that all doors have for it (said.h).
 * Pure functions.
 */
#ifndef HALLEY_HTTP_FIELDS_H
#define HALLEY_HTTP_FIELDS_H

#include "core/base/buf.h"
#include "fcgi-app/door/http/parser.h"
#include "fcgi-app/door/said.h"

/*
 * Fills `said` from a whole request, whose head is written to: its texts point there, or into
 * `lists`, to be freed behind them, where a field stands there several times. What only whoever
 * reads the socket knows, the address, is not said.
 */
void fields_say(const struct parser *parser, struct said *said, struct buf *lists);

#endif
