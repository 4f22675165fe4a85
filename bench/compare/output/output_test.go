package output

import (
	"strings"
	"testing"
)

func TestEqualOutputs(t *testing.T) {
	const text = `{"a":1,"b":["x","é"]}` + "\n" + `"second"` + "\n"
	for name, c := range map[string]struct {
		other string
		equal bool
	}{
		"order of keys and lines": {`"second"` + "\n" + `{"b":["x","é"],"a":1}` + "\n", true},
		"escapes, white space":    {`{"a": 1, "b":["\u0078","\u00e9"]}` + "\n\n" + `"second"`, true},
		"digits":                  {`{"a":1.0,"b":["x","é"]}` + "\n" + `"second"`, true},
		"order of elements":       {`{"a":1,"b":["é","x"]}` + "\n" + `"second"`, false},
		"a value":                 {`{"a":2,"b":["x","é"]}` + "\n" + `"second"`, false},
		"one more":                {text + `"second"`, false},
		"one less":                {`"second"`, false},
	} {
		want, err := Of(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Of(strings.NewReader(c.other))
		if err != nil || (got == want) != c.equal {
			t.Errorf("%s: %v and %v, %v; want equal: %v", name, want, got, err, c.equal)
		}
	}
}

func TestRepeatsCount(t *testing.T) {
	once, _ := Of(strings.NewReader("1\n2\n2\n"))
	other, _ := Of(strings.NewReader("1\n1\n2\n"))
	if once == other {
		t.Error("1 2 2 is taken for 1 1 2")
	}
}

func TestNoJSON(t *testing.T) {
	if s, err := Of(strings.NewReader("{}\nerror: no memory\n")); err == nil {
		t.Errorf("%v without an error", s)
	}
}

func TestMergedSums(t *testing.T) {
	var left, right Sum
	for _, err := range []error{left.Add([]byte("3")), right.Add([]byte("1")), right.Add([]byte("2"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	left.Merge(&right)
	want, _ := Of(strings.NewReader("1\n2\n3\n"))
	if got := left.Summary(); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestLines(t *testing.T) {
	if n, err := Lines(strings.NewReader("{}\n\n{}\n{}")); n != 3 || err != nil {
		t.Errorf("%d, %v; want 3", n, err)
	}
}
