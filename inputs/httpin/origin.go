package httpin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// headerIdempotency is what clients tell their requests apart by, where they do (the IETF's draft of that name).
const headerIdempotency = "Idempotency-Key"

// plainOrigin is where the records of a body come from. Its identity is the sender's own for the request, where it has
// one, else made of the body: a request that is sent again then has the same.
func (in *Input) plainOrigin(r *http.Request, body []byte) (*pipeline.Origin, error) {
	if !in.holdsRecords(body) {
		return nil, refuse(http.StatusBadRequest, "the body holds no records: it is neither JSON nor gzip or zstd of it")
	}
	origin := &pipeline.Origin{Input: in.name, Object: sender(r), Via: []string{"http"}}
	id := r.Header.Get(headerIdempotency)
	if isSNS(r) {
		id = r.Header.Get(headerSNSID)
		if topic := r.Header.Get(headerSNSTopic); topicARN.MatchString(topic) {
			origin.Object = "sns:" + topic
		}
	} else if event := eventBridgeID(body); event != "" {
		origin.Object, id = "eventbridge", event
	}
	if !isRequestID(id) {
		sum := sha256.Sum256(body)
		id = hex.EncodeToString(sum[:16])
	}
	origin.Identity = id
	return origin, nil
}

// holdsRecords reports whether a body begins like something that records come out of.
func (in *Input) holdsRecords(body []byte) bool {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	first := rawjson.Next(body, 0)
	switch {
	case first == len(body):
		return false
	case body[first] == '{', body[first] == '[':
		return true
	case bytes.HasPrefix(body, []byte{0x1f, 0x8b}), bytes.HasPrefix(body, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return true
	}
	const transcript = "Script started on " // the text of a session
	return slices.Equal(in.config.Accept, []string{string(pipeline.KindSessionLog)}) || bytes.HasPrefix(body, []byte(transcript))
}

// eventBridgeID is the id of an EventBridge event, "" for any other body:
//
//	{"version": "0", "id": "…", "detail-type": "…", "source": "…", …, "detail": {…}}
func eventBridgeID(body []byte) string {
	if len(body) > maxWhole || rawjson.KindOf(body) != rawjson.Object || rawjson.Valid(body) != nil {
		return ""
	}
	var parts [4][]byte
	rawjson.GetMany(body, []string{"id", "detail-type", "source", "detail"}, parts[:])
	for _, p := range parts[:3] {
		if rawjson.KindOf(p) != rawjson.String {
			return ""
		}
	}
	if rawjson.KindOf(parts[3]) != rawjson.Object {
		return ""
	}
	id, _ := rawjson.Text(parts[0])
	return id
}
