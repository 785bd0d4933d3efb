/* page-agent - one memory for the bases of several programs */
#include <stdio.h>
#include <stdlib.h>

#include "base/opt.h"
#include "base/os.h"
#include "base/sig.h"
#include "device/device.h"
#include "formats/agent.h"
#include "formats/agent_link.h"
#include "formats/wire.h"

static const char *path;
static const char *device;
static uint64_t device_memory;
static int ask;
static struct agent_options how = { .clients = 4, .handshake = 30 };

static struct opt own[] = {
	{ "socket", 0, OPT_TEXT, &path, "PATH",
	  "where to listen, in a folder of its own; without it agent.sock in "
	  "weft in XDG_RUNTIME_DIR, or in ~/.cache" },
	{ "clients", 0, OPT_COUNT, &how.clients, "N",
	  "connections at a time; each may have that part of the memory" },
	{ "device", 0, OPT_TEXT, &device, "KIND",
	  "keep what leaves the memory on a device: cuda, managed (CUDA's own "
	  "paging), emu (a part of the host's, to try it out)" },
	{ "device-memory", 0, OPT_BYTES, &device_memory, "SIZE",
	  "how much of the device's memory" },
	{ "idle", 0, OPT_REAL, &how.idle, "SECONDS",
	  "end after so long without a client; 0: never" },
	{ "status", 0, OPT_FLAG, &ask, NULL,
	  "print how the agent at the socket is doing, and end" },
	{ 0 }
};

static const struct opt_program program = {
	.name = "page-agent",
	.brief = "one memory for the bases of several programs",
	.usage = "[option ...]",
	.about =
	"Programs that page a base (peft-step, eval, generate with --agent "
	"SOCKET) have its pages from this agent, so that several runs on one "
	"base hold it once, within -m (and a page for each client while it "
	"loads), and a run finds warm what the one before has read. The agent "
	"only reads bases: what a run changes stays with the run.\n\n"
	"A client hands over its open file, so the agent opens no paths of "
	"others; it answers to its own user alone, at a socket in a folder "
	"that nobody else may enter. Memory is lent for reading, sealed "
	"against everything else. When the agent dies, by whatever, programs "
	"go on alone with the same results and warn at their end, also those "
	"that find its socket with nobody there; where there is no socket, or "
	"as many clients as it takes, they end with status 69. When a program "
	"ends, what it had is free. Without --agent no program needs this "
	"one.\n\n"
	"With --device, pages that leave the memory are kept in that of a GPU, "
	"and come back over its bus instead of from disk: a base that memory "
	"and GPU hold together is read once. A device that fails is done "
	"without.\n\n"
	"Standard output has a JSON object a line whenever a client has left: "
	"bases, clients, evictions, hits, loads, memory, pinned (what clients "
	"have now), refused, used (bytes, or counts since the start); device "
	"has fetches, memory, saves, used, and lost: why, or null. Without "
	"-m the arena is half of what is free. SIGTERM and SIGINT end the "
	"agent. A unit for systemd is installed: systemctl --user enable --now "
	"page-agent.",
	.examples =
	"page-agent -m 12G &\n"
	"page-agent -m 12G --device cuda --device-memory 20G &\n"
	"peft-step --agent $XDG_RUNTIME_DIR/weft/agent.sock -d chat.jsonl "
	"base.st -o a.st\n"
	"page-agent --status",
	.see = "peft-step(1), eval(1), generate(1)",
	.own = own,
	.shared = opt_shared,
	.without = "output threads config arch level raw log",
};

static void print(void *ctx, json_t *line)
{
	(void)ctx;
	(void)json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
}

static int print_status(void)
{
	json_t *status;

	TRY(agent_link_status(&status, path));
	print(NULL, status);
	json_decref(status);
	return ferror(stdout) ? err_errno(E_IO, "<stdout>") : 0;
}

static int open_device(void)
{
	const struct device_kind *kind;
	struct device_options o = { .budget = (size_t)device_memory };

	if (!device && !device_memory)
		return 0;
	if (!device || !device_memory)
		return err_set(E_USAGE, "--device and --device-memory go "
			       "together");
	kind = device_find(device);
	if (!kind)
		return err_set(E_UNAVAIL, "--device %s: no such kind in this "
			       "build", device);
	if (device_memory < AGENT_BLOCK || device_memory > PTRDIFF_MAX)
		return err_set(E_USAGE, "--device-memory: want some MiB");
	return device_open(&how.device, kind, &o);
}

static int run(void)
{
	struct agent *a;
	int err;

	TRY(agent_new(&a, &how));
	err = agent_run(a);
	agent_free(a);
	return err;
}

static int serve(void)
{
	int err;

	if (!how.clients)
		return err_set(E_USAGE, "--clients 0");
	how.socket = path;
	how.memory = opt_common.memory ? opt_common.memory :
					 os_memory_free() / 2;
	if (how.memory / how.clients < AGENT_BLOCK)
		return err_set(E_USAGE, "--clients %zu: each has a part of the "
			       "memory, and %llu KiB is less than a block of "
			       "%d", (size_t)how.clients,
			       (unsigned long long)(how.memory / how.clients >>
						    10), AGENT_BLOCK >> 10);
	if (!opt_common.quiet)
		how.log = print;
	err = open_device();
	if (!err)
		err = run();
	device_close(how.device);
	return err;
}

int main(int argc, char **argv)
{
	char standard[108], **operands;
	size_t n;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &n, &done);
	if (!err && done)
		return 0;
	if (!err && n)
		err = err_set(E_USAGE, "no operands are wanted");
	if (!err && !path) {
		err = wire_default(standard, sizeof(standard));
		path = standard;
	}
	if (!err)
		err = ask ? print_status() : serve();
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	return err;
}
