#include "api/served.h"

mr_engine_state mr_served_state(const struct mr_served *served) {
    struct mr_version *version = mr_live_take(served->live);
    mr_engine_state state = mr_engine_state_of(&version->model->engine);
    mr_live_give(version);
    return state;
}

const char *mr_served_state_name(mr_engine_state state) {
    static const char *const names[] = {[MR_ENGINE_LOADING] = "loading",
                                        [MR_ENGINE_READY] = "ready",
                                        [MR_ENGINE_DOWN] = "down",
                                        [MR_ENGINE_FAILED] = "failed"};
    return names[state];
}

/* "https://user:password@host/" : what stands before the @ of an authority (RFC 3986 3.2.1). */
void mr_served_put_uri(const struct mr_served *served, struct mr_buf *out) {
    const char *authority = strstr(served->uri, "://");
    if (!authority) {
        mr_buf_text(out, served->uri);
        return;
    }
    authority += 3;
    size_t size = strcspn(authority, "/?#");
    const char *host = authority;
    for (size_t i = 0; i < size; i++) {
        if (authority[i] == '@') host = authority + i + 1;
    }
    mr_buf_append(out, served->uri, (size_t)(authority - served->uri));
    mr_buf_text(out, host);
}
