package yamlconf

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/internal/conf"
)

// server, program and item stand for the configurations of components.
type server struct {
	URL      []string               `conf:"url" required:"true" example:"nats://127.0.0.1:4222"`
	Subject  conf.Text              `conf:"subject"`
	Timeout  time.Duration          `conf:"timeout" default:"10s"`
	Size     conf.Size              `conf:"size" default:"4MiB"`
	Workers  int                    `conf:"workers" default:"2"`
	Ratio    float64                `conf:"ratio"`
	Create   bool                   `conf:"create"`
	Mode     string                 `conf:"mode" default:"fast" enum:"fast,slow,safe"`
	Password conf.Secret            `conf:"password"`
	Users    map[string]conf.Secret `conf:"users"`
	TLS      *tls                   `conf:"tls"`
	Retry    retry                  `conf:"retry"`
	Labels   map[string]string      `conf:"labels"`
	Internal int                    `conf:"-"`
	Untagged int
}

type tls struct {
	CAFile string   `conf:"ca_file" required:"true"`
	Names  []string `conf:"names" default:"[a, b]"`
}

type retry struct {
	Max  int       `conf:"max" default:"5"`
	Note conf.Text `conf:"note" default:"{account}"`
}

func (s *server) Validate() error {
	var errs []error
	if s.Workers > 100 {
		errs = append(errs, conf.FieldErrorf("workers", "%d is more than 100", s.Workers))
	}
	if s.TLS != nil && s.TLS.CAFile == "/nowhere" {
		errs = append(errs, &conf.Error{Field: "tls.ca_file", Msg: "there is no such file", Hint: "look again"})
	}
	if strings.Contains(s.Subject.Value, "{bad}") {
		errs = append(errs, conf.Errorf(s.Subject.At(strings.Index(s.Subject.Value, "{bad}")), "unknown field {bad}"))
	}
	return errors.Join(errs...)
}

type program struct {
	Program conf.Text      `conf:"program,inline" required:"true"`
	Vars    map[string]any `conf:"vars"`
	Limit   time.Duration  `conf:"limit" default:"1s"`
}

type files struct {
	Paths  []string `conf:"paths,inline" required:"true"`
	Follow bool     `conf:"follow"`
}

type item struct {
	Name string    `conf:"name"`
	When conf.Text `conf:"when"`

	Component string
	Config    any
}

func (i *item) UnmarshalConf(d *Decoder, n Node) {
	found := d.Item(n, i, []string{"server", "jq", "files", "bare"})
	i.Component = found.Component
	switch found.Component {
	case "server":
		i.Config = &server{}
	case "jq":
		i.Config = &program{}
	case "files":
		i.Config = &files{}
	case "bare":
		i.Config = &struct{}{}
	default:
		return
	}
	d.Decode(found.Node, i.Config)
}

type document struct {
	StateDir string `conf:"state_dir"`
	Items    []item `conf:"items"`
}

func environment1(name string) (string, bool) {
	v, ok := map[string]string{"HOME": "/home/x", "EMPTY": "", "SECRET": "hunter2", "PORT": "4222", "INJECT": "a: b\nc: ${HOME}"}[name]
	return v, ok
}

func decode(text string) (document, error) {
	var doc document
	err := Decode("f.yaml", []byte(text), environment1, &doc)
	return doc, err
}

