/* opt_shared - the options that programs share */
#include "base/opt.h"

struct opt_common opt_common = { .level = 1 };

struct opt opt_shared[] = {
	{ "output", 'o', OPT_TEXT, &opt_common.output, "FILE",
	  "write there, whole or not at all" },
	{ "threads", 'j', OPT_COUNT, &opt_common.threads, "N",
	  "threads, 0: as many as there are processors; never changes results",
	  .alias = "num-threads" },
	{ "memory", 'm', OPT_BYTES, &opt_common.memory, "SIZE",
	  "memory to plan for, such as 800M or 8G; without it, what is free" },
	{ "config", 'c', OPT_TEXT, &opt_common.config, "FILE",
	  "options from a JSON object of long names; the command line wins" },
	{ "arch", 0, OPT_TEXT, &opt_common.arch, "FILE",
	  "the base's family is described there, whatever it says it is" },
	{ "level", 0, OPT_COUNT, &opt_common.level, "N",
	  "zstd level of what is compressed, 0: everything is stored raw" },
	{ "raw", 'u', OPT_FLAG, &opt_common.raw, NULL,
	  "compress nothing, as --level 0" },
	{ "log", 0, OPT_TEXT, &opt_common.log, "FILE",
	  "a log of JSON objects, a line each" },
	{ "quiet", 'q', OPT_FLAG, &opt_common.quiet, NULL,
	  "say nothing but errors" },
	{ "verbose", 'v', OPT_FLAG, &opt_common.verbose, NULL, "say more" },
	{ 0 }
};
