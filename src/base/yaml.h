/* YAML as MLflow writes it, by libyaml, which is the parser behind PyYAML.
 *
 * Untrusted: nothing of a tag is followed, anchors are references to one node, never copies. A node
 * is its number in the document; 0 stands for none, and a child of none is none. */
#ifndef MR_BASE_YAML_H
#define MR_BASE_YAML_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"

struct mr_yaml;

/* Of mappings and sequences within each other. */
#define MR_YAML_MAX_DEPTH 64

/* Parse one document, whose top is a mapping.
 *
 * name     for messages: what the text is; must outlive the document
 * out      freed with mr_yaml_free, also before the arena is: it does not live there
 * returns  MR_OK; MR_E_FORMAT with the line; MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_yaml_parse(struct mr_str text, const char *name, struct mr_yaml **out,
                                      struct mr_error *err);
void mr_yaml_free(struct mr_yaml *yaml); /* NULL is allowed */

/* The mapping at the top. */
int mr_yaml_root(const struct mr_yaml *yaml);

/* The value of a key, 0 when there is none or `map` is no mapping. Of a key given twice the last
 * value counts, as in PyYAML. */
int mr_yaml_child(const struct mr_yaml *yaml, int map, const char *key);

bool mr_yaml_is_sequence(const struct mr_yaml *yaml, int node);

/* What a sequence holds, or the values of a mapping's keys, in the order of the text: how many, and
 * the i-th, i below that. Of anything else there is none. */
size_t mr_yaml_size(const struct mr_yaml *yaml, int node);
int mr_yaml_item(const struct mr_yaml *yaml, int node, size_t i);

/* The i-th key of a mapping; size 0 when it is no scalar. Valid as long as the document. */
struct mr_str mr_yaml_key(const struct mr_yaml *yaml, int map, size_t i);

/* The line where a node begins, from 1; for messages. */
size_t mr_yaml_line(const struct mr_yaml *yaml, int node);

/* Copy the text under a key into the arena; absent and null give size 0. A NUL follows, and there
 * may be some within.
 * returns  MR_OK; MR_E_FORMAT: it is no scalar; MR_E_NO_MEMORY, MR_E_TOO_LARGE */
MR_MUST_CHECK mr_status mr_yaml_text(const struct mr_yaml *yaml, int map, const char *key,
                                     struct mr_arena *arena, struct mr_str *out,
                                     struct mr_error *err);

#endif
