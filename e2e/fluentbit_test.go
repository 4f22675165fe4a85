package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/internal/msgpack/msgpacktest"
	"github.com/trailcast/trailcast/outputs/quarantine"
)

// The plugin in a host that drives it as Fluent Bit 5.1 does: e2e/testdata/fluentbit/host.c.

// Answers of a flush.
const (
	flbError = "0"
	flbOK    = "1"
	flbRetry = "2"
)

// built are files that tests share: they are built once.
var built struct {
	mu    sync.Mutex
	files map[string]string
}

// buildOnce runs a build that writes a file, once for all tests.
func buildOnce(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no gcc")
		}
		t.Skip("NOT RUN: the plugin's tests need gcc")
	}
	built.mu.Lock()
	defer built.mu.Unlock()
	if path := built.files[name]; path != "" {
		return path
	}
	path := filepath.Join(filepath.Dir(trailcast), name)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "OUT", path)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if built.files == nil {
		built.files = map[string]string{}
	}
	built.files[name] = path
	return path
}

func pluginFile(t *testing.T) string {
	return buildOnce(t, "out_trailcast.so", "go", "build", "-buildmode=c-shared", "-tags", "netgo,osusergo", "-o", "OUT", "../plugin")
}

func hostFile(t *testing.T) string {
	return buildOnce(t, "host", "gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-o", "OUT", "testdata/fluentbit/host.c", "-ldl", "-lpthread")
}

// host is a running host.
type host struct {
	*testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	log []string
}

func startHost(t *testing.T, file string, env ...string) *host {
	t.Helper()
	h := &host{T: t, cmd: exec.Command(file)}
	h.cmd.Env = append(os.Environ(), env...)
	h.cmd.Stderr = &bytes.Buffer{}
	var err error
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.out = bufio.NewScanner(out)
	h.out.Buffer(nil, 1<<20)
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.in.Close()
		for h.out.Scan() {
		}
		if err := h.cmd.Wait(); err != nil {
			t.Errorf("the host ended with %v\n%s\n%s", err, h.cmd.Stderr, strings.Join(h.log, "\n"))
		}
	})
	return h
}

// do gives a command and returns the fields of the answer.
func (h *host) do(fields ...any) []string {
	h.Helper()
	texts := make([]string, len(fields))
	for i, f := range fields {
		texts[i] = fmt.Sprint(f)
	}
	if _, err := io.WriteString(h.in, strings.Join(texts, "\t")+"\n"); err != nil {
		h.Fatalf("%v: %v\n%s", texts, err, h.cmd.Stderr)
	}
	for h.out.Scan() {
		line := h.out.Text()
		if rest, ok := strings.CutPrefix(line, "log "); ok {
			h.log = append(h.log, rest)
			continue
		}
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "ok" {
			h.Fatalf("%v: %s", texts, line)
		}
		return words[1:]
	}
	h.Fatalf("%v: the host is gone\n%s", texts, h.cmd.Stderr)
	return nil
}

// start loads the plugin as configuration 0 with one instance.
func (h *host) start(keys ...string) {
	h.Helper()
	h.do("load", 0, pluginFile(h.T), 48, 0)
	h.instance(0, 0, keys...)
}

func (h *host) instance(config, instance int, keys ...string) {
	h.Helper()
	fields := []any{"add", config, instance}
	for _, k := range keys {
		fields = append(fields, k)
	}
	h.do(fields...)
	if r := h.do("init", config, instance); r[0] != "1" {
		h.Fatalf("init returns %s:\n%s", r[0], strings.Join(h.log, "\n"))
	}
}

func (h *host) flush(instance int, tag, chunk string) string {
	h.Helper()
	return h.do("flush", 0, instance, tag, chunk)[0]
}

// flushUntilOK retries a chunk as Fluent Bit does, only faster.
func (h *host) flushUntilOK(config, instance int, tag, chunk string) {
	h.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		switch a := h.do("flush", config, instance, tag, chunk)[0]; {
		case a == flbOK:
			return
		case a != flbRetry || time.Now().After(deadline):
			h.Fatalf("answer %s:\n%s", a, strings.Join(h.log, "\n"))
		}
	}
}

// end ends configuration 0 and its instances.
func (h *host) end(instances int) {
	h.Helper()
	for i := range instances {
		h.do("exit", 0, i, 0)
	}
	h.do("unload", 0)
}

