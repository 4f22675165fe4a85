package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// shownRows is the script for the texts of one column, of the rows that are drawn.
func shownRows(key string) string {
	return fmt.Sprintf("[...document.querySelectorAll('#table tbody [data-key=%q] ')].map(e => e.textContent)", key)
}

// TestPage runs the page in a browser. One browser serves all parts; each has a tab of its own.
func TestPage(t *testing.T) {
	ctx := newBrowser(t)
	page := html(t, many(5000), memory{})
	less := html(t, many(600), memory{})
	if len(page) >= pageLimit {
		t.Errorf("5,000 sessions take %d bytes", len(page))
	}
	t.Logf("a page with 5,000 sessions has %d bytes", len(page))
	for _, tt := range []struct {
		name string
		page string
		test func(t *tab)
	}{
		{"search", page, testSearch},
		{"sort", page, testSort},
		{"keys", less, testKeys},
		{"timeline", page, testTimeline},
		{"long texts", less, testLongText},
		{"print", less, testPrint},
		{"session", html(t, small(), memory{}), testSession},
		{"hostile", html(t, attack(), memory{}), testHostile},
		{"layout", less, testLayout},
		{"layout of hostile text", html(t, attack(), memory{}), testLayout},
		{"empty", html(t, &Report{}, nil), testEmpty},
		{"old browser", html(t, small(), nil), testOldBrowser},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tb := open(t, ctx, tt.page)
			tt.test(tb)
			tb.quiet()
		})
	}
}

func testSearch(t *tab) {
	all := eval[string](t, "found.textContent")
	if all != "5,000 in all" {
		t.Errorf("found %s", all)
	}
	last := 5001
	for _, letter := range []string{"/", "b", "o", "b"} {
		t.press(letter)
		n := eval[int](t, "shown.length")
		if n > last || n == 0 {
			t.Errorf("%d sessions after %q, before it %d", n, letter, last)
		}
		last = n
	}
	if who := eval[[]string](t, shownRows("who")); last == 5000 || len(who) == 0 || !strings.HasPrefix(who[0], "bob") {
		t.Errorf("found %d: %q", last, who)
	}
	t.press("Escape")
	if n := eval[int](t, "shown.length"); n != 5000 {
		t.Errorf("%d sessions after Escape", n)
	}
	t.until("commands.list")
	for _, tt := range []struct{ query, check string }{
		{"who:bob logged:no", "shown.every(s => s.who === 'bob' && s.logged === 'no')"},
		{"BOB -logged:yes", "shown.every(s => s.text.includes('bob') && s.logged !== 'yes')"},
		{`account:"payments-prod" is:alert`, "shown.every(s => s.account_name === 'payments-prod' && s.alerts)"},
		{"day:2026-11-03", "shown.every(s => s.started.startsWith('2026-11-03'))"},
		{"is:attempt", "shown.every(s => s.outcome === 'denied')"},
		{`"rotate certificates"`, "shown.every(s => s.reason.includes('rotate certificates'))"},
		{"who:carol.o'neil mfa:unknown", `shown.every(s => s.who === "carol.o'neil" && !s.mfa)`},
		{"169.254.169.254", "shown.every(s => s.typed.includes('curl'))"}, // stands in commands alone
	} {
		got := eval[struct {
			N  int  `json:"n"`
			OK bool `json:"ok"`
		}](t, fmt.Sprintf("lookFor(%q), {n: shown.length, ok: %s}", tt.query, tt.check))
		if got.N == 0 || got.N == 5000 || !got.OK {
			t.Errorf("%s finds %+v", tt.query, got)
		}
	}
	if text := eval[string](t, "lookFor('no such thing'), document.querySelector('#table tbody').textContent"); text != "No session has all of these words." {
		t.Errorf("nothing found says %q", text)
	}
	// What counts leads to what it counted.
	for _, key := range []string{"logged", "is"} {
		differ := eval[[]string](t, fmt.Sprintf(`[...document.querySelectorAll('.totals button[data-key=%s]')].filter(b => {
			b.click();
			const n = b.dataset.value === 'alert' ? shown.reduce((n, s) => n + s.alerts.length, 0) : shown.length;
			return digits(n) !== b.textContent;
		}).map(b => b.outerHTML + shown.length)`, key))
		if len(differ) > 0 {
			t.Errorf("%q", differ)
		}
	}
	if n := eval[int](t, `document.querySelector('.people tbody button').click(), shown.length`); n == 0 || n == 5000 {
		t.Errorf("a person has %d sessions", n)
	}
}

