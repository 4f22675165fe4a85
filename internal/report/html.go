package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

const pageLimit = 20_000_000 // bytes

//go:embed page/page.html
var pageHTML string

//go:embed page/page.css
var pageCSS string

//go:embed page/data.js
var dataJS string

//go:embed page/table.js
var tableJS string

//go:embed page/timeline.js
var timelineJS string

//go:embed page/session.js
var sessionJS string

//go:embed page/start.js
var startJS string

// WriteHTML writes a page that is one file: no network, nothing but its own script and style may run (a content security
// policy holds both by their hashes), and what came from sessions is only ever text. It shows totals, sessions over time by
// target, a table to search and sort, and of each session's log the begin and end, up to 16 KiB; commands are a guess and
// marked so. Longer texts go to files, cleaned, and the page links to them; files may be nil. When the page would be larger
// than Report.MaxPage, texts in it are shortened further, and it says so. The facts of sessions, about 600 bytes each, are
// never left out, so that very many make a larger page.
func (r *Report) WriteHTML(w io.Writer, files Files) error {
	room := int(r.MaxPage)
	if room <= 0 {
		room = pageLimit
	}
	t := newTexts(files, room)
	for i := range r.Sessions {
		if err := t.add(&r.Sessions[i]); err != nil {
			return err
		}
	}
	var page bytes.Buffer
	for {
		page.Reset()
		if err := r.writePage(&page, t); err != nil {
			return err
		}
		if page.Len() <= room || t.limit == 0 {
			_, err := w.Write(page.Bytes())
			return err
		}
		if err := t.shorten(); err != nil {
			return err
		}
	}
}

func (r *Report) writePage(w io.Writer, t *texts) error {
	tmpl, err := template.New("page").Funcs(template.FuncMap{"digits": func(n int) string { return digits(int64(n)) }}).Parse(pageHTML)
	if err != nil {
		return err
	}
	if err := tmpl.Execute(w, r.newPage(t)); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	if err := t.write(w); err != nil {
		return err
	}
	_, err = io.WriteString(w, "</body>\n</html>\n")
	return err
}

// hash names a style or script in a content security policy.
func hash(text string) template.HTMLAttr {
	sum := sha256.Sum256([]byte(text))
	return template.HTMLAttr("'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
}