// chunkFile writes a chunk of n generated records, the first of which is record from, and returns their event ids.
func chunkFile(t *testing.T, from, n int) (path string, ids []string) {
	t.Helper()
	g := records.New(7)
	var chunk []byte
	for i := from; i < from+n; i++ {
		raw := g.Append(nil, int64(i))
		chunk = msgpacktest.AppendRecord(chunk, time.Unix(1_750_000_000, int64(i)), raw)
		_, rest, _ := strings.Cut(string(raw), `"eventID":"`)
		id, _, _ := strings.Cut(rest, `"`)
		ids = append(ids, id)
	}
	path = filepath.Join(t.TempDir(), "chunk")
	if err := os.WriteFile(path, chunk, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, ids
}

// arrivals counts how often each id stands in a file.
func arrivals(t *testing.T, path string, ids []string) (none, several int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	counts := countIDs(data)
	for _, id := range ids {
		switch counts[id] {
		case 0:
			none++
		case 1:
		default:
			several++
		}
	}
	return none, several
}

// countIDs counts the event ids in lines of JSON.
func countIDs(data []byte) map[string]int {
	counts := map[string]int{}
	for line := range bytes.Lines(data) {
		var e struct{ EventID string }
		if json.Unmarshal(line, &e) == nil {
			counts[e.EventID]++
		}
	}
	return counts
}

func TestPluginRegistersInEveryVersionsStructure(t *testing.T) {
	for _, size := range []int{32, 40, 48} { // up to 4.2.2, up to 5.1.0, since 5.1.1
		h := startHost(t, hostFile(t))
		h.do("load", 0, pluginFile(t), size, 0)
		h.do("unload", 0)
	}
}

// The same under the address sanitizer, in the host and in the plugin, Go's accesses to C memory included.
func TestPluginUnderTheAddressSanitizer(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything once more")
	}
	plugin := buildOnce(t, "out_asan.so", "go", "build", "-asan", "-buildmode=c-shared", "-tags", "netgo,osusergo", "-o", "OUT", "../plugin")
	file := buildOnce(t, "host_asan", "gcc", "-fsanitize=address", "-DHEAP_DEF", "-O1", "-g", "-o", "OUT", "testdata/fluentbit/host.c", "-ldl", "-lpthread")
	chunk, ids := chunkFile(t, 0, 200)
	for _, size := range []int{32, 40, 48} {
		dir := t.TempDir()
		h := startHost(t, file, "ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0")
		h.do("load", 0, plugin, size, 0)
		h.instance(0, 0, "File_Path="+dir+"/out.ndjson", "Quarantine_Path="+dir+"/q", "Enrich=on", "Flush_Timeout=30s")
		h.do("flushers", 0, 0, 4, 3, chunk)
		h.flushUntilOK(0, 0, "t", chunk)
		h.end(1)
		if none, _ := arrivals(t, dir+"/out.ndjson", ids); none > 0 {
			t.Errorf("%d of %d events are missing", none, len(ids))
		}
	}
}

func TestPluginFailingInit(t *testing.T) {
	h := startHost(t, hostFile(t))
	dir := t.TempDir()
	h.do("load", 0, pluginFile(t), 40, 0)
	h.do("add", 0, 0, "Nats_Url=nats://h:1", "Nats_Subject=a.{accoun}", "Quarantine_Path="+dir)
	h.do("add", 0, 1, "File_Path="+dir+"/x.ndjson", "Quarantine_Path="+dir) // its Init is never called
	if r := h.do("init", 0, 0); r[0] != flbError {
		t.Errorf("init returns %s, want 0", r[0])
	}
	if len(h.log) != 1 || !strings.HasPrefix(h.log[0], "1 [output:trailcast:trailcast.0] Nats_Subject: unknown template field {accoun}") {
		t.Errorf("the log should be one line that names the key:\n%s", strings.Join(h.log, "\n"))
	}
	h.end(2) // with a NULL context each
}

func TestPluginWithForeignContexts(t *testing.T) {
	h := startHost(t, hostFile(t))
	chunk, _ := chunkFile(t, 0, 1)
	h.do("load", 0, pluginFile(t), 48, 0)
	if r := strings.Join(h.do("foreign", 0, chunk), " "); r != "2 2 1 1" {
		t.Errorf("flush and exit with NULL and unknown contexts answer %s, want 2 2 1 1: the chunk is kept", r)
	}
	h.do("unload", 0)
}