func testSort(t *tab) {
	keys := eval[[]string](t, "columns.map(c => c.key)")
	if len(keys) != 11 {
		t.Errorf("columns %q", keys)
	}
	for _, key := range keys {
		for range 2 {
			got := eval[struct {
				Sort    string `json:"sort"`
				Others  int    `json:"others"`
				Ordered bool   `json:"ordered"`
				Last    bool   `json:"last"`
				N       int    `json:"n"`
			}](t, fmt.Sprintf(`(() => {
				const th = document.querySelector('thead [data-key=%s]');
				th.querySelector('button').click();
				const value = columns.find(c => c.key === %q).value;
				const values = shown.map(value);
				const known = values.filter(v => v !== undefined && v !== '' && v === v);
				const compare = (a, b) => typeof a === 'number' ? a - b : collator.compare(a, b);
				const sign = th.ariaSort === 'descending' ? -1 : 1;
				return {
					sort: th.ariaSort,
					others: document.querySelectorAll('thead [aria-sort]:not([aria-sort=none])').length,
					ordered: known.every((v, i) => !i || sign * compare(known[i - 1], v) <= 0),
					last: values.slice(0, known.length).every((v, i) => v === known[i]),
					n: values.length,
				};
			})()`, key, key))
			if got.Others != 1 || !got.Ordered || !got.Last || got.N != 5000 || got.Sort != "ascending" && got.Sort != "descending" {
				t.Errorf("%s: %+v", key, got)
			}
		}
	}
	// By keyboard.
	before := eval[string](t, "document.querySelector('thead [data-key=who] button').focus(), document.querySelector('thead [data-key=who]').ariaSort")
	t.press("Enter")
	after := eval[string](t, "document.querySelector('thead [data-key=who]').ariaSort")
	t.press(" ")
	again := eval[string](t, "document.querySelector('thead [data-key=who]').ariaSort")
	if before != "none" || after != "ascending" || again != "descending" {
		t.Errorf("sorted %s, after Enter %s, after Space %s", before, after, again)
	}
	// On a phone.
	if who := eval[[]string](t, `(() => {
		const select = document.getElementById('sort');
		select.value = 'who up';
		select.dispatchEvent(new Event('change'));
	})(), `+shownRows("who")); !strings.HasPrefix(who[0], "alice.martin") {
		t.Errorf("sorted by the list: %q", who[0])
	}
}

func testKeys(t *tab) {
	t.press("/")
	if id := eval[string](t, "document.activeElement.id"); id != "search" {
		t.Errorf("/ leads to %q", id)
	}
	row := func() int { return eval[int](t, "rowOf(document.activeElement)") }
	for _, step := range []struct {
		key  string
		want int
	}{
		{"ArrowDown", 0}, {"ArrowDown", 1}, {"ArrowDown", 2}, {"ArrowUp", 1}, {"PageDown", 11}, {"PageUp", 1}, {"End", 599}, {"Home", 0}, {"ArrowDown", 1},
	} {
		t.press(step.key)
		if got := row(); got != step.want {
			t.Errorf("%q leads to row %d, want %d", step.key, got, step.want)
		}
	}
	if outline := eval[string](t, "getComputedStyle(document.activeElement).outlineStyle"); outline != "solid" {
		t.Errorf("the focus is not to be seen: %s", outline)
	}
	if n := eval[int](t, "document.querySelectorAll('#table tbody button[tabindex=\"0\"]').length"); n != 1 {
		t.Errorf("%d rows are stops of the tab key", n)
	}
	t.press("Enter")
	if !eval[bool](t, "dialog.open && dialog.querySelector('h2').textContent.startsWith(shown[1].who)") {
		t.Error("Enter does not open the session")
	}
	if hash := eval[string](t, "location.hash"); hash != fmt.Sprintf("#%d", eval[int](t, "shown[1].index")+1) {
		t.Errorf("the address ends with %q", hash)
	}
	eval[any](t, "[...dialog.querySelectorAll('nav button')].find(b => b.textContent === 'Next').click(), 1")
	if !eval[bool](t, "dialog.querySelector('h2').textContent.startsWith(shown[2].who)") {
		t.Error("Next does not open the next session")
	}
	t.press("Escape")
	if eval[bool](t, "dialog.open") || row() != 2 {
		t.Errorf("after Escape: open %t, row %d", eval[bool](t, "dialog.open"), row())
	}
	t.press("/")
	if id := eval[string](t, "document.activeElement.id"); id != "search" {
		t.Errorf("/ leads to %q from a row", id)
	}
}

