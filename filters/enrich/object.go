package enrich

import (
	"slices"
	"strconv"
	"time"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// appendObject appends the object that is added to an event. What is absent is left out, and so is an object without
// members. The members are those of the table in schema.go, in its order.
func (m *memory) appendObject(dst []byte, f *pipeline.Facts, p place, r *pipeline.Record) []byte {
	w := writer(append(dst, `{"v":`...))
	w = append(strconv.AppendInt(w, Version, 10), ',')
	w = w.text(&nameID, f.ID)
	w = w.text(&nameKind, string(f.Kind))
	w = w.time(&nameTime, f.Time)
	w = w.text(&nameRegion, f.Region)
	w = w.account(&f.Account)
	w = w.text(&nameService, f.Service)
	w = w.text(&nameAction, f.Action)
	w = w.text(&nameCategory, f.Category)
	w = w.tri(&nameReadOnly, f.ReadOnly)
	w = w.text(&nameOutcome, f.Outcome)
	w = w.error(&f.Error)
	w = w.actor(f)
	w = w.tri(&nameCrossAccount, f.CrossAccount)
	w = w.source(&f.Source, p)
	w = w.session(&f.Session)
	w = m.origin(w, f, r)
	w[len(w)-1] = '}' // where a comma was
	return w
}

func (w writer) account(a *pipeline.Account) writer {
	w, mark := w.open(&nameAccount)
	w = w.text(&nameID, a.ID)
	w = w.text(&nameName, a.Name)
	return w.close(mark)
}

func (w writer) error(e *pipeline.ErrorFact) writer {
	if e.Code == "" && e.Message == "" {
		return w
	}
	w, mark := w.open(&nameError)
	w = w.text(&nameCode, e.Code)
	w = w.text(&nameMessage, e.Message)
	return w.close(mark)
}

func (w writer) actor(f *pipeline.Facts) writer {
	a := &f.Actor
	w, mark := w.open(&nameActor)
	w = w.text(&nameType, a.Type)
	w = w.text(&nameKind, a.Kind)
	w = w.text(&nameID, a.ID)
	w = w.text(&nameARN, a.ARN)
	w = w.account(&a.Account)
	w = w.text(&nameUser, a.User)
	w = w.text(&nameRole, a.Role)
	w = w.text(&nameRoleARN, a.RoleARN)
	w = w.text(&nameSessionName, a.SessionName)
	w = w.text(&namePermissionSet, a.PermissionSet)
	w = w.text(&nameAccessKeyID, a.AccessKeyID)
	w = w.tri(&nameMFA, a.MFA)
	if a.Console || f.Kind == pipeline.KindCloudTrail && a.Type != "" {
		w = w.tri(&nameConsole, pipeline.TriOf(a.Console))
	}
	w = w.text(&nameSourceIdentity, a.SourceIdentity)
	w = w.text(&nameOnBehalfOf, a.OnBehalfOf)
	w = w.text(&nameInvokedBy, a.InvokedBy)
	return w.close(mark)
}

func (w writer) source(s *pipeline.Source, p place) writer {
	w, mark := w.open(&nameSource)
	w = w.text(&nameIP, s.IP)
	w = w.text(&nameAWSService, s.AWSService)
	w = w.text(&nameUserAgent, s.UserAgent)
	w = w.text(&nameVPCEndpoint, s.VPCEndpoint)
	if p != (place{}) {
		w = w.geo(p)
	}
	return w.close(mark)
}

func (w writer) geo(p place) writer {
	w, mark := w.open(&nameGeo)
	w = w.text(&nameCountry, p.country)
	w = w.text(&nameCity, p.city)
	if p.asn != 0 {
		w = append(strconv.AppendUint(w.name(&nameASN), p.asn, 10), ',')
	}
	return w.close(mark)
}

func (w writer) session(s *pipeline.Session) writer {
	if *s == (pipeline.Session{}) {
		return w
	}
	w, mark := w.open(&nameSession)
	w = w.text(&nameID, s.ID)
	w = w.text(&nameTarget, s.Target)
	w = w.text(&nameDocument, s.Document)
	w = w.text(&nameReason, s.Reason)
	return w.close(mark)
}

// origin says where the event came from, and which account the envelope named where that is not the record's.
func (m *memory) origin(w writer, f *pipeline.Facts, r *pipeline.Record) writer {
	o := r.Origin
	if o == nil {
		return w
	}
	m.origins.read(o)
	w = append(w, m.origins.begin...)
	w = append(strconv.AppendInt(w, r.Index, 10), ',')
	w = append(w, m.origins.end...)
	if o.Owner != f.Account.ID {
		w = w.text(&nameOwner, o.Owner)
	}
	return w.close(0) // it has an index, so nothing is taken back
}

// originText is what is written of one origin, which many records after one another have.
type originText struct {
	of         *pipeline.Origin
	begin, end writer // before and behind the record's index
}

func (t *originText) read(o *pipeline.Origin) {
	if t.of == o {
		return
	}
	w, _ := t.begin[:0].open(&nameOrigin)
	w = w.text(&nameInput, o.Input)
	w = w.text(&nameObject, o.Object)
	t.begin = w.name(&nameIndex)

	w = t.end[:0]
	if len(o.Via) > 0 {
		w = w.name(&nameVia)
		for i, wrapper := range o.Via {
			w = append(w, "[,"[min(i, 1)])
			w = rawjson.AppendString(w, wrapper)
		}
		w = append(w, "],"...)
	}
	w = w.text(&nameTag, o.Tag)
	t.end = w.time(&nameTime, o.Time)
	t.of = o
}

// writer appends the members of objects, each with a comma behind it. Its methods return it, as append does: that keeps it off
// the heap.
type writer []byte

// room makes room for a name and so many bytes.
func (w writer) room(size int) writer {
	if cap(w)-len(w) < maxName+size {
		return slices.Grow(w, maxName+size)
	}
	return w
}

// name begins a member.
func (w writer) name(n *name) writer {
	w = w.room(0)
	*(*[maxName]byte)(w[len(w) : len(w)+maxName]) = n.text
	return w[:len(w)+n.size]
}

func (w writer) text(n *name, value string) writer {
	if value == "" {
		return w
	}
	w = w.room(len(value) + len(`"",`)).name(n)
	return append(rawjson.AppendString(w, value), ',')
}

func (w writer) tri(n *name, value pipeline.Tri) writer {
	switch value {
	case pipeline.Yes:
		return append(w.name(n), "true,"...)
	case pipeline.No:
		return append(w.name(n), "false,"...)
	}
	return w
}

// time writes an instant, none for the zero one.
func (w writer) time(n *name, t time.Time) writer {
	if t.IsZero() {
		return w
	}
	w = append(w.name(n), '"')
	return append(t.UTC().AppendFormat(w, time.RFC3339Nano), `",`...)
}

// open begins a member that is an object; close takes it back where nothing was written into it.
func (w writer) open(n *name) (out writer, mark int) {
	return append(w.name(n), '{'), len(w)
}

func (w writer) close(mark int) writer {
	if w[len(w)-1] == '{' {
		return w[:mark]
	}
	w[len(w)-1] = '}' // where a comma was
	return append(w, ',')
}