func TestValues(t *testing.T) {
	doc, err := decode(`# comment
state_dir: ${HOME}/state
items:
  - name: one
    server:
      url: nats://127.0.0.1:${PORT}
      timeout: 1h30m
      size: 64KiB
      workers: 7
      ratio: 0.5
      create: true
      mode: slow
      password: ${SECRET}
      tls: {ca_file: "${NONE:-/etc/ca.pem}"}
      labels: {a: 'x', b: 1, c: "$${HOME}", d: '$HOME {x}', e: "${EMPTY:-def}", f: "${INJECT}", g: "${EMPTY}"}
  - server: {url: [a, b], size: 4096, timeout: 7d}
  - jq: .a | select(.b)
  - name: p
    when: ${NOT} == true
    jq:
      program: .x
      vars: {s: text, i: 1, big: 123456789012345678901234567890, f: 1.50, t: true, n: null, l: [1, {a: b}], e: "${HOME}", h: 0x10, d: 2020-01-01}
  - files: "*.json"
  - files: [a, b]
  - files: {paths: [c], follow: true}
  - bare
  - bare:
  - bare: {}
`)
	if err != nil {
		t.Fatal(err)
	}
	if doc.StateDir != "/home/x/state" {
		t.Errorf("state_dir = %q", doc.StateDir)
	}
	ignorePos := cmp.Comparer(func(a, b conf.Text) bool { return a.Value == b.Value })
	want := []any{
		&server{
			URL: []string{"nats://127.0.0.1:4222"}, Timeout: 90 * time.Minute, Size: 64 << 10, Workers: 7, Ratio: 0.5,
			Create: true, Mode: "slow", Password: "hunter2", TLS: &tls{"/etc/ca.pem", []string{"a", "b"}},
			Retry: retry{5, conf.Text{Value: "{account}"}},
			Labels: map[string]string{
				"a": "x", "b": "1", "c": "${HOME}", "d": "$HOME {x}", "e": "def", "f": "a: b\nc: ${HOME}", "g": "",
			},
		},
		&server{
			URL: []string{"a", "b"}, Timeout: 7 * 24 * time.Hour, Size: 4096, Workers: 2, Mode: "fast",
			Retry: retry{5, conf.Text{Value: "{account}"}},
		},
		&program{Program: conf.Text{Value: ".a | select(.b)"}, Limit: time.Second},
		&program{Program: conf.Text{Value: ".x"}, Limit: time.Second, Vars: map[string]any{
			"s": "text", "i": 1, "big": json.Number("123456789012345678901234567890"), "f": json.Number("1.50"), "t": true,
			"n": nil, "l": []any{1, map[string]any{"a": "b"}}, "e": "/home/x", "h": 16, "d": "2020-01-01",
		}},
		&files{Paths: []string{"*.json"}},
		&files{Paths: []string{"a", "b"}},
		&files{Paths: []string{"c"}, Follow: true},
		&struct{}{}, &struct{}{}, &struct{}{},
	}
	if len(doc.Items) != len(want) {
		t.Fatalf("%d items", len(doc.Items))
	}
	for i := range want {
		if diff := cmp.Diff(want[i], doc.Items[i].Config, ignorePos); diff != "" {
			t.Errorf("item %d: (-want +got)\n%s", i, diff)
		}
	}
	if got := doc.Items[3]; got.Name != "p" || got.When.Value != "${NOT} == true" || got.Component != "jq" {
		t.Errorf("item 3 = %+v", got)
	}
}

