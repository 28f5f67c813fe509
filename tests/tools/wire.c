/* The server's side of the worker protocol, for tests of the Python side.
 *
 * `tool_wire requests` reads a JSON object a line (request.h; "wants_stream", "is_nan_literal"
 * and "trace" too) and writes for each a u64 that is 1 for a request that was refused, a u64 size,
 * and so many bytes: the payload of a PREDICT, or a JSON object with error_code and message.
 *
 * `tool_wire results` reads a u64 size and so many bytes, the payload of a RESULT, and writes the
 * answer a line: {"http_status", "body"}, or {"error_code", "message"} where it is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "codec/encode.h"
#include "engine/pyproc/wire.h"
#include "request.h"

static void write_block(uint64_t is_refused, const void *bytes, size_t size) {
    uint64_t head[] = {is_refused, size};
    fwrite(head, sizeof(head), 1, stdout);
    fwrite(bytes, 1, size, stdout);
    fflush(stdout);
}

static mr_status write_request(yyjson_val *line, struct mr_arena *arena, struct mr_error *err) {
    struct mr_decoded decoded = {0};
    MR_TRY(decode_request(line, arena, &decoded, err));
    const char *reason;
    if (!mr_wire_can_carry(&decoded.input, &reason)) decoded.input.kind = MR_INPUT_RAW;
    const char *trace = yyjson_get_str(yyjson_obj_get(line, "trace"));
    const struct mr_wire_request_options options = {
        .wants_stream = yyjson_get_bool(yyjson_obj_get(line, "wants_stream")),
        .is_nan_literal = yyjson_get_bool(yyjson_obj_get(line, "is_nan_literal")),
        .trace = trace ? mr_str_from(trace) : (struct mr_str){0}};
    const struct mr_input *const inputs = &decoded.input;
    struct mr_wire_request *plan;
    size_t size;
    MR_TRY(mr_wire_plan_request(&inputs, 1, &options, arena, &plan, &size, err));
    void *payload = mr_arena_alloc(arena, size);
    if (!payload) return mr_arena_fail(arena, err);
    mr_wire_write_request(plan, payload);
    write_block(0, payload, size);
    return MR_OK;
}

static void write_requests(struct mr_arena *arena) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        yyjson_doc *doc = yyjson_read(line, (size_t)length, 0);
        struct mr_error err = {0};
        if (write_request(yyjson_doc_get_root(doc), arena, &err) != MR_OK) {
            struct mr_buf text;
            mr_buf_init(&text, arena);
            mr_json_encode_error(&err, &text);
            write_block(1, text.data, text.size);
        }
        yyjson_doc_free(doc);
        mr_arena_reset(arena);
    }
    free(line);
}

static void write_results(struct mr_arena *arena) {
    uint64_t size;
    while (fread(&size, sizeof(size), 1, stdin) == 1) {
        char *payload = mr_arena_alloc(arena, size);
        if (!payload || fread(payload, 1, size, stdin) != size) return;
        struct mr_output output;
        struct mr_error err = {0};
        struct mr_buf line;
        mr_buf_init(&line, arena);
        if (mr_wire_read_result(payload, size, arena, &output, &err) == MR_OK) {
            struct mr_buf body;
            mr_buf_init(&body, arena);
            mr_json_encode(&output, &(struct mr_encode_options){.is_nan_literal = true}, &body);
            mr_buf_format(&line, "{\"http_status\": %d, \"body\": ", output.http_status);
            mr_json_encode_string(mr_buf_str(&body), &line);
            mr_buf_char(&line, '}');
        } else {
            mr_json_encode_error(&err, &line);
        }
        mr_buf_char(&line, '\n');
        fwrite(line.data, 1, line.size, stdout);
        fflush(stdout);
        mr_arena_reset(arena);
    }
}

int main(int argc, char **argv) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    if (!arena || argc != 2) return 2;
    if (strcmp(argv[1], "requests") == 0) {
        write_requests(arena);
    } else {
        write_results(arena);
    }
    mr_arena_free(arena);
    return 0;
}
