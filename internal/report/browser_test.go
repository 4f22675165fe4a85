package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// newBrowser starts a browser of its own, without any net services. Without one the test is skipped, but fails where
// CI is set.
func newBrowser(t testing.TB) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		const missing = "no browser: the page of reports is NOT TESTED; install chromium (apt-get install chromium)"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute) // the test's own ends before its clean-up
	t.Cleanup(stop)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits for its end
			t.Error(err)
		}
	})
	return ctx
}

// tab is one tab of a browser, and what it complained of or asked the network for.
type tab struct {
	testing.TB
	ctx context.Context
	url string

	mu         sync.Mutex
	complaints []string
}

// open writes a page to a file and opens it.
func open(t testing.TB, ctx context.Context, page string) *tab {
	t.Helper()
	name := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(name, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	tb := &tab{TB: t, url: "file://" + name}
	var stop context.CancelFunc
	tb.ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Listen(tb.ctx, tb.listen); err != nil {
		t.Fatal(err)
	}
	call(tb, network.Enable, network.EnableParams{})
	call(tb, runtime.Enable, cdp.Empty{})
	call(tb, log.Enable, cdp.Empty{})
	tb.do(chromedp.Navigate(tb.url))
	return tb
}

func call[P, R any](t *tab, command cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(t.ctx, command, params); err != nil {
		t.Fatal(err)
	}
}

func (t *tab) listen(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.Request.URL != t.url && !strings.HasPrefix(e.Request.URL, "data:") {
			t.complaints = append(t.complaints, "request of "+e.Request.URL)
		}
	case *runtime.EventConsoleAPICalled:
		t.complaints = append(t.complaints, fmt.Sprintf("console: %s", e.Type))
	case *runtime.EventExceptionThrown:
		t.complaints = append(t.complaints, "exception: "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		t.complaints = append(t.complaints, fmt.Sprintf("log: %s %s", e.Entry.Level, e.Entry.Text))
	}
}

func (t *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(t.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// quiet fails the test if the page complained, or asked the network for anything.
func (t *tab) quiet() {
	t.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.complaints {
		t.Error(c)
	}
}

// eval returns the value of JavaScript; a promise is waited for.
func eval[T any](t *tab, script string) T {
	t.Helper()
	value, err := chromedp.Run(t.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return value
}

// until waits until JavaScript is true.
func (t *tab) until(script string) {
	t.Helper()
	if !eval[bool](t, fmt.Sprintf(`(async () => {
		for (const end = Date.now() + 60_000; Date.now() < end; await new Promise(next => setTimeout(next, 5))) {
			if (%s) return true;
		}
		return false;
	})()`, script)) {
		t.Fatalf("it does not come true: %s", script)
	}
}

// press presses a key as a keyboard does: what handles it decides whether it is typed. Keys are named as in DOM events;
// one character is itself.
func (t *tab) press(key string) {
	t.Helper()
	down := input.DispatchKeyEventParams{Type: "keyDown", Key: key, WindowsVirtualKeyCode: keyCodes[key]}
	switch {
	case key == "Enter":
		down.Text = "\r"
	case len(key) == 1:
		down.Text = key
	}
	call(t, input.DispatchKeyEvent, down)
	call(t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyUp", Key: key, WindowsVirtualKeyCode: keyCodes[key]})
}

// keyCodes are those of keys that a browser itself acts on.
var keyCodes = map[string]int64{"Enter": 13, "Escape": 27, " ": 32, "PageUp": 33, "PageDown": 34, "End": 35, "Home": 36, "ArrowUp": 38, "ArrowDown": 40}

// view sets how large the window is, and light or dark.
func (t *tab) view(width, height int64, scheme string) {
	t.Helper()
	call(t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
	call(t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// html is the page of a report.
func html(t testing.TB, r *Report, files Files) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteHTML(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
