/* engine_model.h: what the engine's own files see of an engine_model. Private to runtime/. */
#pragma once
#include "runtime/engine.h"
#include "runtime/model.h"

/* What engine_memory_bytes adds up. */
int64_t memory_needed(int64_t weight_bytes, int64_t kv_bytes);
const struct model *engine_model_get(const struct engine_model *model);
