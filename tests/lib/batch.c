/* Looks into answers. Every batch that any test receives goes through
 * must_be_batch(), so the shape of the contract is checked some thousand times
 * and not in one test only.
 */
#include "tests/lib/batch.h"

#include "tests/lib/keep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct message_id id_parse(const char *text) {
    struct message_id id;
    int end = 0;

    must(sscanf(text, "%" SCNu64 "-%" SCNu64 "%n", &id.epoch, &id.n, &end) == 2 && !text[end] &&
             id.epoch > 0 && id.n > 0,
         "not a message id: %s", text);
    return id;
}

static void check_message(const json_t *message) {
    const char *key, *id = json_string_value(json_object_get(message, "id"));
    const json_t *encoding = json_object_get(message, "encoding");
    json_t *value;

    must(json_is_string(json_object_get(message, "channel")), "a message without channel");
    must(id, "a message without id");
    id_parse(id);
    must(json_integer_value(json_object_get(message, "at")) > 1000000000000, "%s: no sane at", id);
    must(json_object_get(message, "data"), "%s: no data", id);
    must(!encoding || strcmp(json_string_value(encoding), "base64") == 0, "%s: encoding", id);
    json_object_foreach ((json_t *)message, key, value)
        must(strstr("channel id at data encoding", key), "%s: unknown field %s", id, key);
}

static void check_headers(const struct answer *answer, const char *type) {
    const char *cache = answer_header(answer, "Cache-Control");
    const char *sniff = answer_header(answer, "X-Content-Type-Options");
    const char *content = answer_header(answer, "Content-Type");

    must(cache && strstr(cache, "no-store"), "Cache-Control: %s of %s", cache, answer_text(answer));
    must(sniff && strcmp(sniff, "nosniff") == 0, "X-Content-Type-Options: %s of %s", sniff,
         answer_text(answer));
    must(content && strncmp(content, type, strlen(type)) == 0, "Content-Type: %s of %s", content,
         answer_text(answer));
}

const struct answer *must_be_batch(const struct answer *answer) {
    const json_t *messages, *gap;
    const char *key;
    json_t *value;

    must(answer->status == 200, "not a batch: %s", answer_text(answer));
    must(json_is_object(answer->json), "not a JSON object: %s", answer_text(answer));
    messages = json_object_get(answer->json, "messages");
    gap = json_object_get(answer->json, "gap");
    must(json_is_array(messages), "no messages: %s", answer_text(answer));
    must(json_is_string(json_object_get(answer->json, "cursor")), "no cursor: %s",
         answer_text(answer));
    must(!gap || (json_is_array(gap) && json_array_size(gap) > 0), "gap: %s", answer_text(answer));
    json_object_foreach (answer->json, key, value)
        must(strstr("messages cursor gap retry more redis", key), "unknown field %s", key);
    for (size_t i = 0; i < json_array_size(messages); i++)
        check_message(json_array_get(messages, i));
    check_headers(answer, "application/json");
    return answer;
}

const struct answer *must_be_problem(const struct answer *answer, int status, const char *names) {
    const char *detail;

    must(answer->status == status, "%d expected, got %s", status, answer_text(answer));
    check_headers(answer, "application/problem+json");
    must(json_is_string(json_object_get(answer->json, "title")), "no title: %s",
         answer_text(answer));
    must(json_integer_value(json_object_get(answer->json, "status")) == status, "status: %s",
         answer_text(answer));
    detail = json_string_value(json_object_get(answer->json, "detail"));
    must(detail && *detail, "no detail: %s", answer_text(answer));
    must(!names || strstr(detail, names), "the detail does not name %s: %s", names, detail);
    return answer;
}

size_t batch_count(const struct answer *answer) {
    return json_array_size(json_object_get(answer->json, "messages"));
}

const char *batch_cursor(const struct answer *answer) {
    return keep_encoded(json_string_value(json_object_get(answer->json, "cursor")));
}

bool batch_any_gap(const struct answer *answer) {
    return json_object_get(answer->json, "gap") != NULL;
}

bool batch_gap(const struct answer *answer, const char *channel) {
    const json_t *gap = json_object_get(answer->json, "gap");

    for (size_t i = 0; i < json_array_size(gap); i++)
        if (strcmp(json_string_value(json_array_get(gap, i)), channel) == 0)
            return true;
    return false;
}

bool batch_retry(const struct answer *answer) {
    return json_integer_value(json_object_get(answer->json, "retry")) > 0;
}

const json_t *batch_message(const struct answer *answer, size_t which) {
    const json_t *messages = json_object_get(answer->json, "messages");

    must(which < json_array_size(messages), "there is no message %zu: %s", which,
         answer_text(answer));
    return json_array_get(messages, which);
}

const json_t *batch_data(const struct answer *answer, size_t which) {
    return json_object_get(batch_message(answer, which), "data");
}

const char *batch_id(const struct answer *answer, size_t which) {
    return json_string_value(json_object_get(batch_message(answer, which), "id"));
}

const char *batch_channel(const struct answer *answer, size_t which) {
    return json_string_value(json_object_get(batch_message(answer, which), "channel"));
}

const char *batch_all_data(const struct answer *answer) {
    const char *all = "";

    for (size_t i = 0; i < batch_count(answer); i++)
        all = keepf("%s%s%s", all, i ? "," : "",
                    (char *)keep(json_dumps(batch_data(answer, i),
                                            JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS)));
    return all;
}

const char *cursor_now(struct lab *lab, const char *channels) {
    return batch_cursor(must_be_batch(http_get(lab, "/comet/poll?channel=%s", channels)));
}

const struct answer *read_since(struct lab *lab, const char *channels, const char *since) {
    return must_be_batch(
        http_get(lab, "/comet/poll?channel=%s&since=%s&limit=1000", channels, since));
}
