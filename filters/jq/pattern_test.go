package jq

import (
	"regexp"
	"strings"
	"testing"
)

func TestSimplePatterns(t *testing.T) {
	for expression, simple := range map[string]bool{
		`^Get`: true, `Get|List`: true, `^(Get|List|Describe)`: true, `(?i)aws-cli|boto3`: true, `\.amazonaws\.com$`: true, `^s3$`: true,
		`^(Get(Object|Bucket)|Put)`: true, `(?i)ſ`: true, `a.c`: false, `a*`: false, ``: true, `^`: true, `(?i:a)b`: false, `[ab]c`: false, "\uFFFD": false,
		`(?i)key`: true, `(?m)^a`: false, `a|`: true, `\bGet`: false,
	} {
		p, err := compilePattern(expression)
		if err != nil {
			t.Fatal(err)
		}
		if (p.texts != nil) != simple {
			t.Errorf("%q: texts %q", expression, p.texts)
		}
	}
}

// A pattern matches what its regular expression matches.
func FuzzPatterns(f *testing.F) {
	for _, e := range []string{`^Get`, `Get|List`, `(?i)aws-cli|boto3`, `\.com$`, `^(Get(Object|Bucket)|Put)$`, `(?i)key`, `(?i:s)$`, `^`, `$`, `a|b|`, `(?i)K|é`} {
		for _, s := range []string{"", "GetObject", "AWS-CLI/2", "x.com", "Get", "\u212Aey", "\u017F", "PUT", "\xff", "GetObject\n"} {
			f.Add(e, s)
		}
	}
	f.Fuzz(func(t *testing.T, expression, s string) {
		p, err := compilePattern(expression)
		if err != nil {
			return
		}
		re := regexp.MustCompile(expression)
		for _, s := range []string{s, strings.ToUpper(s), "x" + s, s + "\n"} {
			if got, want := p.match(s), re.MatchString(s); got != want {
				t.Errorf("%q on %q: %v, want %v (texts %q)", expression, s, got, want, p.texts)
			}
		}
	})
}
