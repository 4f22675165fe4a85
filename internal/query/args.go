// Package query is the engine of `trailcast query`: jq over CloudTrail and session logs, printed as jq prints.
package query

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/trailcast/trailcast/filters/jq"
)

// Options are the flags of a query, with jq's meaning.
type Options struct {
	Program     string
	ProgramFrom string // file that the program came from; "" for the command line
	Files       []string

	NullInput  bool
	Slurp      bool
	Compact    bool
	Raw        bool
	Join       bool
	Raw0       bool
	ASCII      bool
	SortKeys   bool
	ExitStatus bool
	Seq        bool
	Tab        bool
	Indent     int
	Color      *bool // nil: when the output is a terminal
	Modules    []string
	Unwrap     []string
	Vars       map[string]any
	Help       bool
}

// Usage is the help of the flags.
const Usage = `  -c, --compact-output      one line for each result
  -r, --raw-output          strings without quotes
  -j, --join-output         like -r, without a newline after each result
      --raw-output0         like -r, with a NUL after each result
  -a, --ascii-output        only ASCII characters
  -S, --sort-keys           keys of objects sorted
  -C, --color-output        colours even if the output is no terminal
  -M, --monochrome-output   no colours
      --tab                 indent with tabs
      --indent N            indent with N spaces (0 to 7; default 2)
      --seq                 a record separator (RS) before each result
  -n, --null-input          run once with null; records come by input and inputs
  -s, --slurp               run once with an array of all records
  -e, --exit-status         exit with 1 if the last result is false or null, with 4 if there is none
  -f, --from-file FILE      take the program from a file
  -L, --library-path DIR    look for modules in DIR
      --unwrap FIELD        take the string in this top-level field of a record for a document
      --arg NAME VALUE      $NAME is the string VALUE
      --argjson NAME JSON   $NAME is the value JSON
      --slurpfile NAME FILE $NAME is the array of the values in FILE
      --rawfile NAME FILE   $NAME is the text of FILE
      --args                what follows are strings of $ARGS.positional, no files
      --jsonargs            what follows are values of $ARGS.positional, no files
`

// Parse reads the arguments of a query: the program, then files, with flags anywhere, as jq takes them.
func Parse(args []string) (*Options, error) {
	o := &Options{Indent: 2, Vars: map[string]any{}}
	p := parser{options: o, named: map[string]any{}, positional: []any{}}
	if err := p.parse(args); err != nil {
		return nil, err
	}
	if o.Help {
		return o, nil
	}
	if o.ProgramFrom != "" {
		text, err := os.ReadFile(o.ProgramFrom)
		if err != nil {
			return nil, fmt.Errorf("read the program: %w", err)
		}
		if p.hasProgram {
			o.Files = append([]string{o.Program}, o.Files...)
		}
		o.Program = string(text)
	} else if !p.hasProgram {
		return nil, errors.New("no program given; try: trailcast query '.eventName' FILE")
	}
	for name, v := range p.named {
		o.Vars[name] = v
	}
	o.Vars["ARGS"] = map[string]any{"named": p.named, "positional": p.positional}
	return o, nil
}

type parser struct {
	options    *Options
	hasProgram bool
	named      map[string]any
	positional []any
	rest       func(arg string) error // what words are after --args and --jsonargs
}

