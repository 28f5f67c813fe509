/* Files of credentials. */
#include <stdint.h>

#include "store/ini.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_str file = {(const char *)data, size}, value = {"", 0};
    if (mr_ini_find(file, "mlflow", "key", &value) && value.size) {
        /* What it found is of the file. */
        if (value.data < file.data || value.data + value.size > file.data + size) __builtin_trap();
    }
    mr_ini_has_section(file, "mlflow");
    return 0;
}
