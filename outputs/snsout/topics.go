package snsout

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/template"
	"github.com/trailcast/trailcast/pipeline"
)

// topics are the topics that an output publishes to.
type topics struct {
	template *template.Template
	literal  string // the only topic; "" where the template has fields
	region   string
	fifo     bool
	allowed  []*regexp.Regexp
	known    []string // those that are named without wildcards
}

// newTopics reads topic_arn and topics. The error holds all mistakes.
func newTopics(c *Config) (*topics, error) {
	t, err := template.Parse(conf.Text{Value: c.TopicARN})
	if err != nil {
		return nil, conf.FieldErrorf("topic_arn", "%v", err)
	}
	parsed := &topics{template: t, region: awsconf.RegionOfARN(c.TopicARN), fifo: strings.HasSuffix(c.TopicARN, ".fifo")}
	var errs []error
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	if literal, ok := t.Literal(); ok {
		parsed.literal, parsed.known = literal, []string{literal}
		if !topicARN.MatchString(literal) {
			wrong("topic_arn", "%q is not like arn:aws:sns:eu-west-1:123456789012:name", literal)
		}
		if len(c.Topics) > 0 {
			wrong("topics", "means something with a template in topic_arn only")
		}
		return parsed, errors.Join(errs...)
	}
	if parsed.region == "" || strings.ContainsAny(parsed.region, "{}") {
		wrong("topic_arn", "the region must be written out: it decides where SNS is called")
	}
	if len(c.Topics) == 0 {
		wrong("topics", "topic_arn is a template: topics must list what it may become, since events decide what stands in it")
	}
	for _, pattern := range c.Topics {
		if strings.Count(pattern, ":") != 5 || !strings.HasPrefix(pattern, "arn:") {
			wrong("topics", "%q is not like arn:aws:sns:eu-west-1:123456789012:name", pattern)
			continue
		}
		parsed.allowed = append(parsed.allowed, regexp.MustCompile(`^`+strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^:]*`)+`$`))
		if !strings.Contains(pattern, "*") {
			parsed.known = append(parsed.known, pattern)
		}
	}
	return parsed, errors.Join(errs...)
}

// of returns the topic of an event. An error says that there is none that it may go to.
func (t *topics) of(ev *pipeline.Event) (string, error) {
	if t.literal != "" {
		return t.literal, nil
	}
	topic := string(t.template.Append(nil, ev, appendName))
	if !topicARN.MatchString(topic) {
		return "", fmt.Errorf("topic_arn becomes %q, which is no topic's ARN", topic)
	}
	for _, allowed := range t.allowed {
		if allowed.MatchString(topic) {
			return topic, nil
		}
	}
	return "", fmt.Errorf("topic_arn becomes %s, which is not among topics", topic)
}

// appendName appends a value with the characters only that names of topics have.
func appendName(dst []byte, value string) []byte {
	before := len(dst)
	dst = template.AppendToken(dst, value)
	name := dst[:before]
	for _, r := range string(dst[before:]) {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_') {
			name = append(name, byte(r))
		} else {
			name = append(name, '_')
		}
	}
	return name
}
