/* Texts of requests and answers: what may be shown of them, and what they say. */
#include <stdio.h>
#include <strings.h>
#include <yyjson.h>

#include "store/client.h"

/* What stands behind the credential of an authority: behind its last '@', since a password may hold
 * one. A password may even hold a slash that should have been encoded: then what seems to be a port
 * is none. */
static const char *skip_credential(const char *rest) {
    size_t size = strcspn(rest, "/?#");
    const char *at = memrchr(rest, '@', size), *colon = memrchr(rest, ':', size);
    if (at) return at + 1;
    bool has_port = !colon || *rest == '[' ||
                    strspn(colon + 1, "0123456789") == size - (size_t)(colon + 1 - rest);
    at = has_port ? NULL : strrchr(rest, '@');
    return at ? at + 1 : rest;
}

const char *mr_client_show(const char *uri, char *out, size_t size) {
    const char *start = strstr(uri, "://");
    size_t scheme = start ? (size_t)(start - uri) + 3 : 0;
    const char *rest = start ? skip_credential(uri + scheme) : uri;
    size_t n = strcspn(rest, "?#");
    snprintf(out, size, "%.*s%.*s", (int)(scheme < 64 ? scheme : 0), uri,
             (int)(n < size ? n : size), rest);
    for (char *c = out; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    }
    return out;
}

void mr_client_encode(struct mr_buf *buf, struct mr_str text, bool keeps_slashes) {
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                        (keeps_slashes && c == '/');
        if (is_plain) {
            mr_buf_char(buf, (char)c);
        } else {
            mr_buf_format(buf, "%%%02X", c);
        }
    }
}

struct mr_str mr_client_header(const struct mr_client_answer *answer, const char *name) {
    size_t size = strlen(name);
    const char *at = answer->head.data, *end = at + answer->head.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline ? newline + 1 : end;
        if ((size_t)(next - at) > size && at[size] == ':' && strncasecmp(at, name, size) == 0) {
            return mr_str_trim((struct mr_str){at + size + 1, (size_t)(next - at) - size - 1});
        }
        at = next;
    }
    return (struct mr_str){"", 0};
}

void mr_client_quote(const struct mr_client_answer *answer, char *out, size_t size) {
    yyjson_doc *doc = answer->body.size ? yyjson_read(answer->body.data, answer->body.size, 0)
                                        : NULL;
    const char *code = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "error_code"));
    const char *message = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "message"));
    if (message) {
        snprintf(out, size, "%s%s%s", code ? code : "", code ? ": " : "", message);
    } else {
        int n = answer->body.size < size ? (int)answer->body.size : (int)size - 1;
        snprintf(out, size, "%.*s", n, answer->body.data ? answer->body.data : "");
    }
    yyjson_doc_free(doc);
    for (char *c = out; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
    }
    while (*out && out[strlen(out) - 1] == ' ') out[strlen(out) - 1] = '\0';
}
