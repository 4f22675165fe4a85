/*
 * A host for Go output plugins that does what Fluent Bit 5.1 does (src/flb_plugin_proxy.c, src/proxy/go/go.c), for tests.
 * It reads commands from standard input, one a line with fields separated by tabs, and answers each with one line:
 * "ok …" or "failed …". What the plugin logs comes before it, as "log LEVEL TEXT".
 *
 * Memory that the plugin may use during a call only is unmapped after it, and lies against a page that can not be touched;
 * so does the registration structure, whose last byte is the last that may be written.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* include/fluent-bit/flb_plugin_proxy.h: 48 bytes since 5.1.1, without config_map 40, without event_type 32 */
struct def {
	int type, proxy, flags;
	char *name, *description;
	int event_type;
	void *config_map;
};

struct instance {
	int level;
	int keys;
	char *key[64], *value[64];
};

struct api {
	const char *(*output_get_property)(const char *, struct instance *);
	void *input_get_property, *output_get_cmt_instance, *input_get_cmt_instance;
	void (*log_print)(int, const char *, int, const char *, ...);
	void *input_log_check;
	int (*output_log_check)(struct instance *, int);
	void *custom_get_property, *custom_log_check;
};

struct proxy_context {
	void *remote_context, *proxy;
};

struct plugin { /* one for all instances of a configuration */
	char *name;
	struct api *api;
	struct instance *o_ins;
	struct proxy_context *context;
	int (*cb_init)(struct plugin *);
	int (*cb_flush)(const void *, size_t, const char *);
	int (*cb_flush_ctx)(void *, const void *, size_t, char *);
	int (*cb_exit)(void);
	int (*cb_exit_ctx)(void *);
};

struct config { /* what Fluent Bit makes anew when it reloads */
	void *handle;
	struct def *def;
	size_t def_size;
	struct plugin *plugin;
	struct api *api;
	struct {
		struct instance *ins;
		struct proxy_context *ctx;
	} out[8];
} configs[4];

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile sig_atomic_t got_term, got_hup;

static void on_signal(int s) { s == SIGTERM ? got_term++ : got_hup++; }

static void die(const char *what) {
	printf("failed %s\n", what);
	fflush(stdout);
	_exit(3);
}

static const char *get_property(const char *key, struct instance *ins) {
	for (int i = 0; i < ins->keys; i++) {
		if (strcasecmp(key, ins->key[i]) == 0) {
			return ins->value[i][0] ? ins->value[i] : NULL;
		}
	}
	return NULL;
}

static int log_check(struct instance *ins, int level) { return level <= ins->level; }

static void log_print(int level, const char *file, int line, const char *format, ...) {
	char text[8192];
	va_list args;
	(void)file, (void)line;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	pthread_mutex_lock(&log_lock);
	printf("log %d %s\n", level, text);
	fflush(stdout);
	pthread_mutex_unlock(&log_lock);
}

/* guarded returns size bytes that end where a page begins that can not be touched. */
static void *guarded(size_t size, void **base, size_t *mapped) {
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	*mapped = (size + page - 1) / page * page + page;
	*base = mmap(NULL, *mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*base == MAP_FAILED || mprotect((char *)*base + *mapped - page, page, PROT_NONE)) {
		die("mmap");
	}
	return (char *)*base + *mapped - page - size;
}

static void *symbol(struct config *c, const char *name) { return dlsym(c->handle, name); }

static void load(struct config *c, const char *path, size_t def_size, int hot) {
	void *base;
	size_t mapped;
	c->handle = dlopen(path, RTLD_LAZY);
	if (!c->handle) {
		die(dlerror());
	}
	c->api = calloc(1, sizeof *c->api);
	c->api->output_get_property = get_property;
	c->api->log_print = log_print;
	c->api->output_log_check = log_check;
#ifdef HEAP_DEF /* for the address sanitizer, which knows the end of what is allocated */
	(void)base, (void)mapped;
	c->def = calloc(1, def_size);
#else
	c->def = guarded(def_size, &base, &mapped);
#endif
	c->def_size = def_size;
	int (*pre)(int) = symbol(c, "FLBPluginPreRegister");
	if (pre && pre(hot) == -1) {
		die("PreRegister");
	}
	int (*reg)(struct def *) = symbol(c, "FLBPluginRegister");
	if (!reg || reg(c->def) != 0) {
		die("Register");
	}
	struct plugin *p = c->plugin = calloc(1, sizeof *p);
	p->cb_init = symbol(c, "FLBPluginInit");
	p->cb_flush = symbol(c, "FLBPluginFlush");
	p->cb_flush_ctx = symbol(c, "FLBPluginFlushCtx");
	p->cb_exit = symbol(c, "FLBPluginExit");
	p->cb_exit_ctx = symbol(c, "FLBPluginExitCtx");
	p->name = strdup(c->def->name);
	if (c->def->type != 2 || c->def->proxy != 11 || !p->cb_init || !p->cb_flush_ctx) {
		die("type, proxy or a symbol");
	}
	for (size_t i = 32; i < def_size; i++) {
		if (((char *)c->def)[i]) {
			die("more than 32 bytes were written");
		}
	}
	printf("ok %s: %s\n", c->def->name, c->def->description);
}

