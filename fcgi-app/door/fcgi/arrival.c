/*
 * By the book (FastCGI Specification 1.0), for one request at a time on a connection:
 *
 *   GET_VALUES          is answered (§4.1)
 *   an unknown type     is answered with UNKNOWN_TYPE (§4.2), whatever its id
 *   BEGIN_REQUEST       of a second request, while one is on its way or being answered: ends
 *                       with CANT_MPX_CONN (§5.5). Under the id of the one that is being
 *                       answered it can only be meant for afterwards: it waits
 *   another role        than that of a responder ends with UNKNOWN_ROLE
 *   ABORT_REQUEST       gives the request up (§5.4)
 *   an id that is not   is passed over (§3.3): the rest of a request that was refused, an
 *   the request's       ABORT_REQUEST that came too late
 *
 * Padding may stand anywhere, and a stream be cut into records anywhere, empty ones only
 * at its end.
 */
#include "fcgi-app/door/fcgi/arrival.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

enum { VERSION = 1 };

struct arrival *arrival_new(const struct arrival_limits *limits) {
    struct arrival *arrival = mem_new(sizeof *arrival);

    *arrival = (struct arrival){.limits = limits,
                                .params = buf_make(limits->params_max),
                                .body = buf_make(limits->body_max),
                                .content = buf_make(FCGI_CONTENT_MAX)};
    return arrival;
}

void arrival_free(struct arrival *arrival) {
    if (arrival == NULL)
        return;
    buf_free(&arrival->params);
    buf_free(&arrival->body);
    buf_free(&arrival->content);
    free(arrival);
}

void arrival_answering(struct arrival *arrival, uint16_t request_id) {
    arrival->state = ARRIVAL_ANSWERING;
    arrival->request_id = request_id;
}

void arrival_over(struct arrival *arrival) {
    buf_free(&arrival->params);
    buf_free(&arrival->body);
    arrival->params_whole = arrival->body_whole = false;
    arrival->body_bytes = 0;
    arrival->request_id = 0;
    arrival->next_waits = false;
    arrival->state = ARRIVAL_BEGINS;
}

bool arrival_idle(const struct arrival *arrival) {
    return arrival->state != ARRIVAL_COMES && arrival->header_len == 0;
}

size_t arrival_wants(const struct arrival *arrival) {
    if (arrival->next_waits)
        return 0;
    if (arrival->header_len < FCGI_HEADER)
        return FCGI_HEADER - arrival->header_len;
    return arrival->content_left + arrival->padding_left;
}

/* ------------------------------------------------------------------- one record */

static bool is_the_requests(const struct arrival *arrival) {
    return arrival->state != ARRIVAL_BEGINS && arrival->record.request_id == arrival->request_id;
}

static bool is_read_whole(const struct arrival *arrival) {
    unsigned type = arrival->record.type;
    return type == FCGI_TYPE_BEGIN ||
           (type == FCGI_TYPE_GET_VALUES && arrival->record.request_id == 0);
}

/* A header is there. */
static enum arrival_event begin_record(struct arrival *arrival) {
    const struct fcgi_record *record = &arrival->record;

    arrival->record = fcgi_parse_header(arrival->header);
    arrival->content_left = record->content;
    arrival->padding_left = record->padding;
    if (record->version != VERSION)
        return ARRIVAL_BROKEN;
    if (record->type != FCGI_TYPE_BEGIN || record->request_id == 0)
        return ARRIVAL_MORE;
    if (record->content != FCGI_BEGIN_BODY)
        return ARRIVAL_BROKEN;
    if (arrival->state == ARRIVAL_ANSWERING && is_the_requests(arrival)) {
        arrival->next_waits = true;
        return ARRIVAL_WAITS;
    }
    return ARRIVAL_MORE;
}

static enum arrival_event take_params(struct arrival *arrival, const char *data, size_t len) {
    if (arrival->params_whole)
        return ARRIVAL_BROKEN; /* behind their end */
    buf_add(&arrival->params, data, len);
    return arrival->params.overflow ? ARRIVAL_TOO_LONG : ARRIVAL_MORE;
}

static enum arrival_event take_body(struct arrival *arrival, const char *data, size_t len) {
    size_t room = arrival->limits->body_max - arrival->body.len;

    if (arrival->body_whole)
        return ARRIVAL_BROKEN;
    arrival->body_bytes += len;
    buf_add(&arrival->body, data, len < room ? len : room);
    return ARRIVAL_MORE;
}

