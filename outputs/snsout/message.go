package snsout

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/trailcast/trailcast/internal/large"
	"github.com/trailcast/trailcast/internal/template"
	"github.com/trailcast/trailcast/pipeline"
)

// message is what is published of an event, or of a part of one.
type message struct {
	index      int // of the event in its Write
	topic      string
	body       string
	subject    string
	attributes map[string]types.MessageAttributeValue
	group      string // of a FIFO topic
	dedupe     string
	size       int // body, subject and attributes
}

// compose makes the messages of an event that go to a topic whose messages have at most limit bytes. An error says that it
// can never be delivered.
func (o *Output) compose(ctx context.Context, ev *pipeline.Event, index int, topic string, limit int) ([]message, error) {
	m := message{index: index, topic: topic, subject: o.subject(ctx, ev)}
	if !o.config.NoAttributes && o.config.PhoneNumber == "" {
		m.attributes = o.attributes(ev)
	}
	if strings.HasSuffix(topic, ".fifo") {
		m.group = identifier(string(o.group.Append(nil, ev, appendText)), maxGroup)
		m.dedupe = o.key(ev, "")
	}
	if o.config.PhoneNumber != "" {
		limit = maxSMS
	}
	beside := len(m.subject) + attributesSize(m.attributes)
	if limit-beside < leastBody {
		return nil, fmt.Errorf("subject and attributes have %d bytes, which leaves no room for a message in %d: raise max_message_size, or set no_attributes", beside, limit)
	}
	text, ok := o.text(ctx, ev)
	if !ok && o.config.PhoneNumber != "" {
		text, ok = safeText(string(ev.Raw), true), true // message_jq has failed: better some of the event than nothing
	}
	if ok {
		m.body = cutText(text, limit-beside) // for people: the event itself is elsewhere
		m.size = beside + len(m.body)
		return []message{m}, nil
	}
	parts, err := o.fit(ev, limit-beside)
	if err != nil {
		return nil, err
	}
	messages := make([]message, len(parts))
	for i, p := range parts {
		messages[i] = m
		messages[i].body = safeJSON(p.Data)
		if p.Suffix != "" && m.group != "" {
			messages[i].dedupe = o.key(ev, p.Suffix)
		}
		if p.Suffix != "" && m.attributes != nil {
			messages[i].attributes = maps.Clone(m.attributes)
			messages[i].attributes[attributeKey] = stringValue(o.name + ":" + ev.Key() + p.Suffix)
		}
		messages[i].size = len(m.subject) + attributesSize(messages[i].attributes) + len(messages[i].body)
	}
	return messages, nil
}

// fit returns what is published for an event whose message may have room bytes.
func (o *Output) fit(ev *pipeline.Event, room int) ([]large.Part, error) {
	size := len(safeJSON(ev.Raw))
	if size <= room {
		return []large.Part{{Data: ev.Raw}}, nil
	}
	tooLarge := fmt.Errorf("the event has %d bytes, SNS takes %d beside the attributes: raise the topic's MaximumMessageSize", size, max(room, 0))
	if ev.Facts().Kind == pipeline.KindSessionLog {
		if parts := splitText(ev.Raw, room); parts != nil {
			return parts, nil
		}
	}
	if o.config.OnTooLarge != tooLargeTrim {
		return nil, fmt.Errorf("%w, or set on_too_large: trim", tooLarge)
	}
	trimmed, err := large.Trim(ev.Raw, room-(size-len(ev.Raw))) // less what escapes may add
	if err != nil {
		return nil, fmt.Errorf("%w; %w", tooLarge, err)
	}
	return []large.Part{{Data: trimmed}}, nil
}

// splitText splits session text over parts that have at most room bytes also with what safeJSON adds.
func splitText(raw []byte, room int) []large.Part {
	for try := room; try >= room/2; try -= room / 4 { // U+FFFE has 3 bytes, and its escape 6
		parts := large.SplitText(raw, try)
		if !slices.ContainsFunc(parts, func(p large.Part) bool { return len(safeJSON(p.Data)) > room }) {
			return parts
		}
	}
	return nil
}

// text returns the message for people; ok is false where the event itself is sent.
func (o *Output) text(ctx context.Context, ev *pipeline.Event) (s string, ok bool) {
	switch {
	case o.message != nil:
		s, ok = string(o.message.Append(nil, ev, appendText)), true
	case o.messageJQ != nil:
		var err error
		if s, ok, err = o.messageJQ(ctx, ev); err != nil {
			o.complain("message_jq failed on an event, which is sent as it is", err)
			return "", false
		}
	}
	if s = safeText(s, true); strings.TrimSpace(s) == "" { // SNS takes no empty message
		return "", false
	}
	return s, ok
}

func (o *Output) subject(ctx context.Context, ev *pipeline.Event) string {
	switch {
	case o.subjectTemplate != nil:
		return subjectOf(string(o.subjectTemplate.Append(nil, ev, appendText)))
	case o.subjectJQ != nil:
		s, _, err := o.subjectJQ(ctx, ev)
		if err != nil {
			o.complain("subject_jq failed on an event, which is sent without a subject", err)
		}
		return subjectOf(s)
	}
	return ""
}

// attributes returns the message attributes of an event: eight of the ten that a subscription with raw delivery to SQS
// allows. Absent facts have none, since SNS takes no empty value.
func (o *Output) attributes(ev *pipeline.Event) map[string]types.MessageAttributeValue {
	attributes := make(map[string]types.MessageAttributeValue, 8)
	for _, a := range o.named(ev) {
		attributes[a[0]] = stringValue(a[1])
	}
	return attributes
}

func stringValue(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(attributeText(s))}
}

// attributeText returns what SNS takes as an attribute's value.
func attributeText(s string) string {
	return safeText(strings.TrimSpace(string(template.AppendHeader(nil, s))), false)
}

const attributeKey = "trailcast_key"

// named returns the attributes in the order of the documentation.
func (o *Output) named(ev *pipeline.Event) [][2]string {
	f := ev.Facts()
	all := [][2]string{
		{"trailcast_kind", string(f.Kind)},
		{"trailcast_account", f.Account.ID},
		{"trailcast_region", f.Region},
		{"trailcast_service", f.Service},
		{"trailcast_action", f.Action},
		{"trailcast_outcome", f.Outcome},
		{"trailcast_id", f.ID},
		{attributeKey, o.name + ":" + ev.Key()},
	}
	present := all[:0]
	for _, a := range all {
		a[1] = attributeText(a[1])
		if a[1] != "" {
			present = append(present, a)
		}
	}
	return present
}

func attributesSize(attributes map[string]types.MessageAttributeValue) int {
	size := 0
	for name, value := range attributes {
		size += len(name) + len(*value.DataType) + len(*value.StringValue)
	}
	return size
}

// key returns the deduplication id of an event, or of a part of it. The output's name is in it, so that two outputs may
// share one topic.
func (o *Output) key(ev *pipeline.Event, suffix string) string {
	return identifier(o.name+":"+ev.Key()+suffix, maxGroup)
}
