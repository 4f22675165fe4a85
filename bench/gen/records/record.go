package records

import (
	"strconv"
	"time"
)

// record is what the parts of one record have in common.
type record struct {
	random
	work   random // shared by the records of one Session Manager session
	object random // of the S3 object's key, the same in all places of the record
	index  int64
	time   time.Time

	account, otherAccount, region int // indexes; otherAccount never equals account
	bucket, function              int
	instance                      int // that an instance role's session is named after

	identity int
	role     role
	user     string
	service  string // that acts: for AWSService and for sources that are names
	human    bool   // a person behind a role or user
	console  bool
	mfa      bool
}

// start is the time of record 0; one record follows every 180 milliseconds, so that 200,000 take ten hours.
var start = time.Date(2025, time.March, 3, 6, 0, 0, 0, time.UTC)

// setTime spreads the records of a file over some minutes in no order, as in real files.
func (r *record) setTime() {
	early := time.Duration(r.random.below(300)) * time.Second
	r.time = start.Add(time.Duration(r.index)*180*time.Millisecond - early)
}

// chooseActor decides who did what e says.
func (r *record) chooseActor(e *event, seed uint64) {
	r.otherAccount = (r.account + 1 + r.random.skewed(len(accounts)-1)) % len(accounts)
	r.object = newRandom(r.random.next(), 0)
	r.bucket = r.random.skewed(len(buckets))
	r.function = r.random.skewed(len(functions))
	r.instance = r.random.skewed(200)
	r.service = services[r.random.skewed(len(services))]
	who := &r.random
	if e.session {
		// All session events of some thousand records belong to one session, so that they share actor, target and id.
		r.work = newRandom(seed, uint64(r.index/4000)|1<<63)
		r.account, r.region = r.work.skewed(len(accounts)), r.work.skewed(len(regions))
		who = &r.work
	}
	r.identity = e.identity(who)
	r.user = people[who.below(len(people))]
	r.human = who.perMille(e.human)
	r.role = machineRoles[who.skewed(len(machineRoles))]
	if r.human {
		r.role = humanRoles[who.skewed(len(humanRoles))]
	}
	r.mfa = r.human && who.perMille(600)
	r.console = r.human && r.identity == assumedRole && who.perMille(300)
}

// appendSource appends sourceIPAddress, the quotes and userAgent up to its closing quote.
func (r *record) appendSource(dst []byte) []byte {
	if r.identity == awsService || r.identity == noType {
		dst = append(dst, r.service...)
		return append(append(dst, `","userAgent":"`...), r.service...)
	}
	agents := machineAgents
	if r.human {
		agents = humanAgents
		dst = append(dst, "203.0.113."...)
	} else {
		dst = append(dst, "10."...)
		dst = append(strconv.AppendInt(dst, int64(r.account), 10), '.')
		dst = append(strconv.AppendInt(dst, int64(r.random.below(8)), 10), '.')
	}
	dst = strconv.AppendInt(dst, int64(r.random.below(250)), 10)
	dst = append(dst, `","userAgent":"`...)
	return append(dst, agents[r.random.skewed(len(agents))]...)
}

// appendSession appends the name of an assumed role's session.
func (r *record) appendSession(dst []byte) []byte {
	if r.human {
		return append(append(dst, r.user...), "@example.com"...)
	}
	if r.role.session == "" {
		return r.appendInstanceID(dst, r.instance)
	}
	return append(dst, r.role.session...)
}

func (r *record) appendCreated(dst []byte) []byte {
	return r.time.Add(-time.Duration(60+r.random.below(3000))*time.Second).AppendFormat(dst, time.RFC3339)
}

func (r *record) appendInstance(dst []byte) []byte {
	return r.appendInstanceID(dst, r.random.skewed(500))
}

// appendInstanceID appends the id of one of the account's instances.
func (r *record) appendInstanceID(dst []byte, n int) []byte {
	id := newRandom(uint64(r.account), uint64(n))
	return id.appendFrom(append(dst, "i-0"...), hexadecimal, 16)
}

func (r *record) appendSSMSession(dst []byte) []byte {
	suffix := r.work
	suffix.next()
	dst = append(append(dst, r.user...), "@example.com-"...)
	return suffix.appendFrom(dst, lowerAndDigits, 26)
}

func (r *record) appendKMSKey(dst []byte) []byte {
	key := newRandom(uint64(r.account)<<8|uint64(r.region), uint64(r.bucket%8))
	return key.appendUUID(dst)
}

func (r *record) appendKey(dst []byte) []byte {
	key := r.object
	dst = append(dst, prefixes[key.below(len(prefixes))]...)
	dst = r.time.AppendFormat(dst, "/2006/01/02/15/part-")
	dst = key.appendFrom(dst, hexadecimal, 16)
	return append(dst, ".snappy.parquet"...)
}

// appendStable appends n characters that depend on the account and a name only: ids of roles, users and keys.
func (r *record) appendStable(dst []byte, name string, n int) []byte {
	hash := uint64(14695981039346656037)
	for i := range len(name) {
		hash = (hash ^ uint64(name[i])) * 1099511628211
	}
	id := newRandom(hash, uint64(r.account))
	return id.appendFrom(dst, upperAndDigits, n)
}

const (
	hexadecimal    = "0123456789abcdef"
	upperAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	lowerAndDigits = "abcdefghijklmnopqrstuvwxyz234567"
	base64Digits   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

// appendFrom appends n characters of an alphabet that has 16, 32 or 64.
func (r *random) appendFrom(dst []byte, alphabet string, n int) []byte {
	bits := uint64(0)
	for i := range n {
		if i%10 == 0 {
			bits = r.next()
		}
		dst = append(dst, alphabet[bits%uint64(len(alphabet))])
		bits >>= 6
	}
	return dst
}

func (r *random) appendUUID(dst []byte) []byte {
	dst = append(r.appendFrom(dst, hexadecimal, 8), '-')
	dst = append(r.appendFrom(dst, hexadecimal, 4), "-4"...)
	dst = append(r.appendFrom(dst, hexadecimal, 3), "-a"...)
	dst = append(r.appendFrom(dst, hexadecimal, 3), '-')
	return r.appendFrom(dst, hexadecimal, 12)
}
