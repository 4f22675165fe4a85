// Package demo runs the whole pipeline on bundled sample data with an embedded NATS server and shows what arrives.
package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/observe"
	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/pipeline"
)

//go:embed data/cloudtrail data/sessions data/accounts.csv
var samples embed.FS

//go:embed trailcast.yaml
var configText string

const (
	streamName  = "AUDIT"
	destination = `subject: "audit.{account}.{region}.{service}.{action}", stream: AUDIT, create: true`
)

// Options of a demo.
type Options struct {
	Dir  string // made and filled; "" makes a new one under the system's temporary directory
	Out  io.Writer
	Log  *slog.Logger
	Rows int // rows of the live table; 0 means 24
}

// Run runs the demo and prints a live table of what arrives on NATS subjects, the files that were written and the
// closing account. It ends by itself.
func Run(ctx context.Context, o Options) (pipeline.Stats, error) {
	var stats pipeline.Stats
	dir, err := prepare(o.Dir)
	if err != nil {
		return stats, err
	}
	server, err := natsserver.Start(embedded.Config{StoreDir: filepath.Join(dir, "nats"), Listen: "127.0.0.1:-1"},
		embedded.Options{Log: o.Log})
	if err != nil {
		return stats, err
	}
	defer server.Shutdown()
	fmt.Fprintf(o.Out, "NATS server with JetStream on %s, sample data in %s\n\n", server.ClientURL(), filepath.Join(dir, "in"))

	watch, err := subscribe(server.ClientURL(), o.Out, o.Rows)
	if err != nil {
		return stats, err
	}
	defer watch.close()
	stats, err = runPipeline(ctx, dir, server.ClientURL(), o.Log)
	if err != nil {
		return stats, err
	}
	if err := watch.finish(ctx, delivered(stats, "bus")); err != nil {
		return stats, err
	}
	if err := showStream(ctx, o.Out, watch.conn); err != nil {
		return stats, err
	}
	if err := showFiles(o.Out, filepath.Join(dir, "out")); err != nil {
		return stats, err
	}
	fmt.Fprintln(o.Out, "\nAccount: in + made = filtered + unrouted + quarantined + routed")
	observe.PrintAccount(o.Out, stats)
	config := filepath.Join(dir, "trailcast.yaml")
	fmt.Fprintf(o.Out, `
One line of the samples is broken on purpose. Go on from here:
  trailcast quarantine list -c %[1]s
  trailcast query -r 'select(.trailcast.session) | .trailcast | [.time, .actor.user, .action, .session.target] | @tsv' %[2]s
  trailcast sessions --since all %[4]s
  trailcast explain -c %[1]s %[3]s
`, config, filepath.Join(dir, "out", "archive", "*", "*.gz"), filepath.Join(dir, "in", "cloudtrail", "start-session-01.json"), filepath.Join(dir, "in"))
	return stats, nil
}

// prepare makes the demo's directory with samples and configuration. The configuration that is left for the user runs
// an embedded server of its own.
func prepare(dir string) (string, error) {
	var err error
	if dir == "" {
		dir, err = os.MkdirTemp("", "trailcast-demo-")
	} else {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("make the demo's directory: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", fmt.Errorf("make the demo's directory: %w", err)
	}
	if strings.ContainsAny(dir, "{}\"\\*?[\n") {
		return "", fmt.Errorf("the demo's directory %q has characters that mean something in the configuration; choose another", dir)
	}
	err = fs.WalkDir(samples, "data", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := samples.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, "data/")
		if name != "accounts.csv" {
			name = "in/" + name
		}
		return writeFile(filepath.Join(dir, filepath.FromSlash(name)), data)
	})
	if err != nil {
		return "", fmt.Errorf("write the samples: %w", err)
	}
	own := fmt.Sprintf("{embedded: {store_dir: %q}, %s}", filepath.Join(dir, "nats"), destination)
	if err := writeFile(filepath.Join(dir, "trailcast.yaml"), configFor(dir, own)); err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	return dir, nil
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

