package httpin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/lazyregexp"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Headers of Amazon Data Firehose, "HTTP endpoint delivery request and response specifications", protocol version 1.0.
const (
	headerFirehoseID     = "X-Amz-Firehose-Request-Id"
	headerFirehoseKey    = "X-Amz-Firehose-Access-Key"
	headerFirehoseSource = "X-Amz-Firehose-Source-Arn"
)

// delivery is the body of a Firehose request:
//
//	{"requestId": "…", "timestamp": milliseconds, "records": [{"data": "base64"}, …]}
type delivery struct {
	id      string
	sent    time.Time // zero where the request does not tell
	records []byte    // the array as it is written
}

var errNoDelivery = errors.New(`the body is no Firehose request: {"requestId": …, "timestamp": …, "records": […]}`)

// parseDelivery reads a body whose whole structure is then known to be sound.
func parseDelivery(body []byte) (delivery, error) {
	var d delivery
	if rawjson.KindOf(body) != rawjson.Object || rawjson.Valid(body) != nil {
		return d, errNoDelivery
	}
	var parts [3][]byte
	rawjson.GetMany(body, []string{"requestId", "timestamp", "records"}, parts[:])
	var isText bool
	if d.id, isText = rawjson.Text(parts[0]); !isText || rawjson.KindOf(parts[2]) != rawjson.Array {
		return d, errNoDelivery
	}
	if ms, err := strconv.ParseInt(string(parts[1]), 10, 64); err == nil && ms > 0 {
		d.sent = time.UnixMilli(ms).UTC()
	}
	d.records = parts[2]
	return d, nil
}

// isRequestID accepts what the service's ids, which are GUIDs, may become one day.
func isRequestID(s string) bool {
	const longest = 256
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= longest
}

var streamARN = lazyregexp.New(`^arn:aws[a-z-]*:firehose:[a-z0-9-]+:[0-9]+:deliverystream/[A-Za-z0-9_.-]{1,64}$`)

// firehose takes a Firehose request.
func (in *Input) firehose(r *http.Request, body []byte, held *share) (feed, error) {
	plain, err := in.gunzip(body, held)
	switch {
	case errors.Is(err, errFull):
		return nil, err
	case errors.Is(err, errLarge):
		return nil, refuse(http.StatusBadRequest, "the unpacked body is larger than max_decompressed or max_buffered allows")
	case err != nil:
		return nil, refuse(http.StatusBadRequest, err.Error())
	}
	d, err := parseDelivery(plain)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, err.Error())
	}
	if id := r.Header.Get(headerFirehoseID); d.id != id || !isRequestID(id) {
		return nil, refuse(http.StatusBadRequest, "the request ids of header and body differ, or are none")
	}
	if err := held.growBeside(2 * d.largest()); err != nil { // text and data of the record that is being split
		return nil, err
	}
	origin := pipeline.Origin{Input: in.name, Object: sender(r), Via: []string{"http", "firehose"}, Time: d.sent}
	if source := r.Header.Get(headerFirehoseSource); streamARN.MatchString(source) {
		origin.Object = "firehose:" + source
		arn, _ := record.ParseARN(source)
		origin.Region = arn.Region
	}
	return func(ctx context.Context, to *feeder) error { return d.feed(ctx, &origin, to) }, nil
}

// largest is the length of the largest record as it is written.
func (d delivery) largest() (bytes int64) {
	_ = rawjson.EachElement(d.records, func(_ int, value []byte) bool {
		bytes = max(bytes, int64(len(value)))
		return true
	})
	return bytes
}

// feed splits the records one by one. Each has an identity of its own, made of the request's id, which is the same when
// the request is repeated, and its place.
func (d delivery) feed(ctx context.Context, shared *pipeline.Origin, to *feeder) error {
	var failed error
	err := rawjson.EachElement(d.records, func(i int, value []byte) bool {
		origin := *shared
		origin.Identity = d.id + "/" + strconv.Itoa(i)
		data, err := recordData(value)
		if err != nil {
			failed = to.broken(value, &origin, err.Error())
		} else {
			failed = to.add(ctx, data, &origin)
		}
		return failed == nil
	})
	return errors.Join(failed, err)
}

// recordData returns the data of one record. Empty records are allowed.
func recordData(value []byte) ([]byte, error) {
	field, _ := rawjson.Get(value, "data")
	text, ok := rawjson.Text(field)
	if !ok {
		return nil, errors.New("a Firehose record without data")
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("a Firehose record whose data is no base64: %w", err)
	}
	return data, nil
}
