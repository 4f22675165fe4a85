package jq

import (
	"math"
	"strconv"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// exact is the range in which integers and floating-point numbers are the same, so that gojq's rules for which of them it
// calculates with make no difference.
const exact = 1 << 53

// float returns the value of a number; false where gojq has to calculate.
func (v *value) float() (x float64, ok bool) {
	if n, ok := v.integer(); ok {
		return float64(n), -exact <= n && n <= exact && (n != 0 || v.digits() == "0")
	}
	x, err := strconv.ParseFloat(v.digits(), 64)
	return x, err == nil && x != 0 && -exact <= x && x <= exact
}

// number makes a number.
func (f *frame) number(x float64) (value, status) {
	if !(-exact <= x && x <= exact) || x == 0 && math.Signbit(x) || x != 0 && math.Abs(x) < 1e-6 {
		return value{}, unknown
	}
	var room [32]byte
	return f.keep(strconv.AppendFloat(room[:0], x, 'f', -1, 64))
}

func (f *frame) integer(n int) (value, status) {
	var room [20]byte
	return f.keep(strconv.AppendInt(room[:0], int64(n), 10))
}

// arithmetic evaluates the right side first, as gojq does.
func (f *frame) arithmetic(n *node) (value, status) {
	right, s := f.eval(n.b)
	if s != found {
		return right, s
	}
	left, s := f.eval(n.a)
	if s != found {
		return left, s
	}
	switch {
	case left.kind == rawjson.Number && right.kind == rawjson.Number:
		return f.calculate(n.op, &left, &right)
	case n.op == opPlus:
		return f.plus(&left, &right)
	}
	return value{}, unknown
}

func (f *frame) calculate(op operation, left, right *value) (value, status) {
	x, xOK := left.float()
	y, yOK := right.float()
	if !xOK || !yOK {
		return value{}, unknown
	}
	switch op {
	case opPlus:
		return f.number(x + y)
	case opMinus:
		return f.number(x - y)
	case opTimes:
		return f.number(x * y)
	case opOver:
		if y == 0 {
			return value{}, fails
		}
		return f.number(x / y)
	}
	if int64(y) == 0 {
		return value{}, fails
	}
	return f.integer(int(int64(x) % int64(y)))
}

// plus adds what are not two numbers.
func (f *frame) plus(left, right *value) (value, status) {
	switch {
	case left.kind == rawjson.Null:
		return f.added(right)
	case right.kind == rawjson.Null:
		return f.added(left)
	case left.kind != right.kind, left.kind != rawjson.String && left.kind != rawjson.Array && left.kind != rawjson.Object:
		return value{}, unknown
	case left.empty():
		return *right, found
	case right.empty():
		return *left, found
	}
	switch left.kind {
	case rawjson.String:
		return f.join2(left, right)
	case rawjson.Array:
		return f.concat(left, right)
	}
	return f.union(left, right)
}

// added is what a value becomes by adding null: a number is printed as gojq prints what it has calculated.
func (f *frame) added(v *value) (value, status) {
	if v.kind != rawjson.Number {
		return *v, found
	}
	x, ok := v.float()
	if !ok {
		return value{}, unknown
	}
	return f.number(x)
}

// toNumber is tonumber of what is written as a number is in JSON.
func (f *frame) toNumber(v *value) (value, status) {
	switch v.kind {
	case rawjson.Number:
		return *v, found
	case rawjson.String:
		s := v.string()
		if len(s) == 0 || s[0] != '-' && (s[0] < '0' || s[0] > '9') || rawjson.Valid([]byte(s)) != nil {
			return value{}, unknown
		}
		number := value{kind: rawjson.Number, text: s}
		x, ok := number.float()
		if !ok {
			return value{}, unknown
		}
		return f.number(x)
	}
	return value{}, fails
}