// testTimeline holds that only lanes in view are drawn, and that many sessions in one do not make many bars.
func testTimeline(t *tab) {
	t.until("document.querySelector('.lane rect')")
	lanes := eval[int](t, "targets.length")
	drawn := eval[int](t, "document.querySelectorAll('.lane').length")
	if lanes < 100 || drawn > 20 {
		t.Errorf("%d of %d lanes are drawn", drawn, lanes)
	}
	eval[any](t, "lanes.scrollTop = 1e6, 1")
	t.until("document.querySelector(`.lane[data-lane='${targets.length - 1}']`)")
	if n := eval[int](t, "document.querySelectorAll('.lane').length"); n > 20 {
		t.Errorf("%d lanes are drawn after scrolling", n)
	}
	// All sessions on one target.
	eval[any](t, "sessions.forEach(s => s.target = 'one'), find(), 1")
	t.until("targets.length === 1 && document.querySelectorAll('.lane').length === 1")
	got := eval[struct{ Bars, Width, Sessions int }](t, `({
		Bars: document.querySelectorAll('.lane rect').length, Width: Math.round(document.querySelector('.lane svg').clientWidth),
		Sessions: kinds.flatMap(k => bars(targets[0], k, at => (at - range.from) / (range.to - range.from) * 1000)).reduce((n, b) => n + b.sessions.length, 0),
	})`)
	if got.Bars > 5*got.Width/3 || got.Sessions != 5000 {
		t.Errorf("%+v", got)
	}
	eval[any](t, "document.querySelector('.lane rect[data-index], .lane rect').dispatchEvent(new MouseEvent('click', {bubbles: true})), 1")
	if !eval[bool](t, "dialog.open || search.value !== ''") {
		t.Error("a bar leads nowhere")
	}
}

func testLongText(t *tab) {
	eval[any](t, "openSession(sessions.find(s => s.log && s.file).index), 1")
	t.until("dialog.querySelectorAll('pre').length === 2")
	got := eval[struct {
		Text, Gap, Link string
		Commands        int
		Mark            string
	}](t, `({Text: [...dialog.querySelectorAll('pre')].map(p => p.textContent).join(''), Gap: dialog.querySelector('.gap').textContent,
		Link: dialog.querySelector('a').getAttribute('href'), Commands: dialog.querySelectorAll('.commands li').length,
		Mark: dialog.querySelector('pre mark').textContent})`)
	if len(got.Text) > excerptLimit || len(got.Text) < excerptLimit/2 || !strings.Contains(got.Gap, "they are in the file") ||
		!strings.HasPrefix(got.Link, "sessions/") || got.Commands < 50 || !strings.HasPrefix(got.Mark, "[ssm-user@") {
		t.Errorf("%d bytes of text, %q %q, %d commands, marked %q", len(got.Text), got.Gap, got.Link, got.Commands, got.Mark)
	}
}

func testPrint(t *tab) {
	eval[any](t, "lookFor('-who:bob'), 1")
	pdf, err := chromedp.Run(t.ctx, chromedp.PrintToPDF())
	if err != nil || len(pdf) < 10_000 {
		t.Errorf("%d bytes of PDF: %v", len(pdf), err)
	}
	if got := eval[[]int](t, "[shown.length, drawn]"); got[0] < 61 || got[0] != got[1] {
		t.Errorf("%d sessions were found, %d are printed", got[0], got[1])
	}
}

func testSession(t *tab) {
	eval[any](t, "openSession(0), 1")
	t.until("dialog.querySelector('pre')")
	text := eval[string](t, "dialog.innerText")
	for _, want := range []string{
		"alice → i-0aaaaaaaaaaaaaaa1", "2026-11-03 14:05:07 UTC", "1 h 05 m", "payments-prod, 111122223333", "INC-77 disk full", "a guess",
		"sudo rm -rf /tmp/x", "$ df -h\nFilesystem Size\n", "arn:aws:sts::111122223333:assumed-role/Admin/alice (human)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the session lacks %q: %s", want, text)
		}
	}
	if marks := eval[[]string](t, "[...dialog.querySelectorAll('pre mark')].map(m => m.textContent)"); strings.Join(marks, "") != "$ df -h$ sudo rm -rf /tmp/x$ exit" {
		t.Errorf("marked %q", marks)
	}
	for _, tt := range []struct{ index, want string }{
		{"2", "User is not authorized to perform"}, {"3", "outside of working hours"}, {"4", "could not be read to its end: read log: connection\\u001b[31m lost"},
		{"4", "not seen: only its log was"}, {"1", "No text of this session is in the page."},
	} {
		eval[any](t, "openSession("+tt.index+"), 1")
		if text := eval[string](t, "dialog.innerText"); !strings.Contains(text, tt.want) {
			t.Errorf("session %s lacks %q: %s", tt.index, tt.want, text)
		}
	}
	t.do(chromedp.Navigate(t.url + "#3"))
	t.do(chromedp.Reload())
	t.until("dialog.open && opened === 2")
}