func TestPluginAfterAForkSaysSo(t *testing.T) {
	h := startHost(t, hostFile(t))
	h.do("load", 0, pluginFile(t), 48, 0)
	h.do("add", 0, 0, "File_Path="+t.TempDir()+"/x.ndjson")
	if r := strings.Join(h.do("fork", 0, 0), " "); r != "exit 0 signal 0" {
		t.Errorf("Init in a forked child: %s, want a refusal", r)
	}
	if !strings.Contains(strings.Join(h.log, "\n"), "set Daemon off") {
		t.Errorf("the log does not say what to do: %v", h.log)
	}
	h.do("exit", 0, 0, 0)
	h.do("unload", 0)
}

func TestPluginInstancesAreSeparate(t *testing.T) {
	dir := t.TempDir()
	h := startHost(t, hostFile(t))
	chunk, ids := chunkFile(t, 0, 50)
	h.do("load", 0, pluginFile(t), 48, 0)
	h.instance(0, 0, "file_path="+dir+"/one.ndjson", "QUARANTINE_PATH="+dir+"/q") // case does not matter
	h.instance(0, 1, "File_Path="+dir+"/two.ndjson", "Quarantine_Path="+dir+"/q", `Filter=select(.eventID == "`+ids[3]+`")`)
	for i := range 2 {
		h.flushUntilOK(0, i, "t", chunk)
	}
	h.end(2)
	if none, several := arrivals(t, dir+"/one.ndjson", ids); none+several > 0 {
		t.Errorf("the first: %d missing, %d repeated", none, several)
	}
	if none, several := arrivals(t, dir+"/two.ndjson", ids); none != len(ids)-1 || several > 0 {
		t.Errorf("the second has %d events, want 1", len(ids)-none)
	}
	if text := strings.Join(h.log, "\n"); !strings.Contains(text, "trailcast.0] started") || !strings.Contains(text, "trailcast.1] started") {
		t.Errorf("the instances are not told apart:\n%s", text)
	}
}

// Workers 4: several threads flush the same instance at once, the chunk is gone after each call, and another Go plugin
// with a runtime of its own works beside it.
func TestPluginFlushedByThreads(t *testing.T) {
	dir := t.TempDir()
	other := buildOnce(t, "out_other.so", "go", "build", "-buildmode=c-shared", "-o", "OUT", "./testdata/fluentbit/otherplugin")
	h := startHost(t, hostFile(t))
	h.start("File_Path="+dir+"/{tag}.ndjson", "Quarantine_Path="+dir+"/q", "Enrich=on", "Flush_Timeout=30s")
	h.do("load", 1, other, 48, 0)
	h.instance(1, 0)
	chunk, ids := chunkFile(t, 0, 300)
	for range 3 {
		if r := strings.Join(h.do("flushers", 0, 0, 4, 5, chunk), " "); r != "error 0 ok 20 retry 0 other 0" {
			t.Errorf("answers: %s", r)
		}
		h.do("flushers", 1, 0, 4, 50, chunk)
	}
	if r := strings.Join(h.do("signals"), " "); r != "1 1" {
		t.Errorf("SIGTERM and SIGHUP reached the host %s times, want once each", r)
	}
	h.end(1)
	h.do("exit", 1, 0, 0)
	h.do("unload", 1)
	files, err := filepath.Glob(dir + "/*.ndjson")
	if err != nil || len(files) != 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		counts := countIDs(data)
		for _, id := range ids {
			if counts[id] != 3 {
				t.Fatalf("%s: %s arrived %d times, want 3", f, id, counts[id])
			}
		}
	}
}

// Workers 0: flushes run on a coroutine's stack, 24 KiB large up to Fluent Bit 5.0.
func TestPluginOnACoroutineStack(t *testing.T) {
	dir := t.TempDir()
	h := startHost(t, hostFile(t))
	h.start("File_Path="+dir+"/x.ndjson", "Quarantine_Path="+dir+"/q", "Filter=select(.eventName | test(\"[a-z]+\"))", "Enrich=on", "Flush_Timeout=30s")
	chunk, _ := chunkFile(t, 0, 500)
	for _, size := range []int{24 << 10, 64 << 10} {
		for range 20 {
			r := h.do("coroutine", 0, 0, size, chunk)
			if used, _ := strconv.Atoi(r[2]); r[0] != flbOK || used > 20<<10 {
				t.Fatalf("stack of %d: %v", size, r)
			}
		}
	}
	h.end(1)
}

