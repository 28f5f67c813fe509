#include "api/deadline.h"

#include "base/number.h"

#define MAX_S 1e9 /* more would be more than the clock counts */

static bool is_decimal(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        bool is_digit = text.data[i] >= '0' && text.data[i] <= '9';
        if (!is_digit && text.data[i] != '.') return false;
    }
    return true;
}

mr_status mr_deadline_read(const struct mr_http_request *request, uint64_t *out_ns,
                           struct mr_error *err) {
    struct mr_str text = mr_http_header(request, "X-Request-Timeout");
    double limit_s;
    *out_ns = 0;
    if (text.size == 0) return MR_OK;
    if (!is_decimal(text) || !mr_float_parse(text, &limit_s) || !(limit_s > 0 && limit_s < MAX_S)) {
        int n = text.size < 40 ? (int)text.size : 40;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "the header X-Request-Timeout is \"%.*s\", expected a number of seconds "
                       "above 0, such as 2 or 0.25",
                       n, text.data);
    }
    *out_ns = request->whole_ns + (uint64_t)(limit_s * 1e9);
    return MR_OK;
}
