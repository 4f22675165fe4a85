package records

import (
	"fmt"
	"strconv"
	"strings"
)

// text is a piece of JSON with places to fill: "%name%" or "%name:3%" stands for what fillers["name"] appends. It is
// taken apart once, so that making a record is appending bytes.
type text []piece

type piece struct {
	literal string
	fill    func(dst []byte, r *record, n int) []byte // nil for literal text
	n       int
}

// parse takes a text apart. A mistake in it is a mistake in this package, found by any test.
func parse(s string) text {
	var t text
	for i, part := range strings.Split(s, "%") {
		if i%2 == 0 {
			if part != "" {
				t = append(t, piece{literal: part})
			}
			continue
		}
		name, count, _ := strings.Cut(part, ":")
		n, err := strconv.Atoi(count)
		if count != "" && err != nil || fillerOf(name) == nil {
			panic(fmt.Sprintf("records: unknown %%%s%% in %s", part, s))
		}
		t = append(t, piece{fill: fillerOf(name), n: n})
	}
	return t
}

func (t text) append(dst []byte, r *record) []byte {
	for i := range t {
		if p := &t[i]; p.fill != nil {
			dst = p.fill(dst, r, p.n)
		} else {
			dst = append(dst, p.literal...)
		}
	}
	return dst
}

// fillerOf returns what fills a place of that name; nil for unknown names.
func fillerOf(name string) func(dst []byte, r *record, n int) []byte {
	switch name {
	case "account":
		return func(dst []byte, r *record, _ int) []byte { return append(dst, accounts[r.account]...) }
	case "otheraccount":
		return func(dst []byte, r *record, _ int) []byte { return append(dst, accounts[r.otherAccount]...) }
	case "region":
		return func(dst []byte, r *record, _ int) []byte { return append(dst, regions[r.region]...) }
	case "role":
		return func(dst []byte, r *record, _ int) []byte { return append(dst, r.role.name...) }
	case "rolepath":
		return func(dst []byte, r *record, _ int) []byte { return append(append(dst, r.role.path...), r.role.name...) }
	case "roleid":
		return func(dst []byte, r *record, _ int) []byte {
			return r.appendStable(append(dst, "AROA"...), r.role.name, 17)
		}
	case "session":
		return func(dst []byte, r *record, _ int) []byte { return r.appendSession(dst) }
	case "user":
		return func(dst []byte, r *record, _ int) []byte { return append(dst, r.user...) }
	case "userid":
		return func(dst []byte, r *record, _ int) []byte { return r.appendStable(append(dst, "AIDA"...), r.user, 17) }
	case "akia":
		return func(dst []byte, r *record, _ int) []byte {
			return r.appendStable(append(dst, "AKIA"...), r.user+"key", 16)
		}
	case "asia":
		return func(dst []byte, r *record, _ int) []byte {
			return r.random.appendFrom(append(dst, "ASIA"...), upperAndDigits, 16)
		}
	case "mfa":
		return func(dst []byte, r *record, _ int) []byte { return strconv.AppendBool(dst, r.mfa) }
	case "created":
		return func(dst []byte, r *record, _ int) []byte { return r.appendCreated(dst) }
	case "service":
		return func(dst []byte, r *record, _ int) []byte { return append(dst, r.service...) }
	case "ssmsession":
		return func(dst []byte, r *record, _ int) []byte { return r.appendSSMSession(dst) }
	case "target":
		return func(dst []byte, r *record, _ int) []byte {
			at := r.work
			return at.appendFrom(append(dst, "i-0"...), hexadecimal, 16)
		}
	case "instance":
		return func(dst []byte, r *record, _ int) []byte { return r.appendInstance(dst) }
	case "instances":
		return repeat(`{"instanceId":"%instance%"}`)
	case "owner":
		return func(dst []byte, r *record, _ int) []byte { return append(dst, owners[r.random.below(len(owners))]...) }
	case "bucket":
		return func(dst []byte, r *record, _ int) []byte { return append(dst, buckets[r.bucket]...) }
	case "key":
		return func(dst []byte, r *record, _ int) []byte { return r.appendKey(dst) }
	case "function":
		return func(dst []byte, r *record, _ int) []byte { return append(dst, functions[r.function]...) }
	case "reason":
		return func(dst []byte, r *record, _ int) []byte {
			return append(dst, reasons[r.random.below(len(reasons))]...)
		}
	case "uuid":
		return func(dst []byte, r *record, _ int) []byte { return r.appendUUID(dst) }
	case "kmskey":
		return func(dst []byte, r *record, _ int) []byte { return r.appendKMSKey(dst) }
	case "hex":
		return func(dst []byte, r *record, n int) []byte { return r.random.appendFrom(dst, hexadecimal, n) }
	case "base64":
		return func(dst []byte, r *record, n int) []byte { return r.random.appendFrom(dst, base64Digits, n) }
	case "id":
		return func(dst []byte, r *record, n int) []byte { return r.random.appendFrom(dst, upperAndDigits, n) }
	case "below":
		return func(dst []byte, r *record, n int) []byte { return strconv.AppendInt(dst, int64(r.random.below(n)), 10) }
	case "statements":
		return repeat(`{\"Sid\":\"S%hex:8%\",\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:ListBucket\"],` +
			`\"Resource\":[\"arn:aws:s3:::%bucket%\",\"arn:aws:s3:::%bucket%/*\"]}`)
	case "applications":
		return repeat(`{"Name":"lib%hex:9%","Version":"%below:9%.%below:20%.%below:9%-%below:9%",` +
			`"Publisher":"Debian Maintainers",` +
			`"Architecture":"amd64","ApplicationType":"libs","URL":"https://packages.example.org/lib%hex:9%"}`)
	case "cidrs":
		return repeat(`{"cidrIp":"10.%below:256%.%below:256%.0/24","description":"office %below:40%"}`)
	}
	return nil
}

// repeat returns a filler that appends from one to n copies of a text with commas between them, few more often than
// many.
func repeat(s string) func(dst []byte, r *record, n int) []byte {
	t := parse(s)
	return func(dst []byte, r *record, n int) []byte {
		for i := range 1 + r.random.skewed(n) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = t.append(dst, r)
		}
		return dst
	}
}