static void add(struct config *c, int i, int fields, char **field) {
	struct instance *ins = calloc(1, sizeof *ins);
	ins->level = 3;
	for (int k = 0; k < fields && k < 64; k++) {
		char *eq = strchr(field[k], '=');
		*eq = 0;
		ins->key[ins->keys] = strdup(field[k]);
		ins->value[ins->keys++] = strdup(eq + 1);
	}
	c->out[i].ins = ins;
	c->out[i].ctx = calloc(1, sizeof *c->out[i].ctx);
	puts("ok");
}

static int init(struct config *c, int i) {
	c->plugin->api = c->api;
	c->plugin->o_ins = c->out[i].ins;
	c->plugin->context = c->out[i].ctx;
	int ret = c->plugin->cb_init(c->plugin);
	int (*pre_run)(int) = symbol(c, "FLBPluginOutputPreRun");
	if (ret > 0 && pre_run) {
		pre_run(1);
	}
	c->plugin->o_ins = NULL; /* of another instance from now on */
	c->plugin->context = NULL;
	return ret;
}

static void *read_file(const char *path, size_t *size) {
	struct stat st;
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st)) {
		die(path);
	}
	char *data = malloc(st.st_size + 1);
	if (read(fd, data, st.st_size) != st.st_size) {
		die("read");
	}
	close(fd);
	*size = st.st_size;
	return data;
}

static int flush(struct config *c, int i, const char *tag, const void *data, size_t size) {
	void *base;
	size_t mapped;
	char *chunk = guarded(size, &base, &mapped);
	memcpy(chunk, data, size);
	mprotect(base, (chunk + size) - (char *)base, PROT_READ);
	char *copy = strdup(tag);
	int ret = c->plugin->cb_flush_ctx(c->out[i].ctx->remote_context, chunk, size, copy);
	munmap(base, mapped);
	memset(copy, 0xa5, strlen(copy));
	free(copy);
	return ret;
}

struct flusher {
	struct config *c;
	int i, thread, times;
	void *data;
	size_t size;
	int answers[4];
};

static void *run_flusher(void *arg) {
	struct flusher *f = arg;
	char tag[32];
	for (int n = 0; n < f->times; n++) {
		snprintf(tag, sizeof tag, "thread.%d.%d", f->thread, n);
		int ret = flush(f->c, f->i, tag, f->data, f->size);
		f->answers[ret < 0 || ret > 2 ? 3 : ret]++;
	}
	return NULL;
}

static void flushers(struct config *c, int i, int threads, int times, const char *path) {
	struct flusher f[64];
	pthread_t thread[64];
	int answers[4] = {0};
	size_t size;
	void *data = read_file(path, &size);
	for (int t = 0; t < threads; t++) {
		f[t] = (struct flusher){c, i, t, times, data, size, {0}};
		pthread_create(&thread[t], NULL, run_flusher, &f[t]);
	}
	for (int t = 0; t < threads; t++) {
		pthread_join(thread[t], NULL);
		for (int a = 0; a < 4; a++) {
			answers[a] += f[t].answers[a];
		}
	}
	free(data);
	printf("ok error %d ok %d retry %d other %d\n", answers[0], answers[1], answers[2], answers[3]);
}

static ucontext_t engine, coroutine;
static struct flusher in_coroutine;

static void coroutine_main(void) {
	in_coroutine.answers[0] = flush(in_coroutine.c, in_coroutine.i, "coroutine", in_coroutine.data, in_coroutine.size);
}

/* flush_on_coroutine flushes on a stack of its own, as Fluent Bit does without workers, and says how much of it was used. */
static void flush_on_coroutine(struct config *c, int i, size_t stack_size, const char *path) {
	char *stack = malloc(stack_size);
	memset(stack, 0xa5, stack_size);
	in_coroutine = (struct flusher){.c = c, .i = i};
	in_coroutine.data = read_file(path, &in_coroutine.size);
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = stack_size;
	coroutine.uc_link = &engine;
	makecontext(&coroutine, coroutine_main, 0);
	swapcontext(&engine, &coroutine);
	size_t unused = 0;
	while (unused < stack_size && (unsigned char)stack[unused] == 0xa5) {
		unused++;
	}
	printf("ok %d used %zu of %zu\n", in_coroutine.answers[0], stack_size - unused, stack_size);
	free(in_coroutine.data);
	free(stack);
}

