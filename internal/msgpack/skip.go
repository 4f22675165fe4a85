package msgpack

// skip returns the end of the value at i, without recursion, so that no nesting is too deep for it. It is the only place
// where bounds are checked.
func skip(b []byte, i int) (end int, err error) {
	for left := 1; left > 0; left-- {
		if i >= len(b) {
			return 0, errShort
		}
		c := b[i]
		size, more := 1, 0 // bytes of the value itself, and values inside it
		switch {
		case c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3:
		case c&0xf0 == 0x80:
			more = 2 * int(c&0x0f)
		case c&0xf0 == 0x90:
			more = int(c & 0x0f)
		case c&0xe0 == 0xa0:
			size += int(c & 0x1f)
		case c >= 0xc4 && c <= 0xc6:
			size, err = counted(b, i, 1<<(c-0xc4), 0)
		case c >= 0xc7 && c <= 0xc9:
			size, err = counted(b, i, 1<<(c-0xc7), 1)
		case c == 0xca:
			size = 5
		case c == 0xcb:
			size = 9
		case c >= 0xcc && c <= 0xcf:
			size += 1 << (c - 0xcc)
		case c >= 0xd0 && c <= 0xd3:
			size += 1 << (c - 0xd0)
		case c >= 0xd4 && c <= 0xd8:
			size += 1 + 1<<(c-0xd4)
		case c >= 0xd9 && c <= 0xdb:
			size, err = counted(b, i, 1<<(c-0xd9), 0)
		case c >= 0xdc:
			head := 2 << ((c - 0xdc) & 1)
			if len(b)-i < 1+head {
				return 0, errShort
			}
			size += head
			more = int(unsigned(b[i+1 : i+1+head]))
			if c >= 0xde {
				more *= 2
			}
		default:
			return 0, errUnknown
		}
		if err != nil || size > len(b)-i {
			return 0, errShort
		}
		i += size
		if more > len(b)-i { // each takes a byte at least
			return 0, errShort
		}
		left += more
	}
	return i, nil
}

// counted is the size of a value whose length stands behind its type byte in size bytes; extra bytes follow the length.
func counted(b []byte, i, size, extra int) (int, error) {
	if len(b)-i < 1+size {
		return 0, errShort
	}
	n := unsigned(b[i+1 : i+1+size])
	if n > uint64(len(b)) {
		return 0, errShort
	}
	return 1 + size + extra + int(n), nil
}
