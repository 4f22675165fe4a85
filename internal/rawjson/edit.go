package rawjson

// AppendCompact appends src without the white space outside its strings.
func AppendCompact(dst, src []byte) []byte {
	start := 0
	for i := 0; i < len(src); {
		c := src[i]
		if c == '"' {
			end := endOfString(src, i)
			if end < 0 {
				break
			}
			i = end
			continue
		}
		if isSpace(c) {
			dst = append(dst, src[start:i]...)
			i = Next(src, i)
			start = i
			continue
		}
		i++
	}
	return append(dst, src[start:]...)
}

// Set returns a new object with key set to a raw value: it takes the place of the first top-level member of that key,
// is appended where there is none, and all further members of that key are removed. All other bytes stay as they are.
// What is no object is returned as it is. value is one JSON value and is not checked.
func Set(obj []byte, key string, value []byte) []byte {
	out := make([]byte, 0, len(obj)+len(key)+len(value)+4)
	return rewrite(out, obj, key, value)
}

// Add returns a new object with a member at its end. obj is a valid object without white space around it that has no
// member of that key; all its bytes stay as they are. value is one JSON value and is not checked.
func Add(obj []byte, key string, value []byte) []byte {
	end := len(obj) - 1 // the closing brace
	out := make([]byte, 0, len(obj)+len(key)+len(value)+4)
	out = append(out, obj[:end]...)
	if Next(obj, 1) < end {
		out = append(out, ',')
	}
	return append(appendMember(out, key, value), '}')
}

// Delete returns a new object without the top-level members of that key. All other bytes stay as they are. It returns
// obj itself where no member has that key or obj is no object.
func Delete(obj []byte, key string) []byte {
	if !hasKey(obj, key) {
		return obj
	}
	return rewrite(make([]byte, 0, len(obj)), obj, key, nil)
}

func hasKey(obj []byte, key string) bool {
	m := membersOf(obj)
	for m.next() {
		if equalKey(m.key(), key) {
			return true
		}
	}
	return false
}

// rewrite appends obj to out with all members of key removed and, where value is not nil, one put in.
func rewrite(out, obj []byte, key string, value []byte) []byte {
	m := membersOf(obj)
	if m.bad {
		return obj
	}
	out = append(out, obj[:m.at]...) // white space and the opening brace
	empty := true                    // nothing is written yet: no comma
	from := m.at                     // what is not handled yet: white space and comma before the next member
	for m.next() {
		lead := obj[from:m.keyStart]
		from = m.valueEnd
		same := equalKey(m.key(), key)
		if same && value == nil {
			continue
		}
		if empty {
			lead = afterComma(lead)
		}
		empty = false
		out = append(out, lead...)
		if !same {
			out = append(out, obj[m.keyStart:m.valueEnd]...)
			continue
		}
		out = appendMember(out, key, value)
		value = nil
	}
	if m.bad {
		return obj
	}
	if value != nil {
		if !empty {
			out = append(out, ',')
		}
		out = appendMember(out, key, value)
	}
	return append(out, obj[from:]...)
}

func appendMember(out []byte, key string, value []byte) []byte {
	out = AppendString(out, key)
	out = append(out, ':')
	return append(out, value...)
}

// afterComma returns the white space after the comma that stands before a member; all of it where there is no comma.
func afterComma(lead []byte) []byte {
	for i, c := range lead {
		if c == ',' {
			return lead[i+1:]
		}
	}
	return lead
}
