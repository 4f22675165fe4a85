package yamlconf

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/conf"
)

// scalar decodes text, numbers, true and false, durations and sizes.
func (d *Decoder) scalar(n Node, v reflect.Value, f *field) {
	expected := scalarName(v.Type(), f)
	if n.n.Kind != yaml.ScalarNode {
		d.wrongKind(n, expected)
		return
	}
	if n.isNull() {
		d.report(n.value(), n.path, "no value is given, expected "+expected, "")
		return
	}
	if v.Type() == secretType {
		d.hide(n)
	}
	text, ok := d.expand(n)
	if !ok {
		return
	}
	if v.Type() == secretType && text == "" {
		d.emptySecret(n)
		return
	}
	shown := strconv.Quote(text)
	if text != n.n.Value {
		shown = "the value of " + n.n.Value // an environment variable may be a secret in the wrong place
	}
	wrong := func(hint string) { d.report(n.value(), n.path, "expected "+expected+", got "+shown, hint) }
	switch {
	case v.Type() == durationType:
		if value, err := ParseDuration(text); err != nil {
			wrong(durationHint(text))
		} else {
			v.SetInt(int64(value))
		}
	case v.Type() == sizeType:
		if value, err := ParseSize(text); err != nil {
			wrong("")
		} else {
			v.SetInt(int64(value))
		}
	case v.Kind() == reflect.String:
		if f.enum != nil && !slices.Contains(f.enum, text) {
			wrong(f.enumHint(text))
			return
		}
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		switch strings.ToLower(text) {
		case "true":
			v.SetBool(true)
		case "false":
			v.SetBool(false)
		case "yes", "on":
			wrong("write true")
		case "no", "off":
			wrong("write false")
		default:
			wrong("")
		}
	case v.CanInt():
		if value, err := strconv.ParseInt(text, 10, v.Type().Bits()); err != nil {
			wrong("")
		} else {
			v.SetInt(value)
		}
	case v.CanFloat():
		if value, err := strconv.ParseFloat(text, 64); err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
			wrong("")
		} else {
			v.SetFloat(value)
		}
	default:
		d.report(n.value(), n.path, "internal error: no configuration type: "+v.Type().String(), "")
	}
}

func scalarName(t reflect.Type, f *field) string {
	switch {
	case t == durationType:
		return "a duration such as 10s, 5m or 168h"
	case t == sizeType:
		return "a size such as 64KiB, 4MiB or 1GiB"
	case t.Kind() == reflect.String && f.enum != nil:
		return "one of " + strings.Join(f.enum, ", ")
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// emptySecret reports a secret that is written, but empty. To a component it would look like one that is not there: it
// might let everybody in, or come with nothing where it should not.
func (d *Decoder) emptySecret(n Node) {
	msg := "the secret is empty"
	if n.n.Value != "" { // nothing but variables can become nothing
		msg += ": there is nothing in " + n.n.Value
	}
	d.report(n.value(), n.path, msg, "leave the key out where no secret is meant")
}

// hide keeps a value out of excerpts. A value of several lines is hidden from its beginning to its last line.
func (d *Decoder) hide(n Node) {
	for line := n.n.Line; line < n.n.Line+1+strings.Count(n.n.Value, "\n") && line <= len(d.lines); line++ {
		column := 1
		if line == n.n.Line {
			column = n.n.Column
		}
		length := utf8.RuneCountInString(n.n.Value)
		if n.n.Style != 0 || line != n.n.Line {
			length = utf8.RuneCountInString(d.lines[line-1]) // quotes and escapes: to the end of the line
		}
		d.secrets = append(d.secrets, span{line, column, length})
	}
}

// ParseDuration reads a duration as Go does, and also whole days: 90s, 1h30m, 7d. Whether it may be negative is the
// component's business.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n > 100_000 {
			return 0, fmt.Errorf("%q is no duration such as 10s, 5m or 7d", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration such as 10s, 5m or 7d", s)
	}
	return v, nil
}

func durationHint(s string) string {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return "add a unit: ms, s, m, h or d"
	}
	return ""
}

var sizePattern = regexp.MustCompile(`^([0-9]+) ?([KMGT]i?)?B?$`)

// ParseSize reads a number of bytes: 4096, 64KiB and 1GiB (powers of 1024), 1MB (powers of 1000).
func ParseSize(s string) (conf.Size, error) {
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no size such as 64KiB, 4MiB or 1GiB", s)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	base := int64(1000)
	if strings.HasSuffix(m[2], "i") {
		base = 1024
	}
	if m[2] != "" {
		for range strings.IndexByte("KMGT", m[2][0]) + 1 {
			if n > math.MaxInt64/base {
				return 0, fmt.Errorf("%q is too large", s)
			}
			n *= base
		}
	}
	return conf.Size(n), err
}

// maxDepth bounds the nesting of values without a struct of their own.
const maxDepth = 64

// any decodes a value into string, bool, int, json.Number, nil, []any and map[string]any. A value with an environment
// variable is a string.
func (d *Decoder) any(n Node, depth int) any {
	if !d.take(n) {
		return nil
	}
	if depth > maxDepth {
		d.report(n.value(), cut(n.path), "nested too deeply", "")
		return nil
	}
	if n.n.Style&yaml.TaggedStyle != 0 {
		d.report(n.value(), n.path, "the tag "+n.n.Tag+" is not supported", "write the value without it")
		return nil
	}
	switch n.n.Kind {
	case yaml.MappingNode:
		value := map[string]any{}
		for _, m := range d.members(n) {
			value[m.key] = d.any(m.node, depth+1)
		}
		return value
	case yaml.SequenceNode:
		value := make([]any, len(n.n.Content))
		for i := range n.n.Content {
			value[i] = d.any(n.item(i), depth+1)
		}
		return value
	}
	text, ok := d.expand(n)
	if !ok || text != n.n.Value {
		return text
	}
	switch n.n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(text, "true")
	case "!!int", "!!float":
		return d.number(n, text)
	}
	return text
}

// number keeps the digits of what JSON can write; other ways of YAML (0x10, 1_000, .5) are converted.
func (d *Decoder) number(n Node, text string) any {
	if i, err := strconv.Atoi(text); err == nil && strconv.Itoa(i) == text {
		return i
	}
	if json.Valid([]byte(text)) {
		return json.Number(text)
	}
	var i int
	if n.n.Decode(&i) == nil && n.n.Tag == "!!int" {
		return i
	}
	var f float64
	if err := n.n.Decode(&f); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		d.report(n.value(), n.path, text+" is no number that JSON can hold", "")
		return nil
	}
	return f
}