func TestMistakes(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"unknown key": {
			"state_dri: x\n", `f.yaml:1:1: state_dri: unknown key (did you mean "state_dir"?)`},
		"unknown key, nothing near": {
			"foo: x\n", `f.yaml:1:1: foo: unknown key (known: state_dir, items)`},
		"unknown key of another spelling": {
			"stateDir: x\n", `f.yaml:1:1: stateDir: unknown key (did you mean "state_dir"?)`},
		"unknown nested key": {
			"items:\n  - server: {url: a, subjct: b}\n",
			`f.yaml:2:22: items[0].server.subjct: unknown key (did you mean "subject"?)`},
		"field that is no configuration": {
			"items:\n  - server: {url: a, Untagged: 1}\n", `f.yaml:2:22: items[0].server.Untagged: unknown key ` +
				`(known: url, subject, timeout, size, workers, ratio, create, mode, password, users, tls, retry, labels)`},
		"duplicate key": {
			"state_dir: x\nstate_dir: y\n", `f.yaml:2:1: state_dir: duplicate key (first given in line 1)`},
		"missing required": {
			"items:\n  - server:\n      mode: fast\n", `f.yaml:2:5: items[0].server: required key "url" is missing ` +
				`(for example url: nats://127.0.0.1:4222)`},
		"missing required of a component without a value": {
			"items:\n  - server:\n", `f.yaml:2:5: items[0].server: required key "url" is missing ` +
				`(for example url: nats://127.0.0.1:4222)`},
		"missing required of an optional mapping": {
			"items:\n  - server: {url: a, tls: {}}\n", `f.yaml:2:22: items[0].server.tls: required key "ca_file" is missing`},
		"empty required": {
			"items:\n  - server: {url: [], tls: {ca_file: ''}}\n", `f.yaml:2:19: items[0].server.url: must not be empty` +
				"\n" + `f.yaml:2:38: items[0].server.tls.ca_file: must not be empty`},
		"empty program": {"items:\n  - jq: ' '\n", `f.yaml:2:9: items[0].jq: must not be empty`},
		"required emptied by the environment": {
			"items:\n  - server: {url: a, tls: {ca_file: '${EMPTY}'}}\n",
			`f.yaml:2:37: items[0].server.tls.ca_file: ${EMPTY} is empty, but a value is required`},
		"empty secret": {
			"items:\n  - server: {url: a, password: ''}\n",
			`f.yaml:2:32: items[0].server.password: the secret is empty (leave the key out where no secret is meant)`},
		"secret emptied by the environment": {
			"items:\n  - server: {url: a, password: '${EMPTY}${NONE:-}'}\n",
			`f.yaml:2:32: items[0].server.password: the secret is empty: there is nothing in ${EMPTY}${NONE:-} ` +
				`(leave the key out where no secret is meant)`},
		"secret of nothing": {
			"items:\n  - server: {url: a, password: }\n", `f.yaml:2:32: items[0].server.password: no value is given, expected a text`},
		"empty secrets by name": {
			"items:\n  - server: {url: a, users: {b: x, c: '${EMPTY}', d: \"\"}}\n",
			`f.yaml:2:39: items[0].server.users.c: the secret is empty: there is nothing in ${EMPTY} (leave the key out where no secret is meant)
f.yaml:2:54: items[0].server.users.d: the secret is empty (leave the key out where no secret is meant)`},
		"required list emptied by the environment": {
			"items:\n  - server: {url: '${EMPTY}'}\n",
			`f.yaml:2:19: items[0].server.url: ${EMPTY} is empty, but a value is required`},
		"unset variable": {
			"state_dir: /var/${NOPE}/x\n", `f.yaml:1:17: state_dir: the environment variable NOPE is not set ` +
				`(give it a default: ${NOPE:-…})`},
		"unset variables in a quoted text": {
			"state_dir: \"\\t${NOPE}'${NO}\"\n", `f.yaml:1:15: state_dir: the environment variable NOPE is not set ` +
				`(give it a default: ${NOPE:-…})` + "\n" +
				`f.yaml:1:23: state_dir: the environment variable NO is not set (give it a default: ${NO:-…})`},
		"variable that is not closed": {
			"state_dir: a${HOME\n", `f.yaml:1:13: state_dir: ${ is not closed (write $${ for a literal ${)`},
		"no variable": {
			"state_dir: a${.x}\n", `f.yaml:1:13: state_dir: ${.x} is no environment variable (write ${NAME}, or $${ for a literal ${)`},
		"variable in a key": {
			"${HOME}: a\n", `f.yaml:1:1: ${HOME}: unknown key (known: state_dir, items)`},
		"variable with a wrong value does not print": {
			"items:\n  - server: {url: a, workers: '${SECRET}'}\n",
			`f.yaml:2:31: items[0].server.workers: expected a whole number, got the value of ${SECRET}`},
		"mapping for a text": {
			"state_dir: {a: b}\n", `f.yaml:1:12: state_dir: expected a text, got a mapping`},
		"mapping for a list of texts": {
			"items:\n  - files: {paths: {a: b}}\n", `f.yaml:2:20: items[0].files.paths: expected a list of texts, got a mapping`},
		"list for a text":      {"state_dir: [a]\n", `f.yaml:1:12: state_dir: expected a text, got a list`},
		"text for a list":      {"items: abc\n", `f.yaml:1:8: items: expected a list of mappings, got a text`},
		"number for a mapping": {"items:\n  - server: 3\n", `f.yaml:2:13: items[0].server: expected a mapping, got the number 3`},
		"nothing for a text":   {"state_dir:\n", `f.yaml:1:11: state_dir: no value is given, expected a text`},
		"nothing for a program": {
			"items:\n  - jq:\n      program:\n", `f.yaml:3:15: items[0].jq.program: no value is given, expected a text`},
		"bad values": {
			"items:\n  - server:\n      url: a\n      timeout: 10\n      size: 4 monkeys\n      workers: 1.5\n" +
				"      ratio: half\n      create: yes\n      mode: saef\n",
			`f.yaml:4:16: items[0].server.timeout: expected a duration such as 10s, 5m or 168h, got "10" (add a unit: ms, s, m, h or d)
f.yaml:5:13: items[0].server.size: expected a size such as 64KiB, 4MiB or 1GiB, got "4 monkeys"
f.yaml:6:16: items[0].server.workers: expected a whole number, got "1.5"
f.yaml:7:14: items[0].server.ratio: expected a number, got "half"
f.yaml:8:15: items[0].server.create: expected true or false, got "yes" (write true)
f.yaml:9:13: items[0].server.mode: expected one of fast, slow, safe, got "saef" (did you mean "safe"?)`},
		"out of range": {
			"items:\n  - server: {url: a, timeout: -1y, size: -4, workers: 99999999999999999999, ratio: .inf}\n",
			`f.yaml:2:31: items[0].server.timeout: expected a duration such as 10s, 5m or 168h, got "-1y"
f.yaml:2:42: items[0].server.size: expected a size such as 64KiB, 4MiB or 1GiB, got "-4"
f.yaml:2:55: items[0].server.workers: expected a whole number, got "99999999999999999999"
f.yaml:2:84: items[0].server.ratio: expected a number, got ".inf"`},
		"unquoted jq object": {
			"items:\n  - jq: {a: .b, c: .d | f, \"e\": it's}\n", `f.yaml:2:9: items[0].jq: expected a text, got a mapping ` +
				`(put it in quotes: jq: '{a: .b, c: .d | f, "e": it''s}'; keys: program, vars, limit)`},
		"unquoted jq array": {
			"items:\n  - jq: [.a, .b]\n", `f.yaml:2:9: items[0].jq: expected a text, got a list ` +
				`(put it in quotes: jq: '[.a, .b]')`},
		"unquoted shorthand jq object": {
			"items:\n  - when: {a, b}\n    bare: {}\n", `f.yaml:2:11: items[0].when: expected a text, got a mapping ` +
				`(put it in quotes: when: '{a, b}')`},
		"misspelt key of a program is no jq": {
			"items:\n  - jq: {programm: .b}\n", `f.yaml:2:5: items[0].jq: required key "program" is missing` + "\n" +
				`f.yaml:2:10: items[0].jq.programm: unknown key (did you mean "program"?)`},
		"no component": {
			"items:\n  - name: x\n", `f.yaml:2:5: items[0]: no component is named here (one of server, jq, files, bare)`},
		"misspelt component": {
			"items:\n  - name: x\n    sever: {}\n", `f.yaml:3:5: items[0].sever: unknown key (did you mean "server"?)`},
		"two components": {
			"items:\n  - jq: .\n    bare: {}\n",
			`f.yaml:3:5: items[0]: "bare" stands beside "jq", but an item has one component (make two items of it)`},
		"item that is no mapping": {
			"items:\n  - [a]\n  - what\n", `f.yaml:2:5: items[0]: expected a mapping with one of the keys server, jq, files, bare, got a list` +
				"\n" + `f.yaml:3:5: items[1]: expected a mapping with one of the keys server, jq, files, bare, got a text`},
		"validation of a field": {
			"items:\n  - server:\n      url: a\n      workers: 200\n", `f.yaml:4:7: items[0].server.workers: 200 is more than 100`},
		"validation of a nested field": {
			"items:\n  - server:\n      url: a\n      tls:\n        ca_file: /nowhere\n",
			`f.yaml:5:9: items[0].server.tls.ca_file: there is no such file (look again)`},
		"validation with a position": {
			"items:\n  - server:\n      url: a\n      subject: 'é.{bad}'\n",
			`f.yaml:4:19: items[0].server: unknown field {bad}`},
		"validation beside a mistake": {
			"items:\n  - server:\n      workers: 200\n      urll: a\n",
			`f.yaml:2:5: items[0].server: required key "url" is missing (for example url: nats://127.0.0.1:4222)
f.yaml:3:7: items[0].server.workers: 200 is more than 100
f.yaml:4:7: items[0].server.urll: unknown key (did you mean "url"?)`},
		"five mistakes": {
			"state_dri: x\nitems:\n  - server: {url: {a: b}, timeout: soon}\n  - jq: {a: .b}\n  - name: x\n",
			`f.yaml:1:1: state_dri: unknown key (did you mean "state_dir"?)
f.yaml:3:19: items[0].server.url: expected a list of texts, got a mapping
f.yaml:3:36: items[0].server.timeout: expected a duration such as 10s, 5m or 168h, got "soon"
f.yaml:4:9: items[1].jq: expected a text, got a mapping (put it in quotes: jq: '{a: .b}'; keys: program, vars, limit)
f.yaml:5:5: items[2]: no component is named here (one of server, jq, files, bare)`},
		"merge key": {
			"items:\n  - &a\n    name: x\n    bare: {}\n  - <<: *a\n",
			`f.yaml:5:5: items[1]: merge keys (<<) are not supported (repeat the keys, or use an alias for a whole value)`},
		"tag":          {"state_dir: !!str x\n", `f.yaml:1:12: state_dir: the tag !!str is not supported (write the value without it)`},
		"tag of a key": {"!!str state_dir: x\n", `f.yaml:1:1: a key must be a plain text, got a text`},
		"complex key":  {"? [a]\n: x\n", `f.yaml:1:3: a key must be a plain text, got a list`},
		"mistake behind an alias stands at the anchor": {
			"state_dir: &x [a]\nitems: *x\n", `f.yaml:1:12: state_dir: expected a text, got a list
f.yaml:1:16: items[0]: expected a mapping with one of the keys server, jq, files, bare, got a text`},
		"alias to what holds it": {
			"items:\n  - jq:\n      program: .\n      vars: &v {a: *v}\n",
			`f.yaml:4:13: items[0].jq.vars.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a…: nested too deeply`},
		"number that JSON can not hold": {
			"items:\n  - jq: {program: ., vars: {a: .nan}}\n",
			`f.yaml:2:32: items[0].jq.vars.a: .nan is no number that JSON can hold`},
		"root is a list":  {"- a\n", `f.yaml:1:1: expected a mapping, got a list`},
		"root is a text":  {"hello\n", `f.yaml:1:1: expected a mapping, got a text`},
		"empty":           {"", `f.yaml:1:1: the file holds no configuration`},
		"comments only":   {"# x\n", `f.yaml:1:1: the file holds no configuration`},
		"second document": {"state_dir: x\n---\nstate_dir: y\n", `f.yaml:2:1: a second YAML document begins here (a configuration is one document; remove the --- line)`},
		"not UTF-8":       {"# \xc3\xa9\nstate_dir: é\xff\n", `f.yaml:2:13: the file is not UTF-8 text`},
		"too large":       {strings.Repeat("# comment\n", MaxFile/10+1), `f.yaml:1:1: the file is larger than 1048576 bytes`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decode(test.text)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s\n%s", diff, err)
			}
		})
	}
}

