package query_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/itchyny/gojq"
	"github.com/klauspost/compress/gzip"

	"github.com/trailcast/trailcast/internal/query"
)

// programs are compared with plain gojq. Each runs on every record.
var programs = []string{
	`select(.eventSource=="ssm.amazonaws.com") | .eventName`,
	`.`,
	`.eventName`,
	`.userIdentity.type // "none"`,
	`{eventName, source: .eventSource, who: .userIdentity.arn}`,
	`[.eventName, .awsRegion, .sourceIPAddress]`,
	`select(.readOnly != true) | .eventID`,
	`select(.errorCode) | "\(.eventTime) \(.eventName) \(.errorCode)"`,
	`del(.userIdentity, .requestParameters)`,
	`to_entries | map(.key)`,
	`with_entries(select(.value != null))`,
	`keys`,
	`keys | length`,
	`[paths] | length`,
	`[.. | strings] | length`,
	`[.. | numbers]`,
	`.requestParameters? // {} | tostring`,
	`.eventName | test("^(Get|List|Describe)")?`,
	`.eventTime | split("T")? | first?`,
	`. as $r | reduce keys[] as $k (0; . + ($r[$k] | tostring | length))`,
	`.userIdentity?.arn? | @base64?`,
	`[limit(3; .[]?)]`,
	`.sessionData[]?, .lines[]?`,
	`has("eventID")`,
	`if .errorCode then "failed" elif .eventName then "ok" else empty end`,
	`.eventName |= (. // "x" | ascii_downcase)`,
	`. + {added: 1} | {added, eventName}`,
	`.requestParameters.a.b.c`,
	`.logFiles[0].s3Object`,
	`[.resources[]?.ARN]`,
	`.responseElements | type`,
	`path(..) | join(".")?`,
	`label $out | .[]? | if type == "string" then ., break $out else empty end`,
	`{(.eventName // "none"): 1}`,
	`.eventName[0:3]?`,
	`error("always")?`,
	`.[0]`,
	`@json`,
	`(.eventVersion | tonumber?) + 1`,
	`try error("x") catch .`,
	`getpath(["userIdentity","sessionContext","attributes"])`,
}

// documents finds the records of a file in the plain way. ok is false for what is no plain file of records.
func documents(data []byte) (records []any, ok bool) {
	if bytes.HasPrefix(data, []byte("\x1f\x8b")) {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, false
		}
		if data, err = io.ReadAll(r); err != nil {
			return nil, false
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	for {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			return records, len(records) > 0
		} else if err != nil {
			return nil, false
		}
		if !flatten(v, &records) {
			return nil, false
		}
	}
}

// flatten takes records out of the envelopes that need no unwrapping; others are compared by the tests of the splitter.
func flatten(v any, records *[]any) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if !flatten(e, records) {
				return false
			}
		}
		return true
	case map[string]any:
		for _, key := range []string{"logEvents", "detail", "awslogs", "records", "Message", "CloudTrailEvent", "Service"} {
			if v[key] != nil {
				return false
			}
		}
		if v["body"] != nil || v["Sns"] != nil || v["kinesis"] != nil {
			return false
		}
		for _, key := range []string{"Records", "Events"} {
			if list, ok := v[key].([]any); ok {
				return flatten(list, records)
			}
		}
		*records = append(*records, v)
		return true
	}
	return false
}

// reference runs plain gojq and returns the results and the number of records on which it failed.
func reference(t *testing.T, program string, records []any) (results []any, failed int) {
	t.Helper()
	q, err := gojq.Parse(program)
	if err != nil {
		t.Fatal(err)
	}
	code, err := gojq.Compile(q)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		iter := code.Run(r)
		for {
			v, ok := iter.Next()
			if !ok {
				break
			}
			if _, bad := v.(error); bad {
				failed++
				break
			}
			results = append(results, v)
		}
	}
	return results, failed
}

// normal makes values comparable: numbers by their value, not by their literal.
func normal(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(string(v)); ok {
			return "number " + r.String()
		}
		return "number " + string(v)
	case int:
		return "number " + new(big.Rat).SetInt64(int64(v)).String()
	case float64:
		b, _ := json.Marshal(v)
		return normal(json.Number(b))
	case *big.Int:
		return "number " + new(big.Rat).SetInt(v).String()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = normal(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k := range v {
			out[k] = normal(v[k])
		}
		return out
	}
	return v
}

func values(t *testing.T, out string) (all []any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(out))
	d.UseNumber()
	for {
		var v any
		err := d.Decode(&v)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %.300s", err, out)
		}
		all = append(all, v)
	}
}

