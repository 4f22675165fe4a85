package forwardin

import (
	"bytes"
	"strings"

	"github.com/trailcast/trailcast/internal/msgpack"
)

// message is one message of a client, whatever its mode.
type message struct {
	tag     string
	entries []byte // [time, record] one after the other, or what they are packed into
	packing string // "" or how entries are compressed
	signal  int64  // what Fluent Bit says that the entries are; 0: logs
	id      string // of the chunk; "" when there is none
	ack     []byte // the answer that the client waits for; nil when there is none
}

const (
	maxTag = 64 << 10
	maxID  = 4 << 10
)

// parse reads a message. It is nil for a heartbeat. What it holds is valid as long as v, but for tag, id and ack.
//
//	[tag, time, record, options]    Message mode
//	[tag, [entry, …], options]      Forward mode
//	[tag, "entry…", options]        PackedForward, CompressedPackedForward
func parse(v msgpack.Value) (*message, error) {
	if v.IsNil() {
		return nil, nil
	}
	parts, err := elements(v, 2, 4)
	if err != nil {
		return nil, protocolErrorf("what comes is no message of the forward protocol: %v", err)
	}
	tag, ok := parts[0].Text()
	if !ok || len(tag) > maxTag {
		return nil, protocolErrorf("the first part of a message is no tag")
	}
	m := &message{tag: strings.ToValidUTF8(string(tag), "\ufffd")}
	options := parts[2:]
	if packed, ok := parts[1].Text(); ok {
		m.entries = packed
	} else if inside, _, ok := parts[1].Array(); ok {
		m.entries = inside
	} else {
		if len(parts) < 3 {
			return nil, protocolErrorf("a message with one event has no record")
		}
		m.entries = bytes.Join([][]byte{{0x92}, parts[1], parts[2]}, nil)
		options = parts[3:]
	}
	if len(options) > 1 {
		return nil, protocolErrorf("a message has more parts than the protocol knows")
	}
	if len(options) == 0 || options[0].IsNil() { // old Docker drivers send nil
		return m, nil
	}
	return m, m.options(options[0])
}

// options reads what is said about a message. Those that say nothing of use here (size, metadata) are passed over.
func (m *message) options(v msgpack.Value) error {
	inside, n, ok := v.Map()
	if !ok {
		return protocolErrorf("the options of a message are no map")
	}
	for range n {
		var key, value msgpack.Value
		var err error
		if key, inside, err = msgpack.Next(inside); err == nil {
			value, inside, err = msgpack.Next(inside)
		}
		if err != nil {
			return protocolErrorf("the options of a message break off: %v", err)
		}
		name, _ := key.Text()
		text, isText := value.Text()
		switch string(name) {
		case "chunk":
			if value.IsNil() {
				continue
			}
			if !isText || len(text) == 0 || len(text) > maxID {
				return protocolErrorf("the chunk id of a message is no text, empty or too long")
			}
			m.id = string(text)
			m.ack = append([]byte{0x81, 0xa3, 'a', 'c', 'k'}, value...) // text or binary as the client has it
		case "compressed":
			if isText && string(text) != "text" {
				m.packing = string(text)
			}
		case "fluent_signal":
			m.signal, _ = value.Int()
		}
	}
	return nil
}

// elements returns the values of an array of a given size.
func elements(v msgpack.Value, least, most int) ([]msgpack.Value, error) {
	inside, n, ok := v.Array()
	if !ok {
		return nil, protocolErrorf("it is no array")
	}
	if n < least || n > most {
		return nil, protocolErrorf("an array of %d values", n)
	}
	all := make([]msgpack.Value, n)
	for i := range all {
		var err error
		if all[i], inside, err = msgpack.Next(inside); err != nil {
			return nil, err
		}
	}
	return all, nil
}