func TestPluginWhileNATSIsAwayAndComesBack(t *testing.T) {
	dir := t.TempDir()
	port := freePort(t)
	h := startHost(t, hostFile(t))
	h.start("File_Path="+dir+"/out.ndjson", "Quarantine_Path="+dir+"/q", "Flush_Timeout=100ms",
		"Nats_Url=nats://"+port, "Nats_Subject=a.{account}.{action}", "Nats_Stream=A", "Nats_Create=on")
	chunk, ids := chunkFile(t, 0, 300)
	for range 3 {
		if a := h.flush(0, "t", chunk); a != flbRetry {
			t.Fatalf("answer %s without a server", a)
		}
	}
	server := natsServer(t, dir+"/js", port)
	h.flushUntilOK(0, 0, "t", chunk)

	// Cut in the middle of many flushes, and back again.
	var all []string
	all = append(all, ids...)
	var chunks []string
	for i := 1; i <= 30; i++ {
		c, more := chunkFile(t, 300*i, 300)
		chunks, all = append(chunks, c), append(all, more...)
	}
	for i, c := range chunks {
		if i%10 == 5 {
			server.Shutdown()
			if a := h.flush(0, fmt.Sprint("t", i), c); a != flbRetry {
				t.Errorf("answer %s after the server has gone", a)
			}
			server = natsServer(t, dir+"/js", port)
		}
		h.flushUntilOK(0, 0, fmt.Sprint("t", i), c)
	}
	h.end(1)
	if none, several := arrivals(t, dir+"/out.ndjson", all); none+several > 0 {
		t.Errorf("file: %d missing, %d repeated; a retried chunk must not be written again", none, several)
	}
	if n, _ := streamMessages(t, server.ClientURL(), "A"); n != uint64(len(all)) {
		t.Errorf("%d messages in the stream, want %d", n, len(all))
	}
}

// A server that takes the data and does not answer in time.
func TestPluginWithASlowServer(t *testing.T) {
	dir := t.TempDir()
	server := natsServer(t, dir+"/js", "127.0.0.1:-1")
	slow := slowProxy(t, strings.TrimPrefix(server.ClientURL(), "nats://"), 20*time.Millisecond)
	h := startHost(t, hostFile(t))
	h.start("Quarantine_Path="+dir+"/q", "Flush_Timeout=50ms",
		"Nats_Url=nats://"+slow, "Nats_Subject=a.{account}.{action}", "Nats_Stream=A", "Nats_Create=on")
	total := 0
	for i := range 5 {
		c, ids := chunkFile(t, 2000*i, 2000)
		total += len(ids)
		h.flushUntilOK(0, 0, "t", c)
	}
	h.end(1)
	if n, _ := streamMessages(t, server.ClientURL(), "A"); n != uint64(total) {
		t.Errorf("%d messages, want %d", n, total)
	}
}

func slowProxy(t *testing.T, target string, pause time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	pass := func(to, from net.Conn, pause time.Duration) {
		defer to.Close()
		defer from.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			time.Sleep(pause) // the fault itself
			if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			go pass(server, client, 0)
			go pass(client, server, pause)
		}
	}()
	return l.Addr().String()
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// The disk is full for the file output: the chunk is retried, and arrives when there is room again.
func TestPluginWithAFullDisk(t *testing.T) {
	dir := t.TempDir()
	h := startHost(t, hostFile(t))
	h.start("File_Path="+dir+"/out.ndjson", "Quarantine_Path="+dir+"/q", "Flush_Timeout=100ms")
	first, firstIDs := chunkFile(t, 0, 10)
	second, secondIDs := chunkFile(t, 10, 200)
	h.flushUntilOK(0, 0, "t", first)
	h.do("filesize", 40_000)
	for range 3 {
		if a := h.flush(0, "t", second); a != flbRetry {
			t.Errorf("answer %s with a full disk, want retry", a)
		}
	}
	h.do("filesize", -1)
	h.flushUntilOK(0, 0, "t", second)
	h.end(1)
	if none, _ := arrivals(t, dir+"/out.ndjson", append(firstIDs, secondIDs...)); none > 0 {
		t.Errorf("%d events are missing", none)
	}
	if !strings.Contains(strings.Join(h.log, "\n"), "output is failing") {
		t.Errorf("the log does not say so:\n%s", strings.Join(h.log, "\n"))
	}
}