func TestSyntax(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"tab":          {"state_dir: x\nitems:\n\t- bare\n", `f.yaml:3:1: a tab is used for indentation (YAML allows spaces only)`},
		"tab at start": {"\tstate_dir: x\n", `f.yaml:1:1: a tab is used for indentation (YAML allows spaces only)`},
		"at sign":      {"state_dir: @x\n", `f.yaml:1:12: a value can not begin with "@" (put it in quotes)`},
		"colon":        {"state_dir: a: b\n", `f.yaml:1:13: unexpected ":" (the indentation is wrong, or a text that holds ": " needs quotes)`},
		"open quote":   {"state_dir: x\nitems:\n  - jq: 'a'\n  - jq: 'b\n  - bare\n", `f.yaml:4:9: the quote that opens here is never closed`},
		"indentation":  {"items:\n  - files: x\n   bare: y\n", `f.yaml:3:4: this line belongs neither to the list above nor to what is around it (check its indentation)`},
		"list in a mapping": {"state_dir: x\n- a\nitems: y\n", `f.yaml:2:1: unexpected text (the indentation differs from the lines above, or ` +
			`a text with special characters, such as a jq program, needs 'single quotes' or a | block)`},
		"quote in the middle": {"items:\n  - jq: 'it's'\n", `f.yaml:2:13: unexpected text (the indentation differs from the lines above, or ` +
			`a text with special characters, such as a jq program, needs 'single quotes' or a | block)`},
		"jq that begins with a quote": {"state_dir: x\nitems:\n- bare\n- when: \"a\" == .b\n", `f.yaml:4:13: unexpected text (the indentation differs ` +
			`from the lines above, or a text with special characters, such as a jq program, needs 'single quotes' or a | block)`},
		"missing comma": {"items:\n  - server: {url: \"x\" mode: fast}\n  - bare\n", `f.yaml:2:21: a bracket that is open here is not closed, or a comma is ` +
			`missing (a text with special characters, such as a jq program, needs 'single quotes' or a | block)`},
		"environment variable in braces": {"items:\n  - files: [${HOME}]\n", `f.yaml:2:13: a bracket that is open here is not closed, or a comma is ` +
			`missing (between { } or [ ] write "${NAME}" in quotes)`},
		"unknown anchor":    {"state_dir: x\nitems: *foo\n", `f.yaml:2:11: YAML: unknown anchor 'foo' referenced`},
		"bad escape":        {"state_dir: \"a\\qb\"\n", `f.yaml:1:14: unknown escape in a "double-quoted" text (in 'single quotes' a backslash is just a backslash)`},
		"control character": {"state_dir: a\x01\n", `f.yaml:1:13: YAML: control characters are not allowed`},
		"second document":   {"state_dir: a\n---\n\tx: y\n", `f.yaml:3:1: a tab is used for indentation (YAML allows spaces only)`},
		"too deep":          {"a: " + strings.Repeat("[", 20000), `f.yaml:1:10005: YAML: exceeded max depth of 10000`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decode(test.text)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	text := "items:\n  - server: {url: nats://user:hunter1@h, password: hunter2, mode: fats}\n" +
		"  - server:\n\tx\n"
	_, err := decode(text)
	var errs *Errors
	if !errors.As(err, &errs) {
		t.Fatalf("error is %T", err)
	}
	text = "items:\n  - server: {url: nats://user:hunter1@h, password: hunter2, mode: fats}\n" +
		"  - server: {url: a, pasword: hunter3, create: maybe}\n" +
		"  - {\"\\e\": 1, bare: , ​x: 1}\n" +
		"  - name: " + strings.Repeat("x", 200) + "\n    bare: [" + strings.Repeat("y", 150) + "]\n" +
		"  - server: {url: a, password: [x],\tmode: é, create: 1}\n"
	_, err = decode(text)
	if !errors.As(err, &errs) {
		t.Fatalf("error is %T", err)
	}
	var b strings.Builder
	if err := errs.Format(&b); err != nil {
		t.Fatal(err)
	}
	want := `f.yaml:2:67: items[0].server.mode: expected one of fast, slow, safe, got "fats" (did you mean "fast"?)
    2 |   - server: {url: nats://***@h, password: ***, mode: fats}
      |                                                      ^
f.yaml:3:22: items[1].server.pasword: unknown key (did you mean "password"?)
    3 |   - server: {url: a, pasword: ***, create: maybe}
      |                      ^
f.yaml:3:48: items[1].server.create: expected true or false, got "maybe"
    3 |   - server: {url: a, pasword: ***, create: maybe}
      |                                            ^
`
	got := b.String()
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s", got)
	}
	if strings.Contains(got, "hunter") || strings.Contains(got, "\x1b") {
		t.Errorf("excerpt shows a secret or a control character:\n%q", got)
	}
	for line := range strings.SplitSeq(got, "\n") {
		if strings.Contains(line, " | ") && len([]rune(line)) > 110 {
			t.Errorf("long line: %s", line)
		}
	}
	t.Log(got)
}

