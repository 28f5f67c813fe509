#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "engine/pipeline/requirements.h"

static char folder[] = "/tmp/mlrace_requirements_XXXXXX";
static char path[sizeof(folder) + 20];

static bool asks(const char *text, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return mr_pipe_requires(folder, "pandas", 3, arena);
}

static void test_lines(void **state) {
    (void)state;
    static const char *const those[] = {
        "pandas==3.0.1",
        "mlflow==3.1\nPandas == 3.1\nscikit-learn==1.9.1",
        "pandas>=3",
        "pandas~=3.0,<4",
        "pandas===3.1.1",
        "  pandas[parquet, excel] ==3.0.0rc1  # why\r\n",
        "pandas==12.0\n",
        "numpy==1.26\n\n\n# pandas==2.0\npandas==3.*",
        "pandas>=3 , != 3.0.2 ",
    };
    for (size_t i = 0; i < sizeof(those) / sizeof(*those); i++) {
        if (!asks(those[i], strlen(those[i]))) fail_msg("%s", those[i]);
    }
    static const char *const others[] = {
        "",
        "pandas",
        "pandas==2.3.1",
        "pandas>=2",
        "pandas<4",
        "pandas>2,>=3", /* true, but not first */
        "pandas!=3.0",
        "pandas==",
        "pandas==.3",
        "pandas==x3",
        "pandas==3x",
        "pandas==2026!3.0",
        "pandas==99999999999999999999",
        "pandas[parquet==3.0",
        "pandas==3.0; python_version > '3.10'",
        "pandas-stubs==3.0",
        "pandas_ml==3.0",
        "geopandas==3.0",
        "# pandas==3.0",
        "-r more.txt",
        "pandas @ https://host/pandas-3.0.0.whl",
        "panda",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (asks(others[i], strlen(others[i]))) fail_msg("%s", others[i]);
    }
}

static void test_bytes(void **state) {
    (void)state;
    assert_false(asks("pandas\0==3.0", 12));
    assert_false(asks("\0\0\n\xff\n[\n", 7));
    size_t size = 1 << 20;
    char *large = test_malloc(size);
    memset(large, '\n', size);
    memcpy(large, "pandas==3.0", 11);
    assert_false(asks(large, size));
    assert_true(asks(large, 1000));
    test_free(large);
}

static void test_no_file(void **state) {
    (void)state;
    unlink(path);
    assert_false(mr_pipe_requires(folder, "pandas", 3, arena));
    assert_false(mr_pipe_requires(NULL, "pandas", 3, arena));
}

static int make_folder(void **state) {
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof(path), "%s/requirements.txt", folder);
    return arena_setup(state);
}

static int remove_folder(void **state) {
    unlink(path);
    rmdir(folder);
    return arena_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
