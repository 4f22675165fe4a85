// Package records makes CloudTrail records for benchmarks and load tests: made up, but with the services, identities,
// sizes and share of errors that a busy organisation's trail has. Record i of a seed is the same on every machine and
// in every order, since it depends on nothing but the two.
package records

import (
	"bufio"
	"io"
	"strconv"
	"time"
)

// Generator makes the records of one seed. It is read-only and safe for concurrent use.
type Generator struct {
	seed       uint64
	events     []event
	eventTotal int
	identities [identityKinds]text
}

// New returns the generator of a seed.
func New(seed uint64) *Generator {
	g := &Generator{seed: seed, events: compileEvents(), identities: compileIdentities()}
	for _, e := range g.events {
		g.eventTotal += e.weight
	}
	return g
}

// Append appends record i, counted from 0, as one line of compact JSON without a newline.
func (g *Generator) Append(dst []byte, i int64) []byte {
	r := record{random: newRandom(g.seed, uint64(i)), index: i}
	e := g.pick(r.random.below(g.eventTotal))
	r.region = r.random.skewed(len(regions))
	r.account = r.random.skewed(len(accounts))
	r.setTime()
	r.chooseActor(e, g.seed)
	failure := e.failure(&r)

	dst = append(dst, `{"eventVersion":"1.11","userIdentity":`...)
	dst = g.identities[r.identity].append(dst, &r)
	dst = append(dst, `,"eventTime":"`...)
	dst = r.time.AppendFormat(dst, time.RFC3339)
	dst = append(append(dst, `","eventSource":"`...), e.source...)
	dst = append(append(dst, `","eventName":"`...), e.name...)
	dst = append(append(dst, `","awsRegion":"`...), regions[r.region]...)
	dst = append(r.appendSource(append(dst, `","sourceIPAddress":"`...)), '"')
	if failure != nil {
		if failure.code != "" {
			dst = append(append(append(dst, `,"errorCode":"`...), failure.code...), '"')
		}
		dst = append(dst, `,"errorMessage":"`...)
		dst = append(failure.message.append(dst, &r), '"')
	}
	dst = e.parameters.append(append(dst, `,"requestParameters":`...), &r)
	if failure != nil && !e.keepsResponse {
		dst = append(dst, `,"responseElements":null`...)
	} else if failure != nil {
		dst = e.failedResponse.append(append(dst, `,"responseElements":`...), &r)
	} else {
		dst = e.response.append(append(dst, `,"responseElements":`...), &r)
	}
	dst = e.additional.append(dst, &r)
	dst = r.appendUUID(append(dst, `,"requestID":"`...))
	dst = r.appendUUID(append(dst, `","eventID":"`...))
	dst = strconv.AppendBool(append(dst, `","readOnly":`...), e.readOnly)
	dst = e.resources.append(dst, &r)
	dst = append(append(dst, `,"eventType":"`...), e.kind...)
	dst = strconv.AppendBool(append(dst, `","managementEvent":`...), !e.data)
	dst = append(append(dst, `,"recipientAccountId":"`...), accounts[r.account]...)
	if e.data {
		dst = append(dst, `","eventCategory":"Data"`...)
	} else {
		dst = append(dst, `","eventCategory":"Management"`...)
	}
	if r.identity != awsService && r.identity != noType {
		dst = e.tls.append(dst, &r)
	}
	if r.console {
		dst = append(dst, `,"sessionCredentialFromConsole":"true"`...)
	}
	return append(dst, '}')
}

func (g *Generator) pick(n int) *event {
	for i := range g.events {
		if n -= g.events[i].weight; n < 0 {
			return &g.events[i]
		}
	}
	return &g.events[0] // not reached: n is below the sum of all weights
}

// WriteDocument writes n records beginning with record from as {"Records":[…]} on one line, as CloudTrail delivers
// them.
func (g *Generator) WriteDocument(w io.Writer, from, n int64) error {
	_, err := g.writeDocument(w, from, func(written, _ int64) bool { return written < n })
	return err
}

// WriteDocumentOfSize writes one {"Records":[…]} document of at least size bytes on one line, without holding more than
// one record in memory, and returns the number of its records.
func (g *Generator) WriteDocumentOfSize(w io.Writer, size int64) (n int64, err error) {
	return g.writeDocument(w, 0, func(_, bytes int64) bool { return bytes < size })
}

// writeDocument writes records while more says so of the number of records and of bytes written before.
func (g *Generator) writeDocument(w io.Writer, from int64, more func(written, bytes int64) bool) (int64, error) {
	out := bufio.NewWriterSize(w, 256<<10)
	out.WriteString(`{"Records":[`)
	var buf []byte
	var n int64
	for size := int64(len(`{"Records":[]}`)); more(n, size); n++ {
		buf = buf[:0]
		if n > 0 {
			buf = append(buf, ',')
		}
		buf = g.Append(buf, from+n)
		size += int64(len(buf))
		if _, err := out.Write(buf); err != nil {
			return n, err
		}
	}
	out.WriteString(`]}`)
	return n, out.Flush()
}

// WriteLines writes n records beginning with record from, each on a line of its own.
func (g *Generator) WriteLines(w io.Writer, from, n int64) error {
	out := bufio.NewWriterSize(w, 256<<10)
	var buf []byte
	for i := range n {
		buf = append(g.Append(buf[:0], from+i), '\n')
		if _, err := out.Write(buf); err != nil {
			return err
		}
	}
	return out.Flush()
}
