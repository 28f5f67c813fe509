#include "api/traceparent.h"

#define PARENT_ID_AT ((size_t)36)
#define PARENT_ID_BYTES ((size_t)16)
#define FLAGS_AT ((size_t)53)
#define MAX_STATE_BYTES ((size_t)512) /* what everybody has to pass on, section 3.3.1.5 */

static bool are_digits(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        bool is_digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (!is_digit) return false;
    }
    return true;
}

static bool is_id(const char *text, size_t size) {
    bool is_zero = true;
    for (size_t i = 0; i < size; i++) is_zero &= text[i] == '0';
    return !is_zero && are_digits(text, size);
}

/* Section 3.2.2. Versions to come may have more behind another '-'. */
static bool is_traceparent(struct mr_str text) {
    if (text.size < MR_TRACEPARENT_BYTES) return false;
    const char *at = text.data;
    if (!are_digits(at, 2) || memcmp(at, "ff", 2) == 0) return false;
    bool is_later = memcmp(at, "00", 2) != 0;
    bool has_more = text.size > MR_TRACEPARENT_BYTES;
    if (has_more && !(is_later && at[MR_TRACEPARENT_BYTES] == '-')) return false;
    bool has_dashes = at[2] == '-' && at[PARENT_ID_AT - 1] == '-' && at[FLAGS_AT - 1] == '-';
    return has_dashes && is_id(at + 3, MR_TRACE_ID_BYTES) &&
           is_id(at + PARENT_ID_AT, PARENT_ID_BYTES) && are_digits(at + FLAGS_AT, 2);
}

static bool is_state(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        bool is_visible = text.data[i] >= ' ' && text.data[i] <= '~';
        if (!is_visible && text.data[i] != '\t') return false;
    }
    return text.size <= MAX_STATE_BYTES;
}

struct mr_str mr_traceparent_read(const struct mr_http_request *request) {
    struct mr_str none = {0};
    struct mr_str parent = mr_http_header(request, "traceparent");
    if (parent.size == 0 || !is_traceparent(parent)) return none;
    struct mr_str state = mr_http_header(request, "tracestate");
    if (!is_state(state)) state.size = 0;
    char *text = mr_arena_alloc(request->arena, MR_TRACEPARENT_BYTES + state.size);
    if (!text) return none;
    memcpy(text, parent.data, MR_TRACEPARENT_BYTES);
    memcpy(text, "00", 2);
    if (state.size) memcpy(text + MR_TRACEPARENT_BYTES, state.data, state.size);
    return (struct mr_str){text, MR_TRACEPARENT_BYTES + state.size};
}
