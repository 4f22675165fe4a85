package build

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func upToDate(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date: make generate", path)
	}
}

func TestFlatReferenceIsUpToDate(t *testing.T) {
	want, err := FlatReference()
	if err != nil {
		t.Fatal(err)
	}
	upToDate(t, filepath.Join("..", "..", "docs", "fluent-bit-keys.md"), want)
}

func TestPluginSchemaIsUpToDate(t *testing.T) {
	want, err := PluginSchema()
	if err != nil {
		t.Fatal(err)
	}
	upToDate(t, filepath.Join("..", "..", "configs", "fluent-bit", "pipeline.schema.json"), string(want))
}

// Fluent Bit keeps these to itself: a plugin never sees them, and some stop it from starting.
func TestFlatKeysAreNotFluentBits(t *testing.T) {
	keys, err := FlatKeys()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, k := range keys {
		name := strings.ToLower(k.Name)
		switch {
		case seen[name]:
			t.Errorf("%s is there twice", k.Name)
		case name == "match" || name == "match_regex" || name == "alias" || name == "log_level" || name == "host" || name == "port" ||
			name == "ipv6" || name == "retry_limit" || name == "workers" || name == "tls" || name == "active" || name == "condition" ||
			strings.HasPrefix(name, "net.") || strings.HasPrefix(name, "tls.") || strings.HasPrefix(name, "oauth2") || strings.HasPrefix(name, "storage."):
			t.Errorf("%s is a key of Fluent Bit's own", k.Name)
		case k.Doc == "":
			t.Errorf("%s is not described", k.Name)
		}
		seen[name] = true
	}
}

// What flat keys stand for is what the same file says.
func TestFlatKeysMeanWhatTheFileMeans(t *testing.T) {
	keys := map[string]string{
		"Unwrap": "log, message", "Flush_Timeout": "3s", "Quarantine_Path": "/q", "Quarantine_Max_Size": "1MiB",
		"Enrich": "on", "Enrich_Accounts": "/a.csv", "Redact": "yes", "Redact_Keys": "pin,  *Secret", "Filter": `select(.a == "it's ${X}: #1")`,
		"When_Nats": ".b", "Nats_Url": "nats://a:1,nats://b:1", "Nats_Subject": "x.{account}", "Nats_Stream": "S", "Nats_Create": "true",
		"Nats_Max_Age": "24h", "Nats_Tls_Ca_File": "/ca.pem", "Nats_Delivery": "best_effort", "File_Path": "/x/{date}.gz", "File_Rotate_Max_Size": "10MiB",
		"File_Sync": "off", "Stdout": "off",
	}
	flat, errs := LoadFlat(func(k string) string { return keys[k] })
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	file, err := LoadPlugin("", []byte(`
fluent_bit: {unwrap: [log, message], flush_timeout: 3s}
quarantine: {path: /q, max_size: 1MiB}
filters:
  - enrich: {accounts: /a.csv}
  - redact: {defaults: true, keys: [pin, '*Secret']}
  - jq: {program: 'select(.a == "it''s ${X}: #1")'}
outputs:
  - when: .b
    delivery: best_effort
    nats: {url: [nats://a:1, nats://b:1], subject: 'x.{account}', stream: S, create: true, max_age: 24h, tls: {ca_file: /ca.pem}}
  - file: {path: '/x/{date}.gz', rotate: {max_size: 10MiB}, sync: false}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if flat.FluentBit.FlushTimeout != file.FluentBit.FlushTimeout || strings.Join(flat.FluentBit.Unwrap, ",") != strings.Join(file.FluentBit.Unwrap, ",") ||
		flat.Quarantine != file.Quarantine || len(flat.Filters) != 3 || len(flat.Outputs) != 2 {
		t.Errorf("%+v\n%+v", flat, file)
	}
	for i := range file.Filters {
		if a, b := describe(flat.Filters[i].Component.Config), describe(file.Filters[i].Component.Config); a != b {
			t.Errorf("filter %d: %s\nwant %s", i, a, b)
		}
	}
	for i := range file.Outputs {
		a, b := flat.Outputs[i], file.Outputs[i]
		if x, y := describe(a.Component.Config), describe(b.Component.Config); x != y || a.When.Value != b.When.Value || a.Delivery != b.Delivery {
			t.Errorf("output %d: %s %s %s\nwant %s", i, x, a.When.Value, a.Delivery, y)
		}
	}
}

func TestAValueDoesNotBreakOutOfItsKey(t *testing.T) {
	for _, hostile := range []string{"/x\"\n  - stdout: {}\n", "'}\nlimits: {workers: 9}", "/x\x00\x1b[2J", "\xff\xfe", "/x # no comment", "- a\n- b", "{a: b}", "!!binary x", "*alias", "\u2028/x"} {
		c, errs := LoadFlat(func(k string) string { return map[string]string{"File_Path": hostile}[k] })
		if c != nil && (len(c.Outputs) != 1 || c.Limits.Workers != 0 || len(c.Filters) != 0) {
			t.Errorf("%q gives %+v", hostile, c)
		}
		for _, e := range errs {
			if e.Key != "File_Path" {
				t.Errorf("%q: %v", hostile, e.Error())
			}
		}
	}
}

// describe prints a Config without the positions of its texts.
func describe(config any) string {
	b, err := json.Marshal(config)
	if err != nil {
		return err.Error()
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err.Error()
	}
	strip(v)
	b, _ = json.Marshal(v)
	return string(b)
}

func strip(v any) {
	if m, ok := v.(map[string]any); ok {
		for _, key := range []string{"Pos", "Starts", "Offsets", "Start"} {
			delete(m, key)
		}
		for _, inner := range m {
			strip(inner)
		}
	}
}
