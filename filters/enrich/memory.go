package enrich

// memory is what one worker makes objects in.
type memory struct {
	object []byte // used again for each event
	block  []byte // of which events get their bytes, one after the other; never used again
}

// blockSize makes an event cost no allocation of its own. It is little, since one event that waits for an output keeps the
// whole block.
const blockSize = 64 << 10

// room returns an empty slice of so many bytes that belongs to the caller.
func (m *memory) room(size int) []byte {
	if size > blockSize/4 {
		return make([]byte, 0, size)
	}
	if cap(m.block)-len(m.block) < size {
		m.block = make([]byte, 0, blockSize)
	}
	n := len(m.block)
	m.block = m.block[:n+size]
	return m.block[n:n:len(m.block)]
}
