/*
 * source_formats - the formats that a source reads, in the order they are
 * asked; each row is format_<name> in format_<name>.c
 */
#ifndef FORMATS_SOURCE_FORMATS_H
#define FORMATS_SOURCE_FORMATS_H

#include "formats/source.h"

#define SOURCE_FORMATS(F) \
	F(st) F(gguf) F(safetensors) F(peft) F(hf)

#define SOURCE_DECLARE(name) extern const struct source_format format_##name;
SOURCE_FORMATS(SOURCE_DECLARE)
#undef SOURCE_DECLARE

#endif