// testHostile opens and searches everything in a page of hostile text: it stays text.
func testHostile(t *tab) {
	for i := range 2 {
		eval[any](t, fmt.Sprintf("openSession(%d), 1", i))
		t.until("!dialog.querySelector('[role=status]')")
	}
	eval[any](t, "openSession(0), 1")
	t.until("dialog.querySelector('pre')")
	got := eval[struct {
		Hacked, Strange int
		Text            string
	}](t, `(document.querySelectorAll('button[data-key]').forEach(b => b.click()), {
		Hacked: window.hacked || 0,
		Strange: document.querySelectorAll('img, iframe, object, embed, link:not([rel=icon]), [onerror], [onclick], main script, dialog script, pre > :not(mark)').length,
		Text: dialog.textContent,
	})`)
	if got.Hacked != 0 || got.Strange != 0 {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{`<script>window.hacked=1</script>`, `<img src=x onerror='window.hacked=2'>`, `\u202e`, `\u2066`, `\u200b`, "{{.}}${hacked}"} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("the session does not show %s: %s", want, got.Text)
		}
	}
	harmless(t, got.Text, "\n")
	if n := eval[int](t, "document.querySelector('.people tbody button').click(), shown.length"); n != 2 {
		t.Errorf("a person of a hostile name has %d sessions", n)
	}
}

// testLayout holds that no window is too narrow for the page, and that text can be read, in light and dark.
func testLayout(t *tab) {
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 390, 768, 1024, 1440, 2560} {
			t.view(width, 844, scheme)
			eval[any](t, "dialog.close(), 1")
			for _, place := range []string{"page", "session"} {
				if place == "session" {
					eval[any](t, "openSession((sessions.find(s => s.log && s.alerts) || sessions[0]).index), 1")
					t.until("!dialog.querySelector('[role=status]')")
				}
				if wide := eval[[]float64](t, "[document.documentElement.scrollWidth, innerWidth, dialog.scrollWidth, dialog.clientWidth]"); wide[0] > wide[1] || wide[2] > wide[3] {
					t.Errorf("%s, %d px wide: the page takes %v", place, width, wide)
				}
				for _, faint := range eval[[]string](t, lowContrast) {
					t.Errorf("%s, %s, %d px wide: low contrast: %s", place, scheme, width, faint)
				}
			}
		}
		if got := eval[string](t, "getComputedStyle(document.body).backgroundColor"); (got == "rgb(245, 246, 248)") != (scheme == "light") {
			t.Errorf("%s: the page is %s", scheme, got)
		}
	}
}

// lowContrast lists text whose contrast to what is behind it is below 4.5, as level AA of WCAG 2 asks for.
const lowContrast = `(() => {
	const parse = c => c.match(/[\d.]+/g).map(Number);
	const light = c => {
		const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.length === 3 || c[3] === 1) return c;
		}
		return [255, 255, 255];
	};
	const list = new Set();
	const root = dialog.open ? dialog : document.body;
	for (const e of root.querySelectorAll('*')) {
		const says = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
		if (!says || !e.checkVisibility() || e.closest('script, style, option')) continue;
		const style = getComputedStyle(e);
		const [a, b] = [light(parse(e instanceof SVGElement ? style.fill : style.color)), light(behind(e))].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < 4.5) list.add(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2));
	}
	return [...list];
})()`

func testEmpty(t *tab) {
	if got := eval[string](t, "document.querySelector('h1').textContent + ': ' + found.textContent"); got != "Sessions: 0 in all" {
		t.Errorf("got %s", got)
	}
	if !eval[bool](t, "timeline.hidden") {
		t.Error("there is a timeline of nothing")
	}
}

// testOldBrowser is a browser that cannot unpack.
func testOldBrowser(t *tab) {
	eval[any](t, "commands.ready = undefined, window.DecompressionStream = undefined, openSession(0), 1")
	t.until("!dialog.querySelector('[role=status]')")
	if text := eval[string](t, "dialog.innerText"); !strings.Contains(text, "it lacks DecompressionStream") || !strings.Contains(text, "INC-77") {
		t.Errorf("it shows %s", text)
	}
}
