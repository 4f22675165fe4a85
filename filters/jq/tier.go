package jq

import (
	"fmt"
	"io"
	"strings"

	"github.com/trailcast/trailcast/internal/conf"
)

// WritePlan says how a program is run: on bytes (tier 1), by gojq on some members of the event (2) or on all of it (3), what
// it reads, and which construct keeps it from the tier before.
func WritePlan(w io.Writer, text conf.Text, o Options) error {
	p, err := Compile(text, o)
	if err != nil {
		return err
	}
	n := p.native
	if n.whole != nil {
		if len(n.calls) == 0 {
			fmt.Fprintf(w, "tier 1: decided on the event's bytes\n")
		} else {
			fmt.Fprintf(w, "tier 2: on the event's bytes, but for what gojq makes of parts of them\n")
			for _, call := range n.calls {
				fmt.Fprintf(w, "  not tier 1: %s\n", construct(text, call))
			}
		}
		if n.whole.editsEvent() {
			fmt.Fprintf(w, "  copies all members of it but those that it changes\n")
		}
		writeReads(w, n.read())
		return nil
	}
	s := &p.whole
	if p.rest != nil {
		fmt.Fprintf(w, "tier 1: the selects that it begins with are decided on the event's bytes\n")
		writeReads(w, n.read())
		fmt.Fprintf(w, "behind them:\n")
		s = p.rest
	}
	if s.plan.whole {
		fmt.Fprintf(w, "tier 3: gojq, on the whole event\n")
		fmt.Fprintf(w, "  not tier 2: %s\n", construct(text, s.plan.why))
	} else {
		fmt.Fprintf(w, "tier 2: gojq, on a part of the event\n")
		var paths [][]string
		for _, key := range s.plan.keys {
			paths = append(paths, []string{key})
		}
		writeReads(w, paths)
	}
	fmt.Fprintf(w, "  not tier 1: %s\n", construct(text, n.reason))
	return nil
}

// editsEvent reports whether a node makes another event of the event.
func (n *node) editsEvent() (edits bool) {
	n.walk(func(n *node) { edits = edits || n.op == opEdit && n.a.op == opEvent })
	return edits
}

func writeReads(w io.Writer, paths [][]string) {
	if len(paths) == 0 {
		fmt.Fprintf(w, "  reads nothing of it\n")
		return
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = pathText(path)
	}
	fmt.Fprintf(w, "  reads %s\n", strings.Join(names, " "))
}

func pathText(path []string) string {
	var b strings.Builder
	for _, key := range path {
		b.WriteByte('.')
		if strings.IndexFunc(key, func(r rune) bool { return r > 'z' || !isWord(byte(r)) }) >= 0 {
			key = fmt.Sprintf("%q", key)
		}
		b.WriteString(key)
	}
	return b.String()
}

// construct names a part of a program with its place, where the program has it as it is printed.
func construct(text conf.Text, part string) string {
	part = strings.ReplaceAll(part, "$__trailcast_", "")
	if i := strings.Index(text.Value, part); i >= 0 && part != "" {
		pos := text.At(i)
		return fmt.Sprintf("%s at %d:%d", part, pos.Line, pos.Column)
	}
	return part
}
