#include "api/models_page.h"

#include "api/endpoints.h"
#include "api/respond.h"

/* NULL: null. */
static void put_text(struct mr_buf *out, const char *key, const char *value) {
    mr_buf_format(out, "\"%s\": ", key);
    if (value) {
        mr_json_encode_string(mr_str_from(value), out);
    } else {
        mr_buf_text(out, "null");
    }
    mr_buf_text(out, ", ");
}

static void put_model(struct mr_buf *out, const struct mr_served *served) {
    struct mr_version *version = mr_live_take(served->live);
    const struct mr_engine *engine = &version->model->engine;
    char uri[MR_SERVED_URI_BYTES];
    mr_buf_char(out, '{');
    put_text(out, "name", served->name);
    put_text(out, "state", mr_served_state_name(mr_engine_state_of(engine)));
    put_text(out, "version", version->label);
    put_text(out, "uri", mr_served_uri(served, uri));
    put_text(out, "engine", engine->ops->name);
    mr_buf_text(out, "\"load_seconds\": ");
    double load_s = atomic_load(&version->load_s);
    if (load_s > 0) {
        mr_buf_double(out, load_s);
    } else {
        mr_buf_text(out, "null");
    }
    mr_buf_text(out, ", \"swaps\": ");
    if (served->keeper) {
        mr_buf_int(out, (int64_t)mr_keeper_counts(served->keeper).n_swaps);
    } else {
        mr_buf_text(out, "null");
    }
    mr_buf_char(out, '}');
    mr_live_give(version);
}

void mr_models_page(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    const struct mr_endpoints *endpoints = ctx;
    struct mr_error err = {0};
    struct mr_buf body;
    mr_buf_init(&body, request->arena);
    mr_buf_text(&body, "{\"models\": [");
    for (size_t i = 0; i < endpoints->n_models; i++) {
        if (i) mr_buf_text(&body, ", ");
        put_model(&body, &endpoints->models[i]);
    }
    mr_buf_text(&body, "]}");
    if (mr_buf_status(&body, &err) != MR_OK) {
        mr_respond_error(&err, request->arena, response);
        return;
    }
    response->content_type = "application/json";
    response->body = mr_buf_str(&body);
}
