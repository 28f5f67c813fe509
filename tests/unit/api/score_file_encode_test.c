/* Answers of each kind as each format, in one block and in several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/score_file_int.h"
#include "arena_fixture.h"

static struct mr_model model; /* without a signature */

/* Encode and write answers to blocks of n_rows rows each; the text is in `text`. */
static mr_status write_blocks(const struct mr_output *outputs, size_t n, int64_t n_rows,
                              mr_file_format format, char text[1024], struct mr_error *err) {
    int fd = memfd_create("answers", MFD_CLOEXEC);
    assert_true(fd >= 0);
    const struct mr_score_file options = {.model = &model, .output = fd, .output_format = format};
    struct mr_file_job job = {.options = &options, .arena = arena};
    mr_status status = MR_OK;
    for (size_t i = 0; i < n && status == MR_OK; i++) {
        struct mr_block block = {.arena = arena};
        status = mr_file_encode(&job, &block, &outputs[i], n_rows, err);
        if (status == MR_OK) status = mr_file_write(&job, &block, err);
    }
    if (status == MR_OK) status = mr_file_write_end(&job, err);
    ssize_t size = pread(fd, text, 1023, 0);
    assert_true(size >= 0);
    text[size] = '\0';
    close(fd);
    return status;
}

static void are_written_as(const struct mr_output *outputs, size_t n, int64_t n_rows,
                           mr_file_format format, const char *expected) {
    char text[1024];
    struct mr_error err = {0};
    if (write_blocks(outputs, n, n_rows, format, text, &err) != MR_OK) fail_msg("%s", err.message);
    assert_string_equal(text, expected);
}

static struct mr_output json(const char *text) {
    return (struct mr_output){.kind = MR_OUTPUT_JSON, .json = mr_str_from(text)};
}

static void is_written_as(const char *text, int64_t n_rows, mr_file_format format,
                          const char *expected) {
    const struct mr_output output = json(text);
    are_written_as(&output, 1, n_rows, format, expected);
}

static void is_no_table(const char *text, int64_t n_rows) {
    const struct mr_output output = json(text);
    char written[1024];
    struct mr_error err = {0};
    assert_int_equal(write_blocks(&output, 1, n_rows, MR_FILE_CSV, written, &err),
                     MR_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "--output-format json"));
}

static void test_tensors(void **state) {
    (void)state;
    const int64_t shape[] = {2, 2};
    const struct mr_output output = {.tensor = {.dtype = MR_INT64,
                                                .n_dims = 2,
                                                .shape = shape,
                                                .n_values = 4,
                                                .values = (const int64_t[]){1, 2, 3, -4}}};
    const struct mr_output twice[] = {output, output};
    are_written_as(&output, 1, 2, MR_FILE_JSON, "{\"predictions\": [[1, 2], [3, -4]]}");
    are_written_as(twice, 2, 2, MR_FILE_JSON,
                   "{\"predictions\": [[1, 2], [3, -4], [1, 2], [3, -4]]}");
    are_written_as(twice, 2, 2, MR_FILE_JSONL, "[1, 2]\n[3, -4]\n[1, 2]\n[3, -4]\n");
    are_written_as(&output, 1, 3, MR_FILE_JSONL, "[[1, 2], [3, -4]]\n");
    are_written_as(twice, 2, 2, MR_FILE_CSV, "predictions_0,predictions_1\n1,2\n3,-4\n1,2\n3,-4\n");
}

static void test_records(void **state) {
    (void)state;
    struct mr_column columns[] = {
        {.name = mr_str_from("\"a,\\u00e9\""), .dtype = MR_FLOAT64, .values = (double[]){0.5, NAN}},
        {.name = mr_str_from("\"b\""), .dtype = MR_BOOL, .values = (uint8_t[]){1, 0}}};
    const struct mr_output output = {.kind = MR_OUTPUT_RECORDS,
                                     .records = {.n_rows = 2, .n_cols = 2, .columns = columns}};
    const struct mr_output twice[] = {output, output};
    are_written_as(&output, 1, 2, MR_FILE_JSON,
                   "{\"predictions\": [{\"a,\\u00e9\": 0.5, \"b\": true}, "
                   "{\"a,\\u00e9\": null, \"b\": false}]}");
    are_written_as(&output, 1, 2, MR_FILE_JSONL,
                   "{\"a,\\u00e9\": 0.5, \"b\": true}\n{\"a,\\u00e9\": null, \"b\": false}\n");
    are_written_as(twice, 2, 2, MR_FILE_CSV,
                   "\"a,\xc3\xa9\",b\n0.5,True\n,False\n0.5,True\n,False\n");
}

