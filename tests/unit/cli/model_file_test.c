#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/model_file.h"
#include "cli/queue_options.h"

static struct mr_model_list list;
static struct mr_error error;

static mr_status read_text(const char *text) {
    char path[] = "/tmp/mlrace-models-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    mr_model_list_deinit(&list);
    assert_true(mr_model_list_init(&list));
    error = (struct mr_error){0};
    mr_status status = mr_model_file_read(path, &list, &error);
    if (status == MR_OK) status = mr_model_list_check(&list, &error);
    unlink(path);
    return status;
}

static void test_file(void **state) {
    (void)state;
    if (read_text("models:\n"
                  "- {name: a, uri: ./a}\n"
                  "- name: b\n"
                  "  uri: models:/m@x=y\n"
                  "  engine: python\n"
                  "  workers: 3\n"
                  "  max_queue: 7\n"
                  "  max-batch-rows: 9\n"
                  "  batch: false\n"
                  "  env: {A: 1, B: x=y, C: \"\"}\n") != MR_OK) {
        fail_msg("%s", error.message);
    }
    struct mr_engine_args args;
    assert_true(mr_engine_args_init(&args, 1));
    mr_queue_options_init(&args.options.python.queue);
    args.n_workers = 2;
    args.variables[args.options.python.n_variables++] = "C=2";
    args.options.python.n_workers = 2;
    assert_int_equal(mr_model_list_resolve(&list, &args, NULL), MR_OK);
    assert_int_equal(list.n, 2);
    const struct mr_engine_options *a = &list.entries[0].options, *b = &list.entries[1].options;
    assert_string_equal(list.entries[0].uri, "./a");
    assert_int_equal(a->choice, MR_ENGINE_AUTO);
    assert_int_equal(a->python.n_workers, 2);
    assert_int_equal(a->python.n_variables, 1);
    assert_string_equal(list.entries[1].uri, "models:/m@x=y");
    assert_int_equal(b->choice, MR_ENGINE_PYTHON);
    assert_int_equal(b->python.n_workers, 3);
    assert_int_equal(b->python.queue.max_calls, 7);
    assert_int_equal(b->python.queue.max_batch_rows, 9);
    assert_int_equal(b->python.queue.max_rows, a->python.queue.max_rows);
    assert_int_equal(b->python.queue.batch, MR_BATCH_NEVER);
    assert_int_equal(b->python.n_variables, 4);
    assert_string_equal(b->python.variables[0], "C=2");
    assert_string_equal(b->python.variables[2], "B=x=y");
    assert_string_equal(b->python.variables[3], "C="); /* as --env C= */
    mr_engine_args_deinit(&args);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"models: []", "models:"},
        {"models: 1", "models:"},
        {"models: {x: {name: a, uri: b}}", "a list of them"},
        {"models: {[x]: {name: a, uri: b}}", "a list of them"},
        {"models:\n- {name: a, uri: \"\"}", "no value for uri"},
        {"models:\n- {name: a, uri: b, env: {X: }}", "no value for X"},
        {"other: 1", "models:"},
        {"models: [{name: a, uri: b}]\nother: 1", "nothing else"},
        {"models:\n- a", "name and uri"},
        {"models:\n- [a]", "name and uri"},
        {"models:\n- {name: a}", "line 2: expected a model with name and uri"},
        {"models:\n- {name: a/b, uri: c}", "a/b"},
        {"models:\n- {name: [a], uri: c}", "not a text"},
        {"models:\n- {name: a, uri: }", "no value for uri"},
        {"models:\n- {name: a, uri: b, port: 1}", "a model has no port"},
        {"models:\n- {name: a, uri: b, workers: x}", "workers: expected a number"},
        {"models:\n- {name: a, uri: b, workers: [1]}", "not a text"},
        {"models:\n- {name: a, uri: b, max_queue: 0}", "max-queue: expected a number"},
        {"models:\n- {name: a, uri: b, batch: 1}", "true or false"},
        {"models:\n- {name: a, uri: b, env: {X=: 1}}", "names and values"},
        {"models:\n- {name: a, uri: b, env: [X]}", "names and values"},
        {"models:\n- {name: a, uri: \"b\\0c\"}", "no value for uri"},
        {"models:\n- {name: a, uri: b}\n- {name: a, uri: c}", "two models"},
        {"models:\n\t- a", "not YAML"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(read_text(cases[i][0]) != MR_OK);
        if (!strstr(error.message, cases[i][1])) fail_msg("%s: %s", cases[i][0], error.message);
    }
    assert_int_equal(mr_model_file_read("/no/such/file", &list, &error), MR_E_NOT_FOUND);
}

static void test_folder(void **state) {
    (void)state;
    char folder[] = "/tmp/mlrace-models-XXXXXX", path[200];
    assert_non_null(mkdtemp(folder));
    static const char *const names[] = {"b", "a", "empty"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/%s/MLmodel", folder, names[i]);
        if (i < 2) fclose(fopen(path, "w"));
    }
    mr_model_list_deinit(&list);
    assert_true(mr_model_list_init(&list));
    assert_int_equal(mr_model_file_read(folder, &list, NULL), MR_OK);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.entries[0].name, "a");
    snprintf(path, sizeof(path), "%s/b", folder);
    assert_string_equal(list.entries[1].uri, path);
    snprintf(path, sizeof(path), "%s/empty", folder);
    assert_int_equal(mr_model_file_read(path, &list, &error), MR_E_INVALID_PARAMETER);
    assert_non_null(strstr(error.message, "has no folder with an MLmodel"));
    snprintf(path, sizeof(path), "%s/a", folder);
    assert_int_equal(mr_model_file_read(path, &list, &error), MR_E_INVALID_PARAMETER);
    assert_non_null(strstr(error.message, "is a model itself"));
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s/MLmodel", folder, names[i]);
        (void)unlink(path);
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        assert_int_equal(rmdir(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static int stop(void **state) {
    (void)state;
    mr_model_list_deinit(&list);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
