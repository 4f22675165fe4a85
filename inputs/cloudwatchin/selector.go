package cloudwatchin

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/lazyregexp"
)

// selector is one entry of log_groups.
type selector struct {
	name   string         // or a pattern
	match  *regexp.Regexp // of a pattern; nil: it is a name
	prefix string         // with which all names that match begin

	// Of an ARN, else "".
	arn, account, region string
}

// arn:PARTITION:logs:REGION:ACCOUNT:log-group:NAME, with :* behind it where IAM or the console write it.
var groupARN = lazyregexp.New(`^arn:[a-z-]+:logs:([a-z0-9-]+):(\d{12}):log-group:(.+)$`)

// What a log group's name may be (CreateLogGroup), and * for patterns.
var groupName = lazyregexp.New(`^[A-Za-z0-9_/.#*-]{1,512}$`)

func parseSelector(text string) (selector, error) {
	s := selector{name: text}
	if strings.HasPrefix(text, "arn:") {
		m := groupARN.FindStringSubmatch(text)
		if m == nil {
			return s, fmt.Errorf("%q is not like arn:aws:logs:eu-west-1:123456789012:log-group:name", text)
		}
		s.region, s.account, s.name = m[1], m[2], trimARN(m[3])
		s.arn = strings.TrimSuffix(text, m[3]) + s.name
	}
	if !groupName.MatchString(s.name) {
		return s, fmt.Errorf("%q is no name of a log group: letters, digits and _-/.# are allowed, and * in a pattern", text)
	}
	if prefix, _, ok := strings.Cut(s.name, "*"); ok {
		s.match, s.prefix = pattern(s.name), prefix
	}
	return s, nil
}

func (s *selector) text() string {
	if s.arn != "" {
		return s.arn
	}
	return s.name
}

// target is one log group.
type target struct {
	key     string // the name of its position
	name    string
	arn     string    // by which it is asked for; "": by its name
	owner   string    // the account that it is in; "" while that is not known
	created time.Time // zero while that is not known
	named   bool      // it stands in log_groups itself
}

// target returns the log group that a selector names, which is no pattern.
func (s *selector) target(region string) target {
	return target{key: keyOf(region, s.name, s.arn), name: s.name, arn: s.arn, owner: s.account, named: true}
}

// keyOf returns a name that stays with a log group, however it was found.
func keyOf(region, name, arn string) string {
	if arn != "" {
		return arn
	}
	return region + ":" + name
}

func (t *target) String() string {
	if t.arn != "" {
		return t.arn
	}
	return t.name
}

// accountOfARN returns the account that a log group's ARN names, "" where it is none.
func accountOfARN(arn string) string {
	if m := groupARN.FindStringSubmatch(arn); m != nil {
		return m[2]
	}
	return ""
}

// trimARN takes off the :* that stands for all log streams.
func trimARN(arn string) string { return strings.TrimSuffix(arn, ":*") }
