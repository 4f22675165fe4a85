package httpin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/trailcast/trailcast/internal/lazyregexp"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Headers of Amazon SNS, "HTTP/HTTPS headers" in its developer guide.
const (
	headerSNSType  = "X-Amz-Sns-Message-Type"
	headerSNSID    = "X-Amz-Sns-Message-Id"
	headerSNSTopic = "X-Amz-Sns-Topic-Arn"
	headerSNSRaw   = "X-Amz-Sns-Rawdelivery" // true: the body is the message alone, which nothing signs
)

// Types of SNS messages.
const (
	snsNotification = "Notification"
	snsSubscribe    = "SubscriptionConfirmation"
	snsUnsubscribe  = "UnsubscribeConfirmation"
)

// maxSNS is the largest body that is read before its sender is known: 1 MiB of text, which JSON may make six times as
// long, and the rest of the message.
const maxSNS = 8 << 20

// topicARN has partition and region as its groups. A host is made of the region, so that it must be like us-gov-west-1: a
// bucket of anybody may be called sns, and is then sns.s3-eu-west-1.amazonaws.com. FIFO topics have no HTTP subscriptions.
var topicARN = lazyregexp.New(`^arn:(aws[a-z-]{0,20}):sns:([a-z]{2,8}(?:-[a-z]+){1,3}-[0-9]{1,2}):[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)

func isSNS(r *http.Request) bool { return r.Header.Get(headerSNSType) != "" }

// mayBeSigned reports whether a request without credentials is worth the reading of its body.
func (in *Input) mayBeSigned(r *http.Request) bool {
	return isSNS(r) && !isFirehose(r) && r.Header.Get(headerSNSRaw) != "true" && in.config.topicAllowed(r.Header.Get(headerSNSTopic))
}

// snsMessage is what SNS posts; an absent member is "".
type snsMessage struct {
	kind, id, topic, message, timestamp, subject string
	subscribeURL, token                          string
	version, signature, certURL                  string
	hasSubject                                   bool
}

// parseSNS reads a message. A member that is there twice is an error: what is signed must be what is used.
func parseSNS(body []byte) (*snsMessage, error) {
	if rawjson.KindOf(body) != rawjson.Object || rawjson.Valid(body) != nil {
		return nil, errors.New("the body is no SNS message")
	}
	m := &snsMessage{}
	members := map[string]*string{
		"Type": &m.kind, "MessageId": &m.id, "TopicArn": &m.topic, "Message": &m.message, "Timestamp": &m.timestamp,
		"Subject": &m.subject, "SubscribeURL": &m.subscribeURL, "Token": &m.token,
		"SignatureVersion": &m.version, "Signature": &m.signature, "SigningCertURL": &m.certURL,
	}
	var wrong error
	err := rawjson.EachMember(body, func(key string, value []byte) bool {
		to, known := members[key]
		if !known {
			return true
		}
		if to == nil {
			wrong = errors.New("the SNS message has a member twice")
			return false
		}
		members[key] = nil
		if key == "Subject" && rawjson.KindOf(value) == rawjson.Null {
			return true
		}
		var isText bool
		if *to, isText = rawjson.Text(value); !isText {
			wrong = errors.New("the SNS message has a member that is no text")
			return false
		}
		m.hasSubject = m.hasSubject || key == "Subject"
		return true
	})
	if wrong != nil {
		return nil, wrong
	}
	return m, err
}

// canonical is what SNS signs ("Verifying the signatures of Amazon SNS messages"): names and values on lines of their own,
// in the order of the names.
func (m *snsMessage) canonical() []byte {
	var b []byte
	add := func(name, value string) {
		b = append(append(append(append(b, name...), '\n'), value...), '\n')
	}
	add("Message", m.message)
	add("MessageId", m.id)
	if m.kind == snsNotification {
		if m.hasSubject {
			add("Subject", m.subject)
		}
	} else {
		add("SubscribeURL", m.subscribeURL)
	}
	add("Timestamp", m.timestamp)
	if m.kind != snsNotification {
		add("Token", m.token)
	}
	add("TopicArn", m.topic)
	add("Type", m.kind)
	return b
}

// envelope is a notification of nothing but what is signed.
func (m *snsMessage) envelope() []byte {
	b := []byte(`{"Type":"Notification"`)
	add := func(name, value string) {
		b = rawjson.AppendString(append(append(append(b, `,"`...), name...), `":`...), value)
	}
	add("MessageId", m.id)
	add("TopicArn", m.topic)
	if m.hasSubject {
		add("Subject", m.subject)
	}
	add("Message", m.message)
	add("Timestamp", m.timestamp)
	return append(b, '}')
}

// sns takes a message of SNS. known says that the request has credentials: a notification then needs no signature. A
// subscription is confirmed only for a topic of sns_topics and by a signed message, whoever sends it. The feed is nil for
// what holds no events.
func (in *Input) sns(ctx context.Context, r *http.Request, body []byte, known bool) (feed, error) {
	kind := r.Header.Get(headerSNSType)
	if known && kind == snsNotification {
		return in.post(r, body)
	}
	m, err := parseSNS(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, err.Error())
	}
	if kind != m.kind || kind != snsNotification && kind != snsSubscribe && kind != snsUnsubscribe {
		return nil, refuse(http.StatusBadRequest, "the type of the SNS message is not known, or differs from that in the header")
	}
	if !in.config.topicAllowed(m.topic) {
		return nil, refuse(http.StatusForbidden, "the message's topic is not in sns_topics")
	}
	if err := in.trust.verify(ctx, m, in.config.SNSMaxAge); err != nil {
		return nil, err
	}
	switch kind {
	case snsSubscribe:
		if err := in.trust.confirm(ctx, m); err != nil {
			return nil, err
		}
		in.log.Info("the subscription of an SNS topic is confirmed", "topic", m.topic)
		return nil, nil
	case snsUnsubscribe:
		in.log.Warn("the subscription of an SNS topic has ended; it is not taken up again", "topic", m.topic)
		return nil, nil
	}
	origin := &pipeline.Origin{Input: in.name, Object: "sns:" + m.topic, Identity: m.id, Via: []string{"http"}}
	return func(ctx context.Context, to *feeder) error { return to.add(ctx, m.envelope(), origin) }, nil
}

// fresh refuses a message that is older than the limit.
func (m *snsMessage) fresh(limit time.Duration) error {
	at, err := time.Parse(time.RFC3339, m.timestamp)
	switch {
	case err != nil:
		return refuse(http.StatusForbidden, "the time of the SNS message can not be read")
	case time.Since(at) > limit:
		return refuse(http.StatusForbidden, fmt.Sprintf("the SNS message is older than %v (option sns_max_age; is the clock right?)", limit))
	}
	return nil
}