func TestPluginKeepsBadRecordsAside(t *testing.T) {
	dir := t.TempDir()
	h := startHost(t, hostFile(t))
	h.start("File_Path="+dir+"/out.ndjson", "Quarantine_Path="+dir+"/q")
	path, ids := chunkFile(t, 0, 20)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte{0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0xa1, 'x'}, data...)
	if err := os.WriteFile(path, append(bad, 0x92, 0x92), 0o600); err != nil {
		t.Fatal(err)
	}
	h.flushUntilOK(0, 0, "t", path)
	h.end(1)
	if none, several := arrivals(t, dir+"/out.ndjson", ids); none+several > 0 {
		t.Errorf("%d missing, %d repeated", none, several)
	}
	n := 0
	if err := quarantine.Each(dir+"/q", func(quarantine.Entry) bool { n++; return true }); err != nil || n != 2 {
		t.Errorf("%d entries in quarantine, %v; want 2", n, err)
	}
}

// SIGHUP, as Fluent Bit does it: the plugin is loaded and registered again, the old instances end, the new ones begin.
func TestPluginHotReload(t *testing.T) {
	dir := t.TempDir()
	server := natsServer(t, dir+"/js", "127.0.0.1:-1")
	h := startHost(t, hostFile(t))
	keys := []string{"File_Path=" + dir + "/out.ndjson", "Quarantine_Path=" + dir + "/q", "Flush_Timeout=30s",
		"Nats_Url=" + server.ClientURL(), "Nats_Subject=a.{account}.{action}", "Nats_Stream=A", "Nats_Create=on"}
	h.start(keys...)
	var all []string
	for i := range 10 {
		old, fresh := i%2, (i+1)%2
		chunk, ids := chunkFile(t, 100*i, 100)
		all = append(all, ids...)
		h.flushUntilOK(old, 0, "t", chunk)
		h.do("load", fresh, pluginFile(t), 48, 1)
		h.do("exit", old, 0, 1)
		h.do("unload", old)
		h.instance(fresh, 0, keys...)
	}
	if r := h.do("usage"); r[0] > "40" && len(r[0]) > 1 {
		t.Errorf("%s threads after ten reloads", r[0])
	}
	h.end(1)
	if none, several := arrivals(t, dir+"/out.ndjson", all); none+several > 0 {
		t.Errorf("file: %d missing, %d repeated", none, several)
	}
	if n, _ := streamMessages(t, server.ClientURL(), "A"); n != uint64(len(all)) {
		t.Errorf("%d messages in the stream, want %d", n, len(all))
	}
	if n := strings.Count(strings.Join(h.log, "\n"), "trailcast.0] started"); n != 11 {
		t.Errorf("%d instances were started as trailcast.0, want 11", n)
	}
}

// Fluent Bit waits for ExitCtx: it must not wait for an output that is away.
func TestPluginShutdownIsNotBlocked(t *testing.T) {
	dir := t.TempDir()
	h := startHost(t, hostFile(t))
	h.start("Quarantine_Path="+dir+"/q", "Flush_Timeout=100ms", "Nats_Url=nats://127.0.0.1:1", "Nats_Subject=a.{action}")
	chunk, _ := chunkFile(t, 0, 100)
	if a := h.flush(0, "t", chunk); a != flbRetry {
		t.Errorf("answer %s", a)
	}
	begin := time.Now()
	h.end(1)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the exit took %v", took)
	}
}

// A hundred thousand flushes leave neither threads nor memory behind.
func TestPluginDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	dir := t.TempDir()
	h := startHost(t, hostFile(t))
	h.start("File_Path="+dir+"/x.ndjson", "Quarantine_Path="+dir+"/q", "Filter=select(.none)", "Flush_Timeout=30s")
	chunk, _ := chunkFile(t, 0, 2)
	usage := func() (threads, kb int) {
		r := h.do("usage")
		threads, _ = strconv.Atoi(r[0])
		kb, _ = strconv.Atoi(r[1])
		return threads, kb
	}
	h.do("flushers", 0, 0, 4, 5_000, chunk)
	threads, kb := usage()
	if r := strings.Join(h.do("flushers", 0, 0, 4, 25_000, chunk), " "); r != "error 0 ok 100000 retry 0 other 0" {
		t.Errorf("answers: %s", r)
	}
	more, moreKB := usage()
	if more > threads+4 || moreKB > kb+16_384 {
		t.Errorf("threads %d → %d, resident %d → %d kB", threads, more, kb, moreKB)
	}
	h.end(1)
}
