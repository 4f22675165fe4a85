// Package notice reads the messages by which AWS tells that an object was written to a bucket: S3 event notifications,
// those of EventBridge and Security Lake, and CloudTrail's own, each bare or in the envelope of SNS.
package notice

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// Object is an object that was written.
type Object struct {
	Bucket    string
	Key       string // decoded
	VersionID string // "" where the bucket has no versions, or the notice does not tell
	ETag      string // without quotes; "" where the notice does not tell
	Region    string // of the bucket; "" where the notice does not tell
	Size      int64  // -1 where the notice does not tell
}

// Notice is what a message says.
type Notice struct {
	Objects []Object
	Noise   string   // what a message is that means nothing; "" for one that has objects
	Via     []string // the wrappers, outermost first: sns, eventbridge, s3, cloudtrail
}

// ErrUnknown is wrapped by the errors of Parse: the message is none of the known shapes.
var ErrUnknown = errors.New("not a known notice of an object")

// maxWraps is how many envelopes of SNS may be around a notice.
const maxWraps = 2

// Parse reads a message's body.
func Parse(body []byte) (Notice, error) {
	var n Notice
	for wraps := 0; ; wraps++ {
		body = bytes.TrimSpace(body)
		if string(body) == "CloudTrail validation message." { // sent when a trail gets its topic
			n.Noise = "CloudTrail's validation message"
			return n, nil
		}
		if err := rawjson.Valid(body); err != nil || len(body) == 0 || body[0] != '{' {
			return n, fmt.Errorf("%w: no JSON object", ErrUnknown)
		}
		inner, ok := ofSNS(body)
		if !ok {
			break
		}
		if wraps == maxWraps {
			return n, fmt.Errorf("%w: more than %d SNS envelopes around it", ErrUnknown, maxWraps)
		}
		n.Via = append(n.Via, "sns")
		body = inner
	}
	return n, n.read(body)
}

// ofSNS takes the envelope of SNS off. With raw message delivery there is none.
func ofSNS(body []byte) (message []byte, ok bool) {
	var v [3][]byte
	rawjson.GetMany(body, []string{"Type", "TopicArn", "Message"}, v[:])
	if text(v[0]) != "Notification" || text(v[1]) == "" || !is(v[2], rawjson.String) {
		return nil, false
	}
	return []byte(text(v[2])), true
}

func (n *Notice) read(body []byte) error {
	var v [8][]byte
	rawjson.GetMany(body, []string{"Records", "Event", "Service", "s3Bucket", "s3ObjectKey", "detail", "detail-type", "source"}, v[:])
	switch {
	case text(v[1]) == "s3:TestEvent":
		n.Noise = "S3's test event"
		return nil
	case is(v[3], rawjson.String) && v[4] != nil:
		n.Via = append(n.Via, "cloudtrail")
		return n.cloudTrail(text(v[3]), v[4])
	case is(v[0], rawjson.Array):
		n.Via = append(n.Via, "s3")
		return n.s3(v[0])
	case is(v[5], rawjson.Object):
		n.Via = append(n.Via, "eventbridge")
		return n.eventBridge(body, v[5], text(v[6]), text(v[7]))
	}
	return fmt.Errorf("%w: an object with none of the members Records, detail, s3Bucket", ErrUnknown)
}

// cloudTrail reads CloudTrail's notice: one bucket, a list of keys, which are not URL-encoded.
func (n *Notice) cloudTrail(bucket string, keys []byte) error {
	add := func(key []byte) bool {
		if !is(key, rawjson.String) || text(key) == "" || bucket == "" {
			return false
		}
		n.Objects = append(n.Objects, Object{Bucket: bucket, Key: text(key), Size: -1})
		return true
	}
	ok := true
	if is(keys, rawjson.Array) {
		_ = rawjson.EachElement(keys, func(_ int, key []byte) bool {
			ok = add(key)
			return ok
		})
	} else {
		ok = add(keys)
	}
	if !ok || len(n.Objects) == 0 {
		return fmt.Errorf("%w: CloudTrail's notice without bucket or keys", ErrUnknown)
	}
	return nil
}