func runQuery(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	o, err := query.Parse(args)
	if err != nil {
		return "", err.Error(), query.ExitUsage
	}
	var out, errs bytes.Buffer
	code = query.Run(t.Context(), o, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

func compare(t *testing.T, paths []string) (compared int) {
	t.Helper()
	var usable []string
	var records []any
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if found, ok := documents(data); ok {
			usable, records = append(usable, path), append(records, found...)
		}
	}
	for _, program := range programs {
		want, failed := reference(t, program, records)
		out, stderr, code := runQuery(t, "", append([]string{"-c", program}, usable...)...)
		got := values(t, out)
		for i := range want {
			want[i] = normal(want[i])
		}
		for i := range got {
			got[i] = normal(got[i])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %d results, gojq has %d\n%.1500s", program, len(got), len(want), diff)
		}
		if n := strings.Count(stderr, "trailcast: error"); n != failed || (failed > 0) != (code == query.ExitError) {
			t.Errorf("%s: %d errors and exit code %d, gojq fails on %d records: %.300s", program, n, code, failed, stderr)
		}
		slurped, _, _ := runQuery(t, "", append([]string{"-c", "-s", "map(try (" + program + ") catch \"failed\") | length"}, usable...)...)
		var count []any
		if count, _ = reference(t, "map(try ("+program+") catch \"failed\") | length", []any{records}); fmt.Sprint(count[0]) != strings.TrimSpace(slurped) {
			t.Errorf("-s %s: %s, gojq has %v", program, slurped, count)
		}
	}
	return len(records)
}

func TestAgreesWithGojqOnRepositoryRecords(t *testing.T) {
	paths, err := filepath.Glob("../../formats/record/testdata/*.ndjson")
	if err != nil || len(paths) == 0 {
		t.Fatal("no records", err)
	}
	paths = append(paths, "../demo/data/cloudtrail/218007301253_CloudTrail_us-east-1_20230710T1145Z_7xgocspSowgK0Gto.json.gz")
	if n := compare(t, paths); n < 100 {
		t.Errorf("only %d records compared", n)
	}
}

func TestAgreesWithGojqOnExtendedData(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the extended data set is not beside the checkout")
	}
	var paths []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) != ".md" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n := compare(t, paths)
	t.Logf("%d records in %d files, %d programs", n, len(paths), len(programs))
	if n < 1000 {
		t.Errorf("only %d records compared", n)
	}
}

func TestOutputIsAsJqPrintsIt(t *testing.T) {
	const in = `{"b":1.50,"a":{"z":[],"y":{},"x":["\u00fc",null,true]}}` + "\n" + `{"b":2}`
	tests := []struct {
		args []string
		want string
		code int
	}{
		{[]string{"."}, "{\n  \"b\": 1.50,\n  \"a\": {\n    \"z\": [],\n    \"y\": {},\n    \"x\": [\n      \"\\u00fc\",\n      null,\n      true\n    ]\n  }\n}\n{\n  \"b\": 2\n}\n", 0},
		{[]string{"-c", "."}, `{"b":1.50,"a":{"z":[],"y":{},"x":["\u00fc",null,true]}}` + "\n{\"b\":2}\n", 0},
		{[]string{"-cS", "."}, `{"a":{"x":["ü",null,true],"y":{},"z":[]},"b":1.50}` + "\n{\"b\":2}\n", 0},
		{[]string{"-r", ".a.x[0]?"}, "ü\nnull\n", 0},
		{[]string{"-ra", ".a.x[0]? // empty"}, "\"\\u00fc\"\n", 0},
		{[]string{"-j", ".b"}, "1.502", 0},
		{[]string{"--raw-output0", ".b"}, "1.50\x002\x00", 0},
		{[]string{"--seq", "-c", ".b"}, "\x1e1.50\n\x1e2\n", 0},
		{[]string{"--tab", "{c: .b}"}, "{\n\t\"c\": 1.50\n}\n{\n\t\"c\": 2\n}\n", 0},
		{[]string{"--indent", "1", "{c: .b}"}, "{\n \"c\": 1.50\n}\n{\n \"c\": 2\n}\n", 0},
		{[]string{"-s", "length"}, "2\n", 0},
		{[]string{"-n", "[inputs.b] | add"}, "3.5\n", 0},
		{[]string{"-n", "input.b, input.b"}, "1.50\n2\n", 0},
		{[]string{"-c", "[.b, input.b]"}, "[1.50,2]\n", 0},
		{[]string{"-c", "--arg", "x", "1", "--argjson", "y", "2", "[$x, $y]", "-n"}, "[\"1\",2]\n", 0},
		{[]string{"-nc", "$ARGS", "--args", "a", "b"}, `{"named":{},"positional":["a","b"]}` + "\n", 0},
		{[]string{"-e", ".b == 2"}, "false\ntrue\n", 0},
		{[]string{"-e", ".b == 1.5"}, "true\nfalse\n", 1},
		{[]string{"-e", "empty"}, "", 4},
		{[]string{".b |"}, "", 3},
		{[]string{"--nonsense", "."}, "", 2},
		{[]string{".b.c"}, "", 5},
		{[]string{"-n", "\"x\" | halt_error(7)"}, "", 7},
		{[]string{"-rn", "input_filename"}, "null\n", 0},
		{[]string{".b", "no-such-file"}, "", 5},
		{[]string{"-C", "-c", "{b}", "-n"}, "\x1b[1;39m{\x1b[0m\x1b[34;1m\"b\"\x1b[0m\x1b[1;39m:\x1b[0m\x1b[1;30mnull\x1b[0m\x1b[1;39m}\x1b[0m\n", 0},
	}
	for _, tt := range tests {
		out, stderr, code := runQuery(t, in, tt.args...)
		if out != tt.want || code != tt.code {
			t.Errorf("%q:\n got %q, exit %d (%s)\nwant %q, exit %d", tt.args, out, code, stderr, tt.want, tt.code)
		}
	}
}

func TestBrokenPiecesAreReportedAndTheRestGoesOn(t *testing.T) {
	out, stderr, code := runQuery(t, "{\"a\":1}\nnot \x1b[2Jjson\n{\"a\":2}\n", "-c", ".a")
	if out != "1\n2\n" || code != query.ExitError || !strings.Contains(stderr, "stdin: byte 8") || strings.Contains(stderr, "\x1b") {
		t.Errorf("got %q, exit %d, %q", out, code, stderr)
	}
}
