/* Writes zip archives without compression, for tests and fuzz targets that want archives whose
 * lengths and checksums are right and whose contents are not. */
#ifndef MR_TESTS_ZIP_FILE_H
#define MR_TESTS_ZIP_FILE_H

#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"

struct zip_entry {
    const char *name;
    struct mr_str data;
};

struct zip_writer {
    char *data; /* free() it */
    size_t size;
};

static inline uint32_t zip_crc(struct mr_str data) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < data.size; i++) {
        crc ^= (unsigned char)data.data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

static inline void zip_put(struct zip_writer *zip, const void *data, size_t size) {
    char *grown = realloc(zip->data, zip->size + size + 1);
    if (!grown) exit(2);
    zip->data = grown;
    if (size) memcpy(zip->data + zip->size, data, size);
    zip->size += size;
}

static inline void zip_put_int(struct zip_writer *zip, uint32_t value, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char byte = (unsigned char)(value >> (8 * i));
        zip_put(zip, &byte, 1);
    }
}

/* The fields that a local header and a directory entry share: version needed to extra length. */
static inline void zip_put_fields(struct zip_writer *zip, const struct zip_entry *entry) {
    zip_put_int(zip, 20, 2); /* version 2.0 */
    zip_put_int(zip, 0, 4);  /* no flags, stored */
    zip_put_int(zip, 0, 4);  /* time, date */
    zip_put_int(zip, zip_crc(entry->data), 4);
    zip_put_int(zip, (uint32_t)entry->data.size, 4);
    zip_put_int(zip, (uint32_t)entry->data.size, 4);
    zip_put_int(zip, (uint32_t)strlen(entry->name), 2);
    zip_put_int(zip, 0, 2);
}

static inline struct zip_writer zip_write(const struct zip_entry *entries, size_t n) {
    struct zip_writer zip = {0};
    struct zip_writer directory = {0};
    for (size_t i = 0; i < n; i++) {
        uint32_t offset = (uint32_t)zip.size;
        zip_put(&zip, "PK\3\4", 4);
        zip_put_fields(&zip, &entries[i]);
        zip_put(&zip, entries[i].name, strlen(entries[i].name));
        zip_put(&zip, entries[i].data.data, entries[i].data.size);
        zip_put(&directory, "PK\1\2\24\0", 6);
        zip_put_fields(&directory, &entries[i]);
        zip_put_int(&directory, 0, 4); /* no comment, disk 0 */
        zip_put_int(&directory, 0, 4); /* attributes */
        zip_put_int(&directory, 0, 2);
        zip_put_int(&directory, offset, 4);
        zip_put(&directory, entries[i].name, strlen(entries[i].name));
    }
    uint32_t start = (uint32_t)zip.size;
    zip_put(&zip, directory.data, directory.size);
    zip_put(&zip, "PK\5\6\0\0\0\0", 8);
    zip_put_int(&zip, (uint32_t)n, 2);
    zip_put_int(&zip, (uint32_t)n, 2);
    zip_put_int(&zip, (uint32_t)directory.size, 4);
    zip_put_int(&zip, start, 4);
    zip_put_int(&zip, 0, 2);
    free(directory.data);
    return zip;
}

#endif