// s3 reads an event notification of S3, versions 2.x: keys are encoded like those of a form.
func (n *Notice) s3(records []byte) error {
	var wrong error
	other := ""
	_ = rawjson.EachElement(records, func(i int, record []byte) bool {
		wrong = n.s3Record(record, &other)
		if wrong != nil {
			wrong = fmt.Errorf("%w: Records[%d]: %s", ErrUnknown, i, wrong)
		}
		return wrong == nil
	})
	switch {
	case wrong != nil:
		return wrong
	case len(n.Objects) > 0:
	case other != "":
		n.Noise = "an S3 event that writes no object"
	default:
		return fmt.Errorf("%w: Records is empty", ErrUnknown)
	}
	return nil
}

func (n *Notice) s3Record(record []byte, other *string) error {
	if !is(record, rawjson.Object) {
		return errors.New("no object")
	}
	var v [5][]byte
	rawjson.GetMany(record, []string{"eventVersion", "eventSource", "awsRegion", "eventName", "s3"}, v[:])
	if text(v[1]) != "aws:s3" || !is(v[4], rawjson.Object) {
		return errors.New("no event of S3")
	}
	if version := text(v[0]); !strings.HasPrefix(version, "2.") {
		return fmt.Errorf("event version %q is none of 2.x", version)
	}
	if name := strings.TrimPrefix(text(v[3]), "s3:"); !strings.HasPrefix(name, "ObjectCreated:") {
		*other = name
		return nil
	}
	bucket := rawjson.Str(member(v[4], "bucket"), "name")
	object := member(v[4], "object")
	key, err := url.QueryUnescape(rawjson.Str(object, "key"))
	if err != nil || key == "" || bucket == "" {
		return errors.New("no bucket, or no key that can be decoded")
	}
	n.Objects = append(n.Objects, Object{
		Bucket: bucket, Key: key, VersionID: rawjson.Str(object, "versionId"), ETag: rawjson.Str(object, "eTag"), Region: text(v[2]),
		Size: size(member(object, "size")),
	})
	return nil
}

// eventBridge reads S3's events on EventBridge. Security Lake's queues carry the same without detail-type.
func (n *Notice) eventBridge(body, detail []byte, detailType, source string) error {
	bucket := rawjson.Str(member(detail, "bucket"), "name")
	object := member(detail, "object")
	key := rawjson.Str(object, "key")
	switch {
	case detailType != "Object Created" && detailType != "" && source == "aws.s3":
		n.Noise = "an S3 event that writes no object"
		return nil
	case detailType != "Object Created" && detailType != "":
		return fmt.Errorf("%w: an event %q of EventBridge", ErrUnknown, short(detailType))
	case bucket == "" || key == "":
		return fmt.Errorf("%w: an event of EventBridge without bucket or key", ErrUnknown)
	}
	n.Objects = append(n.Objects, Object{
		Bucket: bucket, Key: key, VersionID: rawjson.Str(object, "version-id"), ETag: rawjson.Str(object, "etag"),
		Region: rawjson.Str(body, "region"), Size: size(member(object, "size")),
	})
	return nil
}

func short(s string) string { return s[:min(len(s), 100)] }

func is(value []byte, kind rawjson.Kind) bool { return value != nil && rawjson.KindOf(value) == kind }

func text(value []byte) string {
	s, _ := rawjson.Text(value)
	return s
}

func member(obj []byte, key string) []byte {
	if !is(obj, rawjson.Object) {
		return nil
	}
	v, _ := rawjson.Get(obj, key)
	return v
}

func size(value []byte) int64 {
	if !is(value, rawjson.Number) {
		return -1
	}
	var n int64
	if _, err := fmt.Sscan(string(value), &n); err != nil || n < 0 {
		return -1
	}
	return n
}
