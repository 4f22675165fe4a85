package natsout

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/trailcast/trailcast/internal/template"
	"github.com/trailcast/trailcast/pipeline"
)

// Headers of a message, in the order of the documentation.
const (
	headerMsgID   = "Nats-Msg-Id"
	headerKind    = "Trailcast-Kind"
	headerAccount = "Trailcast-Account"
	headerRegion  = "Trailcast-Region"
	headerService = "Trailcast-Service"
	headerAction  = "Trailcast-Action"
	headerOutcome = "Trailcast-Outcome"
	headerID      = "Trailcast-Id"
)

// headerFixed is what a header block has beside names and values: the status line "NATS/1.0\r\n" and the empty line at
// the end. Each header adds ": " and "\r\n".
const (
	headerFixed = len("NATS/1.0\r\n") + len("\r\n")
	headerEach  = len(": ") + len("\r\n")
)

// headers returns the headers of an event in order; absent facts have none.
func (o *Output) headers(dst [][2]string, ev *pipeline.Event) [][2]string {
	f := ev.Facts()
	dst = append(dst[:0], [2]string{headerMsgID, o.msgID(ev.Key())})
	for _, h := range [...][2]string{
		{headerKind, string(f.Kind)},
		{headerAccount, f.Account.ID},
		{headerRegion, f.Region},
		{headerService, f.Service},
		{headerAction, f.Action},
		{headerOutcome, f.Outcome},
		{headerID, f.ID},
	} {
		if value := headerValue(h[1]); value != "" {
			dst = append(dst, [2]string{h[0], value})
		}
	}
	return dst
}

// headerValue returns what a value looks like in a header: one line, no blanks around it.
func headerValue(s string) string {
	if !visible(s) || len(s) > template.MaxHeader {
		s = strings.TrimSpace(string(template.AppendHeader(nil, s)))
	}
	return s
}

// visible reports whether s is made of visible ASCII characters only.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// maxKey bounds the key in a message id; the server keeps the ids of the duplicate window in memory.
const maxKey = 256

// msgID returns the Nats-Msg-Id of a transport key: different keys have different ids. The output's name is in it, so
// that two outputs may share one stream.
func (o *Output) msgID(key string) string {
	if !visible(key) || len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		key = "~" + hex.EncodeToString(sum[:])
	}
	return o.idPrefix + key
}

// headerSize returns the length of the header block on the wire.
func headerSize(headers [][2]string) int {
	size := headerFixed
	for _, h := range headers {
		size += len(h[0]) + len(h[1]) + headerEach
	}
	return size
}

// composer makes messages one after the other in the same memory.
type composer struct {
	o       *Output
	subject []byte
	headers [][2]string
	values  [8][1]string
	msg     nats.Msg
}

func (o *Output) newComposer() *composer {
	return &composer{o: o, msg: nats.Msg{Header: make(nats.Header, 8)}}
}

// begin sets subject and headers of the next message from an event.
func (c *composer) begin(ev *pipeline.Event) {
	c.subject = c.o.subject.appendTo(c.subject[:0], ev)
	c.msg.Subject = string(c.subject)
	c.headers = c.o.headers(c.headers, ev)
}

// message returns the message with a payload; suffix tells the ids of an event's parts apart. It is valid until the
// next call; publishing copies it.
func (c *composer) message(data []byte, suffix string) *nats.Msg {
	clear(c.msg.Header)
	for i, h := range c.headers {
		c.values[i][0] = h[1]
		c.msg.Header[h[0]] = c.values[i][:]
	}
	c.values[0][0] += suffix
	c.msg.Data = data
	c.msg.Reply = ""
	return &c.msg
}
