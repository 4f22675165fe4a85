package enrich

import "github.com/trailcast/trailcast/internal/rawjson"

// memory is what one worker makes objects in.
type memory struct {
	object  []byte     // used again for each event that is not added to at its end
	origins originText // of the last one
	block   []byte     // of which events get their bytes, one after the other; never used again
}

const (
	// blockSize makes an event cost no allocation of its own. It is little, since one event that waits for an output keeps the
	// whole block.
	blockSize = 64 << 10

	// usualObject is more than most objects have. A larger one may move the event to memory of its own.
	usualObject = 1 << 10
)

// begin returns obj with the beginning of a member behind its others. obj is a valid object without white space around it that
// does not have the member.
func (m *memory) begin(obj []byte, member string) []byte {
	size := len(obj) + len(",") + len(member) + usualObject
	out := m.block[len(m.block):]
	if size > blockSize/4 {
		out = make([]byte, 0, size)
	} else if cap(out) < size {
		m.block = make([]byte, 0, blockSize)
		out = m.block
	}
	end := len(obj) - 1 // the closing brace
	out = append(out, obj[:end]...)
	if rawjson.Next(obj, 1) < end {
		out = append(out, ',')
	}
	return append(out, member...)
}

// end returns the bytes of an event, which began with begin, as the event's own.
func (m *memory) end(out []byte) []byte {
	if free := m.block[len(m.block):cap(m.block)]; len(free) > 0 && &free[0] == &out[0] {
		m.block = m.block[:len(m.block)+len(out)]
	}
	return out[:len(out):len(out)]
}
