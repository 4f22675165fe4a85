package session

import (
	"iter"
	"strings"
	"unicode/utf8"
)

const (
	headLines   = 20 // of an output that are kept
	tailLines   = 20
	maxKept     = 4 << 10  // bytes of a line that is kept
	maxTyped    = 16 << 10 // bytes of a command with its continuation lines
	maxContinue = 100      // continuation lines
)

// Command is a guess at one command of a session: a line after a prompt, and what was printed until the next prompt. It
// is a view for readers, not evidence: programs can print what looks like a prompt, prompts can be set to anything, and
// what was typed into an editor or at a question is output here.
type Command struct {
	Prompt string // as it was shown, with the space after it; "" for what came before the first one
	Text   string // what was typed; lines that continue it follow after newlines
	Output Output

	// AsksSecret says that a line asks for a password, passphrase or the like. What follows it, to the end of the next
	// command, may be a secret.
	AsksSecret bool
}

// Output is what a command printed: its first lines and its last ones.
type Output struct {
	Head, Tail []string // each line at most 4 KiB
	Omitted    int64    // lines between the two
}

// Lines is how many lines were printed.
func (o *Output) Lines() int64 { return int64(len(o.Head)+len(o.Tail)) + o.Omitted }

func (o *Output) add(line string) {
	line = shorten(line, maxKept)
	if len(o.Head) < headLines {
		o.Head = append(o.Head, line)
		return
	}
	if len(o.Tail) == 2*tailLines { // moved once in twenty lines, not with each
		o.Tail = append(o.Tail[:0], o.Tail[tailLines:]...)
		o.Omitted += tailLines
	}
	o.Tail = append(o.Tail, line)
}

// trim ends the output.
func (o *Output) trim() {
	if more := len(o.Tail) - tailLines; more > 0 {
		o.Tail = append(o.Tail[:0], o.Tail[more:]...)
		o.Omitted += int64(more)
	}
}

// shorten cuts a text that is too long, and ends it with an ellipsis.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := limit - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n]) + "…"
}

// Commands guesses the commands of cleaned lines (see Clean). It knows the usual prompts of shells and some
// other programs, and learns which ones a session has: one that comes again wins over a look-alike that comes once in
// an output. It reads as it goes, and holds one command.
func Commands(lines iter.Seq[string]) iter.Seq[Command] {
	return func(yield func(Command) bool) {
		var known prompts
		var now Command
		var last opening
		continues := 0
		end := func() bool {
			now.Output.trim()
			if now.Text == "" && now.Output.Lines() == 0 {
				return true // Enter alone
			}
			return yield(now)
		}
		for line := range lines {
			if p := promptIn(line); p.end > 0 && known.accept(p, &last) {
				if !end() {
					return
				}
				now = Command{Prompt: line[:p.end], Text: shorten(strings.TrimRight(line[p.end:], " "), maxTyped)}
				last, continues = opening{command: now.Text}, 0
				continue
			}
			now.AsksSecret = now.AsksSecret || asks(line)
			if more, ok := continued(line); ok && continues < maxContinue && now.Output.Lines() == 0 && unfinished(now.Prompt, now.Text) {
				now.Text = shorten(now.Text+"\n"+more, maxTyped)
				last = opening{command: now.Text}
				continues++
				continue
			}
			now.Output.add(line)
		}
		end()
	}
}

// continued returns what was typed after the prompt of a continuation line.
func continued(line string) (string, bool) {
	for _, mark := range []string{">> ", "> ", "... ", "-> "} {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " "), mark); ok {
			return rest, true
		}
	}
	trimmed := strings.TrimSpace(line)
	return "", trimmed == ">" || trimmed == ">>" || trimmed == "..." || trimmed == "->"
}

// unfinished reports whether a shell would want more lines after a command: a quote or bracket is open, it ends with an
// operator, begins a compound command or a here document. It is a guess as all of this.
func unfinished(prompt, command string) bool {
	if strings.HasPrefix(prompt, "mysql") || strings.HasPrefix(prompt, "MariaDB") || strings.HasPrefix(prompt, "sqlite") {
		return !strings.HasSuffix(command, ";")
	}
	quote, depth := byte(0), 0
	for i := 0; i < len(command); i++ {
		switch b := command[i]; {
		case b == '\\' && quote != '\'':
			i++
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'' || b == '`':
			quote = b
		case b == '(' || b == '{' || b == '[':
			depth++
		case b == ')' || b == '}' || b == ']':
			depth--
		}
	}
	if quote != 0 || depth > 0 || strings.Contains(command, "<<") {
		return true
	}
	for _, end := range []string{`\`, "`", "|", "&&", "||", " do", " then", "{", ":"} {
		if strings.HasSuffix(command, end) {
			return true
		}
	}
	first, _, _ := strings.Cut(command, " ")
	switch first {
	case "for", "while", "until", "select":
		return !strings.HasSuffix(command, "done")
	case "if":
		return !strings.HasSuffix(command, "fi")
	case "case":
		return !strings.HasSuffix(command, "esac")
	}
	return false
}