static void leave(struct config *c, int i, int hot) {
	void (*pre)(int) = symbol(c, "FLBPluginOutputPreExit");
	if (pre) {
		pre(hot);
	}
	if (c->plugin->cb_exit_ctx) {
		c->plugin->cb_exit_ctx(c->out[i].ctx->remote_context);
	}
	free(c->out[i].ctx);
	for (int k = 0; k < c->out[i].ins->keys; k++) {
		memset(c->out[i].ins->value[k], 0xa5, strlen(c->out[i].ins->value[k]));
		free(c->out[i].ins->value[k]);
		free(c->out[i].ins->key[k]);
	}
	free(c->out[i].ins);
	c->out[i].ctx = NULL;
}

static void unload(struct config *c) {
	void (*unregister)(struct def *) = symbol(c, "FLBPluginUnregister");
	if (unregister) {
		unregister(c->def);
	}
	memset(c->api, 0xa5, sizeof *c->api);
	free(c->api);
	free(c->plugin->name);
	free(c->plugin);
	dlclose(c->handle);
	memset(c, 0, sizeof *c);
}

static int threads(void) {
	int n = 0;
	DIR *d = opendir("/proc/self/task");
	while (readdir(d)) {
		n++;
	}
	closedir(d);
	return n - 2;
}

static long resident_kb(void) {
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (fscanf(f, "%ld %ld", &pages, &resident) != 2) {
		die("statm");
	}
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* init_after_fork does what Fluent Bit does with "daemon on": it loads plugins, forks, and starts them in the child. */
static void init_after_fork(struct config *c, int i) {
	pid_t child = fork();
	if (child == 0) {
		alarm(20);
		_exit(init(c, i) > 0 ? 1 : 0);
	}
	int status = 0;
	waitpid(child, &status, 0);
	printf("ok exit %d signal %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

int main(void) {
	struct sigaction sa = {.sa_handler = on_signal};
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGXFSZ, SIG_IGN);
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	while ((length = getline(&line, &room, stdin)) > 0) {
		char *field[80], *rest = line;
		int n = 0;
		if (line[length - 1] == '\n') {
			line[length - 1] = 0;
		}
		while (n < 80 && (field[n] = strsep(&rest, "\t"))) {
			n++;
		}
		const char *cmd = field[0];
		struct config *c = n > 1 ? &configs[atoi(field[1]) % 4] : NULL;
		int i = n > 2 ? atoi(field[2]) % 8 : 0;
		if (!strcmp(cmd, "load")) { /* config path def_size hot */
			load(c, field[2], (size_t)atol(field[3]), atoi(field[4]));
		} else if (!strcmp(cmd, "add")) { /* config instance key=value… */
			add(c, i, n - 3, field + 3);
		} else if (!strcmp(cmd, "init")) {
			printf("ok %d\n", init(c, i));
		} else if (!strcmp(cmd, "fork")) {
			init_after_fork(c, i);
		} else if (!strcmp(cmd, "flush")) { /* config instance tag file */
			size_t size;
			void *data = read_file(field[4], &size);
			printf("ok %d\n", flush(c, i, field[3], data, size));
			free(data);
		} else if (!strcmp(cmd, "flushers")) { /* config instance threads times file */
			flushers(c, i, atoi(field[3]), atoi(field[4]), field[5]);
		} else if (!strcmp(cmd, "coroutine")) { /* config instance stack file */
			flush_on_coroutine(c, i, (size_t)atol(field[3]), field[4]);
		} else if (!strcmp(cmd, "foreign")) { /* config file: contexts that are none of the plugin's */
			size_t size;
			void *data = read_file(field[2], &size);
			char tag[] = "x";
			int null = c->plugin->cb_flush_ctx(NULL, data, size, tag);
			int unknown = c->plugin->cb_flush_ctx((void *)0x7fffffff, data, size, tag);
			printf("ok %d %d %d %d\n", null, unknown, c->plugin->cb_exit_ctx(NULL), c->plugin->cb_exit_ctx((void *)0x7fffffff));
			free(data);
		} else if (!strcmp(cmd, "exit")) { /* config instance hot */
			leave(c, i, atoi(field[3]));
			puts("ok");
		} else if (!strcmp(cmd, "unload")) {
			unload(c);
			puts("ok");
		} else if (!strcmp(cmd, "signals")) {
			raise(SIGTERM);
			raise(SIGHUP);
			printf("ok %d %d\n", (int)got_term, (int)got_hup);
		} else if (!strcmp(cmd, "filesize")) { /* bytes that a file may grow to; -1: any */
			long bytes = atol(field[1]);
			struct rlimit limit;
			getrlimit(RLIMIT_FSIZE, &limit);
			limit.rlim_cur = bytes < 0 ? limit.rlim_max : (rlim_t)bytes;
			printf("ok %d\n", setrlimit(RLIMIT_FSIZE, &limit));
		} else if (!strcmp(cmd, "usage")) {
			printf("ok %d %ld\n", threads(), resident_kb());
		} else {
			die("unknown command");
		}
		fflush(stdout);
	}
	return 0;
}
