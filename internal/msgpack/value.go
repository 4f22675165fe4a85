package msgpack

// Value is one MessagePack value: its bytes, from the first to the last. Values come from Next, or are what a Scanner has
// found the end of; of other bytes the methods may panic.
type Value []byte

// Next returns the value that b begins with, and what follows it.
func Next(b []byte) (v Value, rest []byte, err error) {
	end, err := skip(b, 0)
	if err != nil {
		return nil, b, err
	}
	return b[:end:end], b[end:], nil
}

// IsNil reports whether v is nil.
func (v Value) IsNil() bool { return v[0] == 0xc0 }

// Array returns the values of an array, one after the other, and how many they are.
func (v Value) Array() (inside []byte, n int, ok bool) {
	switch c := v[0]; {
	case c&0xf0 == 0x90:
		return v[1:], int(c & 0x0f), true
	case c == 0xdc || c == 0xdd:
		width := 2 << (c - 0xdc)
		return v[1+width:], int(unsigned(v[1 : 1+width])), true
	}
	return nil, 0, false
}

// Map returns the keys and values of a map, one after the other, and how many pairs they are.
func (v Value) Map() (inside []byte, n int, ok bool) {
	switch c := v[0]; {
	case c&0xf0 == 0x80:
		return v[1:], int(c & 0x0f), true
	case c == 0xde || c == 0xdf:
		width := 2 << (c - 0xde)
		return v[1+width:], int(unsigned(v[1 : 1+width])), true
	}
	return nil, 0, false
}

// Text returns the bytes of a string or of binary data: which of both clients choose for one thing differs.
func (v Value) Text() (text []byte, ok bool) {
	switch c := v[0]; {
	case c&0xe0 == 0xa0:
		return v[1:], true
	case c >= 0xc4 && c <= 0xc6:
		return v[1+1<<(c-0xc4):], true
	case c >= 0xd9 && c <= 0xdb:
		return v[1+1<<(c-0xd9):], true
	}
	return nil, false
}

// Int returns an integer; one beyond the largest int64 is none.
func (v Value) Int() (n int64, ok bool) {
	switch c := v[0]; {
	case c < 0x80:
		return int64(c), true
	case c >= 0xe0:
		return int64(int8(c)), true
	case c >= 0xcc && c <= 0xcf:
		n = int64(unsigned(v[1:]))
		return n, n >= 0
	case c >= 0xd0 && c <= 0xd3:
		return signed(v[1:]), true
	}
	return 0, false
}
