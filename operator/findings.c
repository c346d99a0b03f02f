#include "operator/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "operator/show.h"

enum { LINE = 8 * FINDING_TEXT };

static const char *const levels[] = {"note", "warning", "error"};

void findings_add(struct findings *findings, enum finding_level level, const char *layer,
                  const char *id, const char *fix, const char *fmt, ...) {
    va_list args;

    if (findings->count == FINDINGS)
        return;
    struct finding *finding = &findings->all[findings->count++];
    *finding = (struct finding){.id = id, .layer = layer, .level = level};
    snprintf(finding->fix, sizeof finding->fix, "%s", fix);
    va_start(args, fmt);
    vsnprintf(finding->text, sizeof finding->text, fmt, args);
    va_end(args);
}

bool findings_any(const struct findings *findings) {
    for (size_t i = 0; i < findings->count; i++)
        if (findings->all[i].level != FINDING_NOTE)
            return true;
    return false;
}

static void quote(struct buf *out, const char *name, const char *text) {
    buf_printf(out, "\"%s\":", name);
    json_quote(out, text, strlen(text));
}

static void show_object(struct buf *line, const struct finding *finding, const char *separator) {
    buf_printf(line, "%s{", separator);
    quote(line, "id", finding->id);
    buf_text(line, ",");
    quote(line, "level", levels[finding->level]);
    buf_text(line, ",");
    quote(line, "layer", finding->layer);
    buf_text(line, ",");
    quote(line, "text", finding->text);
    buf_text(line, ",");
    quote(line, "fix", finding->fix);
    buf_text(line, "}");
}

static void show_text(struct buf *line, const struct finding *finding) {
    buf_printf(line, "%s: %s (%s): ", levels[finding->level], finding->id, finding->layer);
    show_safe(line, finding->text, strlen(finding->text), FINDING_TEXT);
    show_line(line);
    if (finding->fix[0] == '\0')
        return;
    buf_text(line, "    ");
    show_safe(line, finding->fix, strlen(finding->fix), FINDING_TEXT);
    show_line(line);
}

void findings_show(const struct findings *findings, bool json) {
    struct buf line = buf_make(json ? FINDINGS * LINE : LINE);

    if (json)
        buf_text(&line, "{\"findings\":[");
    for (int level = FINDING_ERROR; level >= FINDING_NOTE; level--) {
        for (size_t i = 0; i < findings->count; i++) {
            const struct finding *finding = &findings->all[i];
            if ((int)finding->level != level)
                continue;
            if (json)
                show_object(&line, finding, line.data[line.len - 1] == '[' ? "" : ",");
            else
                show_text(&line, finding);
        }
    }
    buf_text(&line, json ? "]}" : findings_any(findings) ? "" : "Nothing is wrong.");
    if (json || line.len > 0)
        show_line(&line);
    buf_free(&line);
}