func (p *parser) parse(args []string) error {
	onlyWords := false
	for i := 0; i < len(args); i++ {
		arg := args[i]
		var err error
		switch {
		case onlyWords || arg == "-" || !strings.HasPrefix(arg, "-"):
			err = p.word(arg)
		case arg == "--":
			onlyWords = true
		case strings.HasPrefix(arg, "--"):
			name, value, hasValue := strings.Cut(arg[2:], "=")
			values := args[i+1:]
			if hasValue {
				values = append([]string{value}, values...)
			}
			var used int
			if used, err = p.long(name, values); used > 0 && hasValue {
				used--
			}
			i += used
		default:
			var used int
			used, err = p.short(arg[1:], args[i+1:])
			i += used
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) word(arg string) error {
	o := p.options
	switch {
	case !p.hasProgram && o.ProgramFrom == "":
		o.Program, p.hasProgram = arg, true
	case p.rest != nil:
		return p.rest(arg)
	default:
		o.Files = append(o.Files, arg)
	}
	return nil
}

func (p *parser) short(letters string, next []string) (used int, err error) {
	long := map[byte]string{
		'c': "compact-output", 'r': "raw-output", 'j': "join-output", 'a': "ascii-output", 'S': "sort-keys",
		'C': "color-output", 'M': "monochrome-output", 'n': "null-input", 's': "slurp", 'e': "exit-status",
		'f': "from-file", 'L': "library-path", 'h': "help",
	}
	for i := range len(letters) {
		name, ok := long[letters[i]]
		if !ok {
			return 0, fmt.Errorf("unknown flag -%c", letters[i])
		}
		values := next[min(used, len(next)):]
		if (name == "from-file" || name == "library-path") && i+1 < len(letters) {
			_, err := p.long(name, []string{letters[i+1:]})
			return used, err
		}
		n, err := p.long(name, values)
		if err != nil {
			return used, err
		}
		used += n
	}
	return used, nil
}

// long takes a flag and returns how many of the words behind it belong to it.
func (p *parser) long(name string, next []string) (used int, err error) {
	o := p.options
	yes, no := true, false
	need := func(n int) error {
		if len(next) < n {
			return fmt.Errorf("--%s takes %d word(s)", name, n)
		}
		return nil
	}
	switch name {
	case "compact-output":
		o.Compact = true
	case "raw-output":
		o.Raw = true
	case "join-output":
		o.Raw, o.Join = true, true
	case "raw-output0":
		o.Raw, o.Raw0 = true, true
	case "ascii-output":
		o.ASCII = true
	case "sort-keys":
		o.SortKeys = true
	case "color-output":
		o.Color = &yes
	case "monochrome-output":
		o.Color = &no
	case "null-input":
		o.NullInput = true
	case "slurp":
		o.Slurp = true
	case "exit-status":
		o.ExitStatus = true
	case "seq":
		o.Seq = true
	case "tab":
		o.Tab = true
	case "help":
		o.Help = true
	case "indent":
		if err := need(1); err != nil {
			return 0, err
		}
		if o.Indent, err = strconv.Atoi(next[0]); err != nil || o.Indent < 0 || o.Indent > 7 {
			return 0, fmt.Errorf("--indent takes a number from 0 to 7, not %q", next[0])
		}
		o.Compact = o.Compact || o.Indent == 0
		return 1, nil
	case "from-file", "library-path", "unwrap":
		if err := need(1); err != nil {
			return 0, err
		}
		switch name {
		case "from-file":
			o.ProgramFrom = next[0]
		case "library-path":
			o.Modules = append(o.Modules, next[0])
		case "unwrap":
			o.Unwrap = append(o.Unwrap, next[0])
		}
		return 1, nil
	case "arg", "argjson", "slurpfile", "rawfile":
		if err := need(2); err != nil {
			return 0, err
		}
		v, err := variable(name, next[1])
		if err != nil {
			return 0, fmt.Errorf("--%s %s: %w", name, next[0], err)
		}
		p.named[next[0]] = v
		return 2, nil
	case "args":
		p.rest = func(arg string) error {
			p.positional = append(p.positional, arg)
			return nil
		}
	case "jsonargs":
		p.rest = func(arg string) error {
			v, err := jq.Decode([]byte(arg))
			p.positional = append(p.positional, v)
			return err
		}
	default:
		return 0, fmt.Errorf("unknown flag --%s", name)
	}
	return 0, nil
}

func variable(kind, text string) (any, error) {
	switch kind {
	case "arg":
		return text, nil
	case "argjson":
		return jq.Decode([]byte(text))
	}
	data, err := os.ReadFile(text)
	if err != nil {
		return nil, err
	}
	if kind == "rawfile" {
		return string(data), nil
	}
	values := []any{}
	for data = bytes.TrimSpace(data); len(data) > 0; data = bytes.TrimSpace(data) {
		n, err := valueEnd(data)
		if err != nil {
			return nil, err
		}
		v, err := jq.Decode(data[:n])
		if err != nil {
			return nil, err
		}
		values, data = append(values, v), data[n:]
	}
	return values, nil
}
