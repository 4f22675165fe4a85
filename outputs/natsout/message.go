package natsout

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unsafe"

	"github.com/nats-io/nats.go"

	"github.com/trailcast/trailcast/internal/large"
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

// headerNames are the names of the headers, and headerValues the values of an event's, "" for what it does not have.
var headerNames = [...]string{
	headerMsgID, headerKind, headerAccount, headerRegion, headerService, headerAction, headerOutcome, headerID,
}

type headerValues [len(headerNames)]string

// valuesOf returns the headers of an event that has the message id.
func valuesOf(ev *pipeline.Event, id string) headerValues {
	f := ev.Facts()
	return headerValues{
		id, headerValue(string(f.Kind)), headerValue(f.Account.ID), headerValue(f.Region), headerValue(f.Service),
		headerValue(f.Action), headerValue(f.Outcome), headerValue(f.ID),
	}
}

// list appends the headers that there are, in order.
func (v *headerValues) list(dst [][2]string) [][2]string {
	for i, value := range v {
		if value != "" {
			dst = append(dst, [2]string{headerNames[i], value})
		}
	}
	return dst
}

// size returns the length of the header block on the wire.
func (v *headerValues) size() int {
	size := headerFixed
	for i, value := range v {
		if value != "" {
			size += len(headerNames[i]) + len(value) + headerEach
		}
	}
	return size
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

// appendID appends the Nats-Msg-Id of a transport key: different keys have different ids. The output's name is in it, so
// that two outputs may share one stream.
func (o *Output) appendID(dst []byte, key string) []byte {
	dst = append(dst, o.idPrefix...)
	if visible(key) && len(key) <= maxKey {
		return append(dst, key...)
	}
	sum := sha256.Sum256([]byte(key))
	return hex.AppendEncode(append(dst, '~'), sum[:])
}

// composer makes messages one after the other in the same memory.
type composer struct {
	o       *Output
	texts   texts
	scratch []byte
	values  headerValues
	whole   [1]large.Part

	msg  nats.Msg
	held [len(headerNames)][1]string // what the header of msg holds, by name
}

func (o *Output) newComposer() *composer {
	return &composer{o: o, msg: nats.Msg{Header: make(nats.Header, len(headerNames))}}
}

// parts begins the messages of an event and returns what each of them carries, valid until the next call. room is the
// largest message that passes.
func (c *composer) parts(ev *pipeline.Event, room int) ([]large.Part, error) {
	c.scratch = c.o.subject.appendTo(c.scratch[:0], ev)
	c.msg.Subject = c.texts.keep(c.scratch)
	c.scratch = c.o.appendID(c.scratch[:0], ev.Key())
	c.values = valuesOf(ev, c.texts.keep(c.scratch))
	if room -= c.values.size(); len(ev.Raw) <= room {
		c.whole[0] = large.Part{Data: ev.Raw}
		return c.whole[:], nil
	}
	return c.o.fit(ev, room)
}

// message returns the message with a payload; suffix tells the ids of an event's parts apart. It is valid until the
// next call; publishing copies it.
func (c *composer) message(data []byte, suffix string) *nats.Msg {
	for i, value := range c.values {
		if i == 0 {
			value += suffix
		}
		had := c.held[i][0] != ""
		c.held[i][0] = value
		switch name := headerNames[i]; {
		case value == "" && had:
			delete(c.msg.Header, name)
		case value != "" && !had:
			c.msg.Header[name] = c.held[i][:]
		}
	}
	c.msg.Data = data
	c.msg.Reply = ""
	return &c.msg
}

// texts makes strings that share blocks of memory, so that most cost no allocation of their own.
type texts struct{ block []byte }

const textBlock = 8 << 10

// keep returns text as a string.
func (t *texts) keep(text []byte) string {
	if cap(t.block)-len(t.block) < len(text) {
		t.block = make([]byte, 0, max(textBlock, len(text)))
	}
	n := len(t.block)
	t.block = append(t.block, text...)
	return unsafe.String(unsafe.SliceData(t.block[n:]), len(text)) // these bytes are never written to again
}
