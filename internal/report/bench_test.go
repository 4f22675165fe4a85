package report

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// BenchmarkPage measures the page with 5,000 sessions in a browser: until it is loaded, beside an empty page in the same
// browser, and until a key in the search is answered, layout included.
func BenchmarkPage(b *testing.B) {
	ctx := newBrowser(b)
	page := html(b, many(5000), memory{})
	tb := open(b, ctx, page)
	empty := filepath.Join(b.TempDir(), "empty.html")
	if err := os.WriteFile(empty, []byte("<!DOCTYPE html><title>empty</title>"), 0o600); err != nil {
		b.Fatal(err)
	}
	var loaded, emptyLoaded, key float64
	const loadTime = "performance.getEntriesByType('navigation')[0].loadEventEnd"
	for b.Loop() {
		tb.do(chromedp.Navigate("file://" + empty))
		tb.until(loadTime)
		emptyLoaded += eval[float64](tb, loadTime)
		tb.do(chromedp.Navigate(tb.url))
		tb.until(loadTime)
		loaded += eval[float64](tb, loadTime)
		tb.until("commands.list")
		key += eval[float64](tb, `(() => {
			const text = 'bob payments';
			const begin = performance.now();
			for (let n = 1; n <= text.length; n++) {
				search.value = text.slice(0, n);
				search.dispatchEvent(new Event('input'));
				document.body.offsetHeight;
			}
			return (performance.now() - begin) / text.length;
		})()`)
	}
	n := float64(b.N)
	b.ReportMetric(0, "ns/op") // of the browser's start and answers too, so it says nothing
	b.ReportMetric(loaded/n, "ms/load")
	b.ReportMetric(emptyLoaded/n, "ms/empty")
	b.ReportMetric(key/n, "ms/key")
	b.ReportMetric(float64(len(page)), "bytes")
}

// BenchmarkWriteHTML measures the making of a page with 5,000 sessions.
func BenchmarkWriteHTML(b *testing.B) {
	r := many(5000)
	b.ReportAllocs()
	for b.Loop() {
		html(b, r, memory{})
	}
}
