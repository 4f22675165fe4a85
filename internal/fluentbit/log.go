package fluentbit

import (
	"context"
	"log/slog"
	"strings"
	"unicode"
)

// Level is a level of Fluent Bit's log (include/fluent-bit/flb_log.h).
type Level int

// Fluent Bit's levels.
const (
	LevelError Level = 1
	LevelWarn  Level = 2
	LevelInfo  Level = 3
	LevelDebug Level = 4
)

// logger writes records of slog to Fluent Bit's log, in its form: [output:trailcast:trailcast.0] message key=value.
type logger struct {
	print  func(Level, string)
	level  Level // the least important one that is written
	prefix string
	attrs  string
	group  string
}

func newLog(name string, level Level, print func(Level, string)) *slog.Logger {
	return slog.New(&logger{print: print, level: level, prefix: "[output:trailcast:" + name + "] "})
}

func levelOf(l slog.Level) Level {
	switch {
	case l >= slog.LevelError:
		return LevelError
	case l >= slog.LevelWarn:
		return LevelWarn
	case l >= slog.LevelInfo:
		return LevelInfo
	}
	return LevelDebug
}

func (l *logger) Enabled(_ context.Context, level slog.Level) bool { return levelOf(level) <= l.level }

func (l *logger) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(l.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&b, l.group, a)
		return true
	})
	l.print(levelOf(r.Level), l.prefix+oneLine(b.String()))
	return nil
}

func (l *logger) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *l
	var b strings.Builder
	for _, a := range attrs {
		appendAttr(&b, l.group, a)
	}
	next.attrs += b.String()
	return &next
}

func (l *logger) WithGroup(name string) slog.Handler {
	next := *l
	next.group += name + "."
	return &next
}

func appendAttr(b *strings.Builder, group string, a slog.Attr) {
	if a.Equal(slog.Attr{}) {
		return
	}
	b.WriteByte(' ')
	b.WriteString(group)
	b.WriteString(a.Key)
	b.WriteByte('=')
	text := a.Value.Resolve().String()
	if strings.ContainsAny(text, " \"=") || text == "" {
		text = `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
	}
	b.WriteString(text)
}

// maxLine is how much of a message Fluent Bit prints.
const maxLine = 3500

// oneLine keeps what stands in a message from breaking out of its line or driving a terminal.
func oneLine(s string) string {
	if len(s) > maxLine {
		s = s[:maxLine] + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