func TestLateErrors(t *testing.T) {
	text := "items:\n  - server:\n      url: a\n      tls: {ca_file: x}\n"
	var node Node
	var doc struct {
		Items []capture `conf:"items"`
	}
	errs := Read("f.yaml", []byte(text), nil, &doc).Fresh()
	node = doc.Items[0].node
	if errs.Err() != nil {
		t.Fatal("an empty list is an error")
	}
	errs.Add(node, errors.Join(
		errors.New("connection refused"),
		conf.FieldErrorf("server.tls.ca_file", "no such file"),
		conf.FieldErrorf("server.tls.key_file", "no such key"),
		conf.Errorf(conf.Pos{File: "f.yaml", Line: 3, Column: 12}, "bad host"),
		nil))
	want := `f.yaml:2:5: items[0]: connection refused
f.yaml:3:12: items[0]: bad host
f.yaml:4:7: items[0].server.tls.key_file: no such key
f.yaml:4:13: items[0].server.tls.ca_file: no such file`
	if diff := cmp.Diff(want, errs.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

type capture struct{ node Node }

func (c *capture) UnmarshalConf(_ *Decoder, n Node) { c.node = n }

func TestManyMistakesAreCut(t *testing.T) {
	_, err := decode("items:\n" + strings.Repeat("  - foo\n", 500))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxMistakes+1 || lines[maxMistakes] != "f.yaml: and 400 more mistakes" {
		t.Errorf("%d lines, last: %s", len(lines), lines[len(lines)-1])
	}
}

// TestAliasesAreBounded holds what would otherwise be 10^9 values.
func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("items:\n  - jq:\n      program: .\n      vars:\n        a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		last := strings.Repeat("*a"+string(rune('0'+i-1))+", ", 10)
		b.WriteString("        a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + last + "]\n")
	}
	if _, err := decode(b.String()); err == nil || !strings.Contains(err.Error(), "more than 200000 values") {
		t.Errorf("err = %v", err)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"url", "subject", "max_age", "password_file"}
	for word, want := range map[string]string{
		"subjct": "subject", "sbuject": "subject", "maxAge": "max_age", "max-age": "max_age", "ulr": "url", "URL": "url",
		"passwordfile": "password_file", "foo": "", "a": "", "": "", "x_y": "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