static enum arrival_event take_content(struct arrival *arrival, const char *data, size_t len) {
    if (is_read_whole(arrival)) {
        buf_add(&arrival->content, data, len);
        return ARRIVAL_MORE;
    }
    if (arrival->state != ARRIVAL_COMES || !is_the_requests(arrival))
        return ARRIVAL_MORE; /* nobody's */
    if (arrival->record.type == FCGI_TYPE_PARAMS)
        return take_params(arrival, data, len);
    if (arrival->record.type == FCGI_TYPE_STDIN)
        return take_body(arrival, data, len);
    return ARRIVAL_MORE;
}

static enum arrival_event begin_request(struct arrival *arrival, struct buf *reply) {
    uint16_t id = arrival->record.request_id;
    struct fcgi_begin begin = fcgi_parse_begin((const unsigned char *)arrival->content.data);

    if (arrival->state != ARRIVAL_BEGINS) {
        if (is_the_requests(arrival))
            return ARRIVAL_BROKEN; /* the one that comes begins again */
        fcgi_put_end(reply, id, FCGI_CANT_MPX_CONN);
        return ARRIVAL_MORE;
    }
    arrival->keep = begin.keep;
    if (!begin.responder) {
        fcgi_put_end(reply, id, FCGI_UNKNOWN_ROLE);
        return ARRIVAL_REFUSED;
    }
    arrival->state = ARRIVAL_COMES;
    arrival->request_id = id;
    return ARRIVAL_MORE;
}

/* An empty record ends its stream. */
static enum arrival_event end_stream(bool *whole, const struct arrival *arrival) {
    if (*whole)
        return ARRIVAL_BROKEN;
    *whole = true;
    return arrival->params_whole && arrival->body_whole ? ARRIVAL_WHOLE : ARRIVAL_MORE;
}

static enum arrival_event end_of_the_requests(struct arrival *arrival) {
    const struct fcgi_record *record = &arrival->record;

    if (record->type == FCGI_TYPE_ABORT)
        return ARRIVAL_ABORTED;
    if (arrival->state != ARRIVAL_COMES || record->content > 0)
        return ARRIVAL_MORE;
    if (record->type == FCGI_TYPE_PARAMS)
        return end_stream(&arrival->params_whole, arrival);
    if (record->type == FCGI_TYPE_STDIN)
        return end_stream(&arrival->body_whole, arrival);
    return ARRIVAL_MORE;
}

/* Whether a record of this type and id is one that somebody may know. */
static bool is_known(const struct fcgi_record *record) {
    if (record->request_id == 0)
        return record->type >= FCGI_TYPE_GET_VALUES && record->type <= FCGI_TYPE_UNKNOWN;
    return record->type >= FCGI_TYPE_BEGIN && record->type <= FCGI_TYPE_UNKNOWN;
}

/* All of a record is there, its padding too. */
static enum arrival_event end_record(struct arrival *arrival, struct buf *reply) {
    const struct fcgi_record *record = &arrival->record;
    enum arrival_event event = ARRIVAL_MORE;

    arrival->header_len = 0;
    if (!is_known(record))
        fcgi_put_unknown(reply, record->type);
    else if (record->request_id == 0 && record->type == FCGI_TYPE_GET_VALUES)
        fcgi_put_values(reply, arrival->content.data, arrival->content.len, arrival->limits->most);
    else if (record->request_id != 0 && record->type == FCGI_TYPE_BEGIN)
        event = begin_request(arrival, reply);
    else if (is_the_requests(arrival))
        event = end_of_the_requests(arrival);
    buf_free(&arrival->content);
    return event;
}

/* ------------------------------------------------------------------------ bytes */

static enum arrival_event take_header(struct arrival *arrival, const char *data, size_t len,
                                      struct buf *reply) {
    enum arrival_event event;

    memcpy(arrival->header + arrival->header_len, data, len);
    arrival->header_len += len;
    if (arrival->header[0] != VERSION)
        return ARRIVAL_BROKEN;
    if (arrival->header_len < FCGI_HEADER)
        return ARRIVAL_MORE;
    event = begin_record(arrival);
    if (event == ARRIVAL_MORE && arrival_wants(arrival) == 0)
        event = end_record(arrival, reply);
    return event;
}

enum arrival_event arrival_take(struct arrival *arrival, const void *data, size_t len,
                                struct buf *reply) {
    if (len == 0)
        return arrival->next_waits ? ARRIVAL_WAITS : ARRIVAL_MORE;
    if (arrival->header_len < FCGI_HEADER)
        return take_header(arrival, data, len, reply);
    size_t content = len < arrival->content_left ? len : arrival->content_left;
    enum arrival_event event = ARRIVAL_MORE;
    if (content > 0)
        event = take_content(arrival, data, content);
    arrival->content_left -= content;
    arrival->padding_left -= len - content;
    if (event == ARRIVAL_MORE && arrival_wants(arrival) == 0)
        event = end_record(arrival, reply);
    return event;
}