static void test_json(void **state) {
    (void)state;
    static const char text[] = "[1.5, \"], \\\"[\", {\"a\": [1, {}]}]";
    is_written_as(text, 3, MR_FILE_JSON,
                  "{\"predictions\": [1.5, \"], \\\"[\", {\"a\": [1, {}]}]}");
    is_written_as(text, 3, MR_FILE_JSONL, "1.5\n\"], \\\"[\"\n{\"a\": [1, {}]}\n");
    is_written_as(text, -1, MR_FILE_JSONL, "1.5\n\"], \\\"[\"\n{\"a\": [1, {}]}\n");
    is_written_as(text, 2, MR_FILE_JSONL, "[1.5, \"], \\\"[\", {\"a\": [1, {}]}]\n");
    is_written_as("{\"a\": 1}", 2, MR_FILE_JSON, "{\"predictions\": {\"a\": 1}}");
    is_written_as("{\"a\": 1}", 2, MR_FILE_JSONL, "{\"a\": 1}\n");
    is_written_as("[]", 0, MR_FILE_JSON, "{\"predictions\": []}");
    is_written_as("[]", 0, MR_FILE_JSONL, "");
    const struct mr_output blocks[] = {json("[1, \"x\"]"), json("[null, [2]]")};
    are_written_as(blocks, 2, 2, MR_FILE_JSON, "{\"predictions\": [1, \"x\", null, [2]]}");
    const struct mr_output bare = {
        .kind = MR_OUTPUT_JSON, .is_bare = true, .json = mr_str_from("[\"x\"]")};
    are_written_as(&bare, 1, 1, MR_FILE_JSON, "[\"x\"]");
}

static void test_json_as_csv(void **state) {
    (void)state;
    is_written_as("[\"a\", \"b,\\\"c\\\"\", null, true, 1e-07, 18446744073709551616, -3, NaN]", 8,
                  MR_FILE_CSV,
                  "predictions\na\n\"b,\"\"c\"\"\"\n\nTrue\n1e-07\n18446744073709551616\n-3\n\n");
    is_written_as("[[1, \"x\"], [2.0, null]]", 2, MR_FILE_CSV,
                  "predictions_0,predictions_1\n1,x\n2.0,\n");
    is_written_as("[{\"a\": 1, \"b c\": \"x\"}, {\"b c\": \"y\", \"a\": false}]", 2, MR_FILE_CSV,
                  "a,b c\n1,x\nFalse,y\n");
    is_written_as("[]", 0, MR_FILE_CSV, "predictions\n");
    is_no_table("{\"a\": 1}", 1);
    is_no_table("1", 1);
    is_no_table("[1, 2]", 3);
    is_no_table("[1, [2]]", 2);
    is_no_table("[[1], 2]", 2);
    is_no_table("[[1], [2, 3]]", 2);
    is_no_table("[[1], {\"a\": 1}]", 2);
    is_no_table("[[[1]]]", 1);
    is_no_table("[{\"a\": {}}]", 1);
    is_no_table("[{\"a\": 1}, {\"b\": 1}]", 2);
    is_no_table("[{\"a\": 1}, {\"a\": 1, \"b\": 1}]", 2);
    is_no_table("[1, ]x", 2);
}

static void test_blocks_that_do_not_fit(void **state) {
    (void)state;
    char text[1024];
    struct mr_error err = {0};
    const struct mr_output columns[] = {json("[{\"a\": 1}]"), json("[{\"b\": 1}]")};
    assert_int_equal(write_blocks(columns, 2, 1, MR_FILE_CSV, text, &err), MR_E_INTERNAL);
    const struct mr_output scalars[] = {json("1"), json("2")};
    assert_int_equal(write_blocks(scalars, 2, 1, MR_FILE_JSON, text, &err), MR_E_UNSUPPORTED);
}

/* Text that is no JSON is a worker's fault; reading it ends within its bounds. */
static void test_malformed(void **state) {
    (void)state;
    static const char *const texts[] = {"[",   "]",   "[\"", "[\"]", "[\"\\]", "[\\]",
                                        "[]]", "[}]", "[[]", "[,]",  "[, ]",   "[1,"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (mr_file_format format = MR_FILE_JSON; format <= MR_FILE_CSV; format++) {
            char *exact = malloc(strlen(texts[i]));
            assert_non_null(exact);
            memcpy(exact, texts[i], strlen(texts[i]));
            const struct mr_output output = {.kind = MR_OUTPUT_JSON,
                                             .json = {exact, strlen(texts[i])}};
            char text[1024];
            mr_status status = write_blocks(&output, 1, -1, format, text, NULL);
            assert_true(status == MR_OK || status == MR_E_UNSUPPORTED);
            free(exact);
        }
    }
}

static void test_an_error_of_the_model(void **state) {
    (void)state;
    struct mr_output output = json("{\"error_code\": \"X\", \"message\": \"no \\u00e9 here\"}");
    output.http_status = 418;
    char text[1024];
    struct mr_error err = {0};
    assert_int_equal(write_blocks(&output, 1, 1, MR_FILE_JSON, text, &err), MR_E_BAD_REQUEST);
    assert_string_equal(err.message, "no \xc3\xa9 here");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_as_csv),
        cmocka_unit_test(test_blocks_that_do_not_fit),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_an_error_of_the_model),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
