#include "api/served.h"

#include "store/client.h"

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

const char *mr_served_uri(const struct mr_served *served, char out[MR_SERVED_URI_BYTES]) {
    return mr_client_show(served->uri, out, MR_SERVED_URI_BYTES);
}