func configFor(dir, nats string) []byte {
	return []byte(strings.NewReplacer("@DIR@", dir, "@NATS@", nats).Replace(configText))
}

func runPipeline(ctx context.Context, dir, url string, log *slog.Logger) (pipeline.Stats, error) {
	var stats pipeline.Stats
	text := configFor(dir, fmt.Sprintf("{url: %q, %s}", url, destination))
	config, err := build.Load("demo", text, os.LookupEnv)
	if err != nil {
		return stats, err
	}
	agent, err := build.Build(config, build.Options{Log: log, NATSServer: natsserver.Start})
	if err != nil {
		return stats, err
	}
	err = agent.Run(ctx)
	return agent.Stats(), err
}

func delivered(s pipeline.Stats, output string) int64 {
	for _, o := range s.Outputs {
		if o.Name == output {
			return o.Delivered
		}
	}
	return 0
}

// watcher is the subscriber whose table the user sees.
type watcher struct {
	conn     *nats.Conn
	sub      *nats.Subscription
	messages chan *nats.Msg
	out      io.Writer
	rows     int
	seen     int64
	shown    chan struct{} // closed when the printing ended
	enough   chan int64    // how many messages to wait for
	err      error
}

func subscribe(url string, out io.Writer, rows int) (*watcher, error) {
	if rows == 0 {
		rows = 24
	}
	conn, err := nats.Connect(url, nats.Name("trailcast demo"))
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded server: %w", err)
	}
	w := &watcher{
		conn: conn, out: out, rows: rows, messages: make(chan *nats.Msg, 4096),
		shown: make(chan struct{}), enough: make(chan int64, 1),
	}
	if w.sub, err = conn.ChanSubscribe("audit.>", w.messages); err == nil {
		err = conn.Flush()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	fmt.Fprintf(out, "subscribed to audit.>\n\n%-8s  %-68s  %s\n", "OUTCOME", "SUBJECT", "ID")
	go w.show()
	return w, nil
}

// show prints rows until as many messages have come as were delivered.
func (w *watcher) show() {
	defer close(w.shown)
	want := int64(-1)
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	for want < 0 || w.seen < want {
		select {
		case m, ok := <-w.messages:
			if !ok {
				return
			}
			w.row(m)
		case want = <-w.enough:
			quiet.Reset(10 * time.Second)
		case <-quiet.C:
			w.err = fmt.Errorf("%d events were confirmed, but the subscriber received %d", want, w.seen)
			return
		}
	}
	if more := w.seen - int64(w.rows); more > 0 {
		fmt.Fprintf(w.out, "%-8s  … and %d more\n", "", more)
	}
}

func (w *watcher) row(m *nats.Msg) {
	w.seen++
	if w.seen <= int64(w.rows) {
		outcome := m.Header.Get("Trailcast-Outcome")
		if outcome == "" {
			outcome = "-"
		}
		fmt.Fprintf(w.out, "%-8s  %-68s  %s\n", outcome, m.Subject, m.Header.Get("Trailcast-Id"))
	}
}

func (w *watcher) finish(ctx context.Context, want int64) error {
	w.enough <- want
	select {
	case <-w.shown:
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *watcher) close() {
	w.conn.Close()
	select {
	case <-w.shown:
	default:
		close(w.messages)
		<-w.shown
	}
}

func showStream(ctx context.Context, out io.Writer, conn *nats.Conn) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("look at the stream: %w", err)
	}
	stream, err := js.Stream(ctx, streamName)
	if err != nil {
		return fmt.Errorf("look at the stream: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("audit.>"))
	if err != nil {
		return fmt.Errorf("look at the stream: %w", err)
	}
	fmt.Fprintf(out, "\nJetStream stream %s holds %d messages on %d subjects\n",
		streamName, info.State.Msgs, len(info.State.Subjects))
	return nil
}

func showFiles(out io.Writer, dir string) error {
	fmt.Fprintf(out, "\nFiles in %s\n", dir)
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		lines = append(lines, fmt.Sprintf("  %8d bytes  %s", info.Size(), rel))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list the files: %w", err)
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	return nil
}
