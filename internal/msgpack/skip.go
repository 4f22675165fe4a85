package msgpack

// skip returns the end of the value at i, without recursion, so that no nesting is too deep for it. Transcoding relies on
// the bounds that it has checked.
func skip(b []byte, i int) (end int, err error) {
	for left := int64(1); left > 0; left-- {
		size, more, err := head(b, i)
		if err != nil {
			return 0, err
		}
		if size > int64(len(b)-i) {
			return 0, errShort
		}
		i += int(size)
		if more > int64(len(b)-i) { // each takes a byte at least
			return 0, errShort
		}
		left += more
	}
	return i, nil
}

// head reads the type and length of the value at i. size counts its bytes less those of the values inside it, more counts
// the values inside it: both are what the value claims, and errShort is only said of a head that is not all there.
func head(b []byte, i int) (size, more int64, err error) {
	if i >= len(b) {
		return 0, 0, errShort
	}
	switch c := b[i]; {
	case c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3:
		return 1, 0, nil
	case c&0xf0 == 0x80:
		return 1, 2 * int64(c&0x0f), nil
	case c&0xf0 == 0x90:
		return 1, int64(c & 0x0f), nil
	case c&0xe0 == 0xa0:
		return 1 + int64(c&0x1f), 0, nil
	case c >= 0xc4 && c <= 0xc6:
		return counted(b, i, 1<<(c-0xc4), 0)
	case c >= 0xc7 && c <= 0xc9:
		return counted(b, i, 1<<(c-0xc7), 1)
	case c == 0xca:
		return 5, 0, nil
	case c == 0xcb:
		return 9, 0, nil
	case c >= 0xcc && c <= 0xcf:
		return 1 + 1<<(c-0xcc), 0, nil
	case c >= 0xd0 && c <= 0xd3:
		return 1 + 1<<(c-0xd0), 0, nil
	case c >= 0xd4 && c <= 0xd8:
		return 2 + 1<<(c-0xd4), 0, nil
	case c >= 0xd9 && c <= 0xdb:
		return counted(b, i, 1<<(c-0xd9), 0)
	case c >= 0xdc:
		width := 2 << ((c - 0xdc) & 1)
		if len(b)-i < 1+width {
			return 0, 0, errShort
		}
		more = int64(unsigned(b[i+1 : i+1+width]))
		if c >= 0xde {
			more *= 2
		}
		return 1 + int64(width), more, nil
	}
	return 0, 0, errUnknown
}

// counted is the size of a value whose length stands behind its type byte in width bytes; extra bytes follow the length.
func counted(b []byte, i, width int, extra int64) (size, more int64, err error) {
	if len(b)-i < 1+width {
		return 0, 0, errShort
	}
	return 1 + int64(width) + extra + int64(unsigned(b[i+1:i+1+width])), 0, nil
}
