package natsout

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/template"
	"github.com/trailcast/trailcast/pipeline"
)

// maxSubject bounds the longest subject that a template can make. A server reads the line that holds subject and reply
// subject up to max_control_line (4096 bytes by default) and closes the connection on a longer one.
const maxSubject = 2048

// subject is the template of the subjects of an output.
type subject struct {
	template *template.Template
	pattern  string // the subjects that it can make, as a subscription: audit.*.*
	root     string // a shorter form that covers them: audit.>
}

// appendTo appends the subject of an event: a valid subject whatever the event's values are.
func (s *subject) appendTo(dst []byte, ev *pipeline.Event) []byte {
	return s.template.Append(dst, ev, template.AppendToken)
}

// parseSubject reads the template and checks that whatever fills it gives a valid subject. The error holds all mistakes
// as *conf.Error.
func parseSubject(text conf.Text) (*subject, error) {
	if strings.TrimSpace(text.Value) == "" {
		return nil, conf.FieldErrorf("subject", "no subject is given")
	}
	t, err := template.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkLiterals(t)...); err != nil {
		return nil, err
	}
	shape := shapeOf(t)
	if err := errors.Join(checkShape(t, text, shape)...); err != nil {
		return nil, err
	}
	s := &subject{template: t}
	s.pattern, s.root = wildcards(shape)
	return s, nil
}

// checkLiterals finds characters of the literal text that a subject can not have.
func checkLiterals(t *template.Template) []error {
	var errs []error
	for _, part := range t.Parts() {
		for i, r := range part.Literal {
			if subjectRune(r) {
				continue
			}
			what := fmt.Sprintf("the character %q", r)
			switch r {
			case ' ':
				what = "a space"
			case '*', '>':
				what = fmt.Sprintf("the wildcard %c", r)
			}
			pos := part.Pos
			if pos.Line > 0 {
				pos.Column += utf8.RuneCountInString(part.Literal[:i])
			}
			errs = append(errs, &conf.Error{Pos: pos, Field: "subject",
				Msg: "the subject has " + what, Hint: "a subject to publish to is made of tokens with dots between them"})
			break
		}
	}
	return errs
}

func subjectRune(r rune) bool {
	return r != ' ' && r != '*' && r != '>' && r != utf8.RuneError && !unicode.IsControl(r) && !unicode.IsSpace(r)
}

// field stands for a value in a shape. No literal has it, since it is a control character.
const field = "\x00"

// shapeOf returns the template with each field replaced by a mark.
func shapeOf(t *template.Template) string {
	var b strings.Builder
	for _, part := range t.Parts() {
		if part.Field != "" {
			b.WriteString(field)
			continue
		}
		b.WriteString(part.Literal)
	}
	return b.String()
}

func checkShape(t *template.Template, text conf.Text, shape string) []error {
	pos := text.At(0)
	var errs []error
	wrong := func(hint, format string, args ...any) {
		errs = append(errs, &conf.Error{Pos: pos, Field: "subject", Msg: fmt.Sprintf(format, args...), Hint: hint})
	}
	tokens := strings.Split(shape, ".")
	for _, token := range tokens {
		if token == "" {
			wrong("", "the subject %q has an empty token", t)
			break
		}
	}
	if strings.Contains(tokens[0], field) {
		wrong("begin with a word of your own, such as audit.",
			"the first token of the subject %q is not literal: events could choose it", t)
	}
	if strings.HasPrefix(shape, "$") || strings.HasPrefix(shape, "_INBOX.") || shape == "_INBOX" {
		wrong("", "subjects that begin with %s belong to the server", tokens[0])
	}
	fields := strings.Count(shape, field)
	if longest := len(shape) - fields + fields*template.MaxValue; longest > maxSubject {
		wrong("", "the subject can become %d bytes long, more than %d: take fewer fields", longest, maxSubject)
	}
	return errs
}

// wildcards returns the subscription that matches exactly the subjects of a shape, and the one that a stream made for
// it listens on: the literal tokens before the first field, then ">".
func wildcards(shape string) (pattern, root string) {
	tokens := strings.Split(shape, ".")
	literal := len(tokens)
	for i, token := range tokens {
		if strings.Contains(token, field) {
			tokens[i] = "*"
			literal = min(literal, i)
		}
	}
	pattern = strings.Join(tokens, ".")
	if literal == len(tokens) {
		return pattern, pattern
	}
	return pattern, strings.Join(append(tokens[:literal:literal], ">"), ".")
}

// covers reports whether every subject of pattern matches the subscription filter.
func covers(filter, pattern string) bool {
	f, p := strings.Split(filter, "."), strings.Split(pattern, ".")
	for i, token := range f {
		if token == ">" {
			return len(p) > i
		}
		if i >= len(p) || token != "*" && token != p[i] {
			return false
		}
	}
	return len(f) == len(p)
}

// plainSubject reports whether s is a subject without wildcards.
func plainSubject(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return !subjectRune(r) }) {
			return false
		}
	}
	return true
}
