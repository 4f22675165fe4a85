package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

const (
	excerptLimit = 16 << 10 // bytes of a session's text in the page
	commandShare = 4        // of the limit, a session's commands take at most 1/4
	leastExcerpt = 256      // below which there are no texts in the page
)

// texts are the sessions' texts for a page. They are held compressed; when there is no room for them, all of them
// are made shorter.
type texts struct {
	files Files
	room  int // bytes in the page
	limit int // bytes of one text; 0: there are none in the page
	items []*text
	size  int // of all items in the page
	zip   *gzip.Writer
}

func newTexts(files Files, room int) *texts {
	return &texts{files: files, room: room, limit: excerptLimit, zip: gzip.NewWriter(nil)}
}

// text is one session's.
type text struct {
	name     string // of its file, when it has one
	begun    bool   // the file was made
	packed   []byte // excerpt: JSON, gzip; nil: none
	commands []command
	omitted  int    // further commands
	failure  string // of reading the log
}

// command is one guessed; in the page an array of text, prompt, and 1 if it asks for a secret.
type command struct {
	Prompt     string // "": as before
	Text       string
	AsksSecret bool
}

func (c command) MarshalJSON() ([]byte, error) {
	a := []any{cleanLines(c.Text), clean(c.Prompt)}
	if c.AsksSecret {
		a = append(a, 1)
	}
	return json.Marshal(a)
}

// cleanLines is clean but for line ends.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

func (c command) size() int { return len(c.Prompt) + len(c.Text) + 8 }

// add reads a session's log. The error is one of a file; what went wrong with the log is in the text.
func (t *texts) add(s *Session) error {
	x := &text{name: fileName(s.ID, len(t.items))}
	t.items = append(t.items, x)
	if s.Transcript == nil {
		return nil
	}
	limit := max(t.limit, leastExcerpt)
	e := excerpter{limit: limit, create: t.create(x)}
	left := limit / commandShare
	var failure error
	prompt := ""
	for c := range s.commands(e.line, &failure) {
		if c.Prompt == "" {
			continue // what came before the first one
		}
		cmd := command{c.Prompt, c.Text, c.AsksSecret}
		if c.Prompt == prompt {
			cmd.Prompt = ""
		}
		prompt = c.Prompt
		if left -= cmd.size(); left < 0 {
			x.omitted++
			continue
		}
		x.commands = append(x.commands, cmd)
	}
	if failure != nil {
		x.failure = clean(failure.Error())
	}
	got, err := e.close()
	if err != nil {
		return fmt.Errorf("write text of session %q: %w", s.ID, err)
	}
	x.packed = t.pack(got)
	if t.limit < leastExcerpt {
		if err := t.cut(x); err != nil {
			return err
		}
	}
	t.size += x.size()
	for t.size > t.room && t.limit > 0 {
		if err := t.shorten(); err != nil {
			return err
		}
	}
	return nil
}

// create returns how a text's file is made; nil if texts have none.
func (t *texts) create(x *text) func() (io.WriteCloser, error) {
	if t.files == nil {
		return nil
	}
	return func() (io.WriteCloser, error) {
		x.begun = true
		return t.files.Create(x.name)
	}
}

// shorten makes all texts shorter by a third. One that was whole in the page gets a file.
func (t *texts) shorten() error {
	t.limit = t.limit / 3 * 2
	if t.limit < leastExcerpt {
		t.limit = 0
	}
	t.size = 0
	for _, x := range t.items {
		if err := t.cut(x); err != nil {
			return err
		}
		t.size += x.size()
	}
	return nil
}

func (t *texts) cut(x *text) error {
	if x.packed == nil {
		return nil
	}
	left := t.limit / commandShare
	for i, c := range x.commands {
		if left -= c.size(); left < 0 {
			x.omitted += len(x.commands) - i
			x.commands = x.commands[:i]
			break
		}
	}
	e := unpack(x.packed)
	if len(e.Head)+len(e.Tail) <= t.limit {
		return nil
	}
	if create := t.create(x); create != nil && e.whole() {
		if err := writeFile(create, e.Head); err != nil {
			return fmt.Errorf("write %s: %w", x.name, err)
		}
	}
	if t.limit == 0 {
		x.packed = nil
		return nil
	}
	e.cut(t.limit)
	x.packed = t.pack(e)
	return nil
}

func writeFile(create func() (io.WriteCloser, error), text string) error {
	w, err := create()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	return err
}

// size is about what a text takes in the page: the commands of all are compressed together, to less than a third.
func (x *text) size() int {
	n := base64.StdEncoding.EncodedLen(len(x.packed))
	for _, c := range x.commands {
		n += c.size() / 3
	}
	return n + len(`<script type="application/octet-stream" id="t0000"></script>`)
}

// write writes the texts as blocks of a page: t0, t1 … for the sessions, commands for the commands of all.
func (t *texts) write(w io.Writer) error {
	for i, x := range t.items {
		if x.packed != nil {
			if err := block(w, "t"+strconv.Itoa(i), x.packed); err != nil {
				return err
			}
		}
	}
	commands := make([][]command, len(t.items))
	for i, x := range t.items {
		commands[i] = x.commands
	}
	return block(w, "commands", t.pack(commands))
}

// block writes bytes where a browser neither runs nor shows them.
func block(w io.Writer, id string, data []byte) error {
	_, err := fmt.Fprintf(w, "<script type=\"application/octet-stream\" id=%q>%s</script>\n", id, base64.StdEncoding.EncodeToString(data))
	return err
}

func (t *texts) pack(v any) []byte {
	var b bytes.Buffer
	t.zip.Reset(&b)
	t.zip.Write(encode(v, true)) // to memory
	t.zip.Close()
	return b.Bytes()
}

func unpack(data []byte) (e excerpt) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		err = json.NewDecoder(z).Decode(&e)
	}
	if err != nil {
		panic("report: " + err.Error()) // pack wrote it
	}
	return e
}

// fileName is safe for any file system, and another one for each session of a report.
func fileName(id string, number int) string {
	const longest = 100
	safe := []byte(id)[:min(len(id), longest)]
	for i, c := range safe {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '-' || c == '_'):
		default:
			safe[i] = 'x'
		}
	}
	if len(safe) == 0 {
		safe = []byte("session")
	}
	return fmt.Sprintf("%s-%d.txt", safe, number+1)
}
