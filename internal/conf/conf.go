// Package conf holds the value types that component configurations are made of. They carry positions, so that an error
// found late (a jq program that does not compile) still points at the user's file. Decoding YAML into them is
// internal/yamlconf's work.
//
// A component's Config is a struct with these field tags:
//
//	conf:"max_age"       the YAML key; conf:"-" is ignored; conf:",inline" takes the only scalar or list value of the component itself
//	required:"true"      must be given and not empty
//	default:"168h"       the value when absent, written as in YAML
//	doc:"…"              one or two sentences for reference and schema
//	example:"…"          a value for reference and schema
//	enum:"a,b,c"         the allowed values of a string
//
// Fields are string, bool, int, int64, float64, time.Duration, Size, Secret, Text, structs, pointers to structs, slices
// and map[string]T of these. A Config may have a method Validate() error; it is called after decoding and returns the
// errors of this package, several joined with errors.Join.
package conf

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"
)

// Pos is a place in a configuration file. Line and Column count from 1; a zero Pos is unknown.
type Pos struct {
	File   string
	Line   int
	Column int
}

func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Size is a number of bytes, written 4096, 64KiB, 4MiB, 1GiB (powers of 1024) or 1MB (powers of 1000).
type Size int64

// Secret is a value that never prints.
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString keeps %#v from printing the secret.
func (s Secret) GoString() string { return s.String() }

// LogValue keeps slog from printing the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps encoders from printing the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Text is a value that is taken exactly as written: a jq program or a template. ${ENV} is not expanded in it.
type Text struct {
	Value string
	Pos   Pos // where Value begins

	// Starts holds the position of the beginning of each line of Value, or of each stretch of it that begins at one of
	// Offsets; nil for a plain or quoted scalar on one line.
	Starts []Pos

	// Offsets, when not nil, holds for each of Starts the byte offset in Value that stands there: YAML folds lines and
	// has escapes, so that a line of Value need not be one line of the file.
	Offsets []int
}

// String returns the text itself.
func (t Text) String() string { return t.Value }

// At returns the position of a byte offset in Value.
func (t Text) At(offset int) Pos {
	offset = min(max(offset, 0), len(t.Value))
	if i, found := slices.BinarySearch(t.Offsets, offset); len(t.Offsets) == len(t.Starts) && (found || i > 0) {
		if !found {
			i--
		}
		p := t.Starts[i]
		p.Column += utf8.RuneCountInString(t.Value[t.Offsets[i]:offset])
		return p
	}
	before := t.Value[:offset]
	line := strings.Count(before, "\n")
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
	if line < len(t.Starts) {
		p := t.Starts[line]
		p.Column += column
		return p
	}
	p := t.Pos
	if p.Line == 0 {
		return p
	}
	if line == 0 {
		p.Column += column
	}
	return p
}

// Error is one mistake in a configuration.
type Error struct {
	Pos   Pos
	Field string // set instead of Pos by Validate methods: a key of the Config, resolved to its place by the decoder; dotted for nested ones
	Msg   string
	Hint  string // what to do, or what was probably meant; may be empty
}

func (e *Error) Error() string {
	s := e.Msg
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	switch {
	case e.Pos != (Pos{}):
		return e.Pos.String() + ": " + s
	case e.Field != "":
		return e.Field + ": " + s
	}
	return s
}

// Errorf returns an error at a position.
func Errorf(pos Pos, format string, args ...any) *Error {
	return &Error{Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

// FieldErrorf returns an error about a key of the Config whose Validate method returns it.
func FieldErrorf(field, format string, args ...any) *Error {
	return &Error{Field: field, Msg: fmt.Sprintf(format, args...)}
}
